"""action.postgres: one SQL statement for each item."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from pydantic import Field

from workflow_engine.engine.plan import ParameterProblem
from workflow_engine.nodes.action import sql
from workflow_engine.nodes.action.formats.plain import Plain
from workflow_engine.nodes.credentials import check_host
from workflow_engine.nodes.spec import (
    Call,
    CredentialSlot,
    Effect,
    Json,
    Node,
    NodeFailure,
    Parameters,
    Result,
    Shape,
    emit,
)

_RETRYABLE = ("40001", "40P01", "55P03", "53", "57P")
"""SQLSTATEs, or their beginnings, after which the same statement may succeed: it had no effect."""


class PostgresParameters(Parameters):
    sql: str = Field(min_length=1, max_length=100_000)
    """One statement. Values come in as `%(name)s`, never as text of the statement; a literal percent sign is
    `%%`.
    """
    values: dict[str, Json] = {}
    """What the names in `sql` stand for; lists and objects arrive as jsonb."""
    mode: Literal["read", "write"] = "read"
    """`read` runs in a read-only transaction, so it can change nothing and may be repeated."""
    idempotent: bool = False
    """Repeating a write does no harm, as with `ON CONFLICT DO NOTHING`; otherwise it is run at most once."""
    max_rows: int = Field(default=10_000, ge=1, le=1_000_000)
    """More rows than this are a failure, not a part of the result."""
    timeout_seconds: float = Field(default=30, gt=0, le=3600)
    """Most time for connecting, and again for the statement."""


class Postgres(Node[PostgresParameters]):
    """Runs one SQL statement on PostgreSQL for each item, in a transaction of its own.

    Every row that comes back is one item; a statement without rows gives one item with `affected_rows`.
    Values are bound, never pasted into the statement, and `sql` takes no expressions, so data can not become
    SQL. Numerics and long integers arrive as decimal text, dates as ISO 8601, bytea as Base64.

    The credential in slot `database` has host, port, database, user, password and sslmode (by default
    `require`). Its host must be public or allowed by the operator.
    """

    type = "action.postgres"
    name = "PostgreSQL"
    summary = "Runs an SQL statement on PostgreSQL."
    example = {"sql": "SELECT id, name FROM customers WHERE id = %(id)s", "values": {"id": "{{ json.id }}"}}
    effect = Effect.AT_MOST_ONCE
    credentials = (CredentialSlot("database", ("postgres",), required=True),)
    literals = frozenset({"sql"})

    def shape(self, parameters: dict[str, Any]) -> Shape:
        return self.shaped(effect=sql.effect(parameters))

    def check(self, parameters: dict[str, Any]) -> Sequence[ParameterProblem]:
        return [*super().check(parameters), *sql.spliced(parameters, "%(name)s")]

    async def run(self, call: Call[PostgresParameters]) -> Result:
        parameters = call.parameters
        connection = await _connected(call)
        try:
            async with connection, connection.cursor() as cursor:
                await cursor.execute(parameters.sql, _bound(parameters.values))
                if cursor.description is None:
                    return emit({"affected_rows": cursor.rowcount})
                rows = await cursor.fetchmany(parameters.max_rows + 1)
                if len(rows) > parameters.max_rows:
                    raise NodeFailure(
                        "TOO_MANY_ROWS",
                        f"the statement gives more than {parameters.max_rows:,} rows",
                        field="max_rows",
                        hint="add LIMIT, or raise max_rows",
                    )
                plain = Plain("a PostgreSQL result")
                return emit(*(plain.value(row) for row in rows))
        except psycopg.Error as error:
            raise _failure(error, parameters) from None


def _bound(values: dict[str, Json]) -> dict[str, Any]:
    return {name: Jsonb(value) if isinstance(value, dict | list) else value for name, value in values.items()}


async def _connected(call: Call[PostgresParameters]) -> psycopg.AsyncConnection[dict[str, Any]]:
    parameters, context = call.parameters, call.context
    id = call.node.credentials.get("database")
    if not id or context.credentials is None or context.http is None:
        raise NodeFailure(
            "CREDENTIAL_MISSING",
            "no database is chosen",
            hint="put a credential of type postgres into slot `database`",
        )
    secret = await context.credentials.get(id)
    host, port = str(secret.get("host") or ""), int(secret.get("port") or 5432)
    if not re.fullmatch(r"[A-Za-z0-9.:_-]+", host):
        # Anything with a slash would be a socket of this machine, a comma a second host that was not checked.
        raise NodeFailure(
            "CREDENTIAL_REFUSED",
            f"{host!r} is no host name",
            hint="edit the credential: one host, without port",
        )
    check_host(secret, host)
    addresses = await context.http.addresses(host, port)
    write = parameters.mode == "write"
    try:
        return await psycopg.AsyncConnection[dict[str, Any]].connect(
            host=host,
            hostaddr=addresses[0],
            port=port,
            dbname=secret.get("database") or None,
            user=secret.get("user") or None,
            password=secret.get("password") or None,
            sslmode=secret.get("sslmode") or "require",
            connect_timeout=max(2, round(parameters.timeout_seconds)),
            application_name="workflow-engine",
            options=f"-c statement_timeout={round(parameters.timeout_seconds * 1000)}"
            + ("" if write else " -c default_transaction_read_only=on"),
            row_factory=dict_row,
        )
    except psycopg.OperationalError as error:
        refused = str(error).strip().splitlines()[-1][:300] if str(error).strip() else "no answer"
        raise NodeFailure(
            "CONNECTION_FAILED",
            f"{host} port {port} lets us not in: {refused}",
            hint="see that the server runs, and that user, password and sslmode of the credential are right",
            retryable=True,
            details={"sent": False},
        ) from None


def _failure(error: psycopg.Error, parameters: PostgresParameters) -> NodeFailure:
    """What the server said, where in the statement, and whether it may be tried again."""
    state = error.sqlstate or ""
    if not state:
        repeatable = parameters.mode == "read" or parameters.idempotent
        return NodeFailure(
            "CONNECTION_FAILED" if isinstance(error, psycopg.OperationalError) else "QUERY_FAILED",
            str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__,
            field="sql" if isinstance(error, psycopg.ProgrammingError) else "",
            hint="see that sql and values name the same values"
            if isinstance(error, psycopg.ProgrammingError)
            else "the connection broke; whether a write took place has to be seen in the database",
            retryable=repeatable and isinstance(error, psycopg.OperationalError),
            details={"sent": True},
        )
    if state == "57014":
        return NodeFailure(
            "TIMEOUT",
            f"the statement took longer than {parameters.timeout_seconds:g} s and was undone",
            hint="raise timeout_seconds, or add an index",
            retryable=True,
        )
    diagnosis = error.diag
    position = f" (character {diagnosis.statement_position})" if diagnosis.statement_position else ""
    return NodeFailure(
        "QUERY_FAILED",
        f"{diagnosis.message_primary}{position}",
        field="sql",
        hint=diagnosis.message_hint
        or diagnosis.message_detail
        or ("set mode to write" if state == "25006" else "correct the statement"),
        retryable=state.startswith(_RETRYABLE),
        details={"sqlstate": state},
    )
