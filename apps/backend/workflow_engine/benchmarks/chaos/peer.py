"""The world outside: what reaches it has happened, whatever the engine remembers."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from aiohttp import web

SLOTS = 3
"""How many executions of the workflow `narrow` may run at once."""
TOGETHER = 15.0
"""Seconds within which all slots must be in use when there is work for all."""


@dataclass
class Peer:
    """Counts effects by the item of a run that asked for them, `execution/address#item`."""

    url: str = ""
    calls: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    """The numbers of the calls, in the order in which they came. An answer tells its number, so that a journal tells
    which call it has the result of; that holds whatever a clock says."""
    barrier: asyncio.Barrier | None = None
    """While it is there, the first steps of `narrow` wait for each other: that needs as many free slots."""
    _count: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        run = request.query["run"]
        self._count += 1
        number = self._count
        self.calls.setdefault(run, []).append(number)
        if self.barrier is not None and run.endswith("/one#0"):
            async with asyncio.timeout(TOGETHER):
                await self.barrier.wait()
        # Long enough that many blows fall between an effect and the record of it.
        await asyncio.sleep(random.uniform(0, 0.03))
        return web.json_response({"ok": True, "call": number})
