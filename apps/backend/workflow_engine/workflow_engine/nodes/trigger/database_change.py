"""trigger.database_change: rows that are new, and notifications, of a PostgreSQL database."""

from __future__ import annotations

import re
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from pydantic import model_validator

from workflow_engine.engine.items import Item
from workflow_engine.nodes.action.formats.plain import Plain
from workflow_engine.nodes.action.servers import Server, reached
from workflow_engine.nodes.flow.durations import Duration
from workflow_engine.nodes.flow.parameters import given, wrong
from workflow_engine.nodes.spec import CredentialSlot, Field, NodeFailure
from workflow_engine.nodes.trigger.base import Json, ListenTrigger, Source, TriggerParameters
from workflow_engine.utils import json

PAGE = 200
"""Rows that are read at once."""
QUIET = 60.0
"""Seconds after which a connection on which nothing happens is tried."""


class DatabaseChangeParameters(TriggerParameters):
    """A table whose new rows start the workflow, a channel whose notifications do, or both together."""

    table: str = Field(default="", max_length=200, pattern=r"^$|^[^\s\";]+$")
    """The table or view, perhaps with its schema: `shop.orders`."""
    column: str = Field(default="id", min_length=1, max_length=63)
    """A column that only grows, such as a serial `id` or `updated_at`: rows beyond the last value are new."""
    key: str = Field(default="", max_length=63)
    """A column that tells rows with the same value of `column` apart, such as the primary key beside `updated_at`."""
    channel: str = Field(default="", max_length=63)
    """A channel to LISTEN on. Alone, each notification starts an execution; with `table`, a notification only says that
    it is time to look."""
    every: Duration = Field(default=60_000, ge=1_000)
    """With `table`: how often to look when nobody says that it is time."""
    from_start: bool = False
    """Start for the rows that are there already, too."""

    @model_validator(mode="before")
    @classmethod
    def _something(cls, data: Any) -> Any:
        if isinstance(data, dict) and not given(data, "table") and not given(data, "channel"):
            raise wrong("give a table, a channel, or both")
        return data


class DatabaseChangeTrigger(ListenTrigger[DatabaseChangeParameters]):
    """Starts the workflow for every new row of a table in PostgreSQL, or for every notification.

    With `table`, its item is the row; how far it has read is remembered with each row, so none is missed while this
    server is away. Rows of transactions that commit late with a smaller value than one already seen are missed: choose
    a column that is set at commit, or have the writers take turns. With `channel` alone, its item is `{"channel",
    "payload"}`, and what is sent while nobody listens is lost, as PostgreSQL keeps none. A trigger function that calls
    `pg_notify` after an insert, together with `table`, gives both: at once, and surely.
    """

    type = "trigger.database_change"
    name = "Database change"
    summary = "Starts for new rows or notifications of a PostgreSQL database."
    example = {"table": "orders", "column": "id", "channel": "orders_changed"}
    credentials = (CredentialSlot("database", ("postgres",), required=True),)

    async def listen(self, source: Source) -> None:
        asked: DatabaseChangeParameters = source.parameters
        server = await reached(source, source.context, "postgres", "database")
        try:
            connection = await _connected(server)
            async with connection:
                if asked.channel:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(asked.channel)))
                source.listens()
                if asked.table:
                    await _rows(source, asked, connection)
                else:
                    await _notifications(source, connection)
        except (
            psycopg.errors.UndefinedTable,
            psycopg.errors.UndefinedColumn,
            psycopg.errors.InsufficientPrivilege,
        ) as error:
            raise NodeFailure("REFUSED", _said(error), field="table", hint="see table, columns and rights") from None
        except (psycopg.Error, OSError) as error:
            raise server.refused(_said(error)) from None


async def _connected(server: Server) -> psycopg.AsyncConnection[dict[str, Any]]:
    return await psycopg.AsyncConnection.connect(
        host=server.host,
        hostaddr=server.address,
        port=server.port,
        dbname=server.text("database") or server.text("user"),
        user=server.text("user"),
        password=server.text("password"),
        sslmode=server.text("sslmode") or "require",
        application_name="workflow-engine",
        connect_timeout=10,
        autocommit=True,
        row_factory=dict_row,
    )


async def _notifications(source: Source, connection: Any) -> None:
    while True:
        async for told in connection.notifies(timeout=QUIET):
            await source.emit([Item({"channel": told.channel, "payload": _value(told.payload)})])
        await connection.execute("SELECT 1")


async def _rows(source: Source, asked: DatabaseChangeParameters, connection: Any) -> None:
    plain = Plain("a row")
    columns = [sql.Identifier(name) for name in (asked.column, asked.key) if name]
    names = [name for name in (asked.column, asked.key) if name]
    table = sql.Identifier(*asked.table.split("."))
    order = sql.SQL(", ").join(columns)
    newest = sql.SQL("SELECT {} FROM {} ORDER BY {} LIMIT 1").format(
        sql.SQL(", ").join(sql.SQL("{}::text").format(column) for column in columns),
        table,
        sql.SQL(", ").join(sql.SQL("{} DESC").format(column) for column in columns),
    )
    # The last values are kept as text, and PostgreSQL knows of what type the columns are.
    shown = sql.SQL(", ").join(
        sql.SQL("{}::text AS {}").format(column, sql.Identifier(f"~{name}"))
        for column, name in zip(columns, names, strict=True)
    )
    every = sql.SQL("SELECT *, {} FROM {} {} ORDER BY {} LIMIT {}")
    types = await _types(connection, asked.table, names)
    after = sql.SQL("WHERE ({}) > ({})").format(
        order, sql.SQL(", ").join(sql.SQL("%s::{}").format(sql.SQL(types[name])) for name in names)
    )
    last = source.cursor.get("last") if isinstance(source.cursor, dict) else None
    if source.cursor is None and not asked.from_start:
        row = await (await connection.execute(newest)).fetchone()
        last = list(row.values()) if row else None
        await source.save({"last": last})
    while True:
        query = every.format(shown, table, after if last else sql.SQL(""), order, sql.Literal(PAGE))
        found = await (await connection.execute(query, last or None)).fetchall()
        for row in found:
            last = [row.pop(f"~{name}") for name in names]
            await source.emit([Item(plain.value(row))], delivery_id=json.dumps(last).decode(), cursor={"last": last})
        if len(found) == PAGE:
            continue
        # Whatever is told meanwhile is one more reason to look, and one is enough.
        async for _ in connection.notifies(timeout=asked.every / 1000, stop_after=1):
            pass


async def _types(connection: Any, table: str, names: list[str]) -> dict[str, str]:
    """The SQL types of columns, as PostgreSQL writes them."""
    query = (
        "SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attname = ANY(%s) AND NOT attisdropped"
    )
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in table.split("."))
    rows = await (await connection.execute(query, [quoted, names])).fetchall()
    found = {row["attname"]: row["type"] for row in rows}
    for name in names:
        if name not in found:
            raise NodeFailure(
                "REFUSED", f"the table {table} has no column {name!r}", field="column", hint="see its name"
            )
    return found


def _value(payload: str) -> Json:
    try:
        return json.loads(payload)
    except ValueError:
        return payload


def _said(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error)).strip()
