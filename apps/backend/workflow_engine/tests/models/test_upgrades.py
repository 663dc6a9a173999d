"""While servers are upgraded one by one, the release before works on the newer schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, Inspector, create_engine, inspect

from workflow_engine.models.migrate import config


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Engine]:
    if request.param == "sqlite":
        made = create_engine(f"sqlite:///{tmp_path / 'empty.db'}")
    else:
        made = create_engine(str(request.getfixturevalue("empty_postgres_url")))
    yield made
    made.dispose()


def test_every_migration_leaves_the_release_before_what_it_reads_and_writes(engine: Engine) -> None:
    settings = config(engine.url.render_as_string(hide_password=False))
    chain = [each.revision for each in ScriptDirectory.from_config(settings).walk_revisions()][::-1]
    assert len(chain) > 10
    before: dict[str, Any] = {}
    wrong: list[str] = []
    for revision in chain:
        command.upgrade(settings, revision)
        after = schema(inspect(engine))
        wrong += [f"{revision}: {each}" for each in broken(before, after)]
        before = after
    assert wrong == []


def schema(there: Inspector) -> dict[str, Any]:
    """Columns and uniqueness by table."""
    return {
        table: {
            "columns": {column["name"]: column for column in there.get_columns(table)},
            "unique": {
                tuple(each["column_names"])
                for each in (*there.get_indexes(table), *there.get_unique_constraints(table))
                if each.get("unique", True)
            },
        }
        for table in there.get_table_names()
    }


def broken(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """What code that knows only `before` can no longer do."""
    for table, was in before.items():
        if table not in after:
            yield f"{table} is gone"
            continue
        now = after[table]
        for name, column in was["columns"].items():
            if name not in now["columns"]:
                yield f"{table}.{name} is gone"
            elif str(column["type"]) != str(now["columns"][name]["type"]):
                yield f"{table}.{name} was {column['type']} and is {now['columns'][name]['type']}"
            elif column["nullable"] and not now["columns"][name]["nullable"]:
                yield f"{table}.{name} may not be empty any more"
        for name, column in now["columns"].items():
            if name not in was["columns"] and not column["nullable"] and column["default"] is None:
                yield f"{table}.{name} is new, and a row that does not name it is refused"
        for columns in now["unique"] - was["unique"]:
            yield f"{table}: {columns} have to be unique now"


def test_a_migration_that_breaks_it_is_found_out() -> None:
    def table(**columns: dict[str, Any]) -> dict[str, Any]:
        return {"columns": columns, "unique": set()}

    text = {"type": "TEXT", "nullable": True, "default": None}
    number = {"type": "INTEGER", "nullable": False, "default": None}
    before = {"a": table(kept=text, lost=text, turned=text, tightened=text), "gone": table()}
    after = {"a": table(kept=text, turned=number, tightened=text | {"nullable": False}, new=number, fine=text)}
    after["a"]["unique"] = {("kept",)}
    assert list(broken(before, after)) == [
        "a.lost is gone",
        "a.turned was TEXT and is INTEGER",
        "a.tightened may not be empty any more",
        "a.new is new, and a row that does not name it is refused",
        "a: ('kept',) have to be unique now",
        "gone is gone",
    ]
