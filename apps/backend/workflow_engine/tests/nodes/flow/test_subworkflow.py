from typing import Any

import pytest

from tests.engine.rig import Rig
from tests.nodes.harness import NOW, failure, problems, records, run_node
from workflow_engine.engine.events import ChildResult, NodeSucceeded, NodeSuspended
from workflow_engine.engine.items import Failure, Item
from workflow_engine.engine.state import Resume
from workflow_engine.nodes.context import Context

ITEMS = [{"n": 1}, {"n": 2}]


def calling(**parameters: Any) -> Rig:
    drawing = {
        "nodes": [
            {
                "id": "call",
                "type": "flow.subworkflow",
                "parameters": {"workflow_id": "wf_child", **parameters},
                "retry": {"max_attempts": 2},
            }
        ]
    }
    return Rig(drawing).start(ITEMS)


def test_one_child_gets_all_items_and_its_output_is_ours() -> None:
    run = calling(version=3)
    (child,) = run.children.values()
    assert (child.spec.workflow_id, child.spec.version, child.detached) == ("wf_child", 3, False)
    assert [item.json for item in child.spec.input] == ITEMS
    assert run.child_ends(child.spec.id, output=[{"sum": 3}]).output == [{"sum": 3}]


def test_one_child_for_each_item_and_results_in_the_order_of_the_items() -> None:
    run = calling(mode="per_item")
    first, second = run.children
    run.child_ends(second, output=[{"of": 2}, {"of": 2}])
    assert run.runs()["call"] == "waiting"
    run.child_ends(first, output=[{"of": 1}])
    assert run.output == [{"of": 1}, {"of": 2}, {"of": 2}]


def test_a_failed_child_fails_the_node_with_its_failure_as_the_cause() -> None:
    run = calling(mode="per_item")
    first, second = run.children
    run.child_ends(first, "ERROR", failure=Failure("NO_CUSTOMER", "order 1 has no customer", "check"))
    run.child_ends(second, output=[])
    failed = run.state.failure
    assert run.status == "ERROR"
    assert failed
    assert failed.cause
    assert (failed.reason, failed.node, failed.cause.reason, failed.cause.node) == (
        "SUBWORKFLOW_FAILED",
        "call",
        "NO_CUSTOMER",
        "check",
    )
    assert failed.message == f"1 of 2 executions, first {first}, failed: order 1 has no customer"
    assert failed.details == {"execution_ids": [first]}


async def test_a_cancelled_child_is_told_from_a_failed_one() -> None:
    resume = Resume("children", results=[ChildResult(id="ex_1", status="CANCELED")])
    failed = failure(await run_node("flow.subworkflow", {"workflow_id": "wf_child"}, resume=resume))
    assert failed.reason == "SUBWORKFLOW_CANCELED"
    assert "ex_1 was cancelled" in failed.message


def test_a_crash_starts_no_child_twice_but_a_retry_starts_new_ones() -> None:
    run = calling()
    (first,) = run.children
    assert set(run.crash().children) == {first}
    run.child_ends(first, "ERROR", failure=Failure("BUSY", "try later", retryable=True)).pass_time(60_000)
    (second,) = run.children
    assert second != first
    assert run.child_ends(second, output=[{"ok": True}]).output == [{"ok": True}]


def test_every_iteration_has_a_child_of_its_own() -> None:
    run = Rig(
        {
            "nodes": [
                {"id": "map", "type": "flow.map"},
                {"id": "call", "type": "flow.subworkflow", "parameters": {"workflow_id": "wf_child"}},
            ],
            "connections": ["map.body -> call -> map.return"],
        }
    ).start(ITEMS)
    assert len(run.children) == 2


def test_fire_and_forget_goes_on_at_once() -> None:
    run = calling(mode="per_item", wait=False)
    assert run.status == "SUCCESS"
    assert run.output == [{"execution_id": id, "workflow_id": "wf_child"} for id in run.children]
    assert [child.detached for child in run.children.values()] == [True, True]


def test_cancelling_cancels_the_children() -> None:
    run = calling()
    (child,) = run.children
    assert run.cancel().cancelled_children == [child]


async def test_without_items_there_is_nobody_to_call() -> None:
    outcome = await run_node("flow.subworkflow", {"workflow_id": "wf_child", "mode": "per_item"}, [])
    assert records(outcome) == []
    outcome = await run_node("flow.subworkflow", {"workflow_id": "wf_child"}, [])
    assert isinstance(outcome, NodeSuspended)
    assert [child.input for child in outcome.children] == [[]]


@pytest.mark.parametrize("depth", [19, 20])
async def test_nesting_has_a_limit(depth: int) -> None:
    outcome = await run_node("flow.subworkflow", {"workflow_id": "wf"}, context=Context("exec", "wf", NOW, depth))
    if depth == 19:
        assert isinstance(outcome, NodeSuspended)
    else:
        assert (failure(outcome).reason, failure(outcome).field) == ("DEPTH_LIMIT", "workflow_id")


async def test_results_remember_their_items() -> None:
    results = [ChildResult(id=f"ex_{n}", status="SUCCESS", output=[Item({"n": n})]) for n in range(2)]
    outcome = await run_node(
        "flow.subworkflow",
        {"workflow_id": "wf", "mode": "per_item"},
        ITEMS,
        resume=Resume("children", results=results),
    )
    assert isinstance(outcome, NodeSucceeded)
    assert [item.sources for item in outcome.outputs["main"]] == [(0,), (1,)]


def test_a_workflow_must_be_named() -> None:
    assert problems("flow.subworkflow", {}) == ["parameters.workflow_id: workflow_id is required"]
