"""action.postgres on a real PostgreSQL, reached by TCP as a peer elsewhere would be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from tests.nodes.action.world import world
from tests.nodes.harness import failure, problems, records, run_node
from tests.runtime.peers import forwarded
from workflow_engine.engine.shape import Effect
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.registry import installed

TYPE = "action.postgres"


@pytest.fixture
async def context(empty_postgres_url: str, tmp_path: Path) -> AsyncIterator[Context]:
    url = make_url(empty_postgres_url)
    async with forwarded(f"{url.query['host']}/.s.PGSQL.{url.port or 5432}") as port:
        database = {
            "type": "postgres",
            "host": "127.0.0.1",
            "port": port,
            "database": url.database,
            "user": url.username,
            "sslmode": "disable",
        }
        async with world(
            tmp_path,
            here=database,
            tls={**database, "sslmode": "require"},
            socket={**database, "host": str(url.query["host"])},
            two={**database, "host": "127.0.0.1,10.0.0.1"},
            inner={**database, "host": "10.0.0.1"},
        ) as made:
            yield made


async def run(context: Context, sql: str, *items: dict[str, Any], database: str = "here", **parameters: Any) -> Any:
    return await run_node(
        TYPE, {"sql": sql, **parameters}, items or [{}], context=context, credentials={"database": database}
    )


async def test_rows_become_items(context: Context) -> None:
    sql = """SELECT 1 AS n, 12345678901234567890.5 AS big, date '2025-06-15' AS day, '{"a": [1]}'::jsonb AS data,
             true AS yes, null AS none, '\\x00ff'::bytea AS raw"""
    assert records(await run(context, sql)) == [
        {
            "n": 1,
            "big": "12345678901234567890.5",
            "day": "2025-06-15",
            "data": {"a": [1]},
            "yes": True,
            "none": None,
            "raw": "AP8=",
        }
    ]


async def test_no_rows_and_no_items_give_no_items(context: Context) -> None:
    assert records(await run(context, "SELECT 1 WHERE false")) == []
    assert records(await run_node(TYPE, {"sql": "SELECT 1"}, [], context=context)) == []


async def test_values_are_bound_for_each_item(context: Context) -> None:
    await run(context, "CREATE TABLE people (id int PRIMARY KEY, name text, tags jsonb)", mode="write")
    nasty = "'); DROP TABLE people; --"
    insert = "INSERT INTO people VALUES (%(id)s, %(name)s, %(tags)s)"
    values = {"id": "{{ json.id }}", "name": "{{ json.name }}", "tags": "{{ json.tags }}"}
    people: list[dict[str, Any]] = [
        {"id": 1, "name": nasty, "tags": ["x"]},
        {"id": 2, "name": None, "tags": {}},
    ]
    event = await run(context, insert, *people, values=values, mode="write")
    assert records(event) == [{"affected_rows": 1}, {"affected_rows": 1}]
    assert records(await run(context, "SELECT * FROM people ORDER BY id")) == people


async def test_a_read_can_not_write(context: Context) -> None:
    failed = failure(await run(context, "CREATE TABLE x (id int)"))
    assert (failed.reason, failed.hint) == ("QUERY_FAILED", "set mode to write")


async def test_a_failed_write_leaves_nothing(context: Context) -> None:
    await run(context, "CREATE TABLE x (id int PRIMARY KEY)", mode="write")
    sql = "INSERT INTO x VALUES (1), (1)"
    failed = failure(await run(context, sql, mode="write"))
    assert failed.details["sqlstate"] == "23505"
    assert "already exists" in failed.hint
    assert records(await run(context, "SELECT count(*) AS n FROM x")) == [{"n": 0}]


async def test_a_mistake_is_shown_where_it_is(context: Context) -> None:
    failed = failure(await run(context, "SELEC 1"))
    assert (failed.reason, failed.field, failed.retryable) == ("QUERY_FAILED", "sql", False)
    assert failed.message == 'syntax error at or near "SELEC" (character 1)'


async def test_a_value_that_is_not_given_is_named(context: Context) -> None:
    failed = failure(await run(context, "SELECT %(id)s", values={"ID": 1}))
    assert failed.reason == "QUERY_FAILED"
    assert "id" in failed.message


async def test_a_slow_statement_is_stopped(context: Context) -> None:
    failed = failure(await run(context, "SELECT pg_sleep(60)", timeout_seconds=0.5))
    assert (failed.reason, failed.retryable) == ("TIMEOUT", True)


async def test_too_many_rows_are_not_cut_in_silence(context: Context) -> None:
    sql = "SELECT * FROM generate_series(1, 3) AS n"
    assert len(records(await run(context, sql, max_rows=3))) == 3
    assert failure(await run(context, sql, max_rows=2)).reason == "TOO_MANY_ROWS"


@pytest.mark.parametrize(
    ("database", "reason"),
    [
        ("socket", "CREDENTIAL_REFUSED"),
        ("two", "CREDENTIAL_REFUSED"),
        ("inner", "EGRESS_REFUSED"),
        ("tls", "CONNECTION_FAILED"),
        ("", "CREDENTIAL_MISSING"),
    ],
)
async def test_where_it_will_not_connect(context: Context, database: str, reason: str) -> None:
    assert failure(await run(context, "SELECT 1", database=database)).reason == reason


def test_only_reads_and_idempotent_writes_may_be_repeated() -> None:
    kind = installed().find(TYPE)
    assert kind
    assert kind.shape({}).effect is Effect.IDEMPOTENT
    assert kind.shape({"mode": "write"}).effect is Effect.AT_MOST_ONCE
    assert kind.shape({"mode": "{{ json.mode }}"}).effect is Effect.AT_MOST_ONCE
    assert kind.shape({"mode": "write", "idempotent": True}).effect is Effect.IDEMPOTENT


def test_mistakes_are_found_when_saving() -> None:
    [complaint] = problems(TYPE, {"sql": "SELECT '{{ json.name }}'"})
    assert complaint == "parameters.sql: an expression in a statement would let data become SQL"
    assert problems(TYPE, {"sql": "SELECT 1", "query": "x"}) == ["parameters.query: there is no parameter 'query'"]
    assert problems(TYPE, {}) == ["parameters.sql: sql is required"]
