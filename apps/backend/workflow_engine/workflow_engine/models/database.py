"""The database connection: SQLite and PostgreSQL, set up so that a commit is on disk when it returns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.orm import DeclarativeBase

SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    # FULL makes every commit durable; NORMAL could lose the last ones when the power fails.
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=10000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-65536",
)


class Base(DeclarativeBase):
    """Base of all models."""


def connect(url: str, *, echo: bool = False) -> Engine:
    """An engine for `url`. Makes the folder of a SQLite file."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed, echo=echo, pool_size=8, max_overflow=8)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin)
        return engine
    return create_engine(parsed, echo=echo, pool_pre_ping=True, pool_size=8, max_overflow=8)


def _set_up_sqlite(connection: Any, _: Any) -> None:
    # Python's sqlite3 would otherwise begin and commit by rules of its own.
    connection.isolation_level = None
    for pragma in SQLITE_PRAGMAS:
        connection.execute(pragma)


def _begin(connection: Connection) -> None:
    # A transaction that is going to write takes the lock at its start, so that it can not fail half-way.
    mode = "IMMEDIATE" if connection.get_execution_options().get("writes") else "DEFERRED"
    connection.exec_driver_sql(f"BEGIN {mode}")
