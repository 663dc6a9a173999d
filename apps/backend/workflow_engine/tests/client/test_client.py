"""The client for Python, with and without asyncio, against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.access import people
from tests.serving import Client as Serving
from tests.serving import ServerProcess, serving
from tests.test_workflow_service import WAITING
from workflow_engine.client import AsyncClient, Client, EngineError, output
from workflow_engine.client.channel import Address
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import workflow_service_pb2 as ws

GREETING = {
    "nodes": [
        {"id": "start", "type": "trigger.manual"},
        {
            "id": "greet",
            "type": "flow.set",
            "parameters": {"assignments": [{"name": "text", "value": "Hi {{ json.name }}"}]},
        },
    ],
    "connections": ["start -> greet"],
}


@pytest.fixture
async def server(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(sqlite_url, tmp_path) as running:
        yield running


def texts(execution: ex.Execution) -> list[Any]:
    return [item["text"] for item in output(execution)]


async def test_a_program_without_asyncio_runs_waits_and_watches(server: Serving) -> None:
    greeting, waiting = await server.create(GREETING), await server.create(WAITING)

    def program() -> None:
        with Client(f"localhost:{server.port}") as engine:
            assert texts(engine.run(greeting.id, {"name": "Ada"}, {"name": "Alan"})) == ["Hi Ada", "Hi Alan"]
            id = engine.start(waiting.id)
            seen = []
            for each in engine.watch(id):
                seen.append(each.event.seq)
                if each.event.type == ex.EVENT_TYPE_NODE_SUSPENDED:
                    with pytest.raises(TimeoutError, match="WAITING"):
                        engine.wait(id, timeout=0.05)
                    engine.workflows.SignalExecution(ex.SignalExecutionRequest(execution_id=id, name="go"))
            assert seen == list(range(1, len(seen) + 1))
            assert engine.wait(id).status == ex.SUCCESS

    await asyncio.to_thread(program)


async def test_the_same_with_await(server: Serving) -> None:
    greeting, waiting = await server.create(GREETING), await server.create(WAITING)
    async with AsyncClient(f"http://127.0.0.1:{server.port}") as engine:
        assert texts(await engine.run(greeting.id, {"name": "Ada"}, timeout=20)) == ["Hi Ada"]
        id = await engine.start(waiting.id)
        with pytest.raises(TimeoutError):
            await engine.wait(id, timeout=0.05)
        async for each in engine.watch(id):
            if each.event.type == ex.EVENT_TYPE_NODE_SUSPENDED:
                await engine.workflows.SignalExecution(ex.SignalExecutionRequest(execution_id=id, name="go"))
        assert (await engine.wait(id)).status == ex.SUCCESS


async def test_errors_tell_reason_fields_and_facts(server: Serving) -> None:
    async with AsyncClient(f"localhost:{server.port}") as engine:
        with pytest.raises(EngineError) as missing:
            await engine.workflows.GetWorkflow(ws.GetWorkflowRequest(workflow_id="wf_none"))
        assert (missing.value.code, missing.value.reason) == ("NOT_FOUND", "WORKFLOW_NOT_FOUND")
        assert missing.value.metadata == {"workflow_id": "wf_none"}
        with pytest.raises(EngineError) as wrong:
            await engine.workflows.CreateWorkflow(ws.CreateWorkflowRequest())
        assert wrong.value.violations == [("name", "is required")]
        with pytest.raises(EngineError, match="EXECUTION_NOT_FOUND"):
            async for _ in engine.watch("exec_none"):
                pass

    def program() -> None:
        with Client(f"localhost:{server.port}") as engine:
            with pytest.raises(EngineError, match="EXECUTION_NOT_FOUND"):
                list(engine.watch("exec_none"))
            with pytest.raises(EngineError, match="INVALID_REQUEST: name: is required"):
                engine.workflows.CreateWorkflow(ws.CreateWorkflowRequest())

    await asyncio.to_thread(program)


async def test_a_key_says_who_calls_and_nobody_home_is_said(sqlite_url: str, tmp_path: Path) -> None:
    async with serving(sqlite_url, tmp_path) as running:
        root = (await people(running))["root"]
        address = f"localhost:{running.port}"
        async with AsyncClient(address) as stranger:
            with pytest.raises(EngineError, match="SIGN_IN_REQUIRED"):
                await stranger.workflows.ListWorkflows(ws.ListWorkflowsRequest())
        async with AsyncClient(address, key=root.key) as engine:
            assert (await engine.workflows.ListWorkflows(ws.ListWorkflowsRequest())).success
    async with AsyncClient(address, key=root.key) as engine:
        with pytest.raises(EngineError, match=f"no server answers at {address}"):
            await engine.workflows.CreateWorkflow(ws.CreateWorkflowRequest(name="x"))


async def test_a_watch_goes_on_where_it_was_when_the_server_comes_back(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow_engine.client.aio.MORE", 0.1)
    first = ServerProcess(sqlite_url, tmp_path)
    async with first.client() as client:
        workflow = await client.create(WAITING)
    async with AsyncClient(f"localhost:{first.port}") as engine:
        id = await engine.start(workflow.id)
        seen = []
        async for each in engine.watch(id):
            seen.append(each.event.seq)
            if each.event.type == ex.EVENT_TYPE_NODE_SUSPENDED:
                first.kill()
                second = ServerProcess(sqlite_url, tmp_path, port=first.port)
                async with second.client() as client:
                    await client.stub.SignalExecution(ex.SignalExecutionRequest(execution_id=id, name="go"))
        assert seen == list(range(1, len(seen) + 1))
        assert (await engine.wait(id)).status == ex.SUCCESS
    second.terminate()


@pytest.mark.parametrize(
    ("text", "target", "is_secure"),
    [
        ("localhost", "localhost:50051", False),
        ("engine.example.com:9000", "engine.example.com:9000", False),
        ("http://10.0.0.1:9000/", "10.0.0.1:9000", False),
        ("https://engine.example.com", "engine.example.com:443", True),
        ("grpcs://[::1]:9000", "[::1]:9000", True),
    ],
)
def test_addresses(text: str, target: str, is_secure: bool) -> None:
    assert Address.parse(text) == Address(target, is_secure)


@pytest.mark.parametrize("text", ["", "ftp://x", "http://x/path"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        Address.parse(text)
