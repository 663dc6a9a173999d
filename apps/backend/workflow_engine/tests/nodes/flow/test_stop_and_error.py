from tests.engine.rig import Rig
from tests.nodes.harness import failure, problems, run_node
from workflow_engine.engine.events import NodeSucceeded

STOP = {"message": "order {{ json.id }} has no customer", "reason": "NO_CUSTOMER"}


def test_the_execution_fails_in_your_words() -> None:
    run = Rig(
        {
            "nodes": [
                {"id": "if", "type": "flow.if", "parameters": {"condition": "{{ json.id == 7 }}"}},
                {"id": "stop", "type": "flow.stop_and_error", "parameters": STOP},
            ],
            "connections": ["if.true -> stop"],
        }
    )
    failed = run.start([{"id": 7}]).state.failure
    assert run.status == "ERROR"
    assert failed
    assert (failed.reason, failed.message, failed.node) == ("NO_CUSTOMER", "order 7 has no customer", "stop")


async def test_a_retry_policy_does_not_repeat_it() -> None:
    assert failure(await run_node("flow.stop_and_error", STOP, [{"id": 1}])).retryable is False


async def test_a_branch_without_items_stops_nothing() -> None:
    outcome = await run_node("flow.stop_and_error", {"message": "no"}, [])
    assert isinstance(outcome, NodeSucceeded)


def test_message_and_reason_are_checked_at_save() -> None:
    assert problems("flow.stop_and_error", {}) == ["parameters.message: message is required"]
    assert "reason" in problems("flow.stop_and_error", {"message": "no", "reason": "not found"})[0]
