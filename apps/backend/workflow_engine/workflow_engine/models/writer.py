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
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from workflow_engine.core.logging import get_logger
from workflow_engine.models.execution import WorkflowExecution
from workflow_engine.models.ownership import Ownership
from workflow_engine.models.shared import SharedAccess
from workflow_engine.models.writes import (
    Append,
    Done,
    ExecutionRow,
    InsertExecution,
    OwnershipLost,
    Run,
    Snapshot,
    StoreUnavailable,
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
SUMMARY = 1_000
"""Characters of a failure that the row keeps; the journal has all of it."""
COLUMNS = [column.name for column in WorkflowExecution.__table__.columns]
CHANGING = ["status", "started_at", "ended_at", "wake_at", "failure_summary"]

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
        self._queue: deque[_Submission] = deque()
        self._wake = threading.Condition()
        self._closed = False
        self._doubtful: int | None = None
        """The transaction that is being committed, until the database has answered."""
        mark = "?" if dialect == "sqlite" else "%s"
        self._append = _insert_into("execution_event", ["execution_pk", "seq", "data"], mark)
        self._insert = _insert_into("workflow_execution", COLUMNS, mark)
        self._forget = f"DELETE FROM execution_snapshot WHERE execution_pk = {mark}"  # noqa: S608
        self._snapshot = _insert_into("execution_snapshot", ["execution_pk", "seq", "data"], mark)
        sets = ", ".join(f"{column} = {mark}" for column in CHANGING)
        self._update = f"UPDATE workflow_execution SET {sets} WHERE pk = {mark}"  # noqa: S608
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, writes: Writes, done: Done) -> None:
        """Stores `writes` in one transaction, then calls `done` with None, or with what went wrong.

        That is StoreUnavailable (try again later), WriteRefused (never will) or OwnershipLost (stop).
        """
        submission = _Submission(writes, done, asyncio.get_running_loop())
        with self._wake:
            if not self._closed:
                self._queue.append(submission)
                self._wake.notify()
                return
        submission.loop.call_soon(done, StoreUnavailable("the store is closed: this process is shutting down"))

    def close(self) -> None:
        """Stores what was submitted, then stops."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._take():
            self._settle(batch)

    def _take(self) -> list[_Submission]:
        """The next transaction's submissions; none when the writer is closed and everything is done."""
        with self._wake:
            while not self._queue and not self._closed:
                self._wake.wait()
            batch: list[_Submission] = []
            room = BATCH_BYTES
            while self._queue and len(batch) < BATCH and room > 0:
                batch.append(self._queue.popleft())
                room -= batch[-1].size()
            return batch

    def _settle(self, batch: list[_Submission]) -> None:
        """Commits `batch` and tells everyone in it."""
        failure: Exception | None = None
        try:
            self._commit(batch)
        except OwnershipLost as lost:
            failure = self._lose(lost)
        except REFUSED as refused:
            if len(batch) > 1:
                middle = len(batch) // 2
                self._settle(batch[:middle])
                self._settle(batch[middle:])
                return
            log.warning("write_refused", error=str(refused))
            failure = WriteRefused(f"the database refused this write, and would again: {refused}")
            failure.__cause__ = refused
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
        inserts: list[tuple[Any, ...]] = []
        events: list[tuple[int, int, bytes]] = []
        updates: list[tuple[Any, ...]] = []
        snapshots: dict[int, Snapshot] = {}
        runs: list[tuple[_Submission, Run]] = []
        for submission in batch:
            submission.results.clear()
            for write in submission.writes:
                match write:
                    case Append():
                        events += [(write.pk, seq, data) for seq, data in enumerate(write.events, write.first)]
                        if write.row is not None:
                            updates.append((*_values(write.row, CHANGING), write.pk))
                    case InsertExecution():
                        inserts.append(_values(write.row, COLUMNS))
                    case Snapshot():
                        snapshots[write.pk] = write
                    case Run():
                        runs.append((submission, write))
        connection = self._ownership.connection()
        with connection.begin():
            number = self._ownership.count(connection)
            cursor = connection.connection.cursor()
            if inserts:
                cursor.executemany(self._insert, inserts)
            if events:
                cursor.executemany(self._append, events)
            if updates:
                cursor.executemany(self._update, updates)
            if snapshots:
                cursor.executemany(self._forget, [(pk,) for pk in snapshots])
                kept = [(each.pk, each.seq, each.data) for each in snapshots.values() if each.data is not None]
                if kept:
                    cursor.executemany(self._snapshot, kept)
            cursor.close()
            for submission, run in runs:
                submission.results.append(_run(connection, run))
            self._doubtful = number
        self._doubtful = None


def unavailable(error: Exception) -> StoreUnavailable:
    """What to tell those whose write or read failed through no fault of theirs."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    failure = StoreUnavailable(
        f"the database did not answer as it should ({str(cause).strip()}); nothing of this change is stored. "
        "Check that it runs, can be reached and has room on its disk, then try again"
    )
    failure.__cause__ = error
    return failure


def _insert_into(table: str, columns: list[str], mark: str) -> str:
    marks = ", ".join([mark] * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 (names of ours)


def _values(row: ExecutionRow, columns: list[str]) -> tuple[Any, ...]:
    return tuple(summary(row.failure_summary) if name == "failure_summary" else getattr(row, name) for name in columns)


def summary(failure: str) -> str:
    """As much of a failure as its row keeps. Nodes write failures, and PostgreSQL takes no NUL in a text."""
    return failure[:SUMMARY].replace("\0", "\ufffd")


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
        calls: list[Callable[[], None]] = [*submission.results] if failure is None else []
        calls.append(partial(submission.done, failure))
        for call in calls:
            try:
                call()
            except Exception:
                # One submitter's mistake must not leave the others of the batch waiting for ever.
                log.exception("callback_failed")
