"""One load for every contestant, so that nobody is measured by another rule. The standard library alone: peers run this
in an environment that has nothing of ours.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

STEPS = 10
"""Durable steps of a chain."""
FAN_OUT = 1_000
"""Durable steps side by side, joined by the one result."""
IN_FLIGHT = 100
SECONDS = 4.0
"""How long callers begin anew. What has begun is waited for, and counts."""

CHAIN = "chain of 10, 100 in flight: steps/s"
ONE = "one step, call to durable result: ms"
FAN = "fan-out of 1,000 and join: s"
STARTS = "starts of waiting executions /s"
MEMORY = "memory of a waiting execution: KiB"
WORKS = (CHAIN, ONE, FAN, STARTS, MEMORY)


class Contestant(Protocol):
    """An engine under test. Each call makes a new execution and fails when that did not end as it should."""

    async def chain(self) -> None:
        """Ten steps, one after the other, each recorded durably; returns with the durable result."""

    async def one(self) -> None:
        """The same with one step."""

    async def fan_out(self) -> None:
        """A thousand recorded steps side by side, and their join."""

    async def park(self) -> None:
        """Starts an execution that waits for a signal; returns when it would survive a crash."""

    def resident(self) -> int:
        """Bytes of memory that the engine's processes hold, a database server's left out."""


async def measure(contestant: Contestant) -> dict[str, float]:
    """Every figure once, each after a first call that nobody times."""
    await contestant.chain()
    chains, taken = await crowd(contestant.chain)
    figures = {CHAIN: chains * STEPS / taken, ONE: await latency(contestant.one)}
    await contestant.fan_out()
    began = time.perf_counter()
    await contestant.fan_out()
    figures[FAN] = time.perf_counter() - began
    await contestant.park()
    _give_back()
    before = contestant.resident()
    parked, taken = await crowd(contestant.park)
    _give_back()
    return figures | {STARTS: parked / taken, MEMORY: max(contestant.resident() - before, 0) / parked / 1024}


def _give_back() -> None:
    """Frees what is garbage, so that room left over from the work before does not hide what waiting takes."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


async def crowd(call: Callable[[], Awaitable[None]], seconds: float = SECONDS) -> tuple[int, float]:
    """A hundred callers, each calling again until the time is up; calls made, and seconds until the last returned."""
    made, began = 0, time.perf_counter()

    async def caller() -> None:
        nonlocal made
        while time.perf_counter() - began < seconds:
            await call()
            made += 1

    await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
    return made, time.perf_counter() - began


async def latency(call: Callable[[], Awaitable[object]], seconds: float = SECONDS) -> float:
    """Milliseconds a call, one after the other: the median of 300, or of as many as fit into the time."""
    taken: list[float] = []
    until = time.perf_counter() + seconds
    while len(taken) < 300 and time.perf_counter() < until:
        began = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1_000


def resident(pid: int | str = "self") -> int:
    """Bytes of memory that a process holds now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


async def report(opened: AbstractAsyncContextManager[Contestant]) -> None:
    """What a contestant's process does: measure, and say the figures on a line of standard output."""
    async with opened as contestant:
        print(json.dumps(await measure(contestant)), flush=True)
