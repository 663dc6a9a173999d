"""Deliveries that come faster than executions can start: they are stored and acknowledged first, and started in order.

Storing one costs a fraction of starting one. So when many come at once, each is stored with the id of the execution
that it will start (decision RECEIVED), whoever sent it is told, and the starts follow in batches. While more come than
start, and not too many wait, the batches are spaced out: a burst is answered at the rate of storing, and what goes on
for longer at the rate of starting. After a crash what was received and not started is started then.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from workflow_engine.core.logging import get_logger
from workflow_engine.engine.items import Items
from workflow_engine.models.store import StoreUnavailable
from workflow_engine.models.writes import TriggerEventRow
from workflow_engine.runtime.contract import RuntimeFailure
from workflow_engine.triggers.registered import Registered

log = get_logger(__name__)

BUSY = 8
"""Deliveries that are being started at once; beyond that they are only stored first."""
BATCH = 32
"""Starts in one go."""
SPACE = 0.03
"""Seconds between batches while more comes than starts."""
BURST = 50_000
"""Deliveries that may wait before their starts get all the time they need."""
IN_MEMORY = 4096
"""Bytes of a payload that is kept in memory until its turn; a longer one is read again."""
RETRY = 1.0
"""Seconds until starts are tried again that the store, or a full queue, did not take."""

Received = tuple[Registered, TriggerEventRow, Items | None]


class Intake:
    """What was received and waits for its start."""

    def __init__(self, start: Callable[[Sequence[Received]], Awaitable[None]]) -> None:
        """`start` starts all that it is given, or raises StoreUnavailable or RuntimeFailure and has started none."""
        self._start = start
        self._waiting: deque[Received] = deque()
        self._draining: asyncio.Task[None] | None = None
        self._came = 0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def is_idle(self) -> bool:
        return self._draining is None

    def add(self, trigger: Registered, row: TriggerEventRow, items: Items | None) -> None:
        """Takes up what is stored. None for items that have to be read again."""
        self._waiting.append((trigger, row, items))
        self._came += 1
        if self._draining is None:
            self._draining = asyncio.ensure_future(self._drain())

    async def close(self) -> None:
        if self._draining is not None:
            self._draining.cancel()
            await asyncio.gather(self._draining, return_exceptions=True)

    async def _drain(self) -> None:
        try:
            while self._waiting:
                self._came = 0
                batch = [self._waiting[at] for at in range(min(BATCH, len(self._waiting)))]
                try:
                    await self._start(batch)
                except (StoreUnavailable, RuntimeFailure) as error:
                    log.error("starts_delayed", error=str(error), waiting=len(self._waiting))
                    await asyncio.sleep(RETRY)
                    continue
                for _ in batch:
                    self._waiting.popleft()
                if self._came >= len(batch) and len(self._waiting) < BURST:
                    await asyncio.sleep(SPACE)
        finally:
            self._draining = None
