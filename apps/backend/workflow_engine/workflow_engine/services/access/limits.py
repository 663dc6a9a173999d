"""How fast somebody may do something: a bucket of tokens for each."""

from __future__ import annotations

from collections import OrderedDict

from workflow_engine.core.clock import Clock

MOST = 10_000
"""Callers that are remembered; the one that was not seen for longest is forgotten first."""


class Buckets:
    """Each key may do `burst` things at once, and `rate` a second in the long run."""

    def __init__(self, clock: Clock, *, rate: float, burst: float) -> None:
        self._clock, self._rate, self._burst = clock, rate, burst
        self._left: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def forgive(self, key: str) -> None:
        """Fills the bucket."""
        self._left.pop(key, None)

    def wait(self, key: str) -> float:
        """Takes a token and returns 0, or returns the seconds until there is one."""
        now = self._clock.now_ms()
        left, at = self._left.get(key, (self._burst, now))
        # A clock that was set back adds nothing, and takes nothing.
        left = min(self._burst, left + max(0, now - at) / 1000 * self._rate)
        short = 1 - left
        if short > 1e-9:
            return short / self._rate
        self._left[key] = (left - 1, now)
        self._left.move_to_end(key)
        if len(self._left) > MOST:
            self._left.popitem(last=False)
        return 0.0
