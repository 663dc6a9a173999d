"""WorkflowService as its callers see it: over gRPC, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import field_mask_pb2, json_format
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from tests.serving import Client, items, output, runs, serving
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.utils.structs import to_struct, to_value

BRANCHES = {
    "nodes": [
        {"id": "start", "type": "trigger.manual"},
        {"id": "check", "type": "flow.if", "parameters": {"condition": "{{ json.total > 100 }}"}},
        {"id": "big", "type": "flow.set", "parameters": {"assignments": [{"name": "size", "value": "big"}]}},
        {"id": "small", "type": "flow.set", "parameters": {"assignments": [{"name": "size", "value": "small"}]}},
        {"id": "all", "type": "flow.merge", "parameters": {"mode": "append", "inputs": 2}},
    ],
    "connections": [
        "start -> check",
        "check.true -> big",
        "check.false -> small",
        "big -> all.input_1",
        "small -> all.input_2",
    ],
}
WAITING = {
    "nodes": [
        {"id": "start", "type": "trigger.manual"},
        {"id": "wait", "type": "flow.wait", "parameters": {"signal": "go"}},
    ],
    "connections": ["start -> wait"],
}
EMPTY: dict[str, Any] = {}


@pytest.fixture
async def client(database_url: str, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(database_url, tmp_path) as client:
        yield client


@pytest.fixture
async def sqlite_client(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(sqlite_url, tmp_path) as client:
        yield client


async def refusal(call: Any) -> tuple[grpc.StatusCode, str, str, dict[str, str]]:
    """The code, the message, the reason, and what is wrong with which field."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    error = caught.value
    reason, fields = "", {}
    status = rpc_status.from_call(error)
    assert status is not None, error
    for detail in status.details:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            reason = info.reason
            assert info.domain == "workflow-engine"
        if detail.Unpack(bad):
            fields = {violation.field: violation.description for violation in bad.field_violations}
    return error.code(), error.details() or "", reason, fields


class TestTheMainJob:
    async def test_a_workflow_is_created_run_and_remembered(self, client: Client) -> None:
        workflow = await client.create(BRANCHES, name="Sizes", user_id="ada")
        execution = await client.run(workflow.id, {"total": 500}, {"total": 5})

        assert execution.status == ex.SUCCESS
        assert output(execution) == [{"total": 500, "size": "big"}, {"total": 5, "size": "small"}]
        assert set(runs(execution).values()) == {"SUCCEEDED"}
        for run in execution.node_runs:
            assert run.inputs["main" if run.node_id != "all" else "input_1"].items
            assert run.outputs
            assert run.started_at.ToMilliseconds() <= run.ended_at.ToMilliseconds()

        history = await client.stub.GetExecutionHistory(ex.GetExecutionHistoryRequest(workflow_id=workflow.id))
        assert [each.id for each in history.executions] == [execution.id]
        assert history.total == 1

    async def test_a_path_that_is_not_taken_is_skipped(self, sqlite_client: Client) -> None:
        workflow = await sqlite_client.create(BRANCHES)
        execution = await sqlite_client.run(workflow.id, {"total": 500})
        assert runs(execution) == {
            "start": "SUCCEEDED",
            "check": "SUCCEEDED",
            "big": "SUCCEEDED",
            "small": "SKIPPED",
            "all": "SUCCEEDED",
        }

    async def test_an_execution_shows_what_it_ran_whatever_became_of_the_workflow(self, sqlite_client: Client) -> None:
        workflow = await sqlite_client.create(BRANCHES)
        execution = await sqlite_client.run(workflow.id, {"total": 500})
        await sqlite_client.stub.DeleteWorkflow(ws.DeleteWorkflowRequest(workflow_id=workflow.id))
        request = ex.GetExecutionStatusRequest(execution_id=execution.id, with_definition=True)
        ran = (await sqlite_client.stub.GetExecutionStatus(request)).definition
        assert [node.id for node in ran.nodes] == ["start", "check", "big", "small", "all"]
        request.with_definition = False
        assert not (await sqlite_client.stub.GetExecutionStatus(request)).HasField("definition")

    async def test_a_workflow_without_nodes_can_run(self, sqlite_client: Client) -> None:
        workflow = await sqlite_client.create(EMPTY)
        assert [node.type for node in workflow.nodes] == ["trigger.manual"]
        assert (await sqlite_client.run(workflow.id)).status == ex.SUCCESS

    async def test_watching_shows_every_event_and_what_it_changed(self, client: Client) -> None:
        workflow = await client.create(WAITING)
        id = await client.start(workflow.id)
        call = client.stub.WatchExecution(ex.WatchExecutionRequest(execution_id=id))
        seen = []
        async for update in call:
            seen.append((update.event.seq, ex.EventType.Name(update.event.type), update.status))
            if update.event.type == ex.EVENT_TYPE_NODE_SUSPENDED:
                assert update.node_runs[0].waiting_for.signal == "go"
                await client.stub.SignalExecution(ex.SignalExecutionRequest(execution_id=id, name="go"))
        assert [seq for seq, _, _ in seen] == list(range(1, len(seen) + 1))
        assert seen[-1][1:] == ("EVENT_TYPE_EXECUTION_ENDED", ex.SUCCESS)
        assert ("EVENT_TYPE_SIGNAL_RECEIVED") in [name for _, name, _ in seen]

    async def test_the_same_key_starts_one_execution(self, client: Client) -> None:
        workflow = await client.create(WAITING)
        first = await client.start(workflow.id, idempotency_key="order-7")
        assert await client.start(workflow.id, idempotency_key="order-7") == first
        code, _, reason, _ = await refusal(
            client.stub.ExecuteWorkflow(
                ex.ExecuteWorkflowRequest(
                    workflow_id=workflow.id, mode=ex.MANUAL, triggered_by="someone else", idempotency_key="order-7"
                )
            )
        )
        assert (code, reason) == (grpc.StatusCode.ALREADY_EXISTS, "IDEMPOTENCY_KEY_REUSED")

    async def test_a_batch_is_stored_as_one(self, client: Client) -> None:
        workflow = await client.create(BRANCHES)
        request = ex.ExecuteWorkflowRequest(workflow_id=workflow.id, mode=ex.MANUAL, input=items({"total": 1}))
        batch = await client.stub.BatchExecuteWorkflow(ex.BatchExecuteWorkflowRequest(requests=[request] * 25))
        assert len(set(batch.execution_ids)) == 25
        for id in batch.execution_ids:
            assert (await client.wait(id)).status == ex.SUCCESS


class TestSteering:
    async def test_cancel_stops_what_waits(self, client: Client) -> None:
        id = await client.start((await client.create(WAITING)).id)
        response = await client.stub.CancelExecution(ex.CancelExecutionRequest(execution_id=id, reason="enough"))
        assert response.success
        assert (await client.wait(id)).status == ex.CANCELED
        code, _, reason, _ = await refusal(client.stub.CancelExecution(ex.CancelExecutionRequest(execution_id=id)))
        assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "EXECUTION_ENDED")

    async def test_a_paused_execution_takes_signals_and_goes_on_later(self, client: Client) -> None:
        id = await client.start((await client.create(WAITING)).id)
        assert (await client.stub.PauseExecution(ex.PauseExecutionRequest(execution_id=id))).success
        assert (await client.status(id)).status == ex.PAUSED
        signal = ex.SignalExecutionRequest(execution_id=id, name="go", payload=to_value({"by": "ada"}))
        await client.stub.SignalExecution(signal)
        assert (await client.status(id)).status == ex.PAUSED
        assert (await client.stub.ResumeExecution(ex.ResumeExecutionRequest(execution_id=id))).success
        execution = await client.wait(id)
        assert execution.status == ex.SUCCESS
        assert output(execution)[0]["signal"] == {"by": "ada"}

    async def test_why_it_waits_is_in_the_status(self, sqlite_client: Client) -> None:
        drawing = {**WAITING, "settings": {"max_concurrent_executions": 1}}
        workflow = await sqlite_client.create(drawing)
        first, second = await sqlite_client.start(workflow.id), await sqlite_client.start(workflow.id)
        waiting = (await sqlite_client.status(first)).waiting_for[0]
        assert (waiting.kind, waiting.signal, waiting.address) == (ex.WAIT_KIND_SIGNAL, "go", "wait")
        queued = await sqlite_client.status(second)
        assert queued.status == ex.NEW
        assert queued.waiting_for[0].kind == ex.WAIT_KIND_CONCURRENCY
        for id in (first, second):
            await sqlite_client.stub.SignalExecution(ex.SignalExecutionRequest(execution_id=id, name="go"))
            assert (await sqlite_client.wait(id)).status == ex.SUCCESS

    async def test_a_failed_execution_is_retried_on_a_mended_definition(self, client: Client) -> None:
        drawing = {
            "nodes": [
                {"id": "start", "type": "trigger.manual"},
                {"id": "a", "type": "flow.set", "parameters": {"assignments": [{"name": "a", "value": 1}]}},
                {"id": "b", "type": "flow.set", "parameters": {"assignments": [{"name": "b", "value": "{{json.x}}"}]}},
            ],
            "connections": ["start -> a -> b"],
        }
        workflow = await client.create(drawing)
        failed = await client.run(workflow.id, {"k": 1})
        assert failed.status == ex.ERROR
        assert failed.failure.reason == "EXPRESSION_FAILED"
        assert failed.failure.node_id == "b"
        assert "'x'" in failed.failure.message

        workflow.nodes[2].parameters.CopyFrom(to_struct({"assignments": [{"name": "b", "value": "{{ json.k }}"}]}))
        await client.stub.UpdateWorkflow(ws.UpdateWorkflowRequest(workflow_id=workflow.id, workflow=workflow))
        again = await client.stub.RetryExecution(
            ex.RetryExecutionRequest(execution_id=failed.id, use_latest_definition=True)
        )
        execution = await client.wait(again.execution_id)
        assert execution.status == ex.SUCCESS
        assert output(execution) == [{"k": 1, "a": 1, "b": 1}]
        sources = {run.node_id: run.source for run in execution.node_runs}
        assert sources == {"start": "reused", "a": "reused", "b": ""}
        assert execution.retried_from_execution_id == failed.id


class TestDraftsAndVersions:
    async def test_a_stale_etag_changes_nothing(self, client: Client) -> None:
        workflow = await client.create(BRANCHES, name="One")
        mask = field_mask_pb2.FieldMask(paths=["name"])
        changed = pb.Workflow(name="Two")
        request = ws.UpdateWorkflowRequest(
            workflow_id=workflow.id, workflow=changed, update_mask=mask, etag=workflow.etag
        )
        updated = await client.stub.UpdateWorkflow(request)
        assert (updated.workflow.name, len(updated.workflow.nodes)) == ("Two", 5)
        code, message, reason, _ = await refusal(client.stub.UpdateWorkflow(request))
        assert (code, reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
        assert "revision 2" in message

    async def test_a_run_keeps_the_definition_it_started_with(self, client: Client) -> None:
        workflow = await client.create(WAITING)
        id = await client.start(workflow.id)
        await client.stub.UpdateWorkflow(
            ws.UpdateWorkflowRequest(
                workflow_id=workflow.id,
                workflow=pb.Workflow(nodes=[workflow.nodes[0]]),
                update_mask=field_mask_pb2.FieldMask(paths=["nodes", "connections"]),
            )
        )
        await client.stub.SignalExecution(ex.SignalExecutionRequest(execution_id=id, name="go"))
        assert runs(await client.wait(id)) == {"start": "SUCCEEDED", "wait": "SUCCEEDED"}

    async def test_publish_diff_and_roll_back(self, client: Client) -> None:
        workflow = await client.create(BRANCHES)
        code, _, reason, _ = await refusal(
            client.stub.ExecuteWorkflow(ex.ExecuteWorkflowRequest(workflow_id=workflow.id, mode=ex.WEBHOOK))
        )
        assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_PUBLISHED")
        published = await client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=workflow.id, message="v1"))
        assert published.version.version == 1
        del workflow.nodes[4:]
        del workflow.connections[3:]
        workflow.etag = ""
        await client.stub.UpdateWorkflow(ws.UpdateWorkflowRequest(workflow_id=workflow.id, workflow=workflow))
        diff = await client.stub.DiffWorkflow(ws.DiffWorkflowRequest(workflow_id=workflow.id, from_version=1))
        assert {(pb.EditKind.Name(edit.kind), edit.path) for edit in diff.edits} == {
            ("EDIT_KIND_REMOVE", "nodes.all"),
            ("EDIT_KIND_REMOVE", "connections.big.main->all.input_1"),
            ("EDIT_KIND_REMOVE", "connections.small.main->all.input_2"),
        }
        request = ws.RollbackWorkflowRequest(workflow_id=workflow.id, version=1)
        assert len((await client.stub.RollbackWorkflow(request)).workflow.nodes) == 5
        versions = await client.stub.ListWorkflowVersions(ws.ListWorkflowVersionsRequest(workflow_id=workflow.id))
        assert [(version.version, version.message) for version in versions.versions] == [(1, "v1")]

    @pytest.mark.parametrize("form", [ws.WORKFLOW_FORMAT_JSON, ws.WORKFLOW_FORMAT_YAML])
    async def test_export_and_import_give_the_same_workflow(self, sqlite_client: Client, form: Any) -> None:
        workflow = await sqlite_client.create(BRANCHES, name="Größe 大小")
        text = await sqlite_client.stub.ExportWorkflow(ws.ExportWorkflowRequest(workflow_id=workflow.id, format=form))
        back = await sqlite_client.stub.ImportWorkflow(ws.ImportWorkflowRequest(content=text.content, format=form))
        assert back.workflow.name == "Größe 大小"
        assert list(back.workflow.nodes) == list(workflow.nodes)
        assert list(back.workflow.connections) == list(workflow.connections)

    async def test_lists_page_by_token(self, client: Client) -> None:
        for number in range(5):
            await client.create(EMPTY, name=f"W{number}", user_id="ada")
        names, token = [], ""
        while True:
            page = await client.stub.ListWorkflows(ws.ListWorkflowsRequest(user_id="ada", limit=2, page_token=token))
            names += [workflow.name for workflow in page.workflows]
            assert page.total == 5
            if not (token := page.next_page_token):
                break
        assert names == ["W4", "W3", "W2", "W1", "W0"]

    async def test_lists_by_tag_count_and_page_what_matches(self, sqlite_client: Client) -> None:
        for number in range(6):
            tags = ["even", "all"] if number % 2 == 0 else ["all"]
            await sqlite_client.create({"tags": tags}, name=f"W{number}")
        first = await sqlite_client.stub.ListWorkflows(ws.ListWorkflowsRequest(tags=["even", "all"], limit=2))
        assert ([each.name for each in first.workflows], first.total) == (["W4", "W2"], 3)
        request = ws.ListWorkflowsRequest(tags=["even"], limit=2, page_token=first.next_page_token)
        last = await sqlite_client.stub.ListWorkflows(request)
        assert ([each.name for each in last.workflows], last.next_page_token) == (["W0"], "")

    async def test_a_node_is_tried_alone(self, sqlite_client: Client) -> None:
        workflow = await sqlite_client.create(BRANCHES)
        response = await sqlite_client.stub.TestNode(
            ex.TestNodeRequest(workflow_id=workflow.id, node_id="check", input=items({"total": 7}))
        )
        assert response.success
        assert list(response.node_run.outputs) == ["false"]


def broken(*nodes: dict[str, Any], connections: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"nodes": [{"id": "start", "type": "trigger.manual"}, *nodes], "connections": list(connections)}


NO_OP = {"type": "flow.no_op"}
BAD_WORKFLOWS = {
    "an unknown node type": (broken({"id": "a", "type": "flow.nop"}), "UNKNOWN_NODE_TYPE", "a", "flow.no_op"),
    "a cycle outside a loop": (
        broken({"id": "a", **NO_OP}, {"id": "b", **NO_OP}, connections=("start -> a -> b -> a",)),
        "CYCLE_OUTSIDE_LOOP",
        "a",
        "flow.loop",
    ),
    "a dangling connection": (
        broken({"id": "fetch", **NO_OP}, connections=("start -> fetsh",)),
        "DANGLING_CONNECTION",
        "fetsh",
        "fetch",
    ),
    "a duplicate node id": (broken({"id": "start", **NO_OP}), "DUPLICATE_NODE_ID", "start", "of its own"),
    "a parameter of the wrong type": (
        broken({"id": "a", "type": "flow.limit", "parameters": {"count": "many"}}),
        "INVALID_PARAMETER",
        "a",
        "count",
    ),
    "an unknown parameter": (
        broken({"id": "a", "type": "flow.limit", "parameters": {"cuont": 1}}),
        "UNKNOWN_PARAMETER",
        "a",
        "cuont",
    ),
    "an expression that is wrong": (
        broken({"id": "a", "type": "flow.if", "parameters": {"condition": "{{ json.x > }}"}}),
        "INVALID_EXPRESSION",
        "a",
        "condition",
    ),
}


class TestBadInput:
    @pytest.mark.parametrize("case", BAD_WORKFLOWS)
    async def test_a_bad_workflow_is_refused_by_node_and_field(self, sqlite_client: Client, case: str) -> None:
        drawing, code, node, hint = BAD_WORKFLOWS[case]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await sqlite_client.create(drawing)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        status = rpc_status.from_call(caught.value)
        assert status is not None
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        assert status.details[0].Unpack(info)
        assert status.details[1].Unpack(bad)
        assert (info.metadata["code"], info.metadata["node_id"]) == (code, node)
        assert info.metadata["field"]
        assert any(hint in violation.field + violation.description for violation in bad.field_violations)
        assert (await sqlite_client.stub.ListWorkflows(ws.ListWorkflowsRequest())).total == 0

    async def test_unknown_ids_are_not_found(self, sqlite_client: Client) -> None:
        stub = sqlite_client.stub
        for call, expected in (
            (stub.GetWorkflow(ws.GetWorkflowRequest(workflow_id="wf_nope")), "WORKFLOW_NOT_FOUND"),
            (stub.DeleteWorkflow(ws.DeleteWorkflowRequest(workflow_id="wf_nope")), "WORKFLOW_NOT_FOUND"),
            (stub.ExecuteWorkflow(ex.ExecuteWorkflowRequest(workflow_id="wf_nope")), "WORKFLOW_NOT_FOUND"),
            (stub.GetExecutionStatus(ex.GetExecutionStatusRequest(execution_id="no")), "EXECUTION_NOT_FOUND"),
            (stub.CancelExecution(ex.CancelExecutionRequest(execution_id="no")), "EXECUTION_NOT_FOUND"),
        ):
            code, message, reason, _ = await refusal(call)
            assert (code, reason) == (grpc.StatusCode.NOT_FOUND, expected)
            assert "no" in message

    async def test_rules_of_the_contract_name_the_field(self, sqlite_client: Client) -> None:
        code, message, reason, fields = await refusal(
            sqlite_client.stub.CreateWorkflow(
                ws.CreateWorkflowRequest(description="x", workflow=pb.Workflow(nodes=[pb.Node(id="a b", type="x")]))
            )
        )
        assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert set(fields) == {"name", "workflow.nodes[0].id", "workflow.nodes[0].type"}
        assert message.startswith("name: is required")

    async def test_an_oversized_message_is_refused(self, sqlite_url: str, tmp_path: Path) -> None:
        async with serving(sqlite_url, tmp_path, grpc_max_message_bytes=100_000) as client:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await client.create(EMPTY, description="x" * 9_000, idempotency_key="k", user_id="u" * 200_000)
            assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert (await client.stub.ListWorkflows(ws.ListWorkflowsRequest())).total == 0


class TestTheServer:
    async def test_reflection_lists_all_services_and_health_says_serving(self, sqlite_client: Client) -> None:
        health = health_pb2_grpc.HealthStub(sqlite_client.channel)
        for service in ("", "engine.v1.WorkflowService"):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with grpc.insecure_channel(f"127.0.0.1:{sqlite_client.port}") as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            services = await asyncio.to_thread(database.get_services)
        assert {
            "engine.v1.WorkflowService",
            "engine.v1.AIAgentService",
            "engine.v1.IntegrationService",
            "engine.v1.TriggerService",
            "grpc.health.v1.Health",
        } <= set(services)


async def test_validation_tells_the_ports_that_a_node_has_under_its_parameters(sqlite_client: Client) -> None:
    """Also while the drawing can not run yet: an editor shows the ports before the connections are there."""
    drawing = pb.Workflow(
        nodes=[
            pb.Node(id="start", type="trigger.manual"),
            pb.Node(id="join", type="flow.merge", parameters=to_struct({"mode": "append", "inputs": 3})),
            pb.Node(id="call", type="flow.no_op", on_error=pb.ON_ERROR_ERROR_PORT),
            pb.Node(id="what", type="flow.unheard_of"),
        ]
    )
    answer = await sqlite_client.stub.ValidateWorkflow(ws.ValidateWorkflowRequest(workflow=drawing))
    assert not answer.success
    assert [port.name for port in answer.ports["join"].inputs] == ["input_1", "input_2", "input_3"]
    assert [port.name for port in answer.ports["call"].outputs] == ["main", "error"]
    assert not answer.ports["start"].inputs
    assert "what" not in answer.ports


async def test_the_catalogue_tells_the_order_of_parameters_and_which_are_code(sqlite_client: Client) -> None:
    """A Struct keeps no order, and a form needs one."""
    answer = await sqlite_client.stub.ListNodeTypes(ws.ListNodeTypesRequest(query="action.run_code"))
    schema = json_format.MessageToDict(answer.node_types[0].parameter_schema)
    assert schema["propertyOrder"][:2] == ["language", "code"]
    assert schema["properties"]["code"]["literal"] is True
    assert "literal" not in schema["properties"]["mode"]


async def test_bytes_that_an_item_refers_to_come_in_parts_and_only_to_those_who_see_the_execution(
    sqlite_client: Client,
) -> None:
    drawing = {
        "nodes": [
            {"id": "start", "type": "trigger.manual"},
            {
                "id": "file",
                "type": "action.convert_to_file",
                "parameters": {"format": {"type": "csv"}, "file_name": "names.csv"},
            },
        ],
        "connections": ["start -> file"],
    }
    run = await sqlite_client.run((await sqlite_client.create(drawing)).id, {"name": "Ada"}, {"name": "Bob"})
    ref = run.output[0].binary["data"]
    request = ex.GetExecutionFileRequest(execution_id=run.id, file_id=ref.id)
    whole = await sqlite_client.stub.GetExecutionFile(request)
    assert whole.content.decode().split() == ["name", "Ada", "Bob"]
    assert (whole.file.file_name, whole.file.size_bytes, whole.next_offset) == ("names.csv", len(whole.content), 0)

    request.limit, parts = 5, b""
    while True:
        part = await sqlite_client.stub.GetExecutionFile(request)
        assert len(part.content) <= 5
        parts += part.content
        request.offset = part.next_offset
        if not part.next_offset:
            break
    assert parts == whole.content

    other = await sqlite_client.run((await sqlite_client.create(drawing)).id, {"name": "Eve"})
    request = ex.GetExecutionFileRequest(execution_id=other.id, file_id=ref.id)
    code, _, reason, _ = await refusal(sqlite_client.stub.GetExecutionFile(request))
    assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "FILE_NOT_FOUND")
