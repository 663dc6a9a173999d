from typing import Any

import pytest

from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.events import NodeSucceeded
from workflow_engine.engine.items import BinaryRef, Item

ADA = {"id": 1, "name": {"first": "Ada", "last": "Lovelace"}, "secret": "x"}


async def test_fields_are_written_and_keep_their_types() -> None:
    assignments = [
        {"name": "name.full", "value": "{{ json.name.first }} {{ json.name.last }}"},
        {"name": "next", "value": "{{ json.id + 1 }}"},
        {"name": "tags[0]", "value": "new"},
    ]
    (json,) = records(await run_node("flow.set", {"assignments": assignments}, [ADA]))
    assert json == {**ADA, "name": {**ADA["name"], "full": "Ada Lovelace"}, "next": 2, "tags": ["new"]}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"exclude": ["secret", "name.last"]}, {"id": 1, "name": {"first": "Ada"}}),
        ({"include": ["name.first"]}, {"name": {"first": "Ada"}}),
        ({"keep_only": True, "assignments": [{"name": "a", "value": 1}]}, {"a": 1}),
        ({"keep_only": True, "include": ["id"], "assignments": [{"name": "a", "value": None}]}, {"id": 1, "a": None}),
        ({}, ADA),
    ],
)
async def test_which_fields_stay(parameters: dict[str, Any], expected: dict[str, Any]) -> None:
    assert records(await run_node("flow.set", parameters, [ADA])) == [expected]


async def test_assignments_see_the_incoming_item() -> None:
    swap = [{"name": "a", "value": "{{ json.b }}"}, {"name": "b", "value": "{{ json.a }}"}]
    assert records(await run_node("flow.set", {"assignments": swap}, [{"a": 1, "b": 2}])) == [{"a": 2, "b": 1}]


async def test_binary_data_stays_unless_only_new_fields_do() -> None:
    photo = Item({}, {"photo": BinaryRef("sha256:00", 3)})
    kept = await run_node("flow.set", {}, [photo])
    dropped = await run_node("flow.set", {"keep_only": True}, [photo])
    assert isinstance(kept, NodeSucceeded)
    assert isinstance(dropped, NodeSucceeded)
    assert kept.outputs["main"][0].binary == photo.binary
    assert dropped.outputs["main"][0].binary == {}


async def test_no_items_make_no_items() -> None:
    assert records(await run_node("flow.set", {"assignments": [{"name": "a", "value": 1}]}, [])) == []


async def test_a_barred_path_names_the_assignment() -> None:
    failed = failure(await run_node("flow.set", {"assignments": [{"name": "id.x", "value": 1}]}, [ADA]))
    assert (failed.reason, failed.field) == ("INVALID_PATH", "assignments[0].name")


def test_a_path_is_checked_at_save() -> None:
    assert "is no path" in problems("flow.set", {"assignments": [{"name": "a..b", "value": 1}]})[0]
    assert problems("flow.set", {"assignments": [{"name": "a"}]}) == [
        "parameters.assignments[0].value: assignments[0].value is required"
    ]
