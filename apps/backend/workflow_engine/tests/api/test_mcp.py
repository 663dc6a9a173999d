"""Published workflows as tools over MCP, with the protocol's own client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.access import people
from tests.serving import Client, serving
from workflow_engine.proto import access_pb2 as ac
from workflow_engine.proto import workflow_service_pb2 as ws

START = {"id": "start", "type": "trigger.manual"}
ORDER = {
    "nodes": [
        START,
        {
            "id": "note",
            "type": "flow.set",
            "parameters": {"assignments": [{"name": "note", "value": "{{ 'order of ' + json.customer }}"}]},
        },
    ],
    "connections": ["start -> note"],
}
ASKS = {
    "nodes": [
        START,
        {"id": "ask", "type": "human.approval", "parameters": {"title": "Pay {{ json.sum }}?"}},
        {"id": "yes", "type": "flow.no_op"},
    ],
    "connections": ["start -> ask", "ask.approved -> yes"],
}
WAITS = {
    "nodes": [START, {"id": "wait", "type": "flow.wait", "parameters": {"signal": "go"}}],
    "connections": ["start -> wait"],
}


@pytest.fixture
async def client(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(sqlite_url, tmp_path) as client:
        yield client


@asynccontextmanager
async def agent(client: Client, key: str = "") -> AsyncIterator[Any]:
    """What an agent sees: the tools, and a way to call them."""
    import httpx2
    from mcp import Client as McpClient
    from mcp.client.streamable_http import streamable_http_client

    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        transport = streamable_http_client(f"{client.http}/mcp", http_client=http)
        async with McpClient(transport) as connected:
            yield connected


async def publish(client: Client, drawing: dict[str, Any], name: str, **fields: Any) -> str:
    workflow = await client.create(drawing, name=name, **fields)
    await client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=workflow.id))
    return str(workflow.id)


async def test_published_workflows_are_tools(client: Client) -> None:
    await publish(client, ORDER, "Place order", description="Places an order.")
    await publish(client, ORDER, "Place order")
    await publish(client, ORDER, "下单")
    await client.create(ORDER, name="Draft")
    async with agent(client) as connected:
        tools = {tool.name: tool for tool in (await connected.list_tools()).tools}
        assert tools["Place_order"].description == "Places an order."
        own = {"get_execution", "cancel_execution", "answer_task"}
        assert len(tools) == 3 + len(own)
        assert own < set(tools)
        assert not any("Draft" in name for name in tools)
        result = await connected.call_tool("Place_order", {"customer": "Ada"})
        assert not result.is_error
        told = result.structured_content
        assert (told["status"], told["output"]) == ("SUCCESS", [{"customer": "Ada", "note": "order of Ada"}])
        failed = await connected.call_tool("Place_order", {})
        assert failed.is_error
        assert "customer" in failed.structured_content["error"]["message"]
        unknown = await connected.call_tool("Draft", {})
        assert unknown.is_error
        assert "no tool 'Draft'" in unknown.structured_content["error"]


async def test_a_run_that_waits_for_a_person_is_resumed_by_another_client(client: Client) -> None:
    await publish(client, ASKS, "Pay")
    async with agent(client) as connected:
        told = (await connected.call_tool("Pay", {"sum": 7})).structured_content
        assert told["status"] == "WAITING"
        [task] = told["tasks"]
        assert (task["title"], task["schema"]["required"]) == ("Pay 7?", ["approved"])
    async with agent(client) as another:
        again = (await another.call_tool("get_execution", {"execution_id": told["execution_id"]})).structured_content
        assert again["tasks"] == told["tasks"]
        wrong = await another.call_tool("answer_task", {"task_id": task["task_id"], "answer": {"approved": "yes"}})
        assert wrong.is_error
        answered = await another.call_tool("answer_task", {"task_id": task["task_id"], "answer": {"approved": True}})
        assert answered.structured_content["status"] == "SUCCESS"
        assert answered.structured_content["output"][0]["answer"] == {"approved": True}


async def test_a_long_run_is_asked_for_again_and_can_be_stopped(client: Client) -> None:
    await publish(client, WAITS, "Long")
    async with agent(client) as connected:
        from workflow_engine.api import mcp

        wait, mcp.WAIT = mcp.WAIT, 0
        try:
            told = (await connected.call_tool("Long", {})).structured_content
        finally:
            mcp.WAIT = wait
        assert told["status"] in ("RUNNING", "WAITING")
        id = told["execution_id"]
        seen = await connected.call_tool("get_execution", {"execution_id": id, "wait_seconds": 0})
        assert seen.structured_content["status"] in ("RUNNING", "WAITING")
        stopped = await connected.call_tool("cancel_execution", {"execution_id": id})
        assert stopped.structured_content["status"] == "CANCELED"
        missing = await connected.call_tool("get_execution", {"execution_id": "exec_none"})
        assert missing.is_error


async def test_the_same_key_starts_one_execution(client: Client) -> None:
    await publish(client, ORDER, "Order")
    async with agent(client) as connected:
        meta = {"idempotency_key": "k1"}
        first, second = [
            (await connected.call_tool("Order", {"customer": "Ada"}, meta=meta)).structured_content for _ in range(2)
        ]
    assert first["execution_id"] == second["execution_id"]


async def test_everyone_sees_their_own_workflows_and_nobody_without_a_key_any(client: Client) -> None:
    known = await people(client, ada=[ac.ROLE_EDITOR, ac.ROLE_OPERATOR], vera=[ac.ROLE_VIEWER])
    for name in ("ada", "vera"):
        await publish_as(client, known["root"], known[name].id, f"Of {name}")
    async with aiohttp.ClientSession() as session, session.post(f"{client.http}/mcp", json={}) as refused:
        assert refused.status == 401
    async with agent(client, known["ada"].key) as connected:
        names = [tool.name for tool in (await connected.list_tools()).tools]
        assert "Of_ada" in names
        assert "Of_vera" not in names
        assert not (await connected.call_tool("Of_ada", {"customer": "Ada"})).is_error
        foreign = await connected.call_tool("Of_vera", {"customer": "Ada"})
        assert "no tool" in foreign.structured_content["error"]
    async with agent(client, known["vera"].key) as connected:
        looked = await connected.call_tool("Of_vera", {"customer": "Ada"})
        assert looked.is_error, "who may only look may not run"


async def publish_as(client: Client, who: Any, owner: str, name: str) -> None:
    from tests.engine.rig import workflow as drawn

    request = ws.CreateWorkflowRequest(name=name, user_id=owner, workflow=drawn({**ORDER, "id": ""}))
    made = (await client.stub.CreateWorkflow(request, metadata=who.metadata)).workflow
    await client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=made.id), metadata=who.metadata)


async def test_pages_of_other_sites_are_refused(client: Client) -> None:
    headers = {"origin": "https://evil.example"}
    async with aiohttp.ClientSession() as session, session.post(f"{client.http}/mcp", json={}, headers=headers) as got:
        assert got.status == 403
