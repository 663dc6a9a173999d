"""action.database: the same stories on a real PostgreSQL, a real MariaDB and SQLite, then what is each one's own."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pymysql
import pytest
from sqlalchemy.engine import make_url

from tests.nodes.action.world import world
from tests.nodes.harness import failure, problems, records, run_node
from tests.runtime.peers import forwarded
from workflow_engine.engine.events import NodeSucceeded
from workflow_engine.engine.shape import Effect, RunMode
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.registry import installed
from workflow_engine.runtime.files import FolderFiles

TYPE = "action.database"
Run = Callable[..., Awaitable[Any]]
DIALECTS = ["postgres", "mysql", "sqlite"]
SLOW = {
    "postgres": "SELECT pg_sleep(60)",
    "mysql": "SELECT SLEEP(60)",
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
}


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def context(
    dialect: str, request: pytest.FixtureRequest, tmp_path: Path, files_root: Path
) -> AsyncIterator[Context]:
    """A world with an empty database `here`."""
    async with AsyncExitStack() as stack:
        if dialect == "postgres":
            url = make_url(str(request.getfixturevalue("empty_postgres_url")))
            port = await stack.enter_async_context(forwarded(f"{url.query['host']}/.s.PGSQL.{url.port or 5432}"))
            database = {
                "host": "127.0.0.1",
                "port": port,
                "database": url.database,
                "user": url.username,
                "sslmode": "disable",
            }
        elif dialect == "mysql":
            database = request.getfixturevalue("mysql_server")
            stack.callback(_emptied, database)
        else:
            database = {"path": "shop.db"}
            sqlite3.connect(files_root / "shop.db").close()
        here = {**database, "type": dialect}
        made = await stack.enter_async_context(world(tmp_path / "blobs", here=here))
        yield replace(made, files=FolderFiles(files_root))


def _emptied(database: dict[str, Any]) -> None:
    names = ("host", "port", "user", "password", "database")
    with pymysql.connect(**{name: database[name] for name in names}) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        for (table,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE {table}")


@pytest.fixture
def run(context: Context) -> Run:
    async def run(sql: Any, *items: dict[str, Any], **parameters: Any) -> Any:
        drawn = {"sql": sql, **parameters}
        return await run_node(TYPE, drawn, items or [{}], context=context, credentials={"database": "here"})

    return run


PEOPLE = "CREATE TABLE people (id int PRIMARY KEY, name varchar(100))"


# on any database


async def test_rows_become_items(run: Run) -> None:
    event = await run("SELECT 1 AS n, 'déjà %' AS t, NULL AS none, 1.5 AS d UNION ALL SELECT 2, '\\:x', NULL, 2.5")
    found = records(event)
    assert [(each["n"], each["t"], each["none"], float(each["d"])) for each in found] == [
        (1, "déjà %", None, 1.5),
        (2, ":x", None, 2.5),
    ]
    assert records(await run("SELECT 1 AS n WHERE 1 = 0")) == []


async def test_values_are_bound_for_each_item(run: Run) -> None:
    await run(PEOPLE, mode="write")
    nasty = "'); DROP TABLE people; -- \\' \" %s :id"
    people: list[dict[str, Any]] = [{"id": 1, "name": nasty}, {"id": 2, "name": None}]
    event = await run("INSERT INTO people VALUES (:id, :name)", *people, mode="write")
    assert records(event) == [{"affected_rows": 1}, {"affected_rows": 1}]
    assert records(await run("SELECT * FROM people ORDER BY id")) == people
    values = {"id": "{{ json.n + 1 }}"}
    assert records(await run("SELECT name FROM people WHERE id = :id", {"n": 0}, values=values)) == [{"name": nasty}]


async def test_lists_after_in(run: Run) -> None:
    await run(PEOPLE, mode="write")
    await run("INSERT INTO people VALUES (:id, :id)", *({"id": n} for n in range(5)), mode="write")
    query = "SELECT id FROM people WHERE id IN :ids ORDER BY id"
    assert records(await run(query, {"ids": [1, 3, 9]})) == [{"id": 1}, {"id": 3}]
    assert records(await run(query, {"ids": []})) == []


async def test_several_statements_are_one_transaction(run: Run) -> None:
    await run(PEOPLE, mode="write")
    both = ["INSERT INTO people VALUES (:id, 'a')", "SELECT count(*) AS n FROM people"]
    assert records(await run(both, {"id": 1}, mode="write")) == [{"n": 1}]
    failed = failure(await run(["INSERT INTO people VALUES (2, 'b')", both[0]], {"id": 1}, mode="write"))
    assert (failed.reason, failed.field, failed.retryable) == ("QUERY_FAILED", "sql", False)
    assert records(await run(both[1])) == [{"n": 1}]


async def test_all_items_in_one_transaction(run: Run) -> None:
    await run(PEOPLE, mode="write")
    insert = "INSERT INTO people VALUES (:id, :name)"
    people = [{"id": n, "name": f"p{n}"} for n in range(3)]
    event = await run(insert, *people, mode="write", transaction="all_items")
    assert records(event) == [{"affected_rows": 1}] * 3
    assert isinstance(event, NodeSucceeded)
    assert [item.sources for item in event.outputs["main"]] == [(0,), (1,), (2,)]
    more = [{"id": 7, "name": "x"}, {"id": 7, "name": "y"}]
    assert failure(await run(insert, *more, mode="write", transaction="all_items")).reason == "QUERY_FAILED"
    assert records(await run("SELECT count(*) AS n FROM people")) == [{"n": 3}]


async def test_a_read_can_not_write(run: Run) -> None:
    await run(PEOPLE, mode="write")
    failed = failure(await run("INSERT INTO people VALUES (1, 'a')"))
    assert (failed.reason, failed.hint) == ("QUERY_FAILED", "set mode to write")


async def test_a_mistake_is_shown(run: Run) -> None:
    failed = failure(await run("SELEC 1"))
    assert (failed.reason, failed.field, failed.retryable) == ("QUERY_FAILED", "sql", False)
    assert "SELEC" in failed.message
    failed = failure(await run("SELECT :id", {"ID": 1}))
    assert (failed.reason, failed.field) == ("QUERY_FAILED", "values")
    assert ":id" in failed.message


async def test_a_slow_statement_is_stopped(run: Run, dialect: str) -> None:
    started = time.monotonic()
    failed = failure(await run(SLOW[dialect], timeout_seconds=0.5))
    assert (failed.reason, failed.retryable) == ("TIMEOUT", True)
    assert time.monotonic() - started < 5


async def test_a_cancelled_attempt_stops_the_statement(run: Run, dialect: str) -> None:
    await run(PEOPLE, mode="write")
    slow = asyncio.create_task(run(["INSERT INTO people VALUES (1, 'a')", SLOW[dialect]], mode="write"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(slow, 0.5)
    # It would wait for the lock of the first statement if that were still held.
    assert records(await run("INSERT INTO people VALUES (1, 'b')", mode="write", timeout_seconds=10))
    assert records(await run("SELECT name FROM people")) == [{"name": "b"}]


async def test_too_many_rows_are_not_cut_in_silence(run: Run, dialect: str) -> None:
    await run(PEOPLE, mode="write")
    await run(
        "INSERT INTO people VALUES (:n, 'a')", *({"n": n} for n in range(30)), mode="write", transaction="all_items"
    )
    everyone = "SELECT a.id FROM people a, people b, people c, people d, people e, people f"
    assert len(records(await run("SELECT id FROM people", max_rows=30))) == 30
    assert failure(await run("SELECT id FROM people", max_rows=29)).reason == "TOO_MANY_ROWS"
    started = time.monotonic()
    assert failure(await run(everyone, max_rows=10)).reason == "TOO_MANY_ROWS"
    assert time.monotonic() - started < 20


async def test_no_items_run_nothing(run: Run, context: Context) -> None:
    for transaction in ("each_item", "all_items"):
        drawn = {"sql": "SELECT 1", "transaction": transaction}
        assert records(await run_node(TYPE, drawn, [], context=context, credentials={"database": "here"})) == []


# on one


@pytest.mark.parametrize("dialect", ["postgres"])
async def test_objects_are_jsonb_on_postgres(run: Run) -> None:
    found = records(await run("SELECT CAST(:data AS jsonb) AS data, 7::int AS n", {"data": {"a": [1]}}))
    assert found == [{"data": {"a": [1]}, "n": 7}]


@pytest.mark.parametrize("dialect", ["mysql"])
async def test_objects_are_text_on_mysql(run: Run) -> None:
    found = records(await run("SELECT :data AS data, x'00ff' AS raw, CURRENT_DATE AS day", {"data": {"a": [1]}}))
    assert (found[0]["data"], found[0]["raw"], len(found[0]["day"])) == ('{"a":[1]}', "AP8=", 10)


@pytest.mark.parametrize("dialect", ["mysql"])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"password": "no"}, "CONNECTION_FAILED"),
        ({"port": 1}, "CONNECTION_FAILED"),
        ({"tls": "verify"}, "CONNECTION_FAILED"),
        ({"host": "10.0.0.1"}, "EGRESS_REFUSED"),
        ({"host": "127.0.0.1,10.0.0.1"}, "CREDENTIAL_REFUSED"),
        ({"allowed_hosts": ["db.example.com"]}, "CREDENTIAL_REFUSED"),
        ({"type": "redis"}, "CREDENTIAL_REFUSED"),
    ],
)
async def test_where_it_will_not_connect(
    context: Context, mysql_server: dict[str, Any], tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    async with world(tmp_path / "other", there={**mysql_server, **changes}) as made:
        event = await run_node(TYPE, {"sql": "SELECT 1"}, context=made, credentials={"database": "there"})
        assert failure(event).reason == reason
        assert "s3cret" not in str(failure(event))
        assert failure(await run_node(TYPE, {"sql": "SELECT 1"}, context=made)).reason == "CREDENTIAL_MISSING"


@pytest.mark.parametrize("dialect", ["sqlite"])
@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH DATABASE '/tmp/other.db' AS other",
        "VACUUM INTO '/tmp/copy.db'",
        "SELECT load_extension('/tmp/evil.so')",
        "PRAGMA temp_store_directory = '/etc'",
        "PRAGMA writable_schema = ON",
    ],
)
async def test_sqlite_stays_in_its_file(run: Run, sql: str) -> None:
    assert failure(await run(sql, mode="write")).reason == "QUERY_FAILED"


@pytest.mark.parametrize("dialect", ["sqlite"])
async def test_sqlite_stays_in_its_folder(context: Context, files_root: Path, tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "secret.db").close()
    (files_root / "link.db").symlink_to(tmp_path / "secret.db")
    for path, reason in [
        ("../secret.db", "FILE_REFUSED"),
        ("link.db", "FILE_REFUSED"),
        ("none.db", "CONNECTION_FAILED"),
    ]:
        async with world(tmp_path / "other", there={"type": "sqlite", "path": path}) as made:
            made = replace(made, files=context.files)
            event = await run_node(TYPE, {"sql": "SELECT 1"}, context=made, credentials={"database": "there"})
            assert failure(event).reason == reason
    async with world(tmp_path / "other", there={"type": "sqlite", "path": "new?.db"}) as made:
        made = replace(made, files=context.files)
        drawn = {"sql": "SELECT 1 AS n", "mode": "write"}
        assert records(await run_node(TYPE, drawn, context=made, credentials={"database": "there"})) == [{"n": 1}]
    assert (files_root / "new?.db").exists()


def test_only_reads_and_idempotent_writes_may_be_repeated() -> None:
    kind = installed().find(TYPE)
    assert kind
    assert kind.shape({}).effect is Effect.IDEMPOTENT
    assert kind.shape({"mode": "write"}).effect is Effect.AT_MOST_ONCE
    assert kind.shape({"mode": "write", "idempotent": True}).effect is Effect.IDEMPOTENT
    assert kind.shape({"transaction": "all_items"}).run_mode is RunMode.BATCH


def test_mistakes_are_found_when_saving() -> None:
    for sql in ("SELECT '{{ json.name }}'", ["SELECT 1", "SELECT '{{ json.name }}'"]):
        [complaint] = problems(TYPE, {"sql": sql})
        assert complaint == "parameters.sql: an expression in a statement would let data become SQL"
    assert problems(TYPE, {"sql": "SELECT 1", "query": "x"}) == ["parameters.query: there is no parameter 'query'"]
    given = {"sql": "SELECT 1", "values": {"a": "{{ json.a }}"}, "transaction": "all_items"}
    assert problems(TYPE, given) == ["parameters.values: they would be the same for all items"]
