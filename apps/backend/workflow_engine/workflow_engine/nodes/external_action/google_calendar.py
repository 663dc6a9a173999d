"""external_action.google_calendar: calendars and events."""

from __future__ import annotations

from typing import Annotated, Literal

from workflow_engine.nodes.external_action.google import TOKENS
from workflow_engine.nodes.external_action.service import (
    CallApi,
    CamelListing,
    CamelOperation,
    Field,
    Service,
    delete,
    get,
    patch,
    post,
    slot,
)
from workflow_engine.nodes.spec import Effect, Json, Parameters


class Moment(Parameters):
    """A time with its zone, or a whole day."""

    date_time: str | None = Field(default=None, serialization_alias="dateTime")
    """ISO 8601, e.g. `2026-03-01T09:00:00+01:00`."""
    time_zone: str | None = Field(default=None, serialization_alias="timeZone")
    """IANA name, where `date_time` has no offset."""
    date: str | None = None
    """`2026-03-01`, for an event of whole days."""


class InCalendar(CamelOperation):
    calendar_id: str = "primary"
    """The calendar; `primary` is the account's own."""


class EventFields(InCalendar):
    summary: str | None = None
    """Its title."""
    description: str | None = None
    """What it is about."""
    location: str | None = None
    """Where."""
    attendees: list[str] | None = None
    """E-mail addresses."""
    send_updates: Literal["all", "externalOnly", "none"] = "none"
    """Who is told by mail."""

    def body(self) -> Json:
        body = dict(super().body())
        if self.attendees is not None:
            body["attendees"] = [{"email": each} for each in self.attendees]
        return body


class CreateEvent(EventFields):
    """Makes an event."""

    operation: Literal["event.create"]
    start: Moment
    """When it starts."""
    end: Moment
    """When it ends."""
    recurrence: list[str] | None = None
    """RRULE, EXRULE, RDATE and EXDATE lines."""
    http = post("/calendars/{calendar_id}/events", query=["send_updates"])


class UpdateEvent(EventFields):
    """Changes an event."""

    operation: Literal["event.update"]
    event_id: str
    """The event."""
    start: Moment | None = None
    """When it starts now."""
    end: Moment | None = None
    """When it ends now."""
    http = patch("/calendars/{calendar_id}/events/{event_id}", query=["send_updates"])


class GetEvent(InCalendar):
    """One event."""

    operation: Literal["event.get"]
    event_id: str
    """The event."""
    http = get("/calendars/{calendar_id}/events/{event_id}")


class ListEvents(InCalendar, CamelListing):
    """Events of a calendar."""

    operation: Literal["event.list"]
    time_min: str | None = None
    """Only those that end after this time (ISO 8601 with offset)."""
    time_max: str | None = None
    """Only those that start before this time."""
    q: str | None = None
    """Only those that hold these words."""
    single_events: bool = True
    """Give every occurrence of a recurring event by itself."""
    order_by: Literal["startTime", "updated"] | None = None
    """`startTime` goes with single events only."""
    http = get("/calendars/{calendar_id}/events", records="items", page_size=("maxResults", 250), **TOKENS)


class DeleteEvent(InCalendar):
    """Deletes an event."""

    operation: Literal["event.delete"]
    event_id: str
    """The event."""
    send_updates: Literal["all", "externalOnly", "none"] = "none"
    """Who is told by mail."""
    http = delete("/calendars/{calendar_id}/events/{event_id}")


class ListCalendars(CamelListing):
    """The calendars of the account."""

    operation: Literal["calendar.list"]
    http = get("/users/me/calendarList", records="items", page_size=("maxResults", 250), **TOKENS)


class FreeBusy(CamelOperation):
    """When calendars are busy."""

    operation: Literal["free_busy.get"]
    time_min: str
    """From (ISO 8601 with offset)."""
    time_max: str
    """To."""
    calendars: list[str] = Field(default=["primary"], serialization_alias="items")
    """Calendar ids."""
    time_zone: str | None = None
    """IANA name, for the answer."""
    http = post("/freeBusy", effect=Effect.IDEMPOTENT)

    def body(self) -> Json:
        return {**super().body(), "items": [{"id": each} for each in self.calendars]}


class GoogleCalendarParameters(Parameters):
    """What to do."""

    action: Annotated[
        CreateEvent | UpdateEvent | GetEvent | ListEvents | DeleteEvent | ListCalendars | FreeBusy | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class GoogleCalendar(Service[GoogleCalendarParameters]):
    """Reads and changes events of the Google calendars that the credential was granted access to.

    Making an event is not repeated after a crash.
    """

    type = "external_action.google_calendar"
    name = "Google Calendar"
    summary = "Calendars and events."
    base_url = "https://www.googleapis.com/calendar/v3"
    documentation_url = "https://developers.google.com/workspace/calendar/api/v3/reference"
    credentials = slot("oauth2")
    example = {
        "action": {
            "operation": "event.create",
            "summary": "{{ json.title }}",
            "start": {"date_time": "{{ json.start }}"},
            "end": {"date_time": "{{ json.end }}"},
        }
    }
