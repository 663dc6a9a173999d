"""Which cron library does what the Open Cron Pattern Specification and our rules for clock changes say.

    pip install cronsim croniter cron-converter apscheduler
    python -m benchmarks.cron

The cases are made from the text of OCPS 1.0 to 1.4; each is a pattern with the first times that it names after a moment
in UTC, or one that must be refused. Libraries that are not installed are left out. docs/decisions/0017-cron.md has the
result, and tests/nodes/trigger/test_cron.py holds our own wrapper to these cases.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Case:
    """`times` are the first ones behind `after`; none when the pattern must be refused."""

    version: str
    pattern: str
    after: str = "2026-01-01T00:00:00"
    times: tuple[str, ...] = ()
    zone: str = "UTC"


BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
LORD_HOWE, SANTIAGO = "Australia/Lord_Howe", "America/Santiago"


def _days(*days: str, at: str = "00:00:00") -> tuple[str, ...]:
    return tuple(f"{day}T{at}" for day in days)


CASES = (
    # 1.0: five fields, lists, ranges, steps; names in any case; 7 is Sunday
    Case("1.0", "*/15 * * * *", times=("2026-01-01T00:15:00", "2026-01-01T00:30:00", "2026-01-01T00:45:00")),
    Case("1.0", "5-59/15 0 * * *", times=("2026-01-01T00:05:00", "2026-01-01T00:20:00", "2026-01-01T00:35:00")),
    Case("1.0", "0,30 9-10 * * *", times=("2026-01-01T09:00:00", "2026-01-01T09:30:00", "2026-01-01T10:00:00")),
    Case("1.0", "  0\t0  1 * *  ", times=_days("2026-02-01", "2026-03-01")),
    Case("1.0", "0 0 * * 7", times=_days("2026-01-04", "2026-01-11")),
    Case("1.0", "0 0 * * 0", times=_days("2026-01-04", "2026-01-11")),
    Case("1.0", "0 0 * * sun", times=_days("2026-01-04", "2026-01-11")),
    Case("1.0", "0 0 * * FRI-SAT", times=_days("2026-01-02", "2026-01-03", "2026-01-09")),
    Case("1.0", "0 0 1 jan,JUL *", times=_days("2026-07-01", "2027-01-01")),
    # both days restricted: either
    Case("1.0", "0 12 1 * MON", times=_days("2026-01-01", "2026-01-05", "2026-01-12", at="12:00:00")),
    Case("1.0", "0 0 */10 * MON", times=_days("2026-01-05", "2026-01-11", "2026-01-12")),
    Case("1.0", "0 0 29 2 *", times=_days("2028-02-29", "2032-02-29")),
    Case("1.0", "0 0 31 * *", times=_days("2026-01-31", "2026-03-31", "2026-05-31")),
    Case("1.0", "60 * * * *"),
    Case("1.0", "* 24 * * *"),
    Case("1.0", "* * 32 * *"),
    Case("1.0", "* * 0 * *"),
    Case("1.0", "* * * 13 *"),
    Case("1.0", "* * * * 8"),
    Case("1.0", "30-10 * * * *"),
    Case("1.0", "*/0 * * * *"),
    Case("1.0", "/30 * * * *"),
    Case("1.0", "0/15 * * * *"),
    Case("1.0", "* * * *"),
    Case("1.0", "* * * * $"),
    Case("1.0", "a * * * *"),
    Case("1.0", "1,,2 * * * *"),
    Case("1.0", "-1 * * * *"),
    # 1.1: nicknames
    Case("1.1", "@yearly", times=_days("2027-01-01", "2028-01-01")),
    Case("1.1", "@annually", times=_days("2027-01-01")),
    Case("1.1", "@monthly", times=_days("2026-02-01")),
    Case("1.1", "@weekly", times=_days("2026-01-04")),
    Case("1.1", "@daily", times=_days("2026-01-02")),
    Case("1.1", "@midnight", times=_days("2026-01-02")),
    Case("1.1", "@hourly", times=("2026-01-01T01:00:00",)),
    Case("1.1", "@DAILY"),
    # 1.2: seconds first, the year last
    Case("1.2", "*/20 * * * * *", times=("2026-01-01T00:00:20", "2026-01-01T00:00:40", "2026-01-01T00:01:00")),
    Case("1.2", "15 30 12 * * *", times=_days("2026-01-01", "2026-01-02", at="12:30:15")),
    Case("1.2", "60 * * * * *"),
    Case("1.2", "0 0 12 1 1 * 2028-2029", times=_days("2028-01-01", "2029-01-01", at="12:00:00")),
    Case("1.2", "0 0 0 1 1 * */2", times=_days("2028-01-01", "2030-01-01")),
    # 1.3: last, nth, nearest weekday
    Case("1.3", "0 0 L * *", times=_days("2026-01-31", "2026-02-28", "2026-03-31")),
    Case("1.3", "0 0 * * 5L", times=_days("2026-01-30", "2026-02-27")),
    Case("1.3", "0 0 * * FRI#L", times=_days("2026-01-30", "2026-02-27")),
    Case("1.3", "0 0 * * 2#3", times=_days("2026-01-20", "2026-02-17")),
    Case("1.3", "0 0 * * MON#1", times=_days("2026-01-05", "2026-02-02")),
    Case("1.3", "0 0 * * MON#6"),
    Case("1.3", "0 12 15W * *", times=_days("2026-01-15", "2026-02-16", "2026-03-16", at="12:00:00")),
    Case("1.3", "0 12 1W 8 *", times=_days("2026-08-03", at="12:00:00")),
    # 1.4: both days at once
    Case("1.4", "0 12 1 * +MON", times=_days("2026-06-01", "2027-02-01", at="12:00:00")),
    Case("1.4", "0 0 ? * MON", times=_days("2026-01-05")),
    # clock changes, by docs/schedules.md: a time in the gap comes right behind it, one that is there twice comes once
    Case("DST", "30 2 * * *", "2026-03-28T12:00:00", ("2026-03-29T01:00:00", "2026-03-30T00:30:00"), BERLIN),
    Case("DST", "30 2 * * *", "2026-10-24T12:00:00", ("2026-10-25T00:30:00", "2026-10-26T01:30:00"), BERLIN),
    Case("DST", "0 0 * * *", "2026-10-24T12:00:00", ("2026-10-24T22:00:00", "2026-10-25T23:00:00"), BERLIN),
    Case(
        "DST", "30 1 * * *", "2026-10-31T12:00:00", ("2026-11-01T05:30:00", "2026-11-02T06:30:00"), "America/New_York"
    ),
    # every hour is every hour
    Case(
        "DST",
        "0 * * * *",
        "2026-10-24T23:30:00",
        ("2026-10-25T00:00:00", "2026-10-25T01:00:00", "2026-10-25T02:00:00"),
        BERLIN,
    ),
    Case(
        "DST",
        "0 * * * *",
        "2026-03-28T23:30:00",
        ("2026-03-29T00:00:00", "2026-03-29T01:00:00", "2026-03-29T02:00:00"),
        BERLIN,
    ),
    Case(
        "DST",
        "*/30 * * * *",
        "2026-10-25T00:15:00",
        ("2026-10-25T00:30:00", "2026-10-25T01:00:00", "2026-10-25T01:30:00"),
        BERLIN,
    ),
    # half an hour, and midnight itself in the gap
    Case(
        "DST",
        "15 2 * * *",
        "2026-10-03T12:00:00",
        ("2026-10-03T15:30:00", "2026-10-04T15:15:00"),
        "Australia/Lord_Howe",
    ),
    Case("DST", "0 0 * * *", "2026-09-05T12:00:00", ("2026-09-06T04:00:00", "2026-09-07T03:00:00"), SANTIAGO),
)
Times = Callable[[str, datetime], Iterator[datetime]]
"""The times of a pattern behind a moment in its timezone; raises for a pattern that is refused."""


def passes(times: Times, case: Case) -> bool:
    start = datetime.fromisoformat(case.after).replace(tzinfo=UTC).astimezone(ZoneInfo(case.zone))
    try:
        found = [each.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S") for each in islice(times(case.pattern, start), 3)]
    except Exception:
        return not case.times
    return bool(case.times) and found[: len(case.times)] == list(case.times)


def libraries() -> Iterable[tuple[str, Times]]:
    try:
        from cronsim import CronSim

        yield "cronsim", lambda pattern, start: CronSim(pattern, start)
    except ImportError:
        pass
    try:
        from croniter import croniter

        yield "croniter", lambda pattern, start: _endless(croniter(pattern, start, ret_type=datetime).get_next)
        yield (
            "croniter, seconds first",
            lambda pattern, start: _endless(
                croniter(pattern, start, ret_type=datetime, second_at_beginning=True).get_next
            ),
        )
    except ImportError:
        pass
    try:
        from cron_converter import Cron

        yield "cron-converter", lambda pattern, start: _endless(Cron(pattern).schedule(start).next)
    except ImportError:
        pass
    try:
        from apscheduler.triggers.cron import CronTrigger

        yield "apscheduler", lambda pattern, start: _fired(CronTrigger.from_crontab(pattern, start.tzinfo), start)
    except ImportError:
        pass
    from workflow_engine.nodes.trigger.crontimes import Cron as Ours
    from workflow_engine.nodes.trigger.crontimes import check_cron

    def ours(pattern: str, start: datetime) -> Iterator[datetime]:
        check_cron(pattern)
        zone = start.tzinfo
        assert isinstance(zone, ZoneInfo)
        ticks = Ours(pattern, zone).ticks(int(start.timestamp() * 1000))
        return (datetime.fromtimestamp(tick / 1000, UTC) for tick in ticks)

    yield "ours", ours


def _endless(following: Callable[[], datetime]) -> Iterator[datetime]:
    first = following()

    def rest() -> Iterator[datetime]:
        yield first
        while True:
            yield following()

    return rest()


def _fired(trigger: object, start: datetime) -> Iterator[datetime]:
    from datetime import timedelta

    at: datetime | None = None
    while True:
        at = trigger.get_next_fire_time(at, (at or start) + timedelta(seconds=1))  # type: ignore[attr-defined]
        if at is None:
            return
        yield at


def main() -> None:
    versions = sorted({case.version for case in CASES})
    print("library".ljust(26), *(f"{version:>7}" for version in versions), "  us/next  failed")
    for name, times in libraries():
        failed = [case for case in CASES if not passes(times, case)]
        cells = []
        for version in versions:
            of = [case for case in CASES if case.version == version]
            cells.append(f"{sum(case not in failed for case in of)}/{len(of)}".rjust(7))
        start = datetime(2026, 1, 1, tzinfo=ZoneInfo(BERLIN))
        speed = timeit.timeit(
            lambda times=times, start=start: list(islice(times("30 7 * * MON-FRI", start), 200)), number=3
        )
        print(name.ljust(26), *cells, f"{speed / 600 * 1e6:8.0f}", "; ".join(f"{c.pattern} ({c.zone})" for c in failed))


if __name__ == "__main__":
    main()
