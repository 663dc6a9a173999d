"""action.database: SQL on PostgreSQL, MySQL, MariaDB and SQLite."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field
from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from workflow_engine.engine.items import Item, Items
from workflow_engine.engine.plan import ParameterProblem
from workflow_engine.nodes.action import sql
from workflow_engine.nodes.action.formats.plain import Plain
from workflow_engine.nodes.action.servers import reached
from workflow_engine.nodes.action.sql.sessions import Limits, Session, mysql, postgres, sqlite
from workflow_engine.nodes.spec import (
    Call,
    CredentialSlot,
    Effect,
    Emit,
    Json,
    Node,
    NodeFailure,
    Parameters,
    Result,
    RunMode,
    Shape,
)
from workflow_engine.utils import json

Statement: TypeAlias = Annotated[str, Field(min_length=1, max_length=100_000)]

_RETRYABLE_STATES = ("40001", "40P01", "55P03", "53", "57P")
_RETRYABLE_CODES = frozenset((1040, 1205, 1213))
"""MySQL's too many connections, lock wait timeout and deadlock."""
_TIMEOUT_CODES = frozenset((1969, 3024))
"""MariaDB's and MySQL's statement timeout."""
_RETRYABLE_NAMES = frozenset(("SQLITE_BUSY", "SQLITE_LOCKED"))

_STREAMED = re.compile(r"\s*(SELECT|VALUES|TABLE|WITH)\b", re.IGNORECASE)
"""Statements whose rows are fetched as they are needed, when nothing is written; no more than `max_rows` come over."""


class DatabaseParameters(Parameters):
    sql: Statement | Annotated[list[Statement], Field(min_length=1, max_length=100)]
    """One statement, or several that run in one transaction. Values come in as `:name`, never as text of the statement;
    a literal colon before a name is `\\:`.
    """
    values: dict[str, Json] = {}
    """What the names in `sql` stand for; a name that is not here is the item's field of that name. Lists after `IN` are
    bound value by value; other lists, and objects, as JSON.
    """
    transaction: Literal["each_item", "all_items"] = "each_item"
    """A transaction for each item, or one for all items, in which names stand for each item's own fields."""
    mode: Literal["read", "write"] = "read"
    """`read` runs in a read-only transaction, so it can change nothing and may be repeated."""
    idempotent: bool = False
    """Repeating a write does no harm, as with `INSERT ... ON CONFLICT DO NOTHING`; otherwise it is run at most once."""
    max_rows: int = Field(default=10_000, ge=1, le=1_000_000)
    """More rows than this are a failure, not a part of the result."""
    timeout_seconds: float = Field(default=30, gt=0, le=3600)
    """Most time for all of it: connecting, the statements and their rows."""


class Database(Node[DatabaseParameters]):
    """Runs SQL on PostgreSQL, MySQL, MariaDB or SQLite, as the credential in slot `database` says.

    Every row of the last statement is one item; a statement without rows gives one item with `affected_rows`. When a
    statement fails, nothing of its transaction stays (but MySQL commits by itself at statements such as CREATE TABLE).
    Values are bound, never pasted into the statement, and `sql` takes no expressions, so data can not become SQL.
    Decimals and long integers arrive as decimal text, dates as ISO 8601, bytes as Base64.

    The host of a server must be public or allowed by the operator. An SQLite database is a file in the folder that the
    operator set aside (FILES_ROOT); it can attach no other file and load no extension.
    """

    type = "action.database"
    name = "Database"
    summary = "Runs SQL on PostgreSQL, MySQL, MariaDB or SQLite."
    example = {"sql": "SELECT id, name FROM customers WHERE id = :id", "values": {"id": "{{ json.customer }}"}}
    effect = Effect.AT_MOST_ONCE
    credentials = (CredentialSlot("database", ("postgres", "mysql", "sqlite"), required=True),)
    literals = frozenset({"sql"})

    def shape(self, parameters: dict[str, Any]) -> Shape:
        together = parameters.get("transaction") == "all_items"
        return self.shaped(effect=sql.effect(parameters), run_mode=RunMode.BATCH if together else RunMode.PER_ITEM)

    def check(self, parameters: dict[str, Any]) -> Sequence[ParameterProblem]:
        found = [*super().check(parameters), *sql.spliced(parameters, ":name")]
        if parameters.get("transaction") == "all_items" and parameters.get("values"):
            found.append(
                ParameterProblem(
                    "values",
                    "they would be the same for all items",
                    "leave them out: in one transaction for all items, names stand for each item's own fields",
                )
            )
        return found

    async def run(self, call: Call[DatabaseParameters]) -> Result:
        parameters = call.parameters
        together = parameters.transaction == "all_items"
        if together and not call.items:
            return Emit({"main": []})
        items = call.items if together else [call.item]
        batch = [{**item.json, **parameters.values} for item in items]
        session = await _session(call)
        working = asyncio.ensure_future(asyncio.to_thread(_worked, session, parameters, batch))
        try:
            async with asyncio.timeout(parameters.timeout_seconds + 1):
                results = await asyncio.shield(working)
        except TimeoutError:
            raise _timed_out(parameters) from None
        finally:
            if not working.done():
                # To stop it may mean to connect once more; nobody waits for that, nor for what the thread says then.
                stopping = asyncio.get_running_loop().run_in_executor(None, session.stop)
                for ending in (stopping, working):
                    ending.add_done_callback(lambda done: done.cancelled() or done.exception())
        made: Items = []
        for index, rows in enumerate(results):
            made += [Item(row, sources=(index,) if together else ()) for row in rows]
        return Emit({"main": made})


async def _session(call: Call[DatabaseParameters]) -> Session:
    """Raises NodeFailure CREDENTIAL_MISSING, CREDENTIAL_REFUSED, EGRESS_REFUSED, FILES_UNAVAILABLE."""
    context = call.context
    limits = Limits(call.parameters.mode == "write", call.parameters.timeout_seconds)
    id = call.node.credentials.get("database")
    secret = await context.credentials.get(id) if id and context.credentials else {}
    match secret.get("type"):
        case "mysql":
            return mysql(await reached(call.node, context, "mysql", "database"), limits)
        case "sqlite":
            if context.files is None:
                raise NodeFailure(
                    "FILES_UNAVAILABLE",
                    "no folder is set aside for files of workflows",
                    hint="the operator names one in FILES_ROOT",
                )
            return sqlite(await asyncio.to_thread(context.files.place, str(secret.get("path") or "")), limits)
        case _:
            return postgres(await reached(call.node, context, "postgres", "database"), limits)


def _worked(session: Session, parameters: DatabaseParameters, batch: list[dict[str, Json]]) -> list[list[Any]]:
    """The rows for each set of values, in one transaction. Raises NodeFailure."""
    statements = [_prepared(each) for each in ([parameters.sql] if isinstance(parameters.sql, str) else parameters.sql)]
    told: NodeFailure | None = None
    left = parameters.max_rows
    try:
        with session.engine.connect() as connection, connection.begin():
            results: list[list[Any]] = []
            for values in batch:
                rows: list[Any] = []
                for statement in statements:
                    streamed = parameters.mode == "read" and _STREAMED.match(statement.text) is not None
                    result = connection.execution_options(stream_results=streamed).execute(
                        statement, _bound(statement, values, session.engine.dialect.name)
                    )
                    rows = [{"affected_rows": max(0, result.rowcount)}]
                    if result.returns_rows:
                        found = result.mappings().fetchmany(left + 1)
                        if len(found) > left:
                            told = _too_many(parameters.max_rows)
                            # Otherwise the driver reads the rest, however much it is.
                            session.stop()
                            raise told
                        plain = Plain("a database's answer")
                        rows = [plain.value(dict(row)) for row in found]
                    result.close()
                left -= len(rows)
                if left < 0:
                    raise _too_many(parameters.max_rows)
                results.append(rows)
            return results
    except DBAPIError as error:
        raise told or _failure(error, parameters) from None
    except SQLAlchemyError as error:
        raise told or NodeFailure("QUERY_FAILED", str(error).partition("\n")[0], field="sql") from None
    finally:
        session.engine.dispose()


def _prepared(statement: str) -> TextClause:
    """The statement, in which lists after IN are bound value by value."""
    prepared = text(statement)
    lists = re.findall(r"\bIN\s+:(\w+)", statement, re.IGNORECASE)
    return prepared.bindparams(*(bindparam(name, expanding=True) for name in dict.fromkeys(lists)))


def _bound(statement: TextClause, values: dict[str, Json], dialect: str) -> dict[str, Any]:
    bound: dict[str, Any] = {}
    for name, parameter in statement._bindparams.items():
        if name not in values:
            raise NodeFailure(
                "QUERY_FAILED",
                f"nothing is given for :{name}",
                field="values",
                hint="put it into values, or see how the item's field is spelled; a colon that is none is written \\:",
            )
        value = values[name]
        if parameter.expanding:
            bound[name] = value if isinstance(value, list) else [value]
        elif isinstance(value, dict | list):
            bound[name] = _document(value, dialect)
        else:
            bound[name] = value
    return bound


def _document(value: Json, dialect: str) -> Any:
    if dialect == "postgresql":
        from psycopg.types.json import Jsonb

        return Jsonb(value)
    return json.dumps(value).decode()


def _too_many(max_rows: int) -> NodeFailure:
    return NodeFailure(
        "TOO_MANY_ROWS", f"there are more than {max_rows:,} rows", field="max_rows", hint="add LIMIT, or raise max_rows"
    )


def _repeatable(parameters: DatabaseParameters) -> bool:
    return parameters.mode == "read" or parameters.idempotent


def _timed_out(parameters: DatabaseParameters) -> NodeFailure:
    return NodeFailure(
        "TIMEOUT",
        f"the database took longer than {parameters.timeout_seconds:g} s",
        field="timeout_seconds",
        hint="raise timeout_seconds, or add an index",
        retryable=_repeatable(parameters),
        details={"sent": True},
    )


def _failure(error: DBAPIError, parameters: DatabaseParameters) -> NodeFailure:
    """What the database said, and whether the transaction, which left nothing, may be tried again."""
    original: Any = error.orig
    state = str(getattr(original, "sqlstate", None) or "")
    name = str(getattr(original, "sqlite_errorname", "") or "")
    code = original.args[0] if original.args and isinstance(original.args[0], int) else 0
    if state == "57014" or code in _TIMEOUT_CODES or name == "SQLITE_INTERRUPT":
        return _timed_out(parameters)
    lost = error.connection_invalidated or (code in (2006, 2013)) or (not state and not name and not code)
    message = str(original.args[-1] if code else original).strip().partition("\n")[0]
    if lost:
        return NodeFailure(
            "CONNECTION_FAILED",
            f"the connection to the database broke: {message}",
            hint="whether a write took place has to be seen in the database",
            retryable=_repeatable(parameters),
            details={"sent": True},
        )
    read_only = state == "25006" or code == 1792 or name == "SQLITE_READONLY"
    return NodeFailure(
        "QUERY_FAILED",
        message,
        field="sql",
        hint="set mode to write" if read_only else "correct the statement, or the values that it is given",
        retryable=state.startswith(_RETRYABLE_STATES) or code in _RETRYABLE_CODES or name in _RETRYABLE_NAMES,
        details={"code": code or state or name},
    )
