"""kill -9 under a stream of messages: each starts one execution, and none is lost.

`BROKER_KILLS=100 pytest tests/triggers/test_broker_kills.py` strikes more often.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.api.test_task_pages import SECRET
from tests.forked_server import ForkedServer
from tests.nodes.action import servers
from tests.serving import Client, free_port
from workflow_engine.engine.events import ExecutionStarted, decode
from workflow_engine.models.store import ExecutionFilter, Store
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as rpc
from workflow_engine.utils.structs import to_struct

KILLS = int(os.environ.get("BROKER_KILLS", "5"))


@pytest.mark.timeout(60 + 10 * KILLS)
async def test_kill_9_between_receipt_and_acknowledgement(sqlite_url: str, tmp_path: Path) -> None:
    from redis.asyncio import Redis

    choose, log, port = random.Random(7), tmp_path / "log", free_port()
    stream = asyncio.to_thread
    there = servers.valkey(tmp_path)
    credential = await stream(there.__enter__)
    try:
        sent = 0
        async with Redis(port=credential["port"], password=servers.PASSWORD) as broker:
            server = ForkedServer(sqlite_url, tmp_path, port, log, SECRET_KEY=SECRET)
            soon = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 100)]
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=soon) as channel:
                client = Client(rpc.WorkflowServiceStub(channel), channel, port)
                await client.stub.ListWorkflows(ws.ListWorkflowsRequest(limit=1), wait_for_ready=True, timeout=60)
                id = await listener(client, credential)

            async def taken() -> int:
                """How many messages have been read."""
                [group] = await broker.xinfo_groups("orders")
                return int(group["entries-read"] or 0)

            async def until(least: int) -> None:
                for _ in range(6_000):
                    if await broker.exists("orders") and await broker.xinfo_groups("orders") and await taken() >= least:
                        return
                    await asyncio.sleep(0.005)
                raise AssertionError(log.read_text()[-3000:])

            for _ in range(KILLS):
                for _ in range(30):
                    await broker.xadd("orders", {"n": sent})
                    sent += 1
                # It dies somewhere among them.
                await until(sent - choose.randint(0, 29))
                server.kill()
                server = ForkedServer(sqlite_url, tmp_path, port, log, SECRET_KEY=SECRET)
            await until(sent)
            for _ in range(6_000):
                [group] = await broker.xinfo_groups("orders")
                if not group["pending"]:
                    break
                await asyncio.sleep(0.005)
            server.kill()
        numbers = started(sqlite_url, id)
    finally:
        await stream(there.__exit__, None, None, None)
    assert Counter(numbers) == Counter(range(sent))


async def listener(client: Client, credential: dict[str, Any]) -> str:
    """Publishes a workflow that the stream's entries start; returns its id."""
    fields = {name: value for name, value in credential.items() if name != "type"}
    stub: Any = rpc.IntegrationServiceStub(client.channel)
    request = it.CreateCredentialRequest(name="broker", type="redis", fields=to_struct(fields))
    kept = (await stub.CreateCredential(request)).credential.id
    trigger = {
        "id": "in",
        "type": "trigger.redis_stream",
        "parameters": {"stream": "orders", "from_start": True, "batch": 5},
        "credentials": {"server": kept},
    }
    drawing = {"nodes": [trigger, {"id": "out", "type": "flow.no_op"}], "connections": ["in -> out"]}
    workflow = await client.create(drawing)
    await client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=workflow.id))
    return workflow.id


def started(url: str, workflow_id: str) -> list[int]:
    """The number in the input of every execution."""
    store = Store.open(url)
    try:
        numbers = []
        for row in store.executions(ExecutionFilter(workflow_id=workflow_id), limit=1_000_000):
            [(_, data)] = store.read_events(row.pk, 1, 1)
            event = decode(data)
            assert isinstance(event, ExecutionStarted)
            numbers.append(event.input[0].json["fields"]["n"])
        return numbers
    finally:
        store.close()
