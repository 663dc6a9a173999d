"""trigger.cron: by the Open Cron Pattern Specification, and ten years in five time zones against another algorithm."""

from __future__ import annotations

import calendar
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from benchmarks.cron import CASES, Case, libraries, passes
from tests.nodes.harness import problems, records, run_node
from workflow_engine.nodes.trigger.crontimes import Cron, check_cron
from workflow_engine.nodes.trigger.times import jitter_of, zone

REFUSED = ("0 0 12 1 1 * 2028-2029", "0 0 0 1 1 * */2", "0 12 15W * *", "0 12 1W 8 *")
"""What the specification knows and we say no to: years, and the nearest weekday."""
MINUTE, HOUR = 60, 3600
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.version} {case.pattern.strip()} {case.zone}")
def test_the_open_cron_pattern_specification(case: Case) -> None:
    ours = dict(libraries())["ours"]
    assert passes(ours, case) != (case.pattern in REFUSED)


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("0/15 * * * *", "*/15"),
        ("@reboot", "names no time"),
        ("0 0 31 2 *", "never comes due|Bad day-of-month"),
        ("0 0 12 1 1 * 2028", "year"),
        ("* * * *", "30 7 * * MON-FRI"),
        ("0 0 15W * *", "day-of-month"),
    ],
)
def test_what_is_refused_says_what_to_write(expression: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint.replace("*", r"\*").replace("(", r"\(")):
        check_cron(expression)
    assert problems("trigger.cron", {"expression": expression})


async def test_its_run_hands_on_what_came() -> None:
    assert records(await run_node("trigger.cron", {"expression": "@daily"}, [{"n": 1}])) == [{"n": 1}]
    assert records(await run_node("trigger.cron", {"expression": "@daily"}, [])) == [{}]
    assert problems("trigger.cron", {"expression": "@daily", "timezone": "Mars/Olympus"})


class Oracle:
    """Cron by counting: lists a zone's clock changes, and every day's wanted minutes between them.

    It shares nothing with the code under test, which asks the timezone about each hour.
    """

    def __init__(self, zone: str, years: range) -> None:
        self.years = years
        tz = ZoneInfo(zone)
        start = int(datetime(years[0], 1, 1, tzinfo=UTC).timestamp()) - 2 * 86_400
        end = int(datetime(years[-1] + 1, 1, 1, tzinfo=UTC).timestamp()) + 2 * 86_400

        def offset(at: int) -> int:
            delta = datetime.fromtimestamp(at, tz).utcoffset()
            assert delta is not None
            return int(delta.total_seconds())

        self.spans: list[tuple[int, int, int]] = []
        """(first second, second behind the last, offset)."""
        first, now = start, offset(start)
        for at in range(start, end, 30 * MINUTE):
            if (then := offset(at)) != now:
                self.spans.append((first, at, now))
                first, now = at, then
        self.spans.append((first, end, now))

    def times(self, minutes: set[int], hours: set[int], days: Iterator[date], *, elapsed: bool) -> list[int]:
        """Seconds since the epoch, for an expression whose minute or hour begins with a star when `elapsed`."""
        found: set[int] = set()
        starts = [first for first, _, _ in self.spans]
        for day in days:
            midnight = calendar.timegm(day.timetuple())
            for hour in hours:
                for minute in minutes:
                    wall = midnight + hour * HOUR + minute * MINUTE
                    at = bisect_right(starts, wall) - 1
                    near = self.spans[max(at - 1, 0) : at + 2]
                    real = [wall - shift for first, end, shift in near if first <= wall - shift < end]
                    if elapsed:
                        found.update(real)
                    elif real:
                        found.add(min(real))
                    else:
                        # The clock jumps over it: due right behind the jump.
                        found.add(next(first for first, _, shift in near if wall - shift < first))
        return sorted(found)

    def days(self) -> Iterator[date]:
        day = date(self.years[0], 1, 1)
        while day.year <= self.years[-1]:
            yield day
            day += timedelta(days=1)


def every(step: int, below: int) -> set[int]:
    return set(range(0, below, step))


ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca")
PATTERNS = {
    "30 2 * * *": ({30}, {2}, lambda day: True, False),
    "0 0 * * *": ({0}, {0}, lambda day: True, False),
    "10,50 0-3 * * SUN": ({10, 50}, every(1, 4), lambda day: day.isoweekday() == 7, False),
    "0 12 1 * MON": ({0}, {12}, lambda day: day.day == 1 or day.isoweekday() == 1, False),
    "59 23 29 2 *": ({59}, {23}, lambda day: (day.month, day.day) == (2, 29), False),
    "0 1 L * *": ({0}, {1}, lambda day: (day + timedelta(days=1)).day == 1, False),
    "15 2 * 3,10 SUNL": (
        {15},
        {2},
        lambda day: day.month in (3, 10) and day.isoweekday() == 7 and (day + timedelta(days=7)).month != day.month,
        False,
    ),
    "*/30 1,2 1-7 4,11 *": (every(30, 60), {1, 2}, lambda day: day.month in (4, 11) and day.day < 8, True),
    "0 */3 * * SUN": ({0}, every(3, 24), lambda day: day.isoweekday() == 7, True),
    "30 * 25-31 3,10 *": ({30}, every(1, 24), lambda day: day.month in (3, 10) and day.day > 24, True),
}
"""The minutes, the hours, the days, and whether it follows elapsed time."""


@pytest.mark.parametrize("name", ZONES)
def test_ten_years_fire_exactly_what_the_rules_say(name: str) -> None:
    """Through clock changes of an hour and of half an hour, at night and at midnight, and through leap days."""
    years = range(2025, 2035)
    oracle = Oracle(name, years)
    assert len(oracle.spans) > 20, "there are clock changes in these years"
    start = int(datetime(years[0], 1, 1, tzinfo=ZoneInfo(name)).timestamp())
    end = int(datetime(years[-1] + 1, 1, 1, tzinfo=ZoneInfo(name)).timestamp())
    for pattern, (minutes, hours, on, elapsed) in PATTERNS.items():
        expected = oracle.times(minutes, hours, (day for day in oracle.days() if on(day)), elapsed=elapsed)
        expected = [at for at in expected if start <= at < end]
        found: list[int] = []
        for tick in Cron(pattern, zone(name)).ticks(start * 1000 - 1):
            if tick >= end * 1000:
                break
            found.append(tick // 1000)
        assert found == expected, f"{pattern} in {name}"


@pytest.mark.parametrize("name", ZONES)
def test_wherever_one_looks_from_the_next_tick_is_the_same(name: str) -> None:
    """So that a restart at any instant neither repeats nor leaves out a tick, also in the middle of a clock change."""
    cron = Cron("30 2 * * *", zone(name))
    start = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000)
    ticks = list(islice(cron.ticks(start), 260))
    for at in range(start, ticks[-2], 7_777_777):
        assert next(cron.ticks(at)) == ticks[bisect_right(ticks, at)]
    for tick in ticks[:-1]:
        assert next(cron.ticks(tick)) == ticks[bisect_right(ticks, tick)]
        assert next(cron.ticks(tick - 1)) == tick


def test_a_second_does_not_change_what_a_clock_change_does() -> None:
    plain, seconds = Cron("30 2 * * *", zone("Europe/Berlin")), Cron("7 30 2 * * *", zone("Europe/Berlin"))
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
    apart = [other - one for one, other in islice(zip(plain.ticks(start), seconds.ticks(start), strict=True), 400)]
    assert sorted(set(apart)) == [0, 7_000]
    assert apart.count(0) == 1, "both are due right behind the gap in spring"


def test_jitter_is_fair_and_always_the_same() -> None:
    found = [jitter_of("trig_1", tick * 60_000, 30_000) for tick in range(1000)]
    assert found == [jitter_of("trig_1", tick * 60_000, 30_000) for tick in range(1000)]
    assert found != [jitter_of("trig_2", tick * 60_000, 30_000) for tick in range(1000)]
    assert 0 <= min(found) < 1_000 < 29_000 < max(found) <= 30_000
    assert 14_000 < sum(found) / len(found) < 16_000
    assert jitter_of("trig_1", 0, 0) == 0
