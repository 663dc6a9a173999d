"""How often something may happen: a bucket that fills evenly and gives out one token each time."""

from __future__ import annotations

MINUTE = 60_000
"""Milliseconds."""


class Bucket:
    """`per_minute` tokens in a minute, and as many at once."""

    __slots__ = ("_at", "_left", "per_minute")

    def __init__(self, per_minute: int, now: int) -> None:
        self.per_minute = per_minute
        self._left, self._at = float(per_minute), now

    def take(self, now: int) -> int:
        """0 and a token; or how many milliseconds it takes until there is one."""
        # A clock that was set back gives nothing and takes nothing away.
        passed = max(now - self._at, 0)
        self._left = min(self._left + passed * self.per_minute / MINUTE, float(self.per_minute))
        self._at = now
        if self._left >= 1:
            self._left -= 1
            return 0
        return max(round((1 - self._left) * MINUTE / self.per_minute), 1)
