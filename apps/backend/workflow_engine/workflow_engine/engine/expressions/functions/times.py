"""Times and durations."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from workflow_engine.engine.expressions.functions.common import built, shown
from workflow_engine.engine.expressions.functions.table import function
from workflow_engine.engine.expressions.values import Run, Trouble


@function(
    "timestamp(text) -> time",
    "timestamp(int) -> time",
    "timestamp(time) -> time",
    example="timestamp(0) == timestamp('1970-01-01T00:00:00Z')",
    standard=True,
)
def to_time(run: Run, value: Any) -> datetime:
    """From RFC 3339 text, or from seconds since 1970. For dates without a time: parseTime(text)."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, int):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", value):
        raise Trouble(
            f"{shown(value)} is no RFC 3339 time",
            "such as '2026-01-31T12:00:00Z'; for other forms: parseTime(text, zone)",
        )
    return datetime.fromisoformat(value).astimezone(UTC)


_UNITS = {"h": 3600 * 10**6, "m": 60 * 10**6, "s": 10**6, "ms": 1000, "us": 1, "ns": 0.001}


@function(
    "duration(text) -> duration",
    "duration(duration) -> duration",
    example="duration('1h30m') == duration('90m')",
    standard=True,
)
def to_duration(run: Run, value: Any) -> timedelta:
    """From text such as '1h30m' or '2.5s'; units h, m, s, ms, us, ns."""
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"([+-]?)((?:\d{1,18}(?:\.\d{1,18})?(?:h|ms|m|s|us|ns)){1,8}|0)", value)
    if match is None:
        raise Trouble(f"{shown(value)} is no duration", "such as '90s', '1h30m' or '250ms'; a day is '24h'")
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|ns)", match[2])
    span = timedelta(microseconds=sum(float(amount) * _UNITS[unit] for amount, unit in parts))
    if abs(span) > timedelta(seconds=315_576_000_000):
        raise Trouble("a duration is at most 10000 years")
    return -span if match[1] == "-" else span


@function(
    "time.format(text) -> text",
    "time.format(text, text) -> text",
    example="timestamp('2026-01-02T03:04:05Z').format('%d.%m.%Y %H:%M', 'Asia/Tokyo') == '02.01.2026 12:04'",
)
def form(run: Run, at: datetime, pattern: str, zone: str = "UTC") -> str:
    """Written out: %Y %m %d %H %M %S, %f microseconds, %j day of year, %a %A weekday, %b %B month, %I %p, %z, %%."""
    built(run, pattern, 9 * len(pattern))
    run.spend(len(pattern))
    local = at.astimezone(_zone(zone))
    return re.sub(r"%(.?)", lambda match: _directive(local, match[1]), pattern, flags=re.DOTALL)


@function(
    "time.inZone(text) -> text",
    example="timestamp('2026-01-02T03:00:00Z').inZone('Asia/Tokyo') == '2026-01-02T12:00:00+09:00'",
)
def in_zone(run: Run, at: datetime, zone: str) -> str:
    """ISO 8601 with the clock of a time zone."""
    return at.astimezone(_zone(zone)).isoformat()


@function(
    "parseTime(text) -> time",
    "parseTime(text, text) -> time",
    example="parseTime('2026-01-02', 'Asia/Tokyo') == timestamp('2026-01-01T15:00:00Z')",
)
def parse_time(run: Run, text: str, zone: str = "UTC") -> datetime:
    """A date or date and time in ISO 8601; without an offset it is local to the time zone."""
    try:
        at = datetime.fromisoformat(text.strip()[:64])
    except ValueError:
        raise Trouble(
            f"{shown(text)} is no ISO 8601 date or time", "such as '2026-01-31' or '2026-01-31T12:00:00Z'"
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=_zone(zone))).astimezone(UTC)


@function(
    "time.addMonths(int) -> time",
    example="timestamp('2026-01-31T00:00:00Z').addMonths(1) == timestamp('2026-02-28T00:00:00Z')",
)
def add_months(run: Run, at: datetime, months: int) -> datetime:
    """So many months later or earlier; a day that the month does not have becomes its last."""
    years, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    for day in (at.day, 30, 29, 28):
        try:
            return at.replace(year=years, month=month + 1, day=day)
        except ValueError:
            continue
    raise Trouble("the time lies outside the years 1 to 9999")


def _part(
    name: str,
    example: str,
    of_time: Callable[[datetime], int],
    of_duration: Callable[[timedelta], int] | None = None,
) -> None:
    signatures = [f"time.{name}() -> int", f"time.{name}(text) -> int"]
    if of_duration:
        signatures.append(f"duration.{name}() -> int")

    def part(run: Run, value: Any, zone: str = "UTC") -> int:
        if isinstance(value, timedelta):
            assert of_duration is not None
            return of_duration(value)
        return of_time(value.astimezone(_zone(zone)))

    part.__doc__ = (
        "A part of the time, in UTC or in a time zone."
        if not of_duration
        else "A part of the time, or the whole duration in that unit."
    )
    function(*signatures, example=example, standard=True)(part)


_AT = "timestamp('2026-01-02T03:04:05.678Z')"
_part("getFullYear", f"{_AT}.getFullYear() == 2026", lambda at: at.year)
_part("getMonth", f"{_AT}.getMonth() == 0", lambda at: at.month - 1)
_part("getDate", f"{_AT}.getDate() == 2", lambda at: at.day)
_part("getDayOfMonth", f"{_AT}.getDayOfMonth() == 1", lambda at: at.day - 1)
_part("getDayOfWeek", f"{_AT}.getDayOfWeek() == 5", lambda at: at.isoweekday() % 7)
_part("getDayOfYear", f"{_AT}.getDayOfYear() == 1", lambda at: at.timetuple().tm_yday - 1)
_part("getHours", f"{_AT}.getHours('Asia/Tokyo') == 12", lambda at: at.hour, lambda span: _whole(span, hours=1))
_part(
    "getMinutes",
    "duration('1h30m').getMinutes() == 90",
    lambda at: at.minute,
    lambda span: _whole(span, minutes=1),
)
_part("getSeconds", f"{_AT}.getSeconds() == 5", lambda at: at.second, lambda span: _whole(span, seconds=1))
_part(
    "getMilliseconds",
    f"{_AT}.getMilliseconds() == 678",
    lambda at: at.microsecond // 1000,
    lambda span: (
        math.trunc(span.microseconds / 1000) if span >= timedelta() else -math.trunc((-span).microseconds / 1000)
    ),
)


@lru_cache(maxsize=1_024)
def _zone(name: str) -> tzinfo:
    if offset := re.fullmatch(r"([+-]?)(\d\d):(\d\d)", name):
        span = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-span if offset[1] == "-" else span)
    try:
        return ZoneInfo(name[:64])
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Trouble(f"there is no time zone {shown(name)}", "write an IANA name such as 'Europe/Berlin'") from None


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def _directive(at: datetime, letter: str) -> str:
    """English and the same on every machine, which strftime is not."""
    match letter:
        case "a" | "A":
            return _DAYS[at.weekday()][: 3 if letter == "a" else None]
        case "b" | "B":
            return _MONTHS[at.month - 1][: 3 if letter == "b" else None]
        case "Y":
            return f"{at.year:04}"
        case "p":
            return "AM" if at.hour < 12 else "PM"
        case "m" | "d" | "H" | "M" | "S" | "f" | "j" | "I" | "y" | "z":
            return at.strftime(f"%{letter}")
        case "%":
            return "%"
    raise Trouble(f"format does not know %{letter}", "it knows %Y %m %d %H %M %S %f %j %a %A %b %B %y %I %p %z %%")


def _whole(span: timedelta, **unit: int) -> int:
    whole = abs(span) // timedelta(**unit)
    return whole if span >= timedelta() else -whole


def span_text(span: timedelta) -> str:
    microseconds = abs(span) // timedelta(microseconds=1)
    text = f"{microseconds // 10**6}.{microseconds % 10**6:06}".rstrip("0").rstrip(".")
    return f"{'-' if span < timedelta() else ''}{text}s"
