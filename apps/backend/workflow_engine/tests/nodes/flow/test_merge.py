from typing import Any

import pytest

from tests.engine.rig import Rig
from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.events import NodeSucceeded
from workflow_engine.engine.items import BinaryRef, Item, Outputs
from workflow_engine.engine.shape import Join, JoinKind
from workflow_engine.nodes.registry import installed


def inputs(*columns: list[dict[str, Any]]) -> Outputs:
    return {f"input_{number}": [Item(json) for json in column] for number, column in enumerate(columns, 1)}


CUSTOMERS: list[dict[str, Any]] = [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"}, {"id": None, "name": "?"}]
ORDERS = [{"customer": 1, "total": 10}, {"customer": 1, "total": 20}, {"customer": 3, "total": 30}]


async def merged(parameters: dict[str, Any], *columns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return records(await run_node("flow.merge", parameters, inputs=inputs(*columns)))


async def test_append_follows_the_inputs_not_the_drawing() -> None:
    given = {"input_2": [Item({"n": 2})], "input_1": [Item({"n": 1})]}
    outcome = await run_node("flow.merge", {}, inputs=given)
    assert records(outcome) == [{"n": 1}, {"n": 2}]
    assert isinstance(outcome, NodeSucceeded)
    assert [item.sources for item in outcome.outputs["main"]] == [(0,), (1,)]


@pytest.mark.parametrize(
    ("unpaired", "expected"),
    [("pad", [{"a": 1, "b": 1}, {"a": 2}]), ("drop", [{"a": 1, "b": 1}])],
)
async def test_by_position(unpaired: str, expected: list[dict[str, Any]]) -> None:
    parameters = {"mode": "by_position", "unpaired": unpaired}
    assert await merged(parameters, [{"a": 1}, {"a": 2}], [{"b": 1}]) == expected


BY_ID = {"mode": "by_key", "keys": [{"left": "id", "right": "customer"}]}
ADA_10 = {"id": 1, "name": "Ada", "customer": 1, "total": 10}
ADA_20 = {"id": 1, "name": "Ada", "customer": 1, "total": 20}


@pytest.mark.parametrize(
    ("join", "expected"),
    [
        ("inner", [ADA_10, ADA_20]),
        ("left", [ADA_10, ADA_20, CUSTOMERS[1], CUSTOMERS[2]]),
        ("right", [ADA_10, ADA_20, ORDERS[2]]),
        ("outer", [ADA_10, ADA_20, CUSTOMERS[1], CUSTOMERS[2], ORDERS[2]]),
    ],
)
async def test_by_key(join: str, expected: list[dict[str, Any]]) -> None:
    assert await merged(BY_ID | {"join": join}, CUSTOMERS, ORDERS) == expected


async def test_missing_and_null_keys_never_match_and_numbers_are_not_text() -> None:
    keys = {"mode": "by_key", "keys": [{"left": "id"}]}
    assert await merged(keys, [{"id": None}, {}, {"id": 1}], [{"id": None}, {}, {"id": "1"}]) == []
    assert await merged(keys, [{"id": 1}], [{"id": 1.0, "b": 2}]) == [{"id": 1.0, "b": 2}]


@pytest.mark.parametrize(
    ("clash", "expected"),
    [
        ("last", {"id": 1, "name": "b"}),
        ("first", {"id": 1, "name": "a"}),
        ("suffix", {"id_1": 1, "id_2": 1, "name_1": "a", "name_2": "b"}),
    ],
)
async def test_clashing_fields(clash: str, expected: dict[str, Any]) -> None:
    parameters = {"mode": "by_key", "keys": [{"left": "id"}], "clash": clash}
    assert await merged(parameters, [{"id": 1, "name": "a"}], [{"id": 1, "name": "b"}]) == [expected]


async def test_merged_items_keep_both_origins_and_all_files() -> None:
    given = {
        "input_1": [Item({"a": 0}), Item({"a": 1}, {"x": BinaryRef("sha256:01", 1)})],
        "input_2": [Item({"b": 0}), Item({"b": 1}, {"y": BinaryRef("sha256:02", 1)})],
    }
    outcome = await run_node("flow.merge", {"mode": "by_position"}, inputs=given)
    assert isinstance(outcome, NodeSucceeded)
    assert [item.sources for item in outcome.outputs["main"]] == [(0, 2), (1, 3)]
    assert set(outcome.outputs["main"][1].binary) == {"x", "y"}


async def test_combinations_of_three() -> None:
    made = await merged({"mode": "combinations", "inputs": 3}, [{"a": 1}, {"a": 2}], [{"b": 1}], [{"c": 1}, {"c": 2}])
    assert made == [{"a": a, "b": 1, "c": c} for a in (1, 2) for c in (1, 2)]


@pytest.mark.parametrize("parameters", [{"mode": "combinations"}, {"mode": "by_key", "keys": [{"left": "k"}]}])
async def test_too_many_items_are_refused_before_they_are_made(parameters: dict[str, Any]) -> None:
    column: list[dict[str, Any]] = [{"k": 1}] * 2_000
    failed = failure(await run_node("flow.merge", parameters, inputs=inputs(column, column)))
    assert (failed.reason, failed.field) == ("TOO_MANY_ITEMS", "max_items")


async def test_choose_takes_one_input_and_is_dead_when_that_is() -> None:
    assert await merged({"mode": "choose", "choose": 2}, [{"a": 1}], [{"b": 1}]) == [{"b": 1}]
    outcome = await run_node("flow.merge", {"mode": "choose", "choose": 2}, inputs=inputs([{"a": 1}]))
    assert isinstance(outcome, NodeSucceeded)
    assert outcome.outputs == {}


@pytest.mark.parametrize("mode", ["append", "by_position", "combinations"])
async def test_no_items_make_no_items(mode: str) -> None:
    assert await merged({"mode": mode}, [], []) == []


async def test_a_dead_input_has_no_items() -> None:
    assert await merged(BY_ID | {"join": "left"}, CUSTOMERS[:1]) == CUSTOMERS[:1]
    assert await merged({"mode": "combinations"}, CUSTOMERS) == []


@pytest.mark.parametrize("mode", ["append", "by_position", "choose"])
def test_tested_by_itself_its_input_stands_for_the_first(mode: str) -> None:
    drawing = {"nodes": [{"id": "merge", "type": "flow.merge", "parameters": {"mode": mode}}]}
    assert Rig(drawing).start([{"a": 1}], only="merge").output == [{"a": 1}]


def racing(**parameters: Any) -> Rig:
    return Rig(
        {
            "nodes": [
                {"id": "start", "type": "trigger.manual"},
                {"id": "a"},
                {"id": "b"},
                {"id": "c"},
                {"id": "merge", "type": "flow.merge", "parameters": {"inputs": 3, **parameters}},
            ],
            "connections": [
                *(f"start -> {branch} -> merge.input_{number}" for number, branch in enumerate("abc", 1)),
            ],
        }
    ).start()


def test_first_goes_on_with_whatever_is_first() -> None:
    run = racing(mode="first").succeed("b", [{"by": "b"}])
    assert run.runs()["merge"] == "succeeded"
    assert run.output == [{"by": "b"}]
    assert set(run.outstanding) == {"a", "c"}
    assert run.succeed("a").succeed("c").status == "SUCCESS"
    assert run.output == [{"by": "b"}]


def test_first_may_cancel_the_rest() -> None:
    run = racing(mode="first", cancel_rest=True).succeed("b", [{"by": "b"}])
    assert not run.outstanding
    assert (run.status, run.output) == ("SUCCESS", [{"by": "b"}])
    assert run.runs()["a"] == run.runs()["c"] == "canceled"


def test_a_quorum_waits_for_so_many() -> None:
    run = racing(mode="quorum", count=2, cancel_rest=True).succeed("c", [{"by": "c"}])
    assert run.runs().get("merge") != "succeeded"
    run.succeed("a", [{"by": "a"}])
    assert (run.status, run.output) == ("SUCCESS", [{"by": "a"}, {"by": "c"}])


def test_the_join_follows_the_parameters() -> None:
    node = installed().find("flow.merge", 0)
    assert node
    assert node.shape({}).join == Join()
    assert node.shape({"mode": "first"}).join == Join(JoinKind.QUORUM, 1)
    assert node.shape({"mode": "quorum", "inputs": 5, "count": 3, "cancel_rest": True}).join == Join(
        JoinKind.QUORUM, 3, True
    )
    assert [port.name for port in node.shape({"inputs": 3}).inputs] == ["input_1", "input_2", "input_3"]
    assert len(node.shape({"inputs": "{{ json.n }}"}).inputs) == 2


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"mode": "quorum", "count": 3}, "2 inputs can never meet a quorum of 3"),
        ({"mode": "quorum"}, "mode quorum needs count"),
        ({"mode": "by_key"}, "mode by_key needs keys"),
        ({"mode": "by_key", "keys": [{"left": "id"}], "inputs": 3}, "by_key merges two inputs"),
        ({"mode": "choose", "choose": 4}, "choose is 4, but there are 2 inputs"),
        ({"inputs": "{{ json.n }}"}, "can not be an expression"),
        ({"mode": "quorum", "count": "{{ json.n }}"}, "can not be an expression"),
        ({"inputs": 0}, "greater than or equal to 1"),
    ],
)
def test_what_can_never_work_is_refused_at_save(parameters: dict[str, Any], words: str) -> None:
    assert any(words in found for found in problems("flow.merge", parameters))
