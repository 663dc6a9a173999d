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
from typing import IO

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from workflow_engine.models.writes import OwnershipLost, StoreUnavailable

LOCK = 0x776F_726B_666C_6F77
"""The advisory lock's number: `workflow` in ASCII."""
EPOCH = "SELECT epoch FROM engine_owner WHERE id = 1"
POLL = 0.25
"""Seconds between a standby's looks. A blocking lock would be quicker, but could not be told to give up."""


class Ownership:
    """The right to write, and the connection that has it. One thread at a time, except for `give_up`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._connection: Connection | None = None
        self._file: IO[bytes] | None = None
        self._epoch = 0
        self._lost: OwnershipLost | None = None
        self._given_up = threading.Event()
        # The lock on the row keeps a takeover out until the transaction that checked has committed.
        self._check = text(EPOCH if self._is_sqlite else f"{EPOCH} FOR SHARE")

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
                self.check(connection)
            self._drop()
            raise StoreUnavailable(
                "the lock on the database is held, perhaps still by our own lost connection: try again soon"
            )
        assert self._connection is not None
        return self._connection

    def check(self, connection: Connection) -> None:
        """Raises OwnershipLost when the epoch is no longer ours. Belongs at the head of every transaction."""
        found = connection.execute(self._check).scalar()
        if found != self._epoch:
            self._lost = OwnershipLost(
                f"another process has taken over this database (epoch {found}, ours is {self._epoch}): "
                "stop this process, or start it anew as a standby"
            )
            raise self._lost

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
            epoch = connection.execute(text(EPOCH)).scalar()
            self._epoch = (epoch or 0) + 1
            connection.execute(
                text(
                    "INSERT INTO engine_owner (id, epoch, holder, since) VALUES (1, :epoch, :holder, :since) "
                    "ON CONFLICT (id) DO UPDATE SET epoch = :epoch, holder = :holder, since = :since"
                ),
                {
                    "epoch": self._epoch,
                    "holder": f"{socket.gethostname()}:{os.getpid()}"[:255],
                    "since": time.time_ns() // 1_000_000,
                },
            )

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
