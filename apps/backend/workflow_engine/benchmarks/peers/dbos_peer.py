"""DBOS: workflows in this process, its system database on PostgreSQL."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop
from dbos import DBOS, SetWorkflowID

from benchmarks import load
from benchmarks.peers.postgres import postgres


@DBOS.step()
async def step(n: int) -> int:
    return n


@DBOS.workflow()
async def chained(steps: int) -> int:
    n = 0
    for _ in range(steps):
        n = await step(n) + 1
    return n


@DBOS.workflow()
async def fanned(width: int) -> int:
    # Steps side by side in one workflow: a child workflow for each would cost it several times as much.
    return sum(await asyncio.gather(*(step(1) for _ in range(width))))


@DBOS.workflow()
async def parked() -> str:
    return str(await DBOS.recv_async("go", timeout_seconds=3_600))


class Peer:
    async def chain(self) -> None:
        assert await self._to_end(load.STEPS) == load.STEPS

    async def one(self) -> None:
        assert await self._to_end(1) == 1

    async def fan_out(self) -> None:
        handle = await DBOS.start_workflow_async(fanned, load.FAN_OUT)
        assert await handle.get_result() == load.FAN_OUT

    async def park(self) -> None:
        with SetWorkflowID(str(uuid.uuid4())):
            await DBOS.start_workflow_async(parked)

    def resident(self) -> int:
        return load.resident()

    async def _to_end(self, steps: int) -> int:
        handle = await DBOS.start_workflow_async(chained, steps)
        return await handle.get_result()


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Peer]:
    with postgres(folder) as url:
        DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR", "run_admin_server": False})
        DBOS.launch()
        yield Peer()
        DBOS.destroy(workflow_completion_timeout_sec=0)


if __name__ == "__main__":
    uvloop.run(load.report(opened(Path(sys.argv[1]))))
