"""A clock that stands still until a test moves it."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(order=True, slots=True)
class ManualAlarm:
    at: int
    order: int
    callback: Callable[[], None] = field(compare=False)
    canceled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.canceled = True


class ManualClock:
    """A Clock that starts at `now` (epoch milliseconds)."""

    def __init__(self, now: int = 1_750_000_000_000) -> None:
        self._now = now
        self._alarms: list[ManualAlarm] = []
        self._order = itertools.count()

    def now_ms(self) -> int:
        return self._now

    def call_at(self, at: int, callback: Callable[[], None]) -> ManualAlarm:
        alarm = ManualAlarm(at, next(self._order), callback)
        heapq.heappush(self._alarms, alarm)
        return alarm

    def next_alarm(self) -> int | None:
        """When the next alarm rings; None when none is set."""
        while self._alarms and self._alarms[0].canceled:
            heapq.heappop(self._alarms)
        return self._alarms[0].at if self._alarms else None

    def set_back(self, ms: int) -> None:
        """Goes back, and rings every alarm too early: a clock that may be set looks again from time to time."""
        self._now -= ms
        alarms, self._alarms = sorted(self._alarms), []
        for alarm in alarms:
            if not alarm.canceled:
                alarm.callback()

    def advance(self, ms: int) -> None:
        """Moves on, and rings every alarm on the way at its own time; also those that alarms set."""
        end = self._now + ms
        while (at := self.next_alarm()) is not None and at <= end:
            self._now = max(self._now, at)
            heapq.heappop(self._alarms).callback()
        self._now = end
