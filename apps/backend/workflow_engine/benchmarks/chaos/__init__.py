"""Chaos: a load of mixed workflows while the server, its disk, its database or its clock is struck at random instants.

A peer counts what reaches it. Afterwards every execution that was acknowledged has ended, once; no effect that is in a
journal was performed after it was recorded, and none that must not be repeated was performed twice; no slot is lost;
and every journal replays to the state that its row tells.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

# gRPC would tell at every start of a process that it does nothing about forks; nothing is to be done.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

from benchmarks.chaos import load as loads
from benchmarks.chaos.audit import audit
from benchmarks.chaos.blows import Blow
from benchmarks.chaos.cluster import Cluster
from benchmarks.chaos.load import Load, Report
from benchmarks.chaos.peer import Peer
from benchmarks.chaos.servers import NobodyServes, Servers
from benchmarks.chaos.settle import go_on, settle
from tests.runtime.peers import peer
from workflow_engine.models.migrate import upgrade

__all__ = ["Load", "Report", "chaos"]


async def chaos(
    url: str,
    folder: Path,
    blow: Blow,
    times: int,
    *,
    data: Path | None = None,
    offset: Path | None = None,
    load: Load | None = None,
    temporal: str = "",
    seed: int = 1,
) -> Report:
    """Strikes `times` under load and counts what went wrong.

    `folder` is for the log; `data`, or else the same one, is the servers' data folder; `offset` sets their clocks.
    With the address of a Temporal server there are several replicas and workers around it.
    """
    draw, report, there, load = random.Random(seed), Report(), Peer(), load or Load()
    await asyncio.to_thread(upgrade, url)
    log = folder / "servers.log"
    servers = Cluster(url, data or folder, log, temporal) if temporal else Servers(url, data or folder, log, offset)
    async with peer(there.answer) as listening, servers:
        there.url = listening.url
        try:
            workflows = await loads.create(servers.client, there.url)
            stop = asyncio.Event()
            running = asyncio.create_task(
                loads.run(servers.client, workflows, load, report, random.Random(seed + 1), stop)
            )
            try:
                while report.blows < times or len(report.acknowledged) < load.at_least:
                    await blow(servers, draw)
                    report.blows += 1
                    await servers.serving()
            finally:
                stop.set()
                await running
            await settle(servers.client, report)
            await go_on(servers.client, workflows, there, report)
        except NobodyServes as error:
            report.faults.append(f"no server came up: {error}")
    report.left = servers.ends.total()
    await asyncio.to_thread(audit, url, there, report)
    return report
