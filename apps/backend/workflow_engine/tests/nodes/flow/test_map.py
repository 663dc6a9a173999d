from typing import Any

import pytest

from tests.engine.rig import Rig
from tests.nodes.harness import problems, run_node
from workflow_engine.engine.events import NodeExpanded, NodeSucceeded


def mapping(**parameters: Any) -> Rig:
    """start -> map -> end, with one step for a body."""
    return Rig(
        {
            "nodes": [
                {"id": "map", "type": "flow.map", "parameters": parameters},
                {"id": "body"},
                {"id": "end", "type": "flow.no_op"},
                {"id": "failed", "type": "flow.no_op"},
            ],
            "connections": ["map.body -> body -> map.return", "map.done -> end", "map.error -> failed"],
        }
    )


ITEMS = [{"n": 1}, {"n": 2}, {"n": 3}]


def test_branches_run_side_by_side_as_many_as_there_is_room_for() -> None:
    run = mapping(concurrency=2).start(ITEMS)
    assert set(run.outstanding) == {"body[0]", "body[1]"}
    run.succeed("body[1]")
    assert set(run.outstanding) == {"body[0]", "body[2]"}


@pytest.mark.parametrize(("keep_order", "expected"), [(True, [1, 2, 3]), (False, [3, 1, 2])])
def test_results_come_in_the_order_of_the_items_or_as_they_come(keep_order: bool, expected: list[int]) -> None:
    run = mapping(keep_order=keep_order).start(ITEMS).succeed("body[2]").succeed("body[0]").succeed("body[1]")
    assert [record["n"] for record in run.output] == expected


async def test_batches() -> None:
    outcome = await run_node("flow.map", {"batch_size": 2, "concurrency": 7}, ITEMS)
    assert isinstance(outcome, NodeExpanded)
    assert [[item.json for item in batch] for batch in outcome.batches] == [ITEMS[:2], ITEMS[2:]]
    assert (outcome.concurrency, outcome.on_failure, outcome.keep_order) == (7, "stop", True)


async def test_no_items_need_no_branches() -> None:
    outcome = await run_node("flow.map", {}, [])
    assert isinstance(outcome, NodeSucceeded)
    assert outcome.outputs == {"done": []}


def test_a_failing_branch_stops_the_map() -> None:
    run = mapping().start(ITEMS).fail("body[1]")
    assert run.status == "ERROR"
    assert not run.outstanding


def test_failed_items_can_be_collected() -> None:
    run = mapping(on_item_failure="collect").start(ITEMS).fail("body[1]").succeed("body[0]").succeed("body[2]")
    assert run.status == "SUCCESS"
    assert run.input("end") == [{"n": 1}, {"n": 3}]
    (failed,) = run.input("failed")
    assert (failed["n"], failed["error"]["reason"]) == (2, "BROKEN")


def test_failed_items_can_be_dropped() -> None:
    run = mapping(on_item_failure="drop").start(ITEMS).fail("body[1]").succeed("body[0]").succeed("body[2]")
    assert run.output == [{"n": 1}, {"n": 3}]
    assert run.runs()["failed"] == "skipped"


@pytest.mark.parametrize("parameters", [{"concurrency": 0}, {"batch_size": 0}, {"on_item_failure": "retry"}])
def test_what_can_not_work_is_refused_at_save(parameters: dict[str, Any]) -> None:
    assert len(problems("flow.map", parameters)) == 1
