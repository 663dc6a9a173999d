"""The load: one workflow for each way to lose something, and callers that never give up."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import grpc

from benchmarks.chaos.peer import SLOTS
from tests.serving import Client, items
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import workflow_service_pb2 as ws

EXPECTED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
"""What a caller may be told while a server or its database is away. Anything else is a mistake."""


@dataclass
class Load:
    """How much is asked of the engine."""

    callers: int = 20
    """Callers side by side."""
    pause: float = 0.1
    """Seconds that a caller waits at most before its next execution."""
    at_least: int = 0
    """Executions that have to be acknowledged before the blows end, however many those become."""
    stay: float = 0.0
    """Seconds that a caller waits at most for the end of what it started: the blows meet all of it, not a queue."""


@dataclass
class Report:
    """What was done and seen."""

    blows: int = 0
    acknowledged: dict[str, str] = field(default_factory=dict[str, str])
    """Workflow by execution id."""
    refused: int = 0
    """Calls that failed as calls may, and were made again."""
    ended: int = 0
    """Executions in the database; all of them have ended, or there is a fault."""
    resolved: int = 0
    left: int = 0
    """Servers that ended by themselves."""
    faults: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        return (
            f"{self.blows} blows, {len(self.acknowledged)} executions acknowledged, {self.refused} calls made again, "
            f"{self.ended} executions ended, {self.resolved} unknown outcomes resolved, "
            f"{self.left} servers ended by themselves, {len(self.faults)} faults"
        )


def call(url: str, id: str, method: str = "GET", at: str = "") -> dict[str, Any]:
    """A node that has an effect at the peer; its query says which run it is."""
    run = f"{{{{ execution.id }}}}/{id}{at}#{{{{ run.item_index }}}}"
    return {
        "id": id,
        "type": "action.http_request",
        "parameters": {"url": url, "method": method, "query": {"run": run}},
        "retry": {"max_attempts": 5, "initial_interval": "0.050s"},
    }


def drawings(url: str, child: str) -> dict[str, dict[str, Any]]:
    """One workflow for each way to lose something."""
    start = {"id": "start", "type": "trigger.manual"}
    branch = "[{{ run.path[0] }}]"
    return {
        "chain": {
            "nodes": [start, *(call(url, f"step{n}") for n in range(4))],
            "connections": ["start -> step0 -> step1 -> step2 -> step3"],
        },
        "charge": {
            "nodes": [start, call(url, "before"), call(url, "charge", "POST"), call(url, "after")],
            "connections": ["start -> before -> charge -> after"],
        },
        "wait": {
            "nodes": [start, {"id": "wait", "type": "flow.wait", "parameters": {"duration": 0.3}}, call(url, "late")],
            "connections": ["start -> wait -> late"],
        },
        "map": {
            "nodes": [
                start,
                {"id": "map", "type": "flow.map", "parameters": {"concurrency": 4}},
                call(url, "each", at=branch),
                call(url, "last"),
            ],
            "connections": ["start -> map", "map.body -> each", "each -> map.return", "map.done -> last"],
        },
        "parent": {
            "nodes": [start, {"id": "sub", "type": "flow.subworkflow", "parameters": {"workflow_id": child}}],
            "connections": ["start -> sub"],
        },
        "narrow": {
            "nodes": [start, call(url, "one"), call(url, "two")],
            "connections": ["start -> one -> two"],
            "settings": {"max_concurrent_executions": SLOTS},
        },
        "rated": {
            "nodes": [start, call(url, "only")],
            "connections": ["start -> only"],
            "settings": {"rate_limit": {"max_starts": 50, "per": "0.500s"}},
        },
    }


async def create(client: Client, url: str) -> dict[str, str]:
    """Makes the workflows; returns their ids by name. `url` is the peer's."""
    child = await client.create(
        {"nodes": [{"id": "start", "type": "trigger.manual"}, call(url, "inner")], "connections": ["start -> inner"]}
    )
    await client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=child.id))
    return {name: (await client.create(drawing, name=name)).id for name, drawing in drawings(url, child.id).items()}


async def run(
    client: Client, workflows: dict[str, str], load: Load, report: Report, draw: random.Random, stop: asyncio.Event
) -> None:
    """Starts executions until `stop`; what is acknowledged must not be lost, what is asked for twice not run twice."""

    async def caller(number: int) -> None:
        count = 0
        while not stop.is_set():
            name, count = draw.choice(sorted(workflows)), count + 1
            # The key makes it safe to ask again when nobody knows whether the first call arrived.
            request = ex.ExecuteWorkflowRequest(
                workflow_id=workflows[name],
                mode=ex.MANUAL,
                input=items({"n": 0}, {"n": 1}),
                idempotency_key=f"{number}-{count}",
            )
            while not stop.is_set():
                try:
                    response = await client.stub.ExecuteWorkflow(request, timeout=5)
                except grpc.aio.AioRpcError as error:
                    report.refused += 1
                    if error.code() not in EXPECTED:
                        report.faults.append(f"a caller was told {error.code().name}: {error.details()}")
                    await _pause(stop, 0.05)
                else:
                    if response.execution_id in report.acknowledged:
                        report.faults.append(f"{response.execution_id} was acknowledged for two keys")
                    report.acknowledged[response.execution_id] = name
                    if load.stay:
                        await _stay(client, response.execution_id, load.stay)
                    break
            await _pause(stop, draw.uniform(0, load.pause))

    await asyncio.gather(*(caller(number) for number in range(load.callers)))


async def _stay(client: Client, execution_id: str, seconds: float) -> None:
    request = ex.WaitExecutionRequest(execution_id=execution_id)
    request.timeout.FromMilliseconds(round(seconds * 1000))
    # The server may die meanwhile; that it has not ended is found out when everything is settled.
    with suppress(grpc.aio.AioRpcError):
        await client.stub.WaitExecution(request, timeout=seconds + 1)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
