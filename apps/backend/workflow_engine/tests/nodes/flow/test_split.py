from typing import Any

import pytest

from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.events import NodeSucceeded

ORDER = {"id": 7, "order": {"lines": [{"sku": "a"}, {"sku": "b"}], "by": "Ada"}, "tags": ["x", "y"]}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"field": "order.lines"}, [{"sku": "a"}, {"sku": "b"}]),
        ({"field": "tags"}, [{"tags": "x"}, {"tags": "y"}]),
        (
            {"field": "order.lines", "keep_other_fields": True},
            [
                {"id": 7, "order": {"lines": {"sku": "a"}, "by": "Ada"}, "tags": ["x", "y"]},
                {"id": 7, "order": {"lines": {"sku": "b"}, "by": "Ada"}, "tags": ["x", "y"]},
            ],
        ),
    ],
)
async def test_elements_become_items(parameters: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    assert records(await run_node("flow.split", parameters, [ORDER])) == expected


async def test_each_new_item_knows_the_one_it_was_in() -> None:
    outcome = await run_node("flow.split", {"field": "tags"}, [{"tags": ["a"]}, {"tags": []}, {"tags": ["b", "c"]}])
    assert isinstance(outcome, NodeSucceeded)
    assert [item.sources for item in outcome.outputs["main"]] == [(0,), (2,), (2,)]


async def test_empty_lists_and_no_items_make_none() -> None:
    assert records(await run_node("flow.split", {"field": "tags"}, [{"tags": []}])) == []
    assert records(await run_node("flow.split", {"field": "tags"}, [])) == []


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"id": 1}, "tags must be a list, but it is missing"),
        ({"tags": "x"}, "tags must be a list, but it is text"),
        ({"tags": None}, "tags must be a list, but it is null"),
    ],
)
async def test_what_is_no_list_fails(item: dict[str, Any], words: str) -> None:
    failed = failure(await run_node("flow.split", {"field": "tags"}, [{"tags": []}, item]))
    assert (failed.reason, failed.message, failed.details) == ("TYPE_MISMATCH", words, {"item": 1})


async def test_missing_lists_can_be_passed_over_but_not_wrong_ones() -> None:
    skip = {"field": "tags", "missing": "skip"}
    assert records(await run_node("flow.split", skip, [{}, {"tags": None}, {"tags": ["x"]}])) == [{"tags": "x"}]
    assert failure(await run_node("flow.split", skip, [{"tags": 5}])).reason == "TYPE_MISMATCH"


def test_the_field_must_be_a_path() -> None:
    assert problems("flow.split", {}) == ["parameters.field: field is required"]
    assert "is no path" in problems("flow.split", {"field": "a."})[0]
