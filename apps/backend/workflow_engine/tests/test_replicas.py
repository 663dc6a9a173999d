"""Several servers and a worker around one PostgreSQL and one Temporal server, as a person would run them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.serving import Client, ServerProcess, output
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as rpc

pytestmark = pytest.mark.timeout(180)


class Cluster:
    def __init__(self, url: str, folder: Path, temporal: str) -> None:
        settings = {"ENGINE_RUNTIME": "temporal", "TEMPORAL_ADDRESS": temporal, "TEMPORAL_TASK_QUEUE": folder.name}
        self.processes = [ServerProcess(url, folder, **settings) for _ in range(2)]
        self.worker = ServerProcess(url, folder, command="worker", **settings)

    def close(self) -> None:
        for process in (*self.processes, self.worker):
            process.kill()


@pytest.fixture
def cluster(postgres_url: str, temporal_address: str, tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(postgres_url, tmp_path, temporal_address)
    yield made
    made.close()


async def published(client: Client, trigger: dict[str, Any]) -> str:
    """A workflow that echoes what its trigger brings; returns its id."""
    drawing = {
        "nodes": [{"id": "begin", **trigger}, {"id": "echo", "type": "flow.no_op"}],
        "connections": ["begin -> echo"],
    }
    workflow = await client.create(drawing)
    await client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=workflow.id))
    return workflow.id


async def test_servers_are_one_and_a_schedule_outlives_its_leader(cluster: Cluster) -> None:
    first, second = cluster.processes
    async with first.client() as here, second.client() as there:
        # What is accepted by one is seen, and can be waited for, at the other.
        plain = await here.create({"nodes": [{"id": "start", "type": "trigger.manual"}], "connections": []})
        id = await here.start(plain.id, {"n": 1})
        assert output(await there.wait(id)) == [{"n": 1}]

        # A webhook that was published at one is served by the other.
        hook = await published(here, {"type": "trigger.webhook", "parameters": {"path": "hook"}})
        await _call(f"{there.http}/webhooks/hook", {"a": 1})
        [run] = (await there.stub.GetExecutionHistory(ex.GetExecutionHistoryRequest(workflow_id=hook))).executions
        assert output(await here.wait(run.id))[0]["body"] == {"a": 1}

        # One of them leads. When it dies, the other keeps the schedule; each tick starts one execution.
        clocked = await published(here, {"type": "trigger.interval", "parameters": {"every": "1s"}})
        leader, follower, alive = (first, second, there) if _leads(first) else (second, first, here)
        assert not _leads(follower)
        await _ticks(alive, clocked, 2)
        leader.kill()
        await asyncio.to_thread(follower.wait_for_log, "leads")
        ticks = await _ticks(alive, clocked, 5)
        assert len(set(ticks)) == len(ticks), "a tick started twice"


async def _call(url: str, body: dict[str, Any]) -> None:
    """Calls a webhook. The other server has just been told of it, and may not have heard yet."""
    async with asyncio.timeout(10), aiohttp.ClientSession() as session:
        while True:
            async with session.post(url, json=body) as answer:
                if answer.status == 202:
                    return
                assert answer.status == 404, await answer.text()
            await asyncio.sleep(0.05)


def _leads(process: ServerProcess) -> bool:
    return any('"leads"' in line for line in process._said)


async def _ticks(client: Client, workflow_id: str, count: int) -> list[str]:
    """The times at which a schedule has started something, once there are so many."""
    stub = rpc.TriggerServiceStub(client.channel)
    [trigger] = (await stub.ListTriggers(it.ListTriggersRequest(workflow_id=workflow_id))).triggers
    while True:
        events = (await stub.ListTriggerEvents(it.ListTriggerEventsRequest(trigger_id=trigger.id, limit=100))).events
        started = [each for each in events if each.decision == it.TRIGGER_DECISION_STARTED]
        if len(started) >= count:
            return [each.at.ToJsonString() for each in started]
        # The next tick is a second away; there is nobody to be told by.
        await asyncio.sleep(0.3)
