"""After the blows: everything comes to its end, and everybody can go on."""

from __future__ import annotations

import asyncio

import grpc

from benchmarks.chaos.load import Report
from benchmarks.chaos.peer import SLOTS, Peer
from tests.serving import Client, items
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import workflow_pb2 as pb

PATIENCE = 20.0
"""Seconds within which one more of the executions that have not ended must do so."""
LOOK = 0.2
"""Seconds between looks at them."""
OPEN = [ex.NEW, ex.RUNNING, ex.WAITING, ex.PAUSED]


async def settle(client: Client, report: Report) -> None:
    """Waits until everything that is stored has ended, acknowledged or not.

    It says of unknown outcomes that they happened. What does not end is a fault.
    """
    request = ex.GetExecutionHistoryRequest(limit=1_000, statuses=OPEN)
    loop = asyncio.get_running_loop()
    before, changed_at = -1, loop.time()
    while (found := await client.stub.GetExecutionHistory(request)).total:
        parked = [each.id for each in found.executions if each.status in (ex.WAITING, ex.RUNNING)]
        resolved = sum(await asyncio.gather(*(_resolve(client, id) for id in parked)))
        report.resolved += resolved
        if found.total != before or resolved:
            before, changed_at = found.total, loop.time()
        if loop.time() - changed_at > PATIENCE:
            report.faults += [await _hanging(client, each.id) for each in found.executions[:20]]
            return
        await asyncio.sleep(LOOK)


async def _resolve(client: Client, id: str) -> int:
    """Answers for people who know what became of an attempt; returns how many."""
    execution = await client.status(id)
    unknown = [wait for wait in execution.waiting_for if wait.kind == ex.WAIT_KIND_UNKNOWN_OUTCOME]
    for wait in unknown:
        await client.stub.ResolveAttempt(
            ex.ResolveAttemptRequest(
                execution_id=id,
                address=wait.address,
                resolution=ex.RESOLUTION_SUCCEEDED,
                outputs={"main": pb.ItemList(items=items({"resolved": True}))},
            )
        )
    return len(unknown)


async def _hanging(client: Client, id: str) -> str:
    execution = await client.status(id)
    runs = [run.address for run in execution.node_runs if not run.HasField("ended_at")]
    waits = [ex.WaitKind.Name(wait.kind) for wait in execution.waiting_for]
    return f"{id} hangs, {ex.ExecutionStatus.Name(execution.status)}: unended runs {runs}, waiting for {waits}"


async def go_on(client: Client, workflows: dict[str, str], peer: Peer, report: Report) -> None:
    """Every workflow still runs, and the one with few slots has all of them."""
    for name, id in workflows.items():
        execution = await client.run(id, {"n": 0}, {"n": 1})
        if execution.status != ex.SUCCESS:
            report.faults.append(f"after it all, {name} does not run: {execution.failure.message}")
    peer.barrier = asyncio.Barrier(SLOTS)
    try:
        ended = await asyncio.gather(*(client.run(workflows["narrow"], {"n": 0}) for _ in range(SLOTS)))
    except (AssertionError, grpc.aio.AioRpcError) as error:
        report.faults.append(f"{SLOTS} executions do not run side by side any more, a slot is lost: {error}")
    else:
        report.faults += [f"{each.id} failed: {each.failure.message}" for each in ended if each.status != ex.SUCCESS]
    finally:
        peer.barrier = None
