"""Schedules: a heap of next ticks and one timer.

A schedule's cursor is its last decided tick. It is stored in the same transaction as what became of that tick, so that
after a crash, or on the server that takes over, exactly the ticks behind it are left to decide.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Any

from workflow_engine.core.clock import Clock
from workflow_engine.core.logging import get_logger
from workflow_engine.models.store import StoreUnavailable
from workflow_engine.models.writes import Decision
from workflow_engine.nodes.trigger.base import ScheduleTrigger
from workflow_engine.nodes.trigger.times import jitter_of, tick_item
from workflow_engine.runtime.contract import RuntimeFailure
from workflow_engine.triggers.deliver import Deliveries
from workflow_engine.triggers.registered import Registered
from workflow_engine.triggers.ticks import due, passed

log = get_logger(__name__)

SET_BACK = 1_000
"""Milliseconds that the clock may seem to go back without having been set."""
RETRY = 1_000
"""Milliseconds until a tick is tried again that the store, or a full queue, did not take."""
MANY = 1_000 * 60_000
"""Milliseconds of ticks that are counted in the event loop; more are counted in a thread."""


class Scheduler:
    """Fires the schedules among the registered triggers."""

    def __init__(self, deliveries: Deliveries, clock: Clock) -> None:
        self._deliveries, self._clock = deliveries, clock
        self._heap: list[tuple[int, int, Registered]] = []
        self._order = itertools.count()
        self._turn: dict[Registered, int] = {}
        """The order number of each schedule's valid entry in the heap; absent while its ticks are being decided."""
        self._decided: dict[Registered, int] = {}
        """Of each schedule the tick up to which all is decided. That is its cursor, unless the clock was set back: then
        it is behind it, for a schedule must not stop until the clock has caught up with its past."""
        self._alarm: Any = None
        self._seen = 0
        """The latest time that the clock has shown."""
        self._firing: set[asyncio.Task[None]] = set()

    def add(self, trigger: Registered) -> None:
        """Takes up a schedule, or its new version; what was due while nobody looked is decided at once."""
        self._decided[trigger] = min(cursor_of(trigger), self._clock.now_ms())
        self._wait(trigger)
        self._arm()

    def remove(self, trigger: Registered) -> None:
        self._decided.pop(trigger, None)
        self._turn.pop(trigger, None)

    async def close(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        for task in self._firing:
            task.cancel()
        await asyncio.gather(*self._firing, return_exceptions=True)

    def _wait(self, trigger: Registered, retry_at: int = 0) -> None:
        """Puts a schedule's next tick into the heap."""
        kind = trigger.kind
        assert isinstance(kind, ScheduleTrigger)
        tick = next(kind.schedule(trigger.parameters, trigger.row.timezone).ticks(self._decided[trigger]), None)
        if tick is None:
            self._turn.pop(trigger, None)
            return
        at = max(tick + jitter_of(trigger.id, tick, kind.jitter(trigger.parameters)), retry_at)
        turn = self._turn[trigger] = next(self._order)
        heapq.heappush(self._heap, (at, turn, trigger))

    def _arm(self) -> None:
        while self._heap and self._turn.get(self._heap[0][2]) != self._heap[0][1]:
            heapq.heappop(self._heap)
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._clock.call_at(self._heap[0][0], self._ring) if self._heap else None

    def _ring(self) -> None:
        now = self._clock.now_ms()
        if now < self._seen - SET_BACK:
            log.warning("clock_set_back", ms=self._seen - now)
            self._heap.clear()
            for trigger in list(self._turn):
                self._decided[trigger] = min(self._decided[trigger], now)
                self._wait(trigger)
        self._seen = now
        while self._heap and self._heap[0][0] <= now:
            _, turn, trigger = heapq.heappop(self._heap)
            if self._turn.get(trigger) == turn:
                del self._turn[trigger]
                task = asyncio.ensure_future(self._fire(trigger))
                self._firing.add(task)
                task.add_done_callback(self._fired)
        self._arm()

    async def _fire(self, trigger: Registered) -> None:
        """Decides all ticks that are due, then waits for the next one."""
        retry_at = 0
        try:
            async with trigger.deciding:
                if trigger in self._decided:
                    await self._decide(trigger)
        except Exception as error:
            # Whatever it is, a schedule must not stop in silence.
            retry_at = self._clock.now_ms() + RETRY
            unforeseen = not isinstance(error, StoreUnavailable | RuntimeFailure)
            log.error("tick_delayed", trigger_id=trigger.id, error=str(error), exc_info=unforeseen)
        if trigger in self._decided and trigger not in self._turn:
            self._wait(trigger, retry_at)
            self._arm()

    async def _decide(self, trigger: Registered) -> None:
        kind, now, cursor = trigger.kind, self._clock.now_ms(), cursor_of(trigger)
        assert isinstance(kind, ScheduleTrigger)
        schedule = kind.schedule(trigger.parameters, trigger.row.timezone)
        longest = kind.jitter(trigger.parameters)
        after = min(self._decided[trigger], now)
        decided = await _counted(
            now - after,
            lambda: due(
                schedule,
                after,
                now,
                kind.catch_up(trigger.parameters),
                lambda tick: jitter_of(trigger.id, tick, longest),
            ),
        )
        for span in decided.skipped:
            if trigger not in self._decided:
                return
            await self._deliveries.skip(
                trigger,
                Decision.SKIPPED_CATCH_UP,
                span.why,
                first=span.first,
                last=span.last,
                count=span.count,
                cursor=str(max(span.last, cursor)),
            )
            self._move(trigger, span.last)
        zone = getattr(trigger.parameters, "timezone", "") or trigger.row.timezone
        for tick in decided.fire:
            if trigger not in self._decided:
                return
            await self._deliveries.deliver(
                trigger,
                [tick_item(tick, zone)],
                delivery_id=f"tick:{tick}",
                at=tick,
                cursor=str(max(tick, cursor)),
                # Behind the cursor only a clock that was set back leads; then the tick may have fired before.
                is_new=tick > cursor,
            )
            self._move(trigger, tick)

    def _move(self, trigger: Registered, decided: int) -> None:
        if trigger in self._decided:
            self._decided[trigger] = decided

    def _fired(self, task: asyncio.Task[None]) -> None:
        self._firing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("schedule_failed", exc_info=error)

    def next_at(self, trigger: Registered) -> int | None:
        """When a schedule fires next, in epoch milliseconds; None when it does not."""
        kind = trigger.kind
        if trigger not in self._decided or not isinstance(kind, ScheduleTrigger):
            return None
        now = self._clock.now_ms()
        tick = next(kind.schedule(trigger.parameters, trigger.row.timezone).ticks(now), None)
        return None if tick is None else tick + jitter_of(trigger.id, tick, kind.jitter(trigger.parameters))

    async def skip_paused(self, trigger: Registered) -> None:
        """Records, once for all, the ticks that came while the trigger was paused. Raises StoreUnavailable."""
        kind, now, cursor = trigger.kind, self._clock.now_ms(), cursor_of(trigger)
        assert isinstance(kind, ScheduleTrigger)
        schedule = kind.schedule(trigger.parameters, trigger.row.timezone)
        span, _ = await _counted(now - cursor, lambda: passed(schedule, cursor, now, "the trigger was paused"))
        if span is not None:
            await self._deliveries.skip(
                trigger,
                Decision.SKIPPED_PAUSED,
                span.why,
                first=span.first,
                last=span.last,
                count=span.count,
                cursor=str(span.last),
            )


def cursor_of(trigger: Registered) -> int:
    """A schedule's last decided tick; a new one's ticks begin when it is registered."""
    return int(trigger.cursor or 0) or trigger.row.resumed_at


async def _counted(span: int, count: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(count) if span > MANY else count()
