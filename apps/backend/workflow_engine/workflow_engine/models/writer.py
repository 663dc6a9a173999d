"""Group commit: one thread writes what all executions have to store, in as few transactions as there can be.

While one transaction is being committed the next one gathers. So a commit costs its share of one flush to
disk, and the busier the engine is, the smaller that share. Whoever submitted is told after the commit,
never before.

Two things can go wrong. The database may be out of reach or full: then everyone in the transaction is told
so, and none of it is stored. Or one submission may be such that the database will never take it (a key that
exists, a text that can not be stored): then the transaction is split until that submission stands alone, so
that it fails by itself.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from workflow_engine.core import metrics
from workflow_engine.core.logging import get_logger
from workflow_engine.engine.items import BLOB, blob_digests
from workflow_engine.models.ownership import Ownership
from workflow_engine.models.script import Event, PostgresScript, Script
from workflow_engine.models.shared import SharedAccess
from workflow_engine.models.writes import (
    Append,
    DecideTriggerEvent,
    Done,
    ExecutionRow,
    InsertExecution,
    InsertTriggerEvent,
    MoveCursor,
    OwnershipLost,
    Run,
    SaveTask,
    Snapshot,
    StoreUnavailable,
    TriggerEventRow,
    WriteRefused,
    Writes,
)

log = get_logger(__name__)

BATCH = 2_000
"""Most submissions in one transaction."""
BATCH_BYTES = 8 * 1024 * 1024
"""About how many bytes of events one transaction takes before it is closed to more."""
LONGEST_DELAY = 2.0
"""Seconds between questions to a database that does not answer."""
REFUSED = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    psycopg.IntegrityError,
    psycopg.DataError,
    psycopg.ProgrammingError,
    ValueError,
    TypeError,
    OverflowError,
)
"""What the database, or its driver, says to data that it will not take however often it is asked."""


@dataclass(slots=True)
class _Submission:
    writes: Writes
    done: Done
    loop: asyncio.AbstractEventLoop
    results: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    """How to tell what its `Run`s gave; filled by the transaction."""

    def size(self) -> int:
        return sum(len(data) for write in self.writes if isinstance(write, Append) for data in write.events)


class Writer:
    """The one writer of a database. `submit` from a running event loop; `done` is called in that loop."""

    def __init__(
        self, dialect: str, ownership: Ownership | SharedAccess, on_lost: Callable[[], None] | None = None
    ) -> None:
        self._ownership, self._on_lost = ownership, on_lost
        self._queue: list[_Submission] = []
        self._gathering: dict[asyncio.AbstractEventLoop, list[_Submission]] = {}
        """What comes in during the present turn of each loop."""
        self._wake = threading.Condition()
        self._closed = False
        self._doubtful: int | None = None
        """The transaction that is being committed, until the database has answered."""
        self._script = Script() if dialect == "sqlite" else PostgresScript()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, writes: Writes, done: Done) -> None:
        """Stores `writes` in one transaction, then calls `done` with None, or with what went wrong.

        That is StoreUnavailable (try again later), WriteRefused (never will) or OwnershipLost (stop).
        """
        loop = asyncio.get_running_loop()
        with self._wake:
            if not self._closed:
                if (gathered := self._gathering.get(loop)) is None:
                    gathered = self._gathering[loop] = []
                    loop.call_soon(self._hand_over, loop)
                gathered.append(_Submission(writes, done, loop))
                return
        loop.call_soon(done, StoreUnavailable("the store is closed: this process is shutting down"))

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wakes the writer once for all that a turn of the loop has brought.

        Woken by the first of them, it would fight with the others over the interpreter's lock, and leave without them.
        """
        with self._wake:
            self._queue += self._gathering.pop(loop, ())
            self._wake.notify()

    def close(self) -> None:
        """Stores what was submitted, then stops."""
        with self._wake:
            self._closed = True
            for loop in list(self._gathering):
                self._queue += self._gathering.pop(loop)
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while taken := self._take():
            for batch in _batches(taken):
                self._settle(batch)

    def _take(self) -> list[_Submission]:
        """All that was submitted; nothing when the writer is closed and everything is done."""
        with self._wake:
            while not self._queue and not self._closed:
                self._wake.wait()
            taken, self._queue = self._queue, []
            return taken

    def _settle(self, batch: list[_Submission]) -> None:
        """Commits `batch` and tells everyone in it."""
        failure: Exception | None = None
        metrics.COMMIT_SIZE.observe(len(batch))
        try:
            with metrics.COMMIT_SECONDS.time():
                self._commit(batch)
        except OwnershipLost as lost:
            failure = self._lose(lost)
        except REFUSED as refused:
            if len(batch) > 1:
                middle = len(batch) // 2
                self._settle(batch[:middle])
                self._settle(batch[middle:])
                return
            failure = self._refused(refused)
        except (StoreUnavailable, SQLAlchemyError, sqlite3.Error, psycopg.Error, OSError) as error:
            log.error("commit_failed", error=str(error), submissions=len(batch))
            self._ownership.reset()
            failure = self._in_doubt(error if isinstance(error, StoreUnavailable) else unavailable(error))
        except Exception as error:
            # A mistake of ours must not take the only writer down with it.
            log.exception("writer_failed", error=str(error))
            self._ownership.reset()
            failure = error
        _tell(batch, failure)

    def _refused(self, error: Exception) -> Exception:
        try:
            # What stands in our way may be what the next owner wrote.
            self._ownership.is_stored(0)
        except OwnershipLost as lost:
            return self._lose(lost)
        except StoreUnavailable as unsure:
            self._ownership.reset()
            return unsure
        log.warning("write_refused", error=str(error))
        failure = WriteRefused(f"the database refused this write, and would again: {error}")
        failure.__cause__ = error
        return failure

    def _lose(self, lost: OwnershipLost) -> OwnershipLost:
        # A loser must not keep the lock from the one that shall own.
        self._ownership.release()
        if self._on_lost is not None:
            callback, self._on_lost = self._on_lost, None
            callback()
        return lost

    def _in_doubt(self, failure: StoreUnavailable) -> Exception | None:
        """What really became of a commit whose answer was lost: None when it is stored after all.

        Nothing else can be written meanwhile, so it asks until the database answers; else we would have to tell
        people that a thing is not stored which may be.
        """
        number, self._doubtful = self._doubtful, None
        delay = 0.05
        while number is not None:
            try:
                return None if self._ownership.is_stored(number) else failure
            except OwnershipLost as lost:
                return self._lose(lost)
            except StoreUnavailable:
                self._ownership.reset()
            with self._wake:
                if self._wake.wait_for(lambda: self._closed, delay):
                    break
            delay = min(delay * 2, LONGEST_DELAY)
        return failure

    def _commit(self, batch: list[_Submission]) -> None:
        inserts: list[ExecutionRow] = []
        events: list[Event] = []
        references: set[tuple[str, int]] = set()
        updates: dict[int, ExecutionRow] = {}
        snapshots: dict[int, Snapshot] = {}
        tasks: list[SaveTask] = []
        deliveries: list[TriggerEventRow] = []
        decisions: list[TriggerEventRow] = []
        cursors: dict[str, str] = {}
        runs: list[tuple[_Submission, Run]] = []
        for submission in batch:
            submission.results.clear()
            for write in submission.writes:
                match write:
                    case Append():
                        for seq, data in enumerate(write.events, write.first):
                            events.append((write.pk, seq, data))
                            if BLOB in data:
                                references |= {(digest, write.pk) for digest in blob_digests(data)}
                        if write.row is not None:
                            updates[write.pk] = write.row
                    case InsertExecution():
                        inserts.append(write.row)
                    case Snapshot():
                        snapshots[write.pk] = write
                    case SaveTask():
                        tasks.append(write)
                    case InsertTriggerEvent():
                        deliveries.append(write.row)
                    case DecideTriggerEvent():
                        decisions.append(write.row)
                    case MoveCursor():
                        cursors[write.trigger_id] = write.cursor
                    case Run():
                        runs.append((submission, write))
        connection = self._ownership.connection()
        with connection.begin():
            counter, cursor = connection.connection.cursor(), connection.connection.cursor()
            with self._script.together(connection):
                number = self._ownership.count(counter)
                if inserts:
                    self._script.insert(cursor, inserts)
                if events:
                    self._script.append(cursor, events)
                if references:
                    self._script.refer(cursor, list(references))
                if updates:
                    self._script.update(cursor, list(updates.values()))
                if snapshots:
                    self._script.snapshot(cursor, list(snapshots.values()))
                if tasks:
                    self._script.save_tasks(cursor, tasks)
                if deliveries:
                    self._script.deliver(cursor, deliveries)
                if decisions:
                    self._script.decide(cursor, decisions)
                if cursors:
                    self._script.move(cursor, cursors)
            self._ownership.check(connection, counter)
            counter.close()
            cursor.close()
            if any(run.alone for _, run in runs):
                self._ownership.alone(connection)
            for submission, run in runs:
                submission.results.append(_run(connection, run))
            self._doubtful = number
        self._doubtful = None


def _batches(submissions: list[_Submission]) -> Iterator[list[_Submission]]:
    """One transaction's each."""
    batch: list[_Submission] = []
    room = BATCH_BYTES
    for submission in submissions:
        batch.append(submission)
        room -= submission.size()
        if len(batch) == BATCH or room <= 0:
            yield batch
            batch, room = [], BATCH_BYTES
    if batch:
        yield batch


def unavailable(error: Exception) -> StoreUnavailable:
    """What to tell those whose write or read failed through no fault of theirs."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    failure = StoreUnavailable(
        f"the database did not answer as it should ({str(cause).strip()}); nothing of this change is stored. "
        "Check that it runs, can be reached and has room on its disk, then try again"
    )
    failure.__cause__ = error
    return failure


def _run(connection: Connection, run: Run) -> Callable[[], None]:
    """Carries out one change; returns how to tell its submitter, once the transaction is committed."""
    connection.execute(text("SAVEPOINT change"))
    try:
        result = run.change(connection)
    except (OperationalError, InterfaceError):
        # It is not the change that is wrong: the whole transaction is in doubt.
        raise
    except Exception as error:
        connection.execute(text("ROLLBACK TO SAVEPOINT change"))
        failure = WriteRefused(str(error.orig)) if isinstance(error, DBAPIError) else error
        return partial(run.fail, failure)
    connection.execute(text("RELEASE SAVEPOINT change"))
    return partial(run.succeed, result)


def _tell(batch: list[_Submission], failure: Exception | None) -> None:
    """Wakes each event loop once, however many submissions it had in the batch."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Submission]] = {}
    for submission in batch:
        by_loop.setdefault(submission.loop, []).append(submission)
    for loop, submissions in by_loop.items():
        try:
            loop.call_soon_threadsafe(_tell_loop, submissions, failure)
        except RuntimeError:
            # The loop has closed: nobody waits any more.
            log.warning("nobody_to_tell", submissions=len(submissions))


def _tell_loop(submissions: list[_Submission], failure: Exception | None) -> None:
    for submission in submissions:
        if failure is None:
            for tell in submission.results:
                _tell_one(tell)
        _tell_one(submission.done, failure)


def _tell_one(tell: Callable[..., None], *news: Exception | None) -> None:
    try:
        tell(*news)
    except Exception:
        # One submitter's mistake must not leave the others of the batch waiting for ever.
        log.exception("callback_failed")
