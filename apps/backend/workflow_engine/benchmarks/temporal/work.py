"""What a step does, for both, and how long both are asked for it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from benchmarks import load

STEPS = 10
SLOTS = 200
"""Attempts that a worker makes side by side."""
SPEED, ALONE, CLIENT = "100 in flight: steps/s", "a chain by itself: ms", "client"


class Peer:
    """The world outside, as a step reaches it."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def tell(self, item: dict[str, Any]) -> dict[str, Any]:
        """The side effect of a step: a call, whose number becomes part of the item."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        async with self._session.post(os.environ["BENCH_PEER"], json=item) as answer:
            return {**item, "call": (await answer.json())["call"]}


async def at_work() -> None:
    """What a worker does besides: it says that it is there, and stays."""
    print("at work", flush=True)
    await asyncio.Event().wait()


async def measured(run: Callable[[], Awaitable[None]], seconds: float) -> dict[str, float]:
    """Chains to their end, a crowd at a time, after some that nobody times; and one by itself."""
    # What a process has spent on its imports is no part of the cost.
    spent = time.process_time()
    await asyncio.gather(*(run() for _ in range(8)))
    one = await load.latency(run, seconds / 4)
    chains, taken = await load.crowd(run, seconds)
    return {SPEED: chains * STEPS / taken, ALONE: one, CLIENT: time.process_time() - spent}
