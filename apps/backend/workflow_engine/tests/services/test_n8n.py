"""What n8n exports, brought in and run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.serving import Client, output, serving
from workflow_engine.engine.plan import build
from workflow_engine.nodes.registry import installed
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.services.n8n import expression, from_n8n

MANUAL = {
    "name": "Start",
    "type": "n8n-nodes-base.manualTrigger",
    "typeVersion": 1,
    "parameters": {},
    "position": [0, 0],
}


def node(name: str, type: str, version: float = 1, /, **parameters: Any) -> dict[str, Any]:
    return {"name": name, "type": f"n8n-nodes-base.{type}", "typeVersion": version, "parameters": parameters}


def links(*drawn: str) -> dict[str, Any]:
    """`A -> B`, `A[1] -> B[0]`: connections as n8n writes them."""
    made: dict[str, Any] = {}
    for text in drawn:
        source, target = text.split(" -> ")
        name, _, out = source.partition("[")
        to, _, into = target.partition("[")
        outputs = made.setdefault(name, {"main": []})["main"]
        index = int(out.rstrip("]") or 0)
        outputs += [[] for _ in range(index + 1 - len(outputs))]
        outputs[index].append({"node": to, "type": "main", "index": int(into.rstrip("]") or 0)})
    return made


def document(*nodes: dict[str, Any], connections: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "Exported", "nodes": [MANUAL, *nodes], "connections": connections, **more}


CONDITION = {
    "combinator": "and",
    "options": {"caseSensitive": True},
    "conditions": [
        {"leftValue": "={{ $json.total }}", "rightValue": 100, "operator": {"type": "number", "operation": "gte"}}
    ],
}


def assignments(**values: Any) -> dict[str, Any]:
    return {"assignments": [{"name": name, "value": value, "type": "string"} for name, value in values.items()]}


BRANCHES = document(
    node("If", "if", 2, conditions=CONDITION),
    node(
        "Big",
        "set",
        3.4,
        assignments=assignments(size="big", who="={{ $json.name.toUpperCase() }}"),
        includeOtherFields=True,
    ),
    node("Small", "set", 3.4, assignments=assignments(size="small"), includeOtherFields=True),
    node("Merge", "merge", 3),
    connections=links("Start -> If", "If -> Big", "If[1] -> Small", "Big -> Merge", "Small -> Merge[1]"),
)
LOOP = document(
    node("Loop", "splitInBatches", 3, batchSize=1),
    node("Mark", "set", 3.4, assignments=assignments(seen="yes"), includeOtherFields=True),
    node("After", "noOp"),
    connections=links("Start -> Loop", "Loop[1] -> Mark", "Mark -> Loop", "Loop -> After"),
)


@pytest.fixture
async def client(sqlite_url: str, tmp_path: Path) -> Any:
    async with serving(sqlite_url, tmp_path) as client:
        yield client


async def bring_in(client: Client, exported: dict[str, Any]) -> ws.ImportWorkflowResponse:
    request = ws.ImportWorkflowRequest(content=json.dumps(exported), format=ws.WORKFLOW_FORMAT_N8N)
    return await client.stub.ImportWorkflow(request)  # type: ignore[no-any-return]


async def test_branches_expressions_and_merges_run_as_they_did(client: Client) -> None:
    imported = await bring_in(client, BRANCHES)
    assert not [issue for issue in imported.report if issue.severity == pb.SEVERITY_ERROR]
    execution = await client.run(imported.workflow.id, {"total": 150, "name": "ada"}, {"total": 5, "name": "bob"})
    assert output(execution) == [
        {"total": 150, "name": "ada", "size": "big", "who": "ADA"},
        {"total": 5, "name": "bob", "size": "small"},
    ]


async def test_a_loop_drawn_as_a_cycle_becomes_a_loop(client: Client) -> None:
    imported = await bring_in(client, LOOP)
    drawn = {(each.from_node, each.from_port, each.to_node, each.to_port) for each in imported.workflow.connections}
    assert ("loop", "body", "mark", "main") in drawn
    assert ("mark", "main", "loop", "return") in drawn
    execution = await client.run(imported.workflow.id, {"n": 1}, {"n": 2})
    assert output(execution) == [{"n": 1, "seen": "yes"}, {"n": 2, "seen": "yes"}]


async def test_what_does_not_map_is_kept_and_named(client: Client) -> None:
    code = node("Code", "code", 2, jsCode="return items;")
    imported = await bring_in(client, document(code, connections=links("Start -> Code")))
    (issue,) = imported.report
    assert (issue.severity, issue.code, issue.node_id) == (pb.SEVERITY_ERROR, "NOT_MAPPED", "code")
    placed = next(each for each in imported.workflow.nodes if each.id == "code")
    assert placed.type == "flow.no_op"
    assert json.loads(placed.notes)["parameters"] == {"jsCode": "return items;"}
    assert (await client.run(imported.workflow.id)).status == ex.SUCCESS


async def test_javascript_beyond_our_language_leaves_the_node_out_and_says_where(client: Client) -> None:
    odd = node("Odd", "set", 3.4, assignments=assignments(x="={{ $json.list.reduce((a, b) => a + b) }}"))
    imported = await bring_in(client, document(odd, connections=links("Start -> Odd")))
    (issue,) = [each for each in imported.report if each.severity == pb.SEVERITY_ERROR]
    assert issue.node_id == "odd"
    assert issue.field.startswith("parameters.assignments[0]")


async def test_a_parameter_without_counterpart_is_named(client: Client) -> None:
    limit = node("Limit", "limit", 1, maxItems=2, surprise="yes")
    imported = await bring_in(client, document(limit, connections=links("Start -> Limit")))
    assert [(issue.node_id, issue.field) for issue in imported.report] == [("limit", "parameters.surprise")]


@pytest.mark.parametrize("content", ["[]", "{}", "no json", '{"nodes": 3}'])
async def test_what_is_no_export_is_refused(client: Client, content: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.stub.ImportWorkflow(ws.ImportWorkflowRequest(content=content, format=ws.WORKFLOW_FORMAT_N8N))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert (await client.stub.ListWorkflows(ws.ListWorkflowsRequest())).total == 0


MAPPED = {
    "flow.switch": node(
        "N",
        "switch",
        3,
        rules={"values": [{"conditions": CONDITION, "outputKey": "big"}]},
        options={"fallbackOutput": "extra"},
    ),
    "flow.filter": node("N", "filter", 2, conditions=CONDITION),
    "flow.if": node(
        "N", "if", 1, conditions={"number": [{"value1": "={{ $json.n }}", "operation": "larger", "value2": 5}]}
    ),
    "flow.split": node("N", "splitOut", 1, fieldToSplitOut="rows"),
    "flow.aggregate": node("N", "aggregate", 1, aggregate="aggregateAllItemData", destinationFieldName="all"),
    "flow.sort": node("N", "sort", 1, sortFieldsUi={"sortField": [{"fieldName": "n", "order": "descending"}]}),
    "flow.limit": node("N", "limit", 1, maxItems=3, keep="lastItems"),
    "flow.dedupe": node("N", "removeDuplicates", 1, compare="selectedFields", fieldsToCompare="a, b"),
    "flow.rename": node("N", "renameKeys", 1, keys={"key": [{"currentKey": "a", "newKey": "b"}]}),
    "flow.wait": node("N", "wait", 1, amount=5, unit="minutes"),
    "flow.subworkflow": node("N", "executeWorkflow", 1.2, workflowId={"value": "wf_1", "mode": "id"}, mode="each"),
    "flow.stop_and_error": node("N", "stopAndError", 1, errorMessage="=no {{ $json.name }}"),
    "flow.respond": node("N", "respondToWebhook", 1),
    "action.http_request": node(
        "N",
        "httpRequest",
        4.2,
        method="POST",
        url="=https://example.com/{{ $json.id }}",
        sendBody=True,
        bodyParameters={"parameters": [{"name": "a", "value": "={{ $json.a }}"}]},
    ),
}


@pytest.mark.parametrize("type", MAPPED)
def test_each_node_that_maps_is_valid_here(type: str) -> None:
    workflow, report = from_n8n(document(MAPPED[type], connections=links("Start -> N")))
    assert [node.type for node in workflow.nodes] == ["trigger.manual", type]
    assert not report
    assert not build(workflow, installed()).errors


def test_retries_errors_pins_and_notes_come_along() -> None:
    shaky = node("Shaky", "noOp") | {
        "retryOnFail": True,
        "maxTries": 5,
        "onError": "continueErrorOutput",
        "disabled": True,
    }
    note = node("Note", "stickyNote", content="Ask Ada.")
    workflow, _ = from_n8n(document(shaky, note, connections={}, pinData={"Shaky": [{"json": {"a": 1}}]}))
    assert workflow.description == "Ask Ada."
    made = workflow.nodes[1]
    assert (made.retry.max_attempts, made.on_error, made.disabled) == (5, pb.ON_ERROR_ERROR_PORT, True)
    assert made.pinned.outputs["main"].items[0].json["a"] == 1


def test_braces_in_plain_text_stay_text() -> None:
    assert expression("literally {{ x }}") == "literally {{ '{{' }} x }}"
    assert expression("={{ $json.a === 1 ? 'x' : 'y' }}") == "{{ $json.a == 1 ? 'x' : 'y' }}"
