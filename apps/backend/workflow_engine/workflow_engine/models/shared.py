"""Writing beside other processes, where something else (Temporal) sees to it that each execution has one author."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from workflow_engine.models.writes import StoreUnavailable

CHANGES = 0x6368_616E_6765_7300
"""The advisory lock's number: `changes` in ASCII."""


class SharedAccess:
    """The connection of a writer that owns nothing: many processes may have one. Stands where Ownership does."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def connection(self) -> Connection:
        if self._connection is None:
            try:
                self._connection = self._engine.connect().execution_options(writes=True)
            except SQLAlchemyError as error:
                raise StoreUnavailable(f"the database can not be reached: {error}") from error
        return self._connection

    def count(self, cursor: Any) -> None:
        """Commits are not numbered: after a lost answer the caller is told that nothing is stored, and asks again.

        So every change that is made in this way must bear to be made twice.
        """

    def check(self, connection: Connection, cursor: Any) -> None:
        """Nobody can have taken over."""

    def alone(self, connection: Connection) -> None:
        """Waits until no other process is in the middle of a change; the next one waits for our commit."""
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CHANGES})

    def is_stored(self, number: int) -> bool:
        return False

    def reset(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError, sqlite3.Error, psycopg.Error):
                connection.invalidate()
            with suppress(SQLAlchemyError, sqlite3.Error, psycopg.Error):
                connection.close()

    def release(self) -> None:
        self.reset()
