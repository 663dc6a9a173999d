from typing import Any

import pytest

from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.events import NodeSucceeded

SALES: list[dict[str, Any]] = [
    {"land": "de", "total": 10, "by": {"name": "Ada"}},
    {"land": "at", "total": 2.5},
    {"land": "de", "total": None, "by": {"name": "Bob"}},
    {"land": "de", "total": 30},
]
FIGURES = [{"op": op, "field": "total"} for op in ("count", "sum", "min", "max", "avg")]


async def test_all_items_in_one_list() -> None:
    outcome = await run_node("flow.aggregate", {"into": "sales"}, SALES)
    assert records(outcome) == [{"sales": SALES}]
    assert isinstance(outcome, NodeSucceeded)
    assert outcome.outputs["main"][0].sources == (0, 1, 2, 3)


async def test_a_list_for_each_field() -> None:
    assert records(await run_node("flow.aggregate", {"mode": "fields", "fields": ["total", "by.name"]}, SALES)) == [
        {"total": [10, 2.5, None, 30], "name": ["Ada", None, "Bob", None]}
    ]


async def test_figures_for_each_group() -> None:
    parameters = {"mode": "summary", "group_by": ["land"], "summaries": [*FIGURES, {"op": "count", "name": "sales"}]}
    outcome = await run_node("flow.aggregate", parameters, SALES)
    de = {"count_total": 2, "sum_total": 40, "min_total": 10, "max_total": 30, "avg_total": 20.0, "sales": 3}
    at = {"count_total": 1, "sum_total": 2.5, "min_total": 2.5, "max_total": 2.5, "avg_total": 2.5, "sales": 1}
    assert records(outcome) == [{"land": "de", **de}, {"land": "at", **at}]
    assert isinstance(outcome, NodeSucceeded)
    assert [item.sources for item in outcome.outputs["main"]] == [(0, 2, 3), (1,)]


async def test_different_values_are_counted_and_joined() -> None:
    rows: list[dict[str, Any]] = [
        {"tag": "a"},
        {"tag": 1},
        {"tag": 1.0},
        {"tag": True},
        {"tag": None},
        {},
        {"tag": ["b"]},
    ]
    figures = [{"op": "count_unique", "field": "tag"}, {"op": "join", "field": "tag", "separator": " | "}]
    outcome = await run_node("flow.aggregate", {"mode": "summary", "summaries": figures}, rows)
    assert records(outcome) == [{"count_unique_tag": 4, "join_tag": 'a | 1 | 1.0 | true | ["b"]'}]
    assert "needs field" in problems("flow.aggregate", {"mode": "summary", "summaries": [{"op": "join"}]})[0]


async def test_groups_work_for_lists_too_and_true_is_not_one() -> None:
    items: list[dict[str, Any]] = [{"k": 1, "v": "a"}, {"k": True, "v": "b"}, {"k": 1.0, "v": "c"}]
    found = records(await run_node("flow.aggregate", {"mode": "fields", "fields": ["v"], "group_by": ["k"]}, items))
    assert found == [{"k": 1, "v": ["a", "c"]}, {"k": True, "v": ["b"]}]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [{"items": []}]),
        ({"mode": "fields", "fields": ["a"]}, [{"a": []}]),
        (
            {"mode": "summary", "summaries": FIGURES},
            [{"count_total": 0, "sum_total": 0, "min_total": None, "max_total": None, "avg_total": None}],
        ),
        ({"group_by": ["land"]}, []),
    ],
)
async def test_of_nothing(parameters: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    assert records(await run_node("flow.aggregate", parameters, [])) == expected


async def test_text_can_not_be_summed() -> None:
    parameters = {"mode": "summary", "summaries": [{"op": "sum", "field": "v"}]}
    failed = failure(await run_node("flow.aggregate", parameters, [{"v": 1}, {"v": "2"}]))
    assert (failed.reason, failed.field) == ("TYPE_MISMATCH", "summaries[0].field")
    assert failed.message == "sum of v needs numbers, but one item has text: '2'"


async def test_a_sum_that_does_not_fit_is_not_rounded_in_silence() -> None:
    parameters = {"mode": "summary", "summaries": [{"op": "sum", "field": "v"}]}
    assert failure(await run_node("flow.aggregate", parameters, [{"v": 2**62}] * 2)).reason == "NUMBER_OUT_OF_RANGE"
    assert failure(await run_node("flow.aggregate", parameters, [{"v": 1e308}] * 2)).reason == "NUMBER_OUT_OF_RANGE"
    exact = await run_node("flow.aggregate", parameters, [{"v": 2**53}, {"v": 1}])
    assert records(exact) == [{"sum_v": 2**53 + 1}]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"mode": "summary"}, "mode summary needs summaries"),
        ({"mode": "fields"}, "mode fields needs fields"),
        ({"mode": "summary", "summaries": [{"op": "sum"}]}, "mode sum needs field"),
    ],
)
def test_what_can_not_work_is_refused_at_save(parameters: dict[str, Any], words: str) -> None:
    assert words in problems("flow.aggregate", parameters)[0]
