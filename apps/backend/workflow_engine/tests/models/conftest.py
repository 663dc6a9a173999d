"""A store that owns a fresh database, and rows to put into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from workflow_engine.models.store import Store


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store.open(database_url)
    assert store.acquire_ownership(wait=False)
    yield store
    store.close()


@pytest.fixture
def workflow() -> Callable[..., dict[str, Any]]:
    """Makes the columns of a new workflow."""

    def make(id: str = "wf_1", **columns: Any) -> dict[str, Any]:
        return {
            "id": id,
            "name": "Orders",
            "description": "",
            "user_id": "ada",
            "draft": b"draft",
            "draft_revision": 1,
            "created_at": 1_000,
            "updated_at": 1_000,
            **columns,
        }

    return make
