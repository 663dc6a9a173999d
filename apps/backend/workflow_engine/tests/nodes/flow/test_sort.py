from typing import Any

import pytest

from tests.nodes.harness import problems, records, run_node
from workflow_engine.engine.events import NodeSucceeded


async def order(fields: list[dict[str, str]], values: list[Any]) -> list[Any]:
    items = [{} if value == "missing" else {"v": value} for value in values]
    return [json.get("v", "missing") for json in records(await run_node("flow.sort", {"fields": fields}, items))]


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ("asc", [False, True, -1, 1.5, 2, "B", "a", [1], {"x": 1}, None, "missing"]),
        ("desc", [{"x": 1}, [1], "a", "B", 2, 1.5, -1, True, False, None, "missing"]),
    ],
)
async def test_any_values_have_an_order_and_nothing_comes_last(direction: str, expected: list[Any]) -> None:
    mixed = [None, "a", 2, {"x": 1}, "missing", True, 1.5, [1], "B", False, -1]
    assert await order([{"field": "v", "order": direction}], mixed) == expected


async def test_later_fields_decide_among_equals_and_the_rest_keeps_its_order() -> None:
    items = [{"a": 1, "b": 1, "n": 0}, {"a": 2, "b": 9, "n": 1}, {"a": 1, "b": 2, "n": 2}, {"a": 1, "b": 2, "n": 3}]
    outcome = await run_node("flow.sort", {"fields": [{"field": "a"}, {"field": "b", "order": "desc"}]}, items)
    assert [json["n"] for json in records(outcome)] == [2, 3, 0, 1]
    assert isinstance(outcome, NodeSucceeded)
    assert [item.sources for item in outcome.outputs["main"]] == [(2,), (3,), (0,), (1,)]


async def test_no_items() -> None:
    assert await order([{"field": "v"}], []) == []


def test_what_can_not_work_is_refused_at_save() -> None:
    assert "at least 1 item" in problems("flow.sort", {"fields": []})[0]
    assert "'asc' or 'desc'" in problems("flow.sort", {"fields": [{"field": "a", "order": "up"}]})[0]
