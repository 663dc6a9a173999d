"""Group commit: one thread writes what all executions have to store, in as few transactions as there can be.

While one transaction is being committed the next one gathers. So a commit costs its share of one flush to disk, and the
busier the engine is, the smaller that share. Whoever submitted is told after the commit, never before; when a commit
fails everyone in it is told so, and none of it is stored.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from workflow_engine.core.logging import get_logger
from workflow_engine.models.execution import WorkflowExecution
from workflow_engine.models.ownership import Ownership
from workflow_engine.models.writes import (
    Append,
    Done,
    ExecutionRow,
    InsertExecution,
    OwnershipLost,
    Run,
    StoreUnavailable,
    Writes,
)

log = get_logger(__name__)

BATCH = 2_000
"""Most submissions in one transaction."""
COLUMNS = [column.name for column in WorkflowExecution.__table__.columns]
CHANGING = ["status", "started_at", "ended_at", "wake_at", "failure_summary"]


class Writer:
    """The one writer of a database. `submit` from a running event loop; `done` is called in that loop."""

    def __init__(self, engine: Engine, ownership: Ownership) -> None:
        self._engine, self._ownership = engine, ownership
        self._queue: deque[tuple[Writes, Done, asyncio.AbstractEventLoop]] = deque()
        self._wake = threading.Condition()
        self._closed = False
        mark = "?" if engine.dialect.name == "sqlite" else "%s"
        self._append = f"INSERT INTO execution_event (execution_pk, seq, data) VALUES ({mark}, {mark}, {mark})"  # noqa: S608
        self._insert = (
            f"INSERT INTO workflow_execution ({', '.join(COLUMNS)}) VALUES ({', '.join([mark] * len(COLUMNS))})"  # noqa: S608
        )
        sets = ", ".join(f"{column} = {mark}" for column in CHANGING)
        self._update = f"UPDATE workflow_execution SET {sets} WHERE pk = {mark}"  # noqa: S608
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, writes: Writes, done: Done) -> None:
        """Stores `writes` in one transaction, then calls `done` with None, or with what went wrong."""
        loop = asyncio.get_running_loop()
        if self._closed:
            loop.call_soon(done, StoreUnavailable("the store is closed"))
            return
        with self._wake:
            self._queue.append((writes, done, loop))
            self._wake.notify()

    def close(self) -> None:
        """Stores what was submitted, then stops."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._queue and not self._closed:
                    self._wake.wait()
                if not self._queue:
                    return
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH))]
            after: list[Callable[[], None]] = []
            failure: Exception | None = None
            try:
                self._commit(batch, after)
            except OwnershipLost as lost:
                failure = lost
            except (SQLAlchemyError, sqlite3.Error, psycopg.Error, OSError) as error:
                log.error("commit_failed", error=str(error), submissions=len(batch))
                self._ownership.reset()
                failure = StoreUnavailable(
                    f"the database did not take the commit ({error}); nothing of it is stored. "
                    "Check its disk space and its connection"
                )
            except Exception as error:
                # A write that can never succeed must not take the thread down with it.
                log.exception("write_refused", error=str(error))
                failure = error
            _tell(batch, failure, after)

    def _commit(
        self, batch: list[tuple[Writes, Done, asyncio.AbstractEventLoop]], after: list[Callable[[], None]]
    ) -> None:
        inserts: list[tuple[Any, ...]] = []
        events: list[tuple[int, int, bytes]] = []
        updates: list[tuple[Any, ...]] = []
        runs: list[Run] = []
        for writes, _, _ in batch:
            for write in writes:
                match write:
                    case Append():
                        events += [
                            (write.pk, write.first + index, data) for index, data in enumerate(write.events)
                        ]
                        if write.row is not None:
                            updates.append((*_values(write.row, CHANGING), write.pk))
                    case InsertExecution():
                        inserts.append(_values(write.row, COLUMNS))
                    case Run():
                        runs.append(write)
        connection = self._ownership.connection()
        with connection.begin():
            self._ownership.check(connection)
            cursor = connection.connection.cursor()
            if inserts:
                cursor.executemany(self._insert, inserts)
            if events:
                cursor.executemany(self._append, events)
            if updates:
                cursor.executemany(self._update, updates)
            for run in runs:
                after.append(_run(connection, run))


def _values(row: ExecutionRow, columns: list[str]) -> tuple[Any, ...]:
    return tuple(getattr(row, column) for column in columns)


def _run(connection: Connection, run: Run) -> Callable[[], None]:
    """Carries out one change; returns how to tell its submitter, once the transaction is committed."""
    try:
        connection.execute(text("SAVEPOINT change"))
        result = run.change(connection)
        connection.execute(text("RELEASE SAVEPOINT change"))
    except Exception as error:
        failure = error
        connection.execute(text("ROLLBACK TO SAVEPOINT change"))
        return lambda: run.fail(failure)
    return lambda: run.succeed(result)


def _tell(
    batch: list[tuple[Writes, Done, asyncio.AbstractEventLoop]],
    failure: Exception | None,
    after: list[Callable[[], None]],
) -> None:
    """Wakes each event loop once, however many submissions it had in the batch."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Done]] = {}
    for _, done, loop in batch:
        by_loop.setdefault(loop, []).append(done)

    def tell(waiting: list[Done], first: bool) -> None:
        if first and failure is None:
            for call in after:
                call()
        for done in waiting:
            done(failure)

    for position, (loop, waiting) in enumerate(by_loop.items()):
        try:
            loop.call_soon_threadsafe(tell, waiting, position == 0)
        except RuntimeError:
            # The loop has closed: nobody waits any more.
            log.warning("nobody_to_tell", submissions=len(waiting))
