"""action.date_time: dates across time zones."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from workflow_engine.nodes.action.results import FieldName, with_field
from workflow_engine.nodes.spec import Call, Json, Node, NodeFailure, Parameters, Result

Unit: TypeAlias = Literal["years", "months", "weeks", "days", "hours", "minutes", "seconds", "milliseconds"]
RoundUnit: TypeAlias = Literal["year", "quarter", "month", "week", "day", "hour", "minute", "second"]

_MILLISECONDS = {
    "weeks": 604_800_000,
    "days": 86_400_000,
    "hours": 3_600_000,
    "minutes": 60_000,
    "seconds": 1000,
}


def zone(name: str) -> ZoneInfo:
    """Raises ValueError for a name that is no IANA time zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; write an IANA name such as Europe/Berlin") from None


def _is_zone(name: str) -> str:
    if name and "{{" not in name:
        zone(name)
    return name


ZoneName: TypeAlias = Annotated[str, AfterValidator(_is_zone)]


class Format(Parameters):
    """Only read it, and write it as `format` says."""

    operation: Literal["format"]
    """Change how a date is written, or its time zone."""


class Add(Parameters):
    """Go forward, or back with a negative amount."""

    operation: Literal["add"]
    """Add a length of time. A month after January 31 is the last day of February."""
    amount: int = Field(ge=-1_000_000_000, le=1_000_000_000)
    """How many units."""
    unit: Unit
    """Years to days keep the time of day when clocks change; hours and less are counted exactly."""


class Difference(Parameters):
    """How long it is from the date to another."""

    operation: Literal["difference"]
    """A number: negative when `to` lies before."""
    to: str | int | float
    """The other date."""
    unit: Unit = "days"
    """Years and months count whole ones by the calendar; the others may have a fraction."""


class Round(Parameters):
    """The start of the year, week, hour and so on that a date lies in."""

    operation: Literal["round"]
    """Cut a date off."""
    to: RoundUnit
    """Weeks begin on Monday."""
    up: bool = False
    """The start of the next one, unless the date is a start itself."""


class DateTimeParameters(Parameters):
    date: str | int | float
    """ISO 8601, an HTTP or e-mail date, or a number: seconds since 1970, milliseconds when it has 12 digits
    or more.
    """
    do: Annotated[Format | Add | Difference | Round, Field(discriminator="operation")]
    """What to do with it."""
    input_format: str = ""
    """How `date` is written, in strptime codes such as `%d.%m.%Y %H:%M`."""
    timezone: ZoneName = ""
    """Time zone to work in, and of a date that says none; the workflow's by default."""
    format: str = Field(default="", max_length=200)
    """How to write the result, in strftime codes; ISO 8601 by default, `seconds` or `milliseconds` for a
    number.
    """
    output_field: FieldName = "date"
    """Field for the result."""


class DateTime(Node[DateTimeParameters]):
    """Reads, shifts, compares, rounds and writes dates.

    Clock changes are taken into account: a day added to 12:00 is 12:00 the next day, even when that is 23 or
    25 hours later; 24 hours added are always 24 hours. A time that a clock change skips moves on by the
    length of the gap, and one that comes twice means the first. For the present time write `{{ now }}` as the
    date.
    """

    type = "action.date_time"
    name = "Date and time"
    summary = "Reads, shifts, compares, rounds and writes dates."
    example = {"date": "{{ json.created }}", "do": {"operation": "add", "amount": 1, "unit": "months"}}

    def run(self, call: Call[DateTimeParameters]) -> Result:
        parameters = call.parameters
        tz = zone(parameters.timezone or call.context.timezone)
        date = parse(parameters.date, tz, parameters.input_format, "date")
        try:
            match parameters.do:
                case Difference() as do:
                    value: Json = difference(date, parse(do.to, tz, parameters.input_format, "do.to"), do.unit)
                    return with_field(call.item, parameters.output_field, value)
                case Add() as do:
                    date = add(date, do.amount, do.unit)
                case Round() as do:
                    date = rounded(date, do.to, up=do.up)
                case Format():
                    pass
        except (OverflowError, ValueError):
            raise NodeFailure(
                "DATE_OUT_OF_RANGE",
                "the result lies outside the years 1 to 9999",
                field="do",
                hint="see `amount`",
            ) from None
        return with_field(call.item, parameters.output_field, written(date, parameters.format))


def parse(value: str | int | float, tz: ZoneInfo, format: str, field: str) -> datetime:
    """The instant in `tz`. Raises NodeFailure INVALID_DATE."""
    try:
        if isinstance(value, str):
            return _parse_text(value.strip(), tz, format)
        seconds = value / 1000 if abs(value) >= 10**11 else value
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).astimezone(tz)
    except (ValueError, OverflowError):
        raise NodeFailure(
            "INVALID_DATE",
            f"{str(value)[:100]!r} is no date" + (f" of the form {format!r}" if format else ""),
            field=field,
            hint="write it as 2025-06-15T12:30:00+02:00, or describe it with input_format",
        ) from None


def _parse_text(text: str, tz: ZoneInfo, format: str) -> datetime:
    if format:
        date = datetime.strptime(text, format)
    else:
        try:
            date = datetime.fromisoformat(text)
        except ValueError:
            date = parsedate_to_datetime(text)
    return _real(date.replace(tzinfo=tz)) if date.tzinfo is None else date.astimezone(tz)


def _real(date: datetime) -> datetime:
    """Moves a time that a clock change skipped out of the gap."""
    return date.astimezone(UTC).astimezone(date.tzinfo)


def add(date: datetime, amount: int, unit: Unit) -> datetime:
    """`date` and `amount` units. Raises OverflowError or ValueError outside the years 1 to 9999."""
    match unit:
        case "years" | "months":
            months = date.year * 12 + date.month - 1 + amount * (12 if unit == "years" else 1)
            year, month = divmod(months, 12)
            return _real(date.replace(year=year, month=month + 1, day=min(date.day, monthrange(year, month + 1)[1])))
        case "weeks" | "days":
            # Arithmetic on an aware date is arithmetic on its wall clock.
            return _real(date.replace(fold=0) + timedelta(**{unit: amount}))
        case _:
            return (date.astimezone(UTC) + timedelta(**{unit: amount})).astimezone(date.tzinfo)


def difference(start: datetime, end: datetime, unit: Unit) -> int | float:
    """How many units lie between; whole numbers stay ints."""
    if unit in ("years", "months"):
        sign = 1 if end >= start else -1
        if sign < 0:
            start, end = end, start
        months = (end.year - start.year) * 12 + end.month - start.month
        if add(start, months, "months") > end:
            months -= 1
        return sign * (months // 12 if unit == "years" else months)
    if unit in ("weeks", "days"):
        passed = end.replace(tzinfo=None, fold=0) - start.replace(tzinfo=None, fold=0)
    else:
        passed = end.astimezone(UTC) - start.astimezone(UTC)
    milliseconds = passed / timedelta(milliseconds=1)
    value = milliseconds / _MILLISECONDS.get(unit, 1)
    return int(value) if value.is_integer() else value


def rounded(date: datetime, unit: RoundUnit, *, up: bool) -> datetime:
    """The start of the `unit` around `date`, or with `up` of the next one."""
    if unit in ("hour", "minute", "second"):
        smaller: dict[str, int] = {"microsecond": 0}
        if unit != "second":
            smaller["second"] = 0
        if unit == "hour":
            smaller["minute"] = 0
        start = date.replace(**smaller)  # type: ignore[arg-type]
        step: tuple[int, Unit] = (
            1,
            "hours" if unit == "hour" else "minutes" if unit == "minute" else "seconds",
        )
    else:
        start = date.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        match unit:
            case "year":
                start, step = start.replace(month=1, day=1), (1, "years")
            case "quarter":
                start, step = start.replace(month=(start.month - 1) // 3 * 3 + 1, day=1), (3, "months")
            case "month":
                start, step = start.replace(day=1), (1, "months")
            case "week":
                start, step = start - timedelta(days=start.weekday()), (1, "weeks")
            case _:
                step = (1, "days")
        start = _real(start)
    return add(start, *step) if up and start != date else start


def written(date: datetime, format: str) -> Json:
    """`date` as text, or as a number for `seconds` and `milliseconds`."""
    match format:
        case "":
            return date.isoformat()
        case "seconds" | "milliseconds":
            passed = date - datetime(1970, 1, 1, tzinfo=UTC)
            return passed // timedelta(**{format: 1})
        case _:
            return date.strftime(format)
