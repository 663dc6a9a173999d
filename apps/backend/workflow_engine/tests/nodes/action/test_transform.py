"""action.transform: JMESPath, and how far a query may go."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.events import NodeSucceeded
from workflow_engine.engine.items import BinaryRef, Item

TYPE = "action.transform"
ORDERS = {"orders": [{"id": 1, "total": 50, "note": "a"}, {"id": 2, "total": 150, "note": "b"}]}


@pytest.mark.parametrize(
    ("query", "items"),
    [
        ("orders[?total > `100`].{id: id, sum: total}", [{"id": 2, "sum": 150}]),
        ("orders[].note", [{"value": "a"}, {"value": "b"}]),
        ("{count: length(orders), best: max_by(orders, &total).id}", [{"count": 2, "best": 2}]),
        ("length(orders)", [{"value": 2}]),
        ("orders[?total > `999`]", []),
        ("nothing.here", []),
        ("@", [ORDERS]),
    ],
)
async def test_what_comes_out_becomes_items(query: str, items: list[dict[str, Any]]) -> None:
    assert records(await run_node(TYPE, {"query": query}, [ORDERS])) == items


async def test_an_object_field_by_field() -> None:
    query = {"ids": "orders[].id", "best": "max_by(orders, &total).note", "none": "nothing.here"}
    assert records(await run_node(TYPE, {"query": query}, [ORDERS])) == [{"ids": [1, 2], "best": "b", "none": None}]
    failed = failure(await run_node(TYPE, {"query": {"a": "orders", "b": "length(missing)"}}, [ORDERS]))
    assert (failed.reason, failed.field) == ("QUERY_FAILED", "query.b")
    assert problems(TYPE, {"query": {"a": "orders[", "b": "orders"}})


async def test_the_result_can_be_a_field_of_the_item() -> None:
    given = Item({"a": [1, 2]}, {"file": BinaryRef("sha256:0", 1)})
    event = await run_node(TYPE, {"query": "sum(a)", "output_field": "sum"}, [given])
    assert records(event) == [{"a": [1, 2], "sum": 3}]
    assert isinstance(event, NodeSucceeded)
    assert event.outputs["main"][0].binary == given.binary


async def test_something_else_than_the_item_can_be_queried() -> None:
    event = await run_node(TYPE, {"query": "[0]", "input": "{{ json.list }}"}, [{"list": [{"x": 1}]}])
    assert records(event) == [{"x": 1}]
    assert records(await run_node(TYPE, {"query": "a", "input": None}, [{"a": 1}])) == []


async def test_no_items_in_none_out() -> None:
    assert records(await run_node(TYPE, {"query": "@"}, [])) == []


async def test_a_function_on_the_wrong_type_says_so() -> None:
    failed = failure(await run_node(TYPE, {"query": "sum(orders)"}, [ORDERS]))
    assert (failed.reason, failed.field) == ("QUERY_FAILED", "query")
    assert "sum" in failed.message


@pytest.mark.parametrize(
    "query",
    [
        "|".join(["[@,@][]"] * 60),
        "|".join(["[@,@]"] * 60),
        "|".join(["{a:@,b:@}"] * 60) + "|to_string(@)",
        "'" + "x" * 1000 + "' | " + "|".join(["join('', [@,@])"] * 60),
        "|".join(["map(&[@,@], [@,@])"] * 60),
    ],
)
async def test_a_query_that_doubles_its_data_is_stopped(query: str) -> None:
    started = time.perf_counter()
    failed = failure(await run_node(TYPE, {"query": query}))
    assert failed.reason == "QUERY_TOO_EXPENSIVE"
    assert time.perf_counter() - started < 10


async def test_a_large_item_is_no_hostile_one() -> None:
    many = {"rows": [{"id": n, "tags": ["a", "b"]} for n in range(50_000)]}
    got = records(await run_node(TYPE, {"query": "rows[?id > `49990`].{n: id, t: tags[0]}"}, [many]))
    assert got[0] == {"n": 49_991, "t": "a"}


@pytest.mark.parametrize("query", ["a[", "", "(" * 9_999])
def test_a_bad_query_is_found_when_saving(query: str) -> None:
    assert problems(TYPE, {"query": query})


def test_unknown_parameters_are_refused() -> None:
    assert problems(TYPE, {"query": "@", "expression": "x"}) == [
        "parameters.expression: there is no parameter 'expression'"
    ]
