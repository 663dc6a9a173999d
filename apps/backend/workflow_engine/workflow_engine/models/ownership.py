"""One process owns a database; a second one waits as its standby.

On PostgreSQL ownership is an advisory lock held by the very connection that writes: whoever loses the
connection loses the lock, and can not write. On SQLite it is a lock on a file beside the database, which
the system gives back when the process dies. An epoch in the database grows with each takeover, and every
transaction checks it: a process that was stopped for an hour and wakes up as a second owner finds out
before it has written anything.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from workflow_engine.models.writes import OwnershipLost, StoreUnavailable

LOCK = 0x776F_726B_666C_6F77
"""The advisory lock's number: `workflow` in ASCII."""
OWNER = text("SELECT epoch, commits FROM engine_owner WHERE id = 1")
# One statement to check and to count. It also locks the row, so no takeover gets between it and the commit.
COUNT = "UPDATE engine_owner SET commits = {0} WHERE id = 1 AND epoch = {0}"
TAKE_OVER = text(
    "INSERT INTO engine_owner (id, epoch, commits, holder, since) VALUES (1, :epoch, :commits, :holder, :since) "
    "ON CONFLICT (id) DO UPDATE SET epoch = :epoch, holder = :holder, since = :since"
)
POLL = 0.25
"""Seconds between a standby's looks. A blocking lock would be quicker, but could not be told to give up."""


class Ownership:
    """The right to write, and the connection that has it. One thread at a time, except for `give_up`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._count = COUNT.format("?" if self._is_sqlite else "%s")
        self._connection: Connection | None = None
        self._file: IO[bytes] | None = None
        self._epoch = self._commits = 0
        self._lost: OwnershipLost | None = None
        self._given_up = threading.Event()

    def acquire(self, *, wait: bool = True, on_wait: Callable[[], None] | None = None) -> bool:
        """Becomes the owner; while another process is, calls `on_wait` once and blocks.

        Returns False when another process is and `wait` is False, or after `give_up`.
        Raises StoreUnavailable when the database can not be reached at the first try.
        """
        locked = self._lock()
        if not locked and wait and on_wait:
            on_wait()
        while not locked:
            if not wait or self._given_up.wait(POLL):
                self._drop()
                return False
            try:
                locked = self._lock()
            except StoreUnavailable:
                # The database is being restarted, perhaps: that is what a standby waits through.
                self._drop()
        self._take_over()
        return True

    def give_up(self) -> None:
        """Makes an `acquire` that waits in another thread return."""
        self._given_up.set()

    def connection(self) -> Connection:
        """The connection that writes. After a loss it is made anew, if nobody has taken over meanwhile."""
        if self._lost is not None:
            raise self._lost
        if self._connection is None and not self._lock():
            connection = self._connection
            assert connection is not None
            with connection.begin():
                self._still_ours(connection)
            self._drop()
            raise StoreUnavailable(
                "the lock on the database is held, perhaps still by our own lost connection: try again soon"
            )
        assert self._connection is not None
        return self._connection

    def count(self, cursor: Any) -> int:
        """Opens every transaction that writes: counts it, and returns its number. Nothing is sure before `check`."""
        self._commits += 1
        cursor.execute(self._count, (self._commits, self._epoch))
        return self._commits

    def check(self, connection: Connection, cursor: Any) -> None:
        """Raises OwnershipLost unless the `count` that this cursor made was ours to make."""
        if cursor.rowcount != 1:
            self._still_ours(connection)

    def alone(self, connection: Connection) -> None:
        """The owner always is."""

    def is_stored(self, number: int) -> bool:
        """Whether the transaction of this number was committed. Raises StoreUnavailable and OwnershipLost."""
        connection = self.connection()
        try:
            with connection.begin():
                return self._still_ours(connection) >= number
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"the database can not be reached: {error}") from error

    def _still_ours(self, connection: Connection) -> int:
        """How many commits are stored. Raises OwnershipLost when the epoch is no longer ours."""
        row = connection.execute(OWNER).first()
        if row is None or row.epoch != self._epoch:
            self._lost = OwnershipLost(
                f"another process has taken over this database (epoch {row and row.epoch}, ours is {self._epoch}): "
                "stop this process, or start it anew as a standby"
            )
            raise self._lost
        return int(row.commits)

    def reset(self) -> None:
        """After a failed commit: a connection that can not be trusted is not used again."""
        self._drop()

    def release(self) -> None:
        self._drop()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _take_over(self) -> None:
        connection = self._connection or self._connect()
        with connection.begin():
            row = connection.execute(OWNER).first()
            self._epoch, self._commits = (row.epoch + 1, row.commits) if row else (1, 0)
            values = {
                "epoch": self._epoch,
                "commits": self._commits,
                "holder": f"{socket.gethostname()}:{os.getpid()}"[:255],
                "since": time.time_ns() // 1_000_000,
            }
            connection.execute(TAKE_OVER, values)

    def _lock(self) -> bool:
        if self._is_sqlite:
            locked = self._lock_file()
            if locked:
                self._connect()
            return locked
        connection = self._connection or self._connect()
        try:
            with connection.begin():
                return bool(connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK}).scalar())
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"the database can not be reached: {error}") from error

    def _lock_file(self) -> bool:
        try:
            import fcntl
        except ImportError:  # Windows has no flock; there the epoch alone tells a second process from the first.
            return True
        if self._file is None:
            self._file = Path(f"{self._engine.url.database}.lock").open("ab")  # noqa: SIM115 (held until release)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _connect(self) -> Connection:
        try:
            self._connection = self._engine.connect().execution_options(writes=True)
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"the database can not be reached: {error}") from error
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # Closing alone would put it back into the pool, where it would go on holding the advisory lock.
            with suppress(SQLAlchemyError, sqlite3.Error, psycopg.Error):
                connection.invalidate()
            with suppress(SQLAlchemyError, sqlite3.Error, psycopg.Error):
                connection.close()
