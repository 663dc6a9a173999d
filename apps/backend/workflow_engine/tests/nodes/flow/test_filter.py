from tests.engine.rig import Rig
from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.events import NodeSucceeded


async def test_matching_items_pass_and_the_others_leave_elsewhere() -> None:
    outcome = await run_node("flow.filter", {"condition": "{{ json.n > 1 }}"}, [{"n": 1}, {"n": 2}])
    assert records(outcome) == [{"n": 2}]
    assert records(outcome, "rejected") == [{"n": 1}]


def test_when_all_are_dropped_what_follows_is_skipped() -> None:
    run = Rig(
        {
            "nodes": [
                {"id": "filter", "type": "flow.filter", "parameters": {"condition": False}},
                {"id": "after", "type": "flow.no_op"},
            ],
            "connections": ["filter -> after"],
        }
    ).start([{"n": 1}])
    assert run.runs() == {"filter": "succeeded", "after": "skipped"}
    assert run.status == "SUCCESS"


async def test_without_items_both_ports_are_dead() -> None:
    outcome = await run_node("flow.filter", {"condition": True}, [])
    assert isinstance(outcome, NodeSucceeded)
    assert outcome.outputs == {}


async def test_a_missing_field_in_an_expression_is_named() -> None:
    failed = failure(await run_node("flow.filter", {"condition": "{{ json.total > 1 }}"}, [{"n": 1}]))
    assert (failed.reason, failed.field) == ("EXPRESSION_FAILED", "condition")
    assert "total" in failed.message


def test_it_needs_a_condition() -> None:
    assert "give either condition" in problems("flow.filter", {"rules": []})[0]
