"""The times of a cron expression. docs/schedules.md has the rules in words, docs/decisions/0017-cron.md why it is so.

A library reads the expression and says which days it means. Which instants those days' hours are is ours: the library
walks a clock forward, and where that clock jumps by half an hour, or over midnight, it loses its step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from cronsim import CronSim

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
FARTHEST = 50 * 366
"""Days that are looked through for a next time."""
LONGEST_JUMP = timedelta(hours=24)
"""No clock is set further at once: some islands have changed their day."""
_LAST_NAMED = re.compile(rf"\b({'|'.join(WEEKDAYS)})L\b", re.IGNORECASE)
_STEP_OF_ONE = re.compile(r"(^|,)\w*/")
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A cron expression, read."""

    days: CronSim
    """Knows which days are meant."""
    hours: tuple[int, ...]
    seconds: tuple[int, ...]
    """Within an hour."""
    follows_elapsed_time: bool
    """Its minute or hour is every one, or every so many: then a time that is there twice comes twice."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression in a timezone."""

    expression: str
    zone: ZoneInfo

    def ticks(self, after: int) -> Iterator[int]:
        """All times later than `after`, in order; epoch milliseconds. Ends when none comes within fifty years."""
        pattern = read(self.expression)
        late: list[int] = []
        """Seconds, in order, that may not be the next ones yet."""
        last = after // 1000
        for hour in self._hours(pattern, last):
            begins = _first(hour, self.zone)
            while late and late[0] < begins:
                if late[0] > last:
                    last = late[0]
                    yield last * 1000
                late.pop(0)
            late = sorted({*late, *self._instants(pattern, hour)})
        for at in late:
            if at > last:
                yield at * 1000

    def _hours(self, pattern: Pattern, after: int) -> Iterator[datetime]:
        """The hours on the wall that may hold times later than `after`."""
        wall = datetime.fromtimestamp(after, UTC).astimezone(self.zone).replace(tzinfo=None) - LONGEST_JUMP
        first, day = wall, wall.date()
        for _ in range(FARTHEST):
            if pattern.days.match_day(day) and day.month in pattern.days.months:
                midnight = datetime(day.year, day.month, day.day)
                for hour in pattern.hours:
                    if (at := midnight + _HOUR * hour) + _HOUR > first:
                        yield at
            day += _DAY

    def _instants(self, pattern: Pattern, hour: datetime) -> Iterator[int]:
        """When the times in an hour on the wall are due, in seconds since the epoch."""
        begins, ends = _first(hour, self.zone), _last(hour + _HOUR, self.zone)
        if ends - begins == 3600:
            # No clock changes here, as nearly always.
            yield from (begins + second for second in pattern.seconds)
            return
        for second in pattern.seconds:
            wall = hour + timedelta(seconds=second)
            real = [at for at in sorted({_first(wall, self.zone), _last(wall, self.zone)}) if self._shows(at, wall)]
            if pattern.follows_elapsed_time:
                yield from real
            elif real:
                yield real[0]
            else:
                yield self._behind_gap(wall)

    def _shows(self, at: int, wall: datetime) -> bool:
        return datetime.fromtimestamp(at, UTC).astimezone(self.zone).replace(tzinfo=None) == wall

    def _behind_gap(self, wall: datetime) -> int:
        """The first instant behind the gap that swallows a time on the wall."""
        # By the offset behind the gap it would be before the change, by the one before the gap behind it.
        before, behind = _last(wall, self.zone), _first(wall, self.zone)
        while behind - before > 1:
            middle = (before + behind) // 2
            shown = datetime.fromtimestamp(middle, UTC).astimezone(self.zone).replace(tzinfo=None)
            before, behind = (before, middle) if shown > wall else (middle, behind)
        return behind


def _first(wall: datetime, zone: ZoneInfo) -> int:
    """The first instant at which the wall shows a time; in a gap, by the offset that was valid before it."""
    return int(wall.replace(tzinfo=zone, fold=0).timestamp())


def _last(wall: datetime, zone: ZoneInfo) -> int:
    return int(wall.replace(tzinfo=zone, fold=1).timestamp())


def check_cron(expression: str) -> None:
    """Raises ValueError for what is no cron expression, and for one that never comes due."""
    pattern = read(expression)
    day = date(2026, 1, 1)
    for _ in range(FARTHEST):
        if day.month in pattern.days.months and pattern.days.match_day(day):
            return
        day += _DAY
    raise ValueError(f"{expression!r} never comes due")


@lru_cache(4096)
def read(expression: str) -> Pattern:
    """Reads an expression. Raises ValueError with what to write instead."""
    # Importing it costs nothing, but nobody else should have to know which library it is.
    from cronsim import CronSim, CronSimError

    fields = NICKNAMES.get(expression.strip(), expression).split()
    if fields == ["@reboot"]:
        raise ValueError("@reboot names no time; there is no trigger for the server's start")
    if len(fields) == 7:
        raise ValueError("a year can not be given: put it into the trigger's condition, or delete the trigger in time")
    if any(_STEP_OF_ONE.search(field) for field in fields):
        raise ValueError("a step needs a range before it: write */15 or 0-59/15 instead of 0/15")
    if len(fields) not in (5, 6):
        raise ValueError("write minute hour day month weekday, such as 30 7 * * MON-FRI")
    day, weekday = ("*" if field == "?" else field for field in (fields[-3], fields[-1]))
    named_last = weekday.removeprefix("+").replace("#L", "L")
    fields[-3] = day
    fields[-1] = _LAST_NAMED.sub(lambda found: f"{WEEKDAYS.index(found[1].upper())}L", named_last)
    try:
        days = CronSim(" ".join(fields), datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError as wrong:
        raise ValueError(f"{wrong}: write minute hour day month weekday, such as 30 7 * * MON-FRI") from None
    # The library takes Debian's word for it, where a day field that only begins with a star counts as unrestricted.
    days.day_and = weekday.startswith("+") or "*" in (day, weekday)
    minute, hour = fields[-5:-3]
    seconds = tuple(60 * minute + second for minute in sorted(days.minutes) for second in sorted(days.seconds))
    return Pattern(days, tuple(sorted(days.hours)), seconds, minute.startswith("*") or hour.startswith("*"))
