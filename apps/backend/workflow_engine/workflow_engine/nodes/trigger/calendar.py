"""trigger.calendar: events that begin."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from workflow_engine.engine.items import Item
from workflow_engine.nodes.flow.durations import Duration
from workflow_engine.nodes.spec import Field, NodeFailure
from workflow_engine.nodes.trigger.base import Found, Json, Polled, PollTrigger, Source, TriggerParameters
from workflow_engine.nodes.trigger.fetched import fetch

LATEST = 86_400_000
"""Milliseconds: what began while the server was away is caught up on for a day."""


class CalendarParameters(TriggerParameters):
    """Which calendar, and how long before its events."""

    url: str = Field(pattern=r"^https?://\S+$", max_length=2_000)
    """The calendar's address in iCalendar format; most calendars call it their secret or private address."""
    before: Duration = Field(default=0, le=30 * 86_400_000)
    """How long before an event begins: seconds, or text such as `15m`."""
    every: Duration = Field(default=60_000, ge=10_000)
    """How often the calendar is read. Events that are entered later than that before they begin come late."""
    contains: str = Field(default="", max_length=200)
    """Only events with this in their title."""


class CalendarTrigger(PollTrigger[CalendarParameters]):
    """Starts the workflow when an event of a calendar begins, or some time before.

    Its item is `{"id", "title", "start", "end", "all_day", "location", "description", "organizer", "attendees",
    "url"}`. Each occurrence of a repeated event is an event; all-day events begin at midnight in the workflow's
    timezone. An event that is moved begins anew; cancelled ones do not begin. What began while the server was away
    starts when it is back, for a day.
    """

    type = "trigger.calendar"
    name = "Calendar"
    summary = "Starts when an event of an iCal calendar begins."
    example = {"url": "https://calendar.example.com/team.ics", "before": "10m"}

    def interval(self, parameters: CalendarParameters) -> int:
        return parameters.every

    async def poll(self, source: Source) -> Polled:
        asked: CalendarParameters = source.parameters
        now = source.context.now + asked.before
        last = source.cursor.get("until") if isinstance(source.cursor, dict) else None
        if last is None:
            return Polled(cursor={"until": now})
        fetched = await fetch(source, asked.url, {})
        since = max(int(last), now - LATEST)
        zone = ZoneInfo(source.context.timezone)
        events = await asyncio.to_thread(_beginning, fetched.body or b"", since, now, zone)
        wanted = [each for each in events if asked.contains.lower() in str(each.json["title"]).lower()]
        found = [Found([each], delivery_id=f"{each.json['id']}@{each.json['start']}") for each in wanted]
        return Polled(found, {"until": max(now, int(last))})


def _beginning(data: bytes, since: int, until: int, zone: ZoneInfo) -> list[Item]:
    """Events that begin after `since` and not after `until`, epoch milliseconds, in order."""
    import recurring_ical_events
    from icalendar import Calendar

    try:
        calendar = Calendar.from_ical(data)
    except ValueError as error:
        raise NodeFailure(
            "INVALID_CALENDAR", f"what is there is no calendar: {str(error)[:300]}", field="url", hint="see the address"
        ) from None
    # The library gives what is under way in a span; whole days around it are asked for, because all-day events have no
    # timezone of their own.
    day = 86_400_000
    around = (datetime.fromtimestamp((since - day) / 1000, UTC), datetime.fromtimestamp((until + day) / 1000, UTC))
    found: list[tuple[int, Item]] = []
    for event in recurring_ical_events.of(calendar).between(*around):
        start = _moment(event["DTSTART"].dt, zone)
        if since < start <= until and str(event.get("STATUS", "")) != "CANCELLED":
            found.append((start, _item(event, start, zone)))
    return [item for _, item in sorted(found, key=lambda each: each[0])]


def _moment(value: Any, zone: ZoneInfo) -> int:
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if value.tzinfo is None:
        value = value.replace(tzinfo=zone)
    return int(value.timestamp() * 1000)


def _item(event: Any, start: int, zone: ZoneInfo) -> Item:
    end = _moment(event["DTEND"].dt, zone) if "DTEND" in event else start
    attendees = event.get("ATTENDEE", [])
    people = attendees if isinstance(attendees, list) else [attendees]
    record: dict[str, Json] = {
        "id": str(event.get("UID", "")),
        "title": str(event.get("SUMMARY", "")),
        "start": _iso(start),
        "end": _iso(end),
        "all_day": not isinstance(event["DTSTART"].dt, datetime),
        "location": str(event.get("LOCATION", "")),
        "description": str(event.get("DESCRIPTION", "")),
        "organizer": _address(event.get("ORGANIZER", "")),
        "attendees": [_address(each) for each in people],
        "url": str(event.get("URL", "")),
    }
    return Item(record)


def _address(value: Any) -> str:
    return str(value).removeprefix("mailto:").removeprefix("MAILTO:")


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat()
