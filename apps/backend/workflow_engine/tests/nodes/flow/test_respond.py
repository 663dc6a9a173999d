from typing import Any

import pytest

from tests.engine.rig import Rig
from tests.nodes.harness import failure, problems, records, run_node


def test_its_items_are_the_executions_result_though_the_workflow_goes_on() -> None:
    run = Rig(
        {
            "nodes": [
                {"id": "respond", "type": "flow.respond"},
                {"id": "after", "type": "flow.set", "parameters": {"assignments": [{"name": "late", "value": True}]}},
            ],
            "connections": ["respond -> after"],
        }
    ).start([{"id": 1}])
    assert run.output == [{"id": 1}]
    assert run.runs()["after"] == "succeeded"


@pytest.mark.parametrize(
    ("body", "expected"),
    [({"order": "{{ json.id }}"}, [{"order": 7}]), ([{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 2}]), ([], [])],
)
async def test_a_body_of_its_own(body: Any, expected: list[dict[str, Any]]) -> None:
    assert records(await run_node("flow.respond", {"body": body}, [{"id": 7}])) == expected


async def test_no_items_are_an_empty_result() -> None:
    assert records(await run_node("flow.respond", {}, [])) == []


async def test_a_body_must_be_made_of_objects() -> None:
    failed = failure(await run_node("flow.respond", {"body": "{{ json.id }}"}, [{"id": 7}]))
    assert failed.reason == "INVALID_PARAMETER"
    assert failed.field.startswith("body")
    assert problems("flow.respond", {"body": "done"})
