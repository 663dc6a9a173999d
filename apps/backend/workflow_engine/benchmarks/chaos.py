"""Chaos: a load of mixed workflows while the server is killed with SIGKILL at random instants.

    python -m benchmarks.chaos [--kills 200] [--url postgresql://...] [--seed 1]

A peer counts what reaches it. Afterwards every execution that was acknowledged has ended, once; no effect that is in a
journal was performed after it was recorded, and none that must not be repeated was performed twice; no slot is lost;
and every journal replays to the state that its row tells.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from aiohttp import web

from tests.runtime.peers import peer
from tests.serving import Client, ServerProcess, items
from workflow_engine.engine import machine
from workflow_engine.engine.events import AnyEvent, ExecutionEnded, ItemSucceeded, NodeSucceeded, decode
from workflow_engine.engine.plan import build
from workflow_engine.engine.state import address
from workflow_engine.models.migrate import upgrade
from workflow_engine.models.store import ExecutionFilter, Status, Store
from workflow_engine.nodes.registry import installed
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.proto import workflow_service_pb2 as ws

PATIENCE = 10_000
"""Milliseconds in which something must happen to an execution that waits for nobody."""
IN_FLIGHT = 20
"""Callers that start executions side by side."""


@dataclass
class Peer:
    """Counts effects by the run that asked for them."""

    url: str = ""
    calls: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    """Epoch milliseconds of every call, by `execution/address#item`."""

    async def answer(self, request: web.Request) -> web.Response:
        self.calls.setdefault(request.query["run"], []).append(time.time_ns() // 1_000_000)
        # Long enough that many kills fall between an effect and the record of it.
        await asyncio.sleep(random.uniform(0, 0.03))
        return web.json_response({"ok": True})


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
            "settings": {"max_concurrent_executions": 3},
        },
    }


@dataclass
class Report:
    """What was seen."""

    kills: int = 0
    acknowledged: dict[str, str] = field(default_factory=dict[str, str])
    """Workflow by execution id."""
    resolved: int = 0
    faults: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {len(self.acknowledged)} executions acknowledged, "
            f"{self.resolved} unknown outcomes resolved, {len(self.faults)} faults"
        )


async def chaos(url: str, folder: Path, *, kills: int, seed: int = 1, pace: tuple[float, float] = (0.1, 1.2)) -> Report:
    """Runs the load and the kills; `pace` bounds the seconds that a server may live once it serves."""
    draw = random.Random(seed)
    report, there = Report(), Peer()
    await asyncio.to_thread(upgrade, url)
    async with peer(there.answer) as listening:
        there.url = listening.url
        workflows = await _create(url, folder, there.url)
        for _ in range(kills):
            async with _server(url, folder) as (process, client):
                load = asyncio.create_task(_load(client, workflows, report, draw))
                await asyncio.sleep(draw.uniform(*pace))
                process.kill()
                report.kills += 1
                await load
        async with _server(url, folder) as (process, client):
            await _finish(client, report)
            for id in workflows.values():
                execution = await client.run(id, {"n": 0}, {"n": 1})
                if execution.status != ex.SUCCESS:
                    report.faults.append(f"after it all, {id} does not run: {execution.failure.message}")
            process.terminate()
    await asyncio.to_thread(_audit, url, there, report)
    return report


@asynccontextmanager
async def _server(url: str, folder: Path) -> AsyncIterator[tuple[ServerProcess, Client]]:
    process = ServerProcess(url, folder, LOG_LEVEL="INFO")
    try:
        async with process.client() as client:
            yield process, client
    finally:
        process.kill()


async def _create(url: str, folder: Path, peer_url: str) -> dict[str, str]:
    async with _server(url, folder) as (_, client):
        child = await client.create(
            {
                "nodes": [{"id": "start", "type": "trigger.manual"}, call(peer_url, "inner")],
                "connections": ["start -> inner"],
            }
        )
        await client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=child.id))
        return {
            name: (await client.create(drawing, name=name)).id for name, drawing in drawings(peer_url, child.id).items()
        }


async def _load(client: Client, workflows: dict[str, str], report: Report, draw: random.Random) -> None:
    """Starts executions until the server is gone; what it acknowledged must not be lost."""

    async def caller() -> None:
        while True:
            name = draw.choice(sorted(workflows))
            request = ex.ExecuteWorkflowRequest(
                workflow_id=workflows[name], mode=ex.MANUAL, input=items({"n": 0}, {"n": 1})
            )
            try:
                response = await client.stub.ExecuteWorkflow(request, timeout=5)
            except grpc.aio.AioRpcError:
                return
            report.acknowledged[response.execution_id] = name
            await asyncio.sleep(draw.uniform(0, 0.1))

    await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))


async def _finish(client: Client, report: Report) -> None:
    """Waits until everything has ended; says of unknown outcomes that they happened."""
    room = asyncio.Semaphore(IN_FLIGHT)

    async def one(id: str) -> None:
        async with room:
            try:
                while not await _ended(client, report, id):
                    pass
            except grpc.aio.AioRpcError as error:
                report.faults.append(f"{id} was acknowledged and is lost: {error.details()}")

    # Some were stored, and the server died before it could say so: they count as much.
    opened = ex.GetExecutionHistoryRequest(limit=1_000, statuses=[ex.NEW, ex.RUNNING, ex.WAITING, ex.PAUSED])
    others = (await client.stub.GetExecutionHistory(opened)).executions
    await asyncio.gather(*(one(id) for id in {*report.acknowledged, *(each.id for each in others)}))


async def _ended(client: Client, report: Report, id: str) -> bool:
    execution = await client.status(id)
    if execution.status >= ex.SUCCESS:
        return True
    unknown = [wait for wait in execution.waiting_for if wait.kind == ex.WAIT_KIND_UNKNOWN_OUTCOME]
    for wait in unknown:
        report.resolved += 1
        await client.stub.ResolveAttempt(
            ex.ResolveAttemptRequest(
                execution_id=id,
                address=wait.address,
                resolution=ex.RESOLUTION_SUCCEEDED,
                outputs={"main": pb.ItemList(items=items({"resolved": True}))},
            )
        )
    if unknown:
        return False
    request = ex.WaitExecutionRequest(execution_id=id)
    request.timeout.FromMilliseconds(PATIENCE)
    waited = await client.stub.WaitExecution(request)
    if waited.success:
        return True
    if any(wait.kind == ex.WAIT_KIND_UNKNOWN_OUTCOME for wait in waited.execution.waiting_for):
        return False
    # One that queues for a slot waits for those whose outcome nobody has told yet.
    if waited.execution.status != ex.NEW:
        hanging = [run.address for run in waited.execution.node_runs if not run.HasField("ended_at")]
        report.faults.append(f"{id} hangs: {hanging}")
    return waited.execution.status != ex.NEW


def _audit(url: str, there: Peer, report: Report) -> None:
    store = Store.open(url)
    rows = store.executions(ExecutionFilter(), limit=10_000_000)
    ids = {row.id for row in rows}
    report.faults += [f"{id} was acknowledged and is lost" for id in report.acknowledged if id not in ids]
    children = Counter(row.parent_pk for row in rows if row.parent_pk is not None)
    plans: dict[str, Any] = {}
    for row in rows:
        if row.digest not in plans:
            plans[row.digest] = build(pb.Workflow.FromString(store.definition(row.digest) or b""), installed()).plan
        events = [decode(data) for _, data in store.read_events(row.pk, 1, 1_000_000)]
        report.faults += _faults(row.id, row.status, plans[row.digest], events, there)
        if children[row.pk] > 1:
            report.faults.append(f"{row.id} has {children[row.pk]} children; its workflow asks for one")
    store.close()


def _faults(id: str, status: Status, plan: Any, events: list[AnyEvent], there: Peer) -> list[str]:
    faults = []
    if status < Status.SUCCESS:
        return [f"{id} is {status.name}: it neither ended nor is anyone waiting for it"]
    if sum(isinstance(event, ExecutionEnded) for event in events) != 1 or not isinstance(events[-1], ExecutionEnded):
        faults.append(f"{id} did not end exactly once")
    state = machine.replay(plan, events)
    if state.status != status.name:
        faults.append(f"{id} is {status.name}, but its journal says {state.status}")
    for event in events:
        if isinstance(event, NodeSucceeded) and plan.node(event.node).kind.type == "action.http_request":
            recorded = dict.fromkeys(range(len(event.outputs.get("main", []))), event.at)
            faults += _repeated(f"{id}/{address(event.node, event.path)}", recorded, there)
        elif isinstance(event, ItemSucceeded):
            faults += _repeated(f"{id}/{address(event.node, event.path)}", {event.index: event.at}, there)
    return faults


def _repeated(run: str, recorded: dict[int, int], there: Peer) -> list[str]:
    """What the peer saw of a run after its items were recorded, and charges that it saw twice at any time."""
    faults = []
    for index, recorded_at in recorded.items():
        calls = there.calls.get(f"{run}#{index}", [])
        if run.endswith("/charge") and len(calls) > 1:
            faults.append(f"{run}: item {index} was charged {len(calls)} times")
        if any(at > recorded_at for at in calls):
            faults.append(f"{run}: item {index} was done again after its result was recorded")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--url", default="")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = chosen.url or f"sqlite:///{folder / 'chaos.db'}"
        report = asyncio.run(chaos(url, folder, kills=chosen.kills, seed=chosen.seed))
    print(report)
    for fault in report.faults[:20]:
        print("-", fault)
    return bool(report.faults)


if __name__ == "__main__":
    sys.exit(main())
