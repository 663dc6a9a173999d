"""One process owns a database; a second one waits as its standby.

On PostgreSQL ownership is an advisory lock held by the very connection that writes: whoever loses the connection loses
the lock, and can not write. On SQLite it is a lock on a file beside the database, which the system gives back when the
process dies. An epoch in the database grows with each takeover, and every transaction checks it.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from workflow_engine.models.writes import OwnershipLost, StoreUnavailable

LOCK = 0x776F_726B_666C_6F77
"""The advisory lock's number: `workflow` in ASCII."""


class Ownership:
    """The right to write, and the connection that has it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._file: IO[bytes] | None = None
        self._epoch = 0

    def acquire(self, *, wait: bool = True, on_wait: Callable[[], None] | None = None) -> bool:
        """Becomes the owner. Blocks while another process is; with `wait=False` returns False instead."""
        if not self._lock(wait=False):
            if on_wait:
                on_wait()
            if not wait:
                return False
            self._lock(wait=True)
        with self.connection().begin():
            row = self.connection().execute(text("SELECT epoch FROM engine_owner WHERE id = 1")).first()
            self._epoch = (row.epoch if row else 0) + 1
            statement = (
                "UPDATE engine_owner SET epoch = :epoch, holder = :holder, since = :since WHERE id = 1"
                if row
                else "INSERT INTO engine_owner (id, epoch, holder, since) VALUES (1, :epoch, :holder, :since)"
            )
            self.connection().execute(
                text(statement),
                {
                    "epoch": self._epoch,
                    "holder": f"{socket.gethostname()}:{os.getpid()}",
                    "since": int(time.time() * 1000),
                },
            )
        return True

    def connection(self) -> Connection:
        """The connection that writes. After a loss it is made anew, if nobody has taken over meanwhile."""
        if self._connection is None:
            if self._engine.dialect.name != "sqlite" and not self._lock(wait=False):
                raise OwnershipLost("another process has taken over this database while we could not reach it")
            if self._connection is None:
                self._connect()
        assert self._connection is not None
        return self._connection

    def check(self, connection: Connection) -> None:
        """Raises OwnershipLost when the epoch is no longer ours."""
        found = connection.execute(text("SELECT epoch FROM engine_owner WHERE id = 1")).scalar()
        if found != self._epoch:
            raise OwnershipLost(f"another process took over this database (epoch {found}, ours is {self._epoch})")

    def reset(self) -> None:
        """After a failed commit: a connection that can not be trusted is not used again."""
        if self._connection is not None:
            try:
                if self._engine.dialect.name == "sqlite":
                    self._connection.rollback()
                    return
                self._connection.invalidate()
                self._connection.close()
            except (SQLAlchemyError, sqlite3.Error, psycopg.Error):
                pass
            self._connection = None

    def release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def _connect(self) -> None:
        try:
            self._connection = self._engine.connect().execution_options(writes=True)
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"the database can not be reached: {error}") from error

    def _lock(self, *, wait: bool) -> bool:
        if self._engine.dialect.name == "sqlite":
            return self._lock_file(wait=wait)
        self._connect()
        assert self._connection is not None
        if wait:
            self._connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
            self._connection.commit()
            return True
        locked = bool(self._connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK}).scalar())
        self._connection.commit()
        if not locked:
            self._connection.close()
            self._connection = None
        return locked

    def _lock_file(self, *, wait: bool) -> bool:
        path = self._engine.url.database
        if not path or path == ":memory:":
            return True
        try:
            import fcntl
        except ImportError:  # Windows has no flock; SQLite's own locks keep the file whole there.
            return True
        if self._file is None:
            self._file = Path(f"{path}.lock").open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
