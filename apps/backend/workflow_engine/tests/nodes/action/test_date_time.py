"""action.date_time: clock changes, month ends, and dates as people write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.nodes.action.date_time import Unit, add, difference

TYPE = "action.date_time"
BERLIN = {"timezone": "Europe/Berlin"}


async def result(do: dict[str, Any], date: Any, **more: Any) -> Any:
    event = await run_node(TYPE, {"date": date, "do": do, "output_field": "out", **more}, [{"kept": 1}])
    [record] = records(event)
    assert record["kept"] == 1
    return record["out"]


async def shifted(date: str, amount: int, unit: str) -> Any:
    return await result({"operation": "add", "amount": amount, "unit": unit}, date, **BERLIN)


FORMAT = {"operation": "format"}


@pytest.mark.parametrize(
    ("date", "more", "written"),
    [
        ("2025-06-15T12:00:00Z", {}, "2025-06-15T12:00:00+00:00"),
        ("2025-06-15T12:00:00Z", BERLIN, "2025-06-15T14:00:00+02:00"),
        ("2025-06-15", BERLIN, "2025-06-15T00:00:00+02:00"),
        ("Sun, 15 Jun 2025 12:00:00 GMT", {}, "2025-06-15T12:00:00+00:00"),
        (1_750_000_000, {}, "2025-06-15T15:06:40+00:00"),
        (1_750_000_000_000, {}, "2025-06-15T15:06:40+00:00"),
        (1_750_000_000.5, {}, "2025-06-15T15:06:40.500000+00:00"),
        ("15.06.2025", {"input_format": "%d.%m.%Y"}, "2025-06-15T00:00:00+00:00"),
        ("2025-06-15T12:00:00Z", {"format": "%d/%m/%y %H:%M"}, "15/06/25 12:00"),
        ("2025-06-15T12:00:00Z", {"format": "seconds"}, 1_749_988_800),
        ("1969-12-31T23:59:59.999Z", {"format": "milliseconds"}, -1),
    ],
)
async def test_reading_and_writing(date: Any, more: dict[str, Any], written: Any) -> None:
    assert await result(FORMAT, date, **more) == written


async def test_a_day_keeps_the_time_of_day_and_24_hours_do_not() -> None:
    assert await shifted("2025-03-29T12:00:00", 1, "days") == "2025-03-30T12:00:00+02:00"
    assert await shifted("2025-03-29T12:00:00", 24, "hours") == "2025-03-30T13:00:00+02:00"
    assert await shifted("2025-10-25T12:00:00", 24, "hours") == "2025-10-26T11:00:00+01:00"


async def test_a_time_that_is_skipped_moves_on() -> None:
    assert await shifted("2025-03-29T02:30:00", 1, "days") == "2025-03-30T03:30:00+02:00"
    assert await result(FORMAT, "2025-03-30T02:30:00", **BERLIN) == "2025-03-30T03:30:00+02:00"


async def test_a_time_that_comes_twice_is_the_first() -> None:
    assert await shifted("2025-10-25T02:30:00", 1, "days") == "2025-10-26T02:30:00+02:00"
    assert await shifted("2025-10-26T02:30:00+02:00", 1, "hours") == "2025-10-26T02:30:00+01:00"


@pytest.mark.parametrize(
    ("date", "amount", "unit", "expected"),
    [
        ("2025-01-31T08:00:00", 1, "months", "2025-02-28T08:00:00+01:00"),
        ("2024-01-31T08:00:00", 1, "months", "2024-02-29T08:00:00+01:00"),
        ("2024-02-29T08:00:00", 1, "years", "2025-02-28T08:00:00+01:00"),
        ("2025-01-15T08:00:00", -13, "months", "2023-12-15T08:00:00+01:00"),
        ("2025-01-15T08:00:00", -1, "weeks", "2025-01-08T08:00:00+01:00"),
        ("2025-01-15T08:00:00", 1500, "milliseconds", "2025-01-15T08:00:01.500000+01:00"),
    ],
)
async def test_adding(date: str, amount: int, unit: str, expected: str) -> None:
    assert await shifted(date, amount, unit) == expected


@pytest.mark.parametrize(
    ("start", "end", "unit", "expected"),
    [
        ("2025-03-29T12:00:00", "2025-03-30T12:00:00", "days", 1),
        ("2025-03-29T12:00:00", "2025-03-30T12:00:00", "hours", 23),
        ("2025-01-01T00:00:00", "2025-01-02T12:00:00", "days", 1.5),
        ("2025-01-31T00:00:00", "2025-03-30T00:00:00", "months", 1),
        ("2000-06-15T00:00:00", "2025-06-14T00:00:00", "years", 24),
        ("2025-06-15T00:00:00", "2025-06-14T00:00:00", "days", -1),
        ("2025-06-15T00:00:00", "2024-06-15T00:00:00", "years", -1),
    ],
)
async def test_differences(start: str, end: str, unit: str, expected: float) -> None:
    assert await result({"operation": "difference", "to": end, "unit": unit}, start, **BERLIN) == expected


@pytest.mark.parametrize(
    ("unit", "up", "expected"),
    [
        ("year", False, "2025-01-01T00:00:00+01:00"),
        ("quarter", False, "2025-04-01T00:00:00+02:00"),
        ("month", True, "2025-07-01T00:00:00+02:00"),
        ("week", False, "2025-06-16T00:00:00+02:00"),
        ("day", True, "2025-06-19T00:00:00+02:00"),
        ("hour", False, "2025-06-18T13:00:00+02:00"),
        ("minute", True, "2025-06-18T13:46:00+02:00"),
        ("second", False, "2025-06-18T13:45:30+02:00"),
    ],
)
async def test_rounding(unit: str, up: bool, expected: str) -> None:
    do = {"operation": "round", "to": unit, "up": up}
    assert await result(do, "2025-06-18T13:45:30.5", **BERLIN) == expected


async def test_rounding_up_leaves_a_start_where_it_is() -> None:
    do = {"operation": "round", "to": "month", "up": True}
    assert await result(do, "2025-06-01") == "2025-06-01T00:00:00+00:00"


async def test_no_items_in_none_out() -> None:
    assert records(await run_node(TYPE, {"date": 0, "do": FORMAT}, [])) == []


@pytest.mark.parametrize("date", ["soon", "", "2025-02-30", 1e300])
async def test_what_is_no_date_is_named(date: Any) -> None:
    failed = failure(await run_node(TYPE, {"date": date, "do": FORMAT}))
    assert (failed.reason, failed.field) == ("INVALID_DATE", "date")


async def test_dates_end_somewhere() -> None:
    do = {"operation": "add", "amount": 9000, "unit": "years"}
    assert failure(await run_node(TYPE, {"date": "2025-01-01", "do": do})).reason == "DATE_OUT_OF_RANGE"


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"date": 0, "do": {"operation": "add", "amount": 1, "unit": "moons"}}, "parameters.do"),
        ({"date": 0, "do": FORMAT, "timezone": "Mars/Olympus"}, "parameters.timezone"),
        ({"date": 0, "do": FORMAT, "zone": "UTC"}, "parameters.zone"),
        ({"do": FORMAT}, "parameters.date"),
    ],
)
def test_mistakes_are_found_when_saving(parameters: dict[str, Any], field: str) -> None:
    assert any(each.startswith(field) for each in problems(TYPE, parameters))


@given(
    st.datetimes(datetime(1950, 1, 1), datetime(2080, 1, 1)),
    st.integers(-5_000, 5_000),
    st.sampled_from(["weeks", "days", "hours", "minutes", "seconds"]),
)
def test_a_difference_undoes_an_addition(at: datetime, amount: int, unit: Unit) -> None:
    date = at.replace(tzinfo=UTC).astimezone(ZoneInfo("America/New_York"))
    later = add(date, amount, unit)
    found = difference(date, later, unit)
    # A day that lands in the hour a clock change skips is longer by that hour.
    assert found == amount or (unit in ("days", "weeks") and abs(found - amount) <= 1 / 24)
