"""Credentials in the database, on each kind of it."""

from __future__ import annotations

from typing import Any

import pytest

from workflow_engine.models import credentials
from workflow_engine.models.credential import Credential
from workflow_engine.models.database import connect
from workflow_engine.models.store import KeyReused, NotFound, Store


def columns(id: str = "cred_1", **columns: Any) -> dict[str, Any]:
    return {
        "id": id,
        "name": "Shop",
        "type": "http_bearer",
        "user_id": "ada",
        "fields": {"realm": "é"},
        "secret_fields": ["token"],
        "allowed_hosts": ["shop.example"],
        "key_id": "old",
        "wrapped_key": b"w",
        "secrets": b"s",
        "created_at": 1_000,
        "updated_at": 1_000,
        **columns,
    }


async def test_a_credential_comes_back_as_it_was_stored(store: Store) -> None:
    assert await credentials.create(store, columns()) == "cred_1"
    row = credentials.get(store, "cred_1")
    assert row is not None
    assert {name: getattr(row, name) for name in columns()} == columns()
    assert credentials.get(store, "cred_2") is None


async def test_a_repeated_request_makes_one_credential(store: Store) -> None:
    assert await credentials.create(store, columns("cred_1"), key="k", digest="d") == "cred_1"
    assert await credentials.create(store, columns("cred_2"), key="k", digest="d") == "cred_1"
    assert credentials.get(store, "cred_2") is None
    with pytest.raises(KeyReused):
        await credentials.create(store, columns("cred_3"), key="k", digest="other")


async def test_an_edit_sees_the_row_as_it_is_and_a_failed_one_changes_nothing(store: Store) -> None:
    await credentials.create(store, columns())

    def failing(row: Credential) -> dict[str, Any]:
        raise LookupError(row.name)

    with pytest.raises(LookupError, match="Shop"):
        await credentials.edit(store, "cred_1", failing)
    await credentials.edit(store, "cred_1", lambda row: {"name": row.name + "!"})
    row = credentials.get(store, "cred_1")
    assert row is not None
    assert row.name == "Shop!"
    with pytest.raises(NotFound):
        await credentials.edit(store, "cred_2", lambda row: {})


async def test_what_is_removed_is_gone(store: Store) -> None:
    await credentials.create(store, columns())
    await credentials.remove(store, "cred_1")
    assert credentials.get(store, "cred_1") is None
    with pytest.raises(NotFound):
        await credentials.remove(store, "cred_1")


async def test_pages_hold_every_credential_once_latest_change_first(store: Store) -> None:
    for number in range(5):
        await credentials.create(store, columns(f"cred_{number}", updated_at=1_000 + number // 2))
    await credentials.create(store, columns("cred_other", user_id="bob", type="postgres"))
    seen: list[str] = []
    after = None
    while rows := credentials.page(store, user_id="ada", limit=2, after=after):
        seen += [row.id for row in rows]
        after = (rows[-1].updated_at, rows[-1].id)
    assert seen == ["cred_4", "cred_3", "cred_2", "cred_1", "cred_0"]
    assert [row.id for row in credentials.page(store, type="postgres", limit=9)] == ["cred_other"]


async def test_rewrapping_beside_the_owner_loses_to_a_change_of_the_row(store: Store, database_url: str) -> None:
    for number in range(5):
        await credentials.create(store, columns(f"cred_{number}"))
    await credentials.create(store, columns("cred_new", key_id="new"))
    engine = connect(database_url)
    try:
        rows = list(credentials.not_under(engine, "new", size=2))
        assert [row.id for row in rows] == [f"cred_{number}" for number in range(5)]
        await credentials.edit(store, "cred_0", lambda row: {"wrapped_key": b"changed"})
        assert [credentials.rewrap(engine, row, "new", b"n") for row in rows] == [False, True, True, True, True]
        assert [row.id for row in credentials.not_under(engine, "new")] == ["cred_0"]
    finally:
        engine.dispose()
    row = credentials.get(store, "cred_0")
    assert row is not None
    assert row.wrapped_key == b"changed"
