"""What is wrong with JSON that does not fit the contract is said in words, with the field that it is about."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format

from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.services.proto_json import complaint


@pytest.mark.parametrize(
    ("request_", "field", "says"),
    [
        ({"nam": "x"}, "nam", "there is no such field; did you mean 'name'?"),
        ({"name": 5}, "name", "must be a text, not a number"),
        ({"workflow": {"nodes": {}}}, "workflow.nodes", "must be a list"),
        ({"workflow": {"nodes": [5]}}, "workflow.nodes", "must be an object"),
        ({"workflow": {"nodes": [{"disabled": "yes"}]}}, "workflow.nodes[0].disabled", "must be true or false"),
        ({"workflow": {"nodes": [{"parameters": []}]}}, "workflow.nodes[0].parameters", "must be an object"),
        (
            {"workflow": {"nodes": [{"retry": {"maxAttempts": "a"}}]}},
            "workflow.nodes.retry.maxAttempts",
            "is no number",
        ),
        ({"workflow": {"nodes": [{"onError": "x"}]}}, "workflow.nodes[0].onError", "'x' is none of ON_ERROR_STOP, "),
        ({"workflow": {"connections": [{"to_nod": "x"}]}}, "workflow.connections[0].to_nod", "did you mean 'to_node'"),
    ],
)
def test_mistakes(request_: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises((json_format.ParseError, TypeError, AttributeError)) as failed:
        json_format.ParseDict(request_, ws.CreateWorkflowRequest())
    where, wrong = complaint(failed.value)
    assert where == field
    assert says in wrong
