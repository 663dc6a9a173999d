"""Our own figures: the local runtime in this process, on a fresh database, with a step that only returns its item."""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engine.rig import AnyParameters, items, workflow
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

CHAIN, IN_FLIGHT, EXECUTIONS = 10, 100, 1_000
FAN_OUT = 1_000
WAITING = 5_000


class Step(Node[AnyParameters]):
    """Returns its item; journaled before and after like any step with an effect."""

    type = "action.step"
    summary = "A durable step that does nothing."
    effect = Effect.IDEMPOTENT

    async def run(self, call: Call[AnyParameters]) -> Result:
        return Emit({"main": [call.item]})


@dataclass
class Bench:
    runtime: LocalRuntime
    store: Store

    async def digest(self, drawing: dict[str, Any]) -> str:
        return await self.store.keep_definition(canonical(workflow(drawing)))

    async def to_end(self, start: Start) -> None:
        ended = await self.runtime.wait(await self.runtime.start(start), 60)
        assert ended is not None
        assert ended.status == "SUCCESS", ended


@asynccontextmanager
async def running(url: str) -> AsyncIterator[Bench]:
    await asyncio.to_thread(upgrade, url)
    store = Store.open(url)
    await asyncio.to_thread(store.acquire_ownership)
    registry = Registry(installed())
    registry.add(Step())
    runtime = LocalRuntime(store, Definitions(store, registry), SystemClock(), entropy=os.urandom)
    await runtime.open()
    yield Bench(runtime, store)
    await runtime.close(grace=1)
    await asyncio.to_thread(store.close)


def chained(steps: int) -> dict[str, Any]:
    names = [f"step{n}" for n in range(steps)]
    nodes = [{"id": name, "type": "action.step"} for name in names]
    return {
        "nodes": [{"id": "start", "type": "trigger.manual"}, *nodes],
        "connections": [" -> ".join(["start", *names])],
    }


async def chain(bench: Bench) -> float:
    """Durable steps a second: chains of ten, a hundred at a time."""
    start = Start("chain", await bench.digest(chained(CHAIN)), input=items([{}]))
    await bench.to_end(start)
    room = asyncio.Semaphore(IN_FLIGHT)

    async def one() -> None:
        async with room:
            await bench.to_end(start)

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(EXECUTIONS)))
    return EXECUTIONS * CHAIN / (time.perf_counter() - began)


async def latency(bench: Bench) -> float:
    """Milliseconds from call to durable result of one step, the median of 300."""
    start = Start("one", await bench.digest(chained(1)), input=items([{}]))
    taken = []
    for _ in range(300):
        began = time.perf_counter()
        await bench.to_end(start)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1_000


async def fan_out(bench: Bench) -> float:
    """Seconds for a thousand steps side by side and the join behind them."""
    drawing = {
        "nodes": [
            {"id": "start", "type": "trigger.manual"},
            {"id": "map", "type": "flow.map", "parameters": {"concurrency": FAN_OUT}},
            {"id": "step", "type": "action.step"},
        ],
        "connections": ["start -> map", "map.body -> step", "step -> map.return"],
    }
    digest = await bench.digest(drawing)
    began = time.perf_counter()
    await bench.to_end(Start("fan", digest, input=items({"n": n} for n in range(FAN_OUT))))
    return time.perf_counter() - began


async def to_wait(bench: Bench) -> Start:
    """An execution that waits for the signal `go`."""
    drawing = {
        "nodes": [
            {"id": "start", "type": "trigger.manual"},
            {"id": "wait", "type": "flow.wait", "parameters": {"signal": "go"}},
        ],
        "connections": ["start -> wait"],
    }
    return Start("wait", await bench.digest(drawing), input=items([{}]))


async def waiting(bench: Bench) -> tuple[float, float]:
    """Starts a second of executions that then wait for a signal, and KiB of memory for each."""
    start = await to_wait(bench)
    await bench.runtime.start(start)
    before = resident()
    began = time.perf_counter()
    for _ in range(WAITING // 500):
        await asyncio.gather(*(bench.runtime.start(start) for _ in range(500)))
    taken = time.perf_counter() - began
    return WAITING / taken, max(resident() - before, 0) / WAITING / 1024


def resident() -> int:
    """Bytes of memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
