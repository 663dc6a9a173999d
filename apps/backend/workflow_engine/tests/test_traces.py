"""Traces of a whole server: in by every door, out with every request, through a kill, and without a secret."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from aiohttp import web

from tests.collector import collector
from tests.core.test_tracing import CALLER
from tests.forked_server import ForkedServer
from tests.runtime.peers import peer
from tests.serving import Client, free_port, items, serving
from workflow_engine.core import spans
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as rpc

TRACE, SPAN = CALLER[3:35], CALLER[36:52]


def asking(url: str, **more: Any) -> dict[str, Any]:
    """A workflow that asks a peer twice."""
    first, second = (
        {"id": id, "type": "action.http_request", "parameters": {"url": f"{url}/{id}", **more}}
        for id in ("first", "second")
    )
    return {
        "nodes": [{"id": "start", "type": "trigger.manual"}, first, second],
        "connections": ["start -> first -> second"],
    }


@asynccontextmanager
async def calling(port: int) -> AsyncIterator[Client]:
    """A client of a server that is about to come up."""
    soon = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 100)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=soon) as channel:
        stub = rpc.WorkflowServiceStub(channel)
        await stub.ListWorkflows(ws.ListWorkflowsRequest(limit=1), wait_for_ready=True, timeout=60)
        yield Client(stub, channel, port)


async def test_a_trace_outlives_the_server(sqlite_url: str, tmp_path: Path) -> None:
    """kill -9 while a node waits for its peer: the next life goes on in the same trace, under the same caller."""
    arrived, open_gate, headers = asyncio.Event(), asyncio.Event(), list[tuple[str, str]]()

    async def answer(request: web.Request) -> web.Response:
        headers.append((request.path, request.headers["traceparent"]))
        if request.path == "/second":
            arrived.set()
            await open_gate.wait()
        return web.json_response({"you": "hunter2"})

    async with collector() as collected, peer(answer) as there:
        settings = {**collected.environment, "SLOW_ATTEMPT_SECONDS": "0.0001", "OTEL_SERVICE_NAME": "orders"}
        port, log = free_port(), tmp_path / "server.log"
        first = ForkedServer(sqlite_url, tmp_path, port, log, **settings)
        async with calling(port) as client:
            drawing = asking(
                there.url,
                method="PUT",
                headers={"X-Thing": "hunter2"},
                body={"kind": "json", "value": {"password": "hunter2"}},
            )
            workflow = await client.create(drawing)
            started = await client.stub.ExecuteWorkflow(
                ex.ExecuteWorkflowRequest(workflow_id=workflow.id, mode=ex.MANUAL, input=items({"card": "hunter2"})),
                metadata=(("traceparent", CALLER),),
            )
            await asyncio.wait_for(arrived.wait(), 20)
            await collected.until(lambda: collected.of("first"))
        await asyncio.to_thread(first.kill)
        open_gate.set()

        second = ForkedServer(sqlite_url, tmp_path, port, log, **settings)
        async with calling(port) as client:
            assert (await client.wait(started.execution_id)).status == ex.SUCCESS
        await collected.until(lambda: collected.named("execution"))
        await asyncio.to_thread(second.terminate)

    [execution] = collected.named("execution")
    assert (execution.trace, execution.parent, execution.service) == (TRACE, SPAN, "orders")
    assert {each.trace for each in collected.spans.values()} == {TRACE}
    [before], [after] = collected.of("first"), collected.of("second")
    assert before.parent == after.parent == execution.id
    # What a peer was sent is the span that asked; the attempt that was killed is the one that was made again.
    assert headers[0] == ("/first", f"00-{TRACE}-{before.id}-01")
    assert set(headers[1:]) == {("/second", f"00-{TRACE}-{after.id}-01")}
    assert b"hunter2" not in collected.raw
    slow = next(line for line in log.read_text().splitlines() if '"slow_attempt"' in line)
    assert f'"trace_id": "{TRACE}"' in slow
    assert f'"execution_id": "{started.execution_id}"' in slow


async def test_the_last_spans_are_told_at_the_end_and_a_collector_that_is_away_holds_nobody_up(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with serving(sqlite_url, tmp_path) as client:
            await client.run((await client.create({"nodes": [{"id": "start", "type": "trigger.manual"}]})).id)

    async with collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        await run()
        assert collected.named("execution")
    # Nobody listens there any more.
    monkeypatch.setattr(spans, "PATIENCE", 0.5)
    async with asyncio.timeout(5):
        await run()


async def test_a_trace_comes_in_by_every_door(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with collector() as collected, aiohttp.ClientSession(headers={"traceparent": CALLER}) as http:
        for name, value in collected.environment.items():
            monkeypatch.setenv(name, value)
        async with serving(sqlite_url, tmp_path) as client:
            hook = {"nodes": [{"id": "start", "type": "trigger.webhook", "parameters": {"path": "hook"}}]}
            workflow = await client.create(hook)
            await client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=workflow.id))
            async with http.post(f"{client.http}/webhooks/hook", json={}) as answer:
                assert answer.status == 202
            manual = await client.create({"nodes": [{"id": "start", "type": "trigger.manual"}]})
            async with http.post(
                f"{client.http}/v1/workflows/{manual.id}/executions", json={"mode": "MANUAL"}
            ) as answer:
                assert answer.status == 200, await answer.text()
            await collected.until(lambda: len(collected.named("execution")) == 2)

            # One that is run again has a trace of its own caller, and points at the first.
            [id] = [
                each.attributes["workflow_engine.execution.id"]
                for each in collected.named("execution")
                if each.attributes["workflow_engine.workflow.id"] == manual.id
            ]
            again = await client.stub.RerunExecution(ex.RerunExecutionRequest(execution_id=id, node_ids=["start"]))
            await client.wait(again.execution_id)
            await collected.until(lambda: len(collected.named("execution")) == 3)
    assert {each.parent for each in collected.named("execution")} == {SPAN, ""}
    [repeated] = [each for each in collected.named("execution") if each.links]
    [first] = [each for each in collected.named("execution") if each.attributes["workflow_engine.execution.id"] == id]
    assert repeated.links == (first.id,)
    assert repeated.trace != first.trace == TRACE


def test_nothing_of_it_is_there_while_nobody_traces() -> None:
    program = """
import sys
from workflow_engine import server
from workflow_engine.core import spans
assert spans.begin() is None and spans.active is None
sys.exit(any(name.startswith("opentelemetry.sdk") for name in sys.modules))
"""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    assert subprocess.run([sys.executable, "-c", program], env=bare).returncode == 0
