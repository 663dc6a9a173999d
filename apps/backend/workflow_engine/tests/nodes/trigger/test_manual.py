from tests.engine.rig import Rig
from tests.nodes.harness import problems, records, run_node


async def test_what_the_person_gave_goes_on() -> None:
    given = await run_node("trigger.manual", {}, [{"id": 1}, {"id": 2}])
    assert records(given) == [{"id": 1}, {"id": 2}]


async def test_without_input_the_next_nodes_run_once_on_an_empty_item() -> None:
    assert records(await run_node("trigger.manual", {}, [])) == [{}]


def test_nothing_can_lead_into_it() -> None:
    assert problems("trigger.manual", {}) == []
    assert problems("trigger.manual", {"schedule": "daily"}) == [
        "parameters.schedule: there is no parameter 'schedule'"
    ]


def test_an_execution_without_a_named_trigger_begins_here() -> None:
    run = Rig(
        {
            "nodes": [{"id": "start", "type": "trigger.manual"}, {"id": "end", "type": "flow.no_op"}],
            "connections": ["start -> end"],
        }
    ).start([{"id": 1}])
    assert (run.status, run.output) == ("SUCCESS", [{"id": 1}])
