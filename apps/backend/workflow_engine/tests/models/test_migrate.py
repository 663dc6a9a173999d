"""Migrations bring any database to what the models say; on each kind of database."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import make_url

from workflow_engine.models.database import Base, connect
from workflow_engine.models.migrate import NewerSchema, config, init, reset, revise, upgrade
from workflow_engine.models.store import Store, StoreUnavailable

BACKEND = Path(__file__).parents[2]


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'empty.db'}"
    return str(request.getfixturevalue("empty_postgres_url"))


def tables(url: str) -> set[str]:
    engine = create_engine(url)
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_the_migrations_make_what_the_models_say(empty_url: str) -> None:
    upgrade(empty_url)

    command.check(config(empty_url))  # raises when a migration is missing
    assert tables(empty_url) == {*Base.metadata.tables, "alembic_version"}


def test_where_the_models_ask_for_nothing_no_migration_is_written(
    empty_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    upgrade(empty_url)
    written = set((BACKEND / "database" / "versions").iterdir())

    revise(empty_url, "nothing")

    assert "nothing to migrate" in capsys.readouterr().out
    assert set((BACKEND / "database" / "versions").iterdir()) == written


def test_a_database_without_an_encoding_of_its_own_is_good_enough(empty_postgres_url: str) -> None:
    """A server that was set up without a locale, as in many containers, makes such."""
    url = make_url(empty_postgres_url)
    made = create_engine(url, isolation_level="AUTOCOMMIT")
    with made.connect() as connection:
        connection.execute(text("CREATE DATABASE bare ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"))
    bare = url.set(database="bare").render_as_string(hide_password=False)

    upgrade(bare)

    engine = connect(bare)
    with engine.begin() as connection:
        assert connection.execute(text("SELECT :said"), {"said": "工作流"}).scalar() == "工作流"
    engine.dispose()
    with made.connect() as connection:
        connection.execute(text("DROP DATABASE bare"))
    made.dispose()


def test_sqlite_has_the_very_tables_of_the_models(tmp_path: Path) -> None:
    """Also what Alembic does not compare: the conditions of partial indexes."""

    def schema(path: Path) -> set[tuple[str, str]]:
        engine = create_engine(f"sqlite:///{path}")
        with engine.connect() as connection:
            query = text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
            found = {(row.name, " ".join(row.sql.split())) for row in connection.execute(query)}
        engine.dispose()
        return {(name, sql) for name, sql in found if name != "alembic_version"}

    upgrade(f"sqlite:///{tmp_path / 'migrated.db'}")
    made = create_engine(f"sqlite:///{tmp_path / 'made.db'}")
    Base.metadata.create_all(made)
    made.dispose()

    assert schema(tmp_path / "migrated.db") == schema(tmp_path / "made.db")


def test_downgrading_leaves_nothing_behind(empty_url: str) -> None:
    upgrade(empty_url)
    command.downgrade(config(empty_url), "base")

    assert tables(empty_url) == {"alembic_version"}


async def test_processes_that_start_together_upgrade_once(empty_url: str) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "workflow_engine.models.migrate", "upgrade"),
            cwd=BACKEND,
            env={**os.environ, "DATABASE_URL": empty_url},
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(3)
    ]
    errors = [(await process.communicate())[1].decode() for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0], errors
    command.check(config(empty_url))


def test_a_database_of_a_newer_release_is_left_alone(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'from_the_future'"))
    engine.dispose()

    with pytest.raises(NewerSchema, match="from_the_future"):
        upgrade(database_url)


def test_a_database_out_of_reach_is_named_without_its_password() -> None:
    with pytest.raises(StoreUnavailable) as refused:
        upgrade("postgresql+psycopg://ada:hunter2@127.0.0.1:1/engine")

    assert "ada:***@127.0.0.1:1/engine" in str(refused.value)
    assert "DATABASE_URL" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_init_creates_the_database_itself(empty_postgres_url: str) -> None:
    url = f"{empty_postgres_url.partition('?')[0]}_more?{empty_postgres_url.partition('?')[2]}"

    init(url)
    init(url)  # and does no harm to one that is there

    assert "workflow" in tables(url)
    engine = create_engine(empty_postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {engine.url.database}_more WITH (FORCE)"))
    engine.dispose()


def test_reset_loses_everything(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO workflow_definition (digest, data) VALUES ('d', '')"))
    engine.dispose()

    reset(database_url)

    store = Store.open(database_url)
    assert store.definition("d") is None
    store.close()


def test_the_folder_of_a_database_is_its_owners_alone(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path / 'data' / 'engine.db'}")

    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="DATABASE_URL"):
        connect("sqlite://")


def test_the_make_targets_work_in_a_process_of_their_own(tmp_path: Path) -> None:
    """`db-reset` once knew of no tables, because nothing had imported them."""
    for words in ("init", "upgrade", "reset", "reset", "downgrade 0010", "upgrade"):
        done = subprocess.run(
            [sys.executable, "-m", "workflow_engine.models.migrate", *words.split()],
            env=os.environ | {"DATABASE_URL": f"sqlite:///{tmp_path / 'made.db'}"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
