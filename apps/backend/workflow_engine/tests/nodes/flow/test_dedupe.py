from typing import Any

import pytest

from tests.nodes.harness import problems, records, run_node
from workflow_engine.engine.events import NodeSucceeded

PEOPLE = [{"mail": "a", "n": 1}, {"mail": "b", "n": 2}, {"mail": "a", "n": 3}]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"fields": ["mail"]}, [1, 2]),
        ({"fields": ["mail"], "keep": "last"}, [2, 3]),
        ({"fields": ["mail", "n"]}, [1, 2, 3]),
        ({}, [1, 2, 3]),
    ],
)
async def test_the_same_fields_are_the_same_item(parameters: dict[str, Any], expected: list[int]) -> None:
    outcome = await run_node("flow.dedupe", parameters, PEOPLE)
    assert [json["n"] for json in records(outcome)] == expected
    assert isinstance(outcome, NodeSucceeded)
    assert [item.sources for item in outcome.outputs["main"]] == [(n - 1,) for n in expected]


async def test_whole_items_are_compared_by_value() -> None:
    items: list[dict[str, Any]] = [
        {"a": 1, "b": [1, {"c": 2}]},
        {"b": [1.0, {"c": 2}], "a": 1},
        {"a": True},
        {"a": 1},
        {"a": "1"},
    ]
    found = records(await run_node("flow.dedupe", {}, items))
    assert found == [items[0], items[2], items[3], items[4]]
    assert [type(json["a"]) for json in found] == [int, bool, int, str]


async def test_missing_is_the_same_as_null() -> None:
    assert records(await run_node("flow.dedupe", {"fields": ["a"]}, [{"a": None}, {}])) == [{"a": None}]


async def test_no_items() -> None:
    assert records(await run_node("flow.dedupe", {}, [])) == []


def test_fields_must_be_paths() -> None:
    assert "is no path" in problems("flow.dedupe", {"fields": ["[0]"]})[0]
