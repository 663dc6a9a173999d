"""Tools of one's own making: a request, code, a workflow, operations of a document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import web

from tests.nodes.action.world import world
from tests.nodes.external_action.test_openapi import TEXT
from tests.nodes.harness import failure, problems, records, run_node
from tests.nodes.test_tools import offered
from tests.runtime.peers import peer
from tests.serving import serving
from tests.test_integration_service import Integrations
from workflow_engine.engine.shape import Effect
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.runtime.sandbox import ProcessSandbox
from workflow_engine.utils.structs import struct_to_dict, to_python, to_struct

NAMED = {"name": "get_order", "description": "One order."}
NUMBERS = {
    "type": "object",
    "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
    "required": ["a", "b"],
    "additionalProperties": False,
}


async def echo(request: web.Request) -> web.Response:
    return web.json_response({"asked": f"{request.method} {request.raw_path}", "body": await request.text()})


class TestHttp:
    async def test_a_model_fills_in_what_is_left_to_it_and_nothing_else(self, tmp_path: Path) -> None:
        async with peer(echo) as there, world(tmp_path) as context:
            parameters = {**NAMED, "url": f"{there.url}/orders", "query": {"id": "{{ from_ai.id }}"}}
            tools = await offered({"id": "t", "type": "tool.http", "parameters": parameters}, context=context)
            tool = tools["get_order"]
            assert tool.description == "One order."
            assert tool.effect is Effect.IDEMPOTENT
            assert list(tool.parameters["properties"]) == ["id"]
            assert await tool.invoke({"id": "7&x=1"}, "1") == {"asked": "GET /orders?id=7%26x%3D1", "body": ""}
            with pytest.raises(NodeFailure, match="url"):
                await tool.invoke({"id": "7", "url": "http://evil.example"}, "2")

    async def test_alone_its_item_holds_the_arguments(self, tmp_path: Path) -> None:
        async with peer(echo) as there, world(tmp_path) as context:
            parameters = {**NAMED, "url": there.url, "query": {"id": "{{ from_ai.id }}"}}
            event = await run_node("tool.http", parameters, [{"id": 3}], context=context)
            assert records(event)[0]["asked"] == "GET /?id=3"

    async def test_what_the_peer_refuses_is_told(self, tmp_path: Path) -> None:
        async def refuse(_: web.Request) -> web.Response:
            return web.Response(status=429, text="slower", headers={"Retry-After": "2"})

        async with peer(refuse) as there, world(tmp_path) as context:
            failed = failure(await run_node("tool.http", {**NAMED, "url": there.url}, context=context))
        assert (failed.reason, failed.retryable, failed.retry_after) == ("HTTP_4XX", True, 2000)

    def test_a_name_that_no_model_takes_is_refused(self) -> None:
        said = problems("tool.http", {**NAMED, "name": "get order", "url": "http://a.example"})
        assert said
        assert said[0].startswith("parameters.name")


class TestCode:
    @pytest.mark.parametrize(("language", "code"), [("python", "raise ValueError('no')"), ("javascript", "throw 'no'")])
    async def test_code_that_fails_says_why(self, language: str, code: str) -> None:
        from workflow_engine.nodes.context import Context

        context = Context("exec", "wf", 0, sandbox=ProcessSandbox())
        parameters = {**NAMED, "language": language, "code": code}
        use = {"tool": "get_order", "arguments": {}}
        failed = failure(await run_node("tool.code", parameters, [use], context=context))
        assert (failed.reason, failed.retryable) == ("CODE_FAILED", False)
        assert "no" in failed.message

    async def test_code_is_run_with_the_models_arguments(self) -> None:
        from workflow_engine.nodes.context import Context

        context = Context("exec", "wf", 0, sandbox=ProcessSandbox())
        parameters = {**NAMED, "language": "python", "code": "return item['a'] + item['b']", "arguments": NUMBERS}
        tool = (await offered({"id": "t", "type": "tool.code", "parameters": parameters}, context=context))["get_order"]
        assert tool.parameters == NUMBERS
        assert await tool.invoke({"a": 1, "b": 2}, "1") == 3
        with pytest.raises(NodeFailure, match="required"):
            await tool.invoke({"a": 1}, "2")

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [({"type": "array"}, "arguments are an object"), ({"properties": {"a": {"type": "no"}}}, "no JSON Schema")],
    )
    def test_arguments_that_are_no_schema_are_refused(self, arguments: dict[str, Any], says: str) -> None:
        said = problems("tool.code", {**NAMED, "language": "python", "code": "return 1", "arguments": arguments})
        assert says in said[0]


class TestOpenApi:
    async def test_operations_become_tools(self, tmp_path: Path) -> None:
        async with peer(echo) as there, world(tmp_path) as context:
            parameters = {"document": TEXT, "operations": ["listOrders", "createOrder"], "server": there.url}
            tools = await offered({"id": "t", "type": "tool.openapi", "parameters": parameters}, context=context)
            assert sorted(tools) == ["createOrder", "listOrders"]
            assert tools["listOrders"].effect is Effect.IDEMPOTENT
            assert tools["createOrder"].parameters["required"] == ["body"]
            result = await tools["createOrder"].invoke({"body": {"lines": [{"sku": "A"}]}}, "1")
            assert result["asked"] == "POST /orders"
            with pytest.raises(NodeFailure, match="lines"):
                await tools["createOrder"].invoke({"body": {"lines": []}}, "2")

    async def test_none_and_too_many_are_refused(self, tmp_path: Path) -> None:
        async with world(tmp_path) as context:
            event = await run_node("tool.openapi", {"document": TEXT}, context=context)
        assert failure(event).reason == "NO_TOOLS"


class TestWorkflow:
    async def test_a_workflow_is_run_once_for_one_use(self, sqlite_url: str, tmp_path: Path) -> None:
        assignments = [{"name": "doubled", "value": "{{ json.n * 2 }}"}]
        double = {
            "nodes": [
                {"id": "start", "type": "trigger.manual"},
                {"id": "set", "type": "flow.set", "parameters": {"assignments": assignments}},
            ],
            "connections": ["start -> set"],
        }
        async with serving(sqlite_url, tmp_path) as client:
            service = Integrations(client)
            made = await client.create(double)
            parameters = {**NAMED, "workflow_id": made.id, "arguments": {"properties": {"n": {"type": "integer"}}}}
            use = {"parameters": parameters, "tool": "get_order", "arguments": {"n": 21}}
            refused = await service.execute("tool.workflow", use)
            assert refused.failure.reason == "NOT_PUBLISHED"
            await client.stub.PublishWorkflow(pb_publish(made))
            answer = await service.execute("tool.workflow", use)
            assert answer.success, answer
            assert to_python(answer.result)["doubled"] == 42
            listed = await service.execute("tool.workflow", {"parameters": parameters})
            assert to_python(listed.result)["tools"][0]["name"] == "get_order"
            broken = await service.execute("tool.workflow", {**use, "arguments": {"n": "x"}})
            assert broken.failure.reason == "INVALID_ARGUMENTS"
            # A published workflow is a tool by itself as well.
            (tool,) = (await service.stub.ListTools(it.ListToolsRequest(query=made.name))).tools
            assert (tool.name, tool.workflow_id) == (f"workflow.{made.id}", made.id)
            answer = await service.execute(tool.name, {"n": 4})
            assert to_python(answer.result)["doubled"] == 8
            failed = await service.execute(tool.name, {"n": "four"})
            assert failed.failure.reason == "WORKFLOW_FAILED"
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await service.execute("workflow.wf_none", {})
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def pb_publish(workflow: pb.Workflow) -> Any:
    return ws.PublishWorkflowRequest(workflow_id=workflow.id, etag=workflow.etag)


async def test_tools_are_listed_with_what_it_takes_to_run_them_alone(sqlite_url: str, tmp_path: Path) -> None:
    async with serving(sqlite_url, tmp_path) as client:
        service = Integrations(client)
        tools = {each.name: each for each in (await service.stub.ListTools(it.ListToolsRequest(query="tool."))).tools}
        schema = struct_to_dict(tools["tool.mcp"].parameter_schema)
        assert set(schema["properties"]) == {"parameters", "tool", "arguments"}
        assert to_struct(schema)
