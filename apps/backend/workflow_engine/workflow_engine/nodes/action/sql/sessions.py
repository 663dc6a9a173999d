"""A connection to one database: how it is made, kept from changing anything, and stopped from another thread."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import NullPool

from workflow_engine.nodes.action.servers import Server
from workflow_engine.nodes.spec import NodeFailure

SQLITE_VALUE = 64 << 20
"""Bytes of the longest text or blob in SQLite."""
_PRAGMAS = ("foreign_keys", "index_info", "index_list", "read_uncommitted", "table_info", "table_list", "table_xinfo")
_APPLICATION = "workflow-engine"


@dataclass(frozen=True, slots=True)
class Limits:
    write: bool
    """Otherwise nothing can be changed."""
    timeout: float
    """Seconds for connecting, and for one statement."""


class Session:
    """Makes the engine's one connection. `engine` is used in one thread; `stop` comes from another."""

    def __init__(self, url: str, connect: Callable[[], Any], interrupt: Callable[[Any], None]) -> None:
        self._connect, self._interrupt = connect, interrupt
        self._connection: Any = None
        self._stopped = False
        self.engine: Engine = create_engine(url, poolclass=NullPool, creator=self._made)

    def _made(self) -> Any:
        self._connection = self._connect()
        if self._stopped:
            self._interrupt(self._connection)
        return self._connection

    def stop(self) -> None:
        """Makes what runs fail soon."""
        self._stopped = True
        if self._connection is not None:
            self._interrupt(self._connection)


def postgres(server: Server, limits: Limits) -> Session:
    import psycopg

    def connect() -> Any:
        try:
            return psycopg.connect(
                host=server.host,
                hostaddr=server.address,
                port=server.port,
                dbname=server.text("database"),
                user=server.text("user"),
                password=server.text("password"),
                sslmode=server.text("sslmode") or "require",
                connect_timeout=max(2, round(limits.timeout)),
                application_name=_APPLICATION,
                options=f"-c statement_timeout={round(limits.timeout * 1000)}"
                + ("" if limits.write else " -c default_transaction_read_only=on"),
            )
        except psycopg.OperationalError as error:
            raise server.refused((str(error).strip().splitlines() or ["no answer"])[-1]) from None

    return Session("postgresql+psycopg://", connect, lambda connection: connection.cancel_safe(timeout=5))


def mysql(server: Server, limits: Limits) -> Session:
    import pymysql

    tls = server.tls()

    def opened() -> Any:
        return pymysql.Connection(
            host=server.address,
            port=server.port,
            user=server.text("user"),
            password=server.text("password") or "",
            database=server.text("database"),
            ssl=tls,
            ssl_disabled=tls is None,
            charset="utf8mb4",
            connect_timeout=max(1, round(limits.timeout)),
            # The server stops a statement by itself; this is for a server that says nothing any more.
            read_timeout=limits.timeout + 5,
            write_timeout=limits.timeout + 5,
            program_name=_APPLICATION,
            local_infile=False,
        )

    def connect() -> Any:
        try:
            connection = opened()
            with connection.cursor() as cursor:
                if "MariaDB" in connection.get_server_info():
                    cursor.execute("SET SESSION max_statement_time = %s", (limits.timeout,))
                else:
                    cursor.execute("SET SESSION max_execution_time = %s", (round(limits.timeout * 1000),))
                if not limits.write:
                    cursor.execute("SET SESSION TRANSACTION READ ONLY")
        except (pymysql.MySQLError, OSError) as error:
            raise server.refused(str(error.args[-1] if error.args else error)) from None
        return connection

    def interrupt(connection: Any) -> None:
        with suppress(pymysql.MySQLError, OSError):
            # Otherwise the driver would look for the rest of the rows when it tidies up.
            if connection._result is not None:
                connection._result.unbuffered_active = False
            # The thread that waits for an answer gets an end instead.
            if connection._sock is not None:
                connection._sock.shutdown(socket.SHUT_RDWR)
            # A server does not notice that soon, and its locks would stay until then.
            with opened() as another, another.cursor() as cursor:
                cursor.execute("KILL %s", (connection.thread_id(),))

    return Session("mysql+pymysql://", connect, interrupt)


def sqlite(path: Path, limits: Limits) -> Session:
    def connect() -> sqlite3.Connection:
        mode = "rwc" if limits.write else "ro"
        try:
            connection = sqlite3.connect(
                f"file:{quote(str(path))}?mode={mode}",
                uri=True,
                timeout=limits.timeout,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.OperationalError as error:
            raise NodeFailure(
                "CONNECTION_FAILED",
                f"the database can not be opened: {error}",
                hint="see that the credential's path is right; a database is made only by mode write",
            ) from None
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, SQLITE_VALUE)
        connection.set_authorizer(_inside)
        return connection

    session = Session("sqlite://", connect, lambda connection: connection.interrupt())

    # The driver would begin a transaction only before some statements; ours holds all of them.
    @event.listens_for(session.engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if limits.write else "BEGIN")

    return session


def _inside(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """Refuses what would reach out of the one file: other databases, native code, settings of the library."""
    match action:
        case sqlite3.SQLITE_ATTACH | sqlite3.SQLITE_DETACH:
            allowed = False
        case sqlite3.SQLITE_PRAGMA:
            allowed = first in _PRAGMAS
        case sqlite3.SQLITE_FUNCTION:
            allowed = second not in ("load_extension", "fts3_tokenizer")
        case _:
            allowed = True
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
