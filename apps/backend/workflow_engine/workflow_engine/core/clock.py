"""What time it is, and being called when it is another. Tests bring a clock of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

LONGEST_SLEEP = 60.0
"""Seconds. The wall clock may be set while we sleep; after so long at most we look again."""


class Alarm(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    def now_ms(self) -> int:
        """Epoch milliseconds."""
        ...

    def call_at(self, at: int, callback: Callable[[], None]) -> Alarm:
        """Calls back in the running loop, at or soon after `at` (epoch milliseconds); or too early."""
        ...


class SystemClock:
    """The machine's wall clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def call_at(self, at: int, callback: Callable[[], None]) -> Alarm:
        delay = min(max(at - self.now_ms(), 0) / 1000, LONGEST_SLEEP)
        return asyncio.get_running_loop().call_later(delay, callback)
