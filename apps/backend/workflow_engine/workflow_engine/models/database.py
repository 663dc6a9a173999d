"""The database connection: SQLite and PostgreSQL, set up so that a commit is on disk when it returns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.orm import DeclarativeBase

SQLITE_PRAGMAS = (
    # So that room that retention has made can be given back to the disk. Means something for a new file alone.
    "PRAGMA auto_vacuum=INCREMENTAL",
    "PRAGMA journal_mode=WAL",
    # FULL makes every commit durable; NORMAL could lose the last ones when the power fails.
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=10000",
    "PRAGMA foreign_keys=ON",
    # 4 MiB for each connection: the writer's working set is the ends of the journals that run now, and what is not in
    # here is in the system's cache.
    "PRAGMA cache_size=-4096",
)
POSTGRESQL_DEFAULTS = {
    "application_name": "workflow-engine",
    "connect_timeout": 10,
    # A server without a locale makes databases that say nothing of their encoding, and text would come as bytes.
    "client_encoding": "utf8",
    # Half a minute, and not TCP's quarter of an hour, to find out that the server's machine is gone.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""libpq parameters."""


class Base(DeclarativeBase):
    """Base of all models."""


def connect(url: str, *, echo: bool = False) -> Engine:
    """An engine for `url`. Makes the folder of a SQLite file, for its owner's eyes only.

    Raises ValueError for a SQLite database in memory: each thread would see another one.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise ValueError("a SQLite database in memory can not be shared or kept: name a file in DATABASE_URL")
        Path(parsed.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        engine = create_engine(parsed, echo=echo, pool_size=8, max_overflow=8)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin)
        return engine
    engine = create_engine(
        parsed, echo=echo, connect_args=libpq_defaults(parsed), pool_pre_ping=True, pool_size=8, max_overflow=8
    )
    event.listen(engine, "connect", _set_up_postgresql)
    return engine


def libpq_defaults(url: URL) -> dict[str, Any]:
    """What a connection to PostgreSQL is made with, besides what `url` says itself."""
    return {name: value for name, value in POSTGRESQL_DEFAULTS.items() if name not in url.query}


def _set_up_sqlite(connection: Any, _: Any) -> None:
    # Python's sqlite3 would otherwise begin and commit by rules of its own.
    connection.isolation_level = None
    for pragma in SQLITE_PRAGMAS:
        connection.execute(pragma)


def _set_up_postgresql(connection: Any, _: Any) -> None:
    # A server may be set to answer before its disk has; our commits promise more. Stronger settings stay.
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    )
    connection.commit()


def _begin(connection: Connection) -> None:
    # A transaction that is going to write takes the lock at its start, so that it can not fail half-way.
    mode = "IMMEDIATE" if connection.get_execution_options().get("writes") else "DEFERRED"
    connection.exec_driver_sql(f"BEGIN {mode}")
