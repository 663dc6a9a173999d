"""Which ticks of a schedule fire now, and which are skipped: one pure function."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from workflow_engine.nodes.trigger.base import CatchUp, Schedule

ON_TIME = 10_000
"""Milliseconds after its time up to which a tick is not late: a busy server, or one that was just restarted."""


@dataclass(slots=True)
class Span:
    """Ticks that are skipped for one reason."""

    why: str
    first: int = 0
    last: int = 0
    count: int = 0

    def add(self, tick: int) -> None:
        self.first = self.first if self.count else tick
        self.last = tick
        self.count += 1


@dataclass(frozen=True, slots=True)
class Due:
    """What becomes of the ticks between two moments."""

    skipped: tuple[Span, ...]
    """In order, all before the first one that fires."""
    fire: tuple[int, ...]
    """In order; epoch milliseconds, without jitter."""
    next: int | None
    """The first tick whose time has not come; None when there is none any more."""


def due(schedule: Schedule, after: int, now: int, catch_up: CatchUp, jitter: Callable[[int], int]) -> Due:
    """Decides all ticks later than `after` whose time, jitter included, has come at `now`.

    One that is late by more than the window is skipped. Of the other late ones the latest `limit` fire. Those that are
    on time fire in any case.
    """
    too_late = Span(f"later than the catch-up window of {catch_up.window / 1000:g} s")
    too_many = Span(f"late, and only the last {catch_up.limit} of the late ones may start")
    late: deque[int] = deque()
    on_time: list[int] = []
    following: int | None = None
    for tick in schedule.ticks(after):
        lateness = now - tick - jitter(tick)
        if lateness < 0:
            following = tick
            break
        if lateness <= ON_TIME:
            on_time.append(tick)
        elif lateness > catch_up.window:
            too_late.add(tick)
        else:
            late.append(tick)
            if len(late) > catch_up.limit:
                too_many.add(late.popleft())
    return Due(tuple(span for span in (too_late, too_many) if span.count), (*late, *on_time), following)


def passed(schedule: Schedule, after: int, now: int, why: str) -> tuple[Span | None, int | None]:
    """All ticks later than `after` up to `now` as one, and the first one behind them."""
    span = Span(why)
    for tick in schedule.ticks(after):
        if tick > now:
            return (span if span.count else None), tick
        span.add(tick)
    return (span if span.count else None), None
