"""Our own figures: the local runtime in this process, on a fresh database, with a step that only returns its item.

python -m benchmarks.engine FOLDER sqlite|postgresql
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import load
from tests.engine.rig import AnyParameters, items, workflow
from workflow_engine.core import interpreter
from workflow_engine.core.clock import SystemClock
from workflow_engine.engine.shape import Effect
from workflow_engine.models.migrate import upgrade
from workflow_engine.models.store import Store
from workflow_engine.nodes.registry import Registry, installed
from workflow_engine.nodes.spec import Call, Emit, Node, Result
from workflow_engine.runtime.contract import Start
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.runtime.local import LocalRuntime
from workflow_engine.services.backend import canonical


class Step(Node[AnyParameters]):
    """Returns its item; journaled before and after like any step with an effect."""

    type = "action.step"
    summary = "A durable step that does nothing."
    effect = Effect.IDEMPOTENT

    async def run(self, call: Call[AnyParameters]) -> Result:
        return Emit({"main": [call.item]})


def chained(steps: int) -> dict[str, Any]:
    names = [f"step{n}" for n in range(steps)]
    nodes = [{"id": name, "type": "action.step"} for name in names]
    return {
        "nodes": [{"id": "start", "type": "trigger.manual"}, *nodes],
        "connections": [" -> ".join(["start", *names])],
    }


FANNED = {
    "nodes": [
        {"id": "start", "type": "trigger.manual"},
        {"id": "map", "type": "flow.map", "parameters": {"concurrency": load.FAN_OUT}},
        {"id": "step", "type": "action.step"},
    ],
    "connections": ["start -> map", "map.body -> step", "step -> map.return"],
}
WAITING = {
    "nodes": [
        {"id": "start", "type": "trigger.manual"},
        {"id": "wait", "type": "flow.wait", "parameters": {"signal": "go"}},
    ],
    "connections": ["start -> wait"],
}


@dataclass
class Bench:
    """Our contestant."""

    runtime: LocalRuntime
    chaining: Start
    stepping: Start
    fanning: Start
    waiting: Start

    async def chain(self) -> None:
        await self._to_end(self.chaining)

    async def one(self) -> None:
        await self._to_end(self.stepping)

    async def fan_out(self) -> None:
        await self._to_end(self.fanning)

    async def park(self) -> None:
        await self.runtime.start(self.waiting)

    def resident(self) -> int:
        return load.resident()

    async def _to_end(self, start: Start) -> None:
        ended = await self.runtime.wait(await self.runtime.start(start), 60)
        assert ended is not None
        assert ended.status == "SUCCESS", ended


@asynccontextmanager
async def running(url: str) -> AsyncIterator[Bench]:
    """A runtime on the database that `url` names, which it makes if need be."""
    await asyncio.to_thread(upgrade, url)
    store = Store.open(url)
    await asyncio.to_thread(store.acquire_ownership)
    registry = Registry(installed())
    registry.add(Step())
    runtime = LocalRuntime(store, Definitions(store, registry), SystemClock(), entropy=os.urandom)
    await runtime.open()

    async def start(name: str, drawing: dict[str, Any], width: int = 1) -> Start:
        digest = await store.keep_definition(canonical(workflow(drawing)))
        return Start(name, digest, input=items({"n": n} for n in range(width)))

    yield Bench(
        runtime,
        chaining=await start("chain", chained(load.STEPS)),
        stepping=await start("one", chained(1)),
        fanning=await start("fan", FANNED, load.FAN_OUT),
        waiting=await start("wait", WAITING),
    )
    await runtime.close(grace=1)
    await asyncio.to_thread(store.close)


@asynccontextmanager
async def opened(folder: Path, database: str) -> AsyncIterator[Bench]:
    if database == "sqlite":
        async with running(f"sqlite:///{folder / 'bench.db'}") as bench:
            yield bench
        return
    from benchmarks.peers.postgres import postgres

    with postgres(folder) as url:
        async with running(url.replace("postgresql://", "postgresql+psycopg://")) as bench:
            yield bench


if __name__ == "__main__":
    interpreter.tune()
    uvloop.run(load.report(opened(Path(sys.argv[1]), sys.argv[2])))
