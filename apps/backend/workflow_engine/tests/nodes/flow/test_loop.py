from typing import Any

import pytest

from tests.engine.rig import Rig
from tests.nodes.harness import failure, problems, run_node
from workflow_engine.engine.events import NodeIterated, NodeSucceeded
from workflow_engine.engine.items import Item

STEP = {"type": "action.task"}
"""Does what the story says."""
COUNT_UP = {"assignments": [{"name": "n", "value": "{{ json.n + 1 }}"}]}


def looping(parameters: dict[str, Any], body: dict[str, Any] | None = None) -> Rig:
    """start -> loop -> end, with one node for a body."""
    return Rig(
        {
            "nodes": [
                {"id": "start", "type": "trigger.manual"},
                {"id": "loop", "type": "flow.loop", "parameters": parameters},
                {"id": "body", **(body or {"type": "flow.set", "parameters": COUNT_UP})},
                {"id": "end", "type": "flow.no_op"},
            ],
            "connections": ["start -> loop", "loop.body -> body -> loop.return", "loop.done -> end"],
        }
    )


def test_batches_share_the_items_out_in_order_and_collect_what_comes_back() -> None:
    run = looping({"size": 2}, STEP).start([{"n": 1}, {"n": 2}, {"n": 3}])
    assert run.input("body[0]") == [{"n": 1}, {"n": 2}]
    run.succeed("body[0]", [{"sum": 3}])
    assert run.input("body[1]") == [{"n": 3}]
    run.succeed("body[1]", [{"sum": 3}])
    assert (run.status, run.output) == ("SUCCESS", [{"sum": 3}, {"sum": 3}])


def test_batches_of_nothing_run_no_iteration() -> None:
    run = Rig(
        {
            "nodes": [
                {"id": "split", "type": "flow.split", "parameters": {"field": "lines"}},
                {"id": "loop", "type": "flow.loop"},
                {"id": "body", "type": "flow.no_op"},
            ],
            "connections": ["split -> loop", "loop.body -> body -> loop.return"],
        }
    ).start([{"lines": []}])
    assert (run.status, run.output, run.runs()) == ("SUCCESS", [], {"split": "succeeded", "loop": "succeeded"})


def test_times_gives_every_iteration_all_items() -> None:
    run = looping({"mode": "times", "times": 3}).start([{"n": 1}])
    assert run.output == [{"n": 2}] * 3


def test_while_goes_on_with_what_came_back_until_the_condition_fails() -> None:
    run = looping({"mode": "while", "condition": "{{ json.n < 4 }}"}).start([{"n": 1}])
    assert run.output == [{"n": 4}]
    assert [address for address in run.runs() if address.startswith("body")] == ["body[0]", "body[1]", "body[2]"]


def test_a_while_that_never_holds_hands_the_incoming_items_on() -> None:
    run = looping({"mode": "while", "condition": "{{ json.n < 4 }}"}).start([{"n": 9}])
    assert run.output == [{"n": 9}]


def test_until_runs_at_least_once() -> None:
    assert looping({"mode": "until", "condition": "{{ json.n >= 4 }}"}).start([{"n": 9}]).output == [{"n": 10}]
    assert looping({"mode": "until", "condition": "{{ json.n >= 4 }}"}).start([{"n": 1}]).output == [{"n": 4}]


def test_a_condition_may_count_the_turns() -> None:
    assert looping({"mode": "while", "condition": "{{ run.turn < 2 }}"}).start([{"n": 1}]).output == [{"n": 3}]


def test_a_condition_sees_all_returned_items() -> None:
    add_one = {"type": "flow.set", "parameters": COUNT_UP}
    run = looping({"mode": "while", "condition": "{{ items.exists(i, i.json.n < 3) }}"}, add_one)
    assert run.start([{"n": 5}, {"n": 1}]).output == [{"n": 7}, {"n": 3}]


def test_an_endless_loop_is_stopped_with_advice() -> None:
    run = looping({"mode": "while", "condition": True, "max_iterations": 5}).start([{"n": 1}])
    assert run.status == "ERROR"
    assert run.state.failure
    assert (run.state.failure.reason, run.state.failure.node) == ("LOOP_LIMIT", "loop")
    assert "body[4]" in run.runs()
    assert "body[5]" not in run.runs()


async def test_a_loop_that_is_bound_to_be_too_long_does_not_begin() -> None:
    failed = failure(await run_node("flow.loop", {"max_iterations": 2}, [{"n": n} for n in range(3)]))
    assert (failed.reason, failed.field) == ("LOOP_LIMIT", "max_iterations")
    assert failure(await run_node("flow.loop", {"mode": "times", "times": 1001})).reason == "LOOP_LIMIT"


def test_a_failing_iteration_fails_the_loop() -> None:
    run = looping({}, STEP).start([{"n": 1}, {"n": 2}]).succeed("body[0]").fail("body[1]")
    assert run.status == "ERROR"
    assert run.runs()["loop"] == "failed"


def test_loops_nest() -> None:
    run = Rig(
        {
            "nodes": [
                {"id": "outer", "type": "flow.loop"},
                {"id": "inner", "type": "flow.loop", "parameters": {"mode": "times", "times": 2}},
                {"id": "body", "type": "flow.set", "parameters": COUNT_UP},
            ],
            "connections": ["outer.body -> inner", "inner.body -> body -> inner.return", "inner.done -> outer.return"],
        }
    ).start([{"n": 1}, {"n": 10}])
    assert run.output == [{"n": 2}, {"n": 2}, {"n": 11}, {"n": 11}]
    assert [address for address in run.runs() if address.startswith("body")] == [
        "body[0][0]",
        "body[0][1]",
        "body[1][0]",
        "body[1][1]",
    ]


def test_a_loop_goes_on_after_a_crash() -> None:
    run = looping({"size": 1}, STEP).start([{"n": 1}, {"n": 2}]).succeed("body[0]", [{"done": 1}]).crash()
    assert run.input("body[1]") == [{"n": 2}]
    assert run.succeed("body[1]", [{"done": 2}]).output == [{"done": 1}, {"done": 2}]


async def test_its_turns_speak_of_what_was_returned() -> None:
    given = {"main": [Item({"n": 1})], "return": [Item({"n": 5})]}
    parameters = {"mode": "while", "condition": "{{ json.n == 5 }}"}
    goes_on = await run_node("flow.loop", parameters, inputs=given, turn=1)
    assert isinstance(goes_on, NodeIterated)
    assert [item.json for item in goes_on.items] == [{"n": 5}]
    ends = await run_node("flow.loop", parameters, inputs={"main": [Item({"n": 1})], "return": []}, turn=1)
    assert failure(ends).reason == "EXPRESSION_FAILED"
    done = await run_node(
        "flow.loop",
        {**parameters, "condition": "{{ size(items) > 0 }}"},
        inputs={"main": [Item()], "return": []},
        turn=1,
    )
    assert isinstance(done, NodeSucceeded)
    assert done.outputs == {"done": []}


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"mode": "while"}, "mode while needs condition"),
        ({"mode": "times"}, "mode times needs times"),
        ({"mode": "{{ json.mode }}"}, "can not be an expression"),
        ({"size": 0}, "greater than or equal to 1"),
        ({"mode": "while", "condition": "soon"}, "valid boolean"),
    ],
)
def test_what_can_not_work_is_refused_at_save(parameters: dict[str, Any], words: str) -> None:
    assert any(words in found for found in problems("flow.loop", parameters))
