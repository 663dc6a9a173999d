"""external_action.microsoft_outlook: mail and calendar of Microsoft 365, through Microsoft Graph."""

from __future__ import annotations

import base64
import secrets
from collections.abc import AsyncIterator
from email.utils import parseaddr
from typing import Annotated, Literal

from workflow_engine.engine.items import BinaryRef, Item
from workflow_engine.nodes.action.http.body import stored
from workflow_engine.nodes.context import Blobs
from workflow_engine.nodes.external_action.mail import Address, Mail
from workflow_engine.nodes.external_action.microsoft import GRAPH, PAGES, GraphListing
from workflow_engine.nodes.external_action.service import (
    CallApi,
    CamelOperation,
    Encoded,
    Field,
    Service,
    delete,
    get,
    patch,
    post,
    slot,
)
from workflow_engine.nodes.spec import Json, NodeFailure, Parameters
from workflow_engine.utils import json

MOST_ATTACHED = 3 << 20
"""Bytes; Graph takes larger files in a session of their own only."""
_SEPTETS = 3 << 16
"""Bytes that are written in Base64 at a time; a multiple of three, so that no padding comes in between."""


def _people(addresses: list[Address]) -> list[Json]:
    found: list[Json] = []
    for each in addresses:
        name, address = parseaddr(each)
        found.append({"emailAddress": {"address": address, **({"name": name} if name else {})}})
    return found


class Composed(Mail, CamelOperation):
    importance: Literal["low", "normal", "high"] = "normal"
    """How urgent it is."""
    attachments: list[str] = Field(default=[], max_length=50)
    """The item's binary slots to attach, of 3 MB together."""

    def message(self) -> dict[str, Json]:
        kind, content = ("html", self.html) if self.html else ("text", self.text)
        made: dict[str, Json] = {
            "subject": self.subject,
            "body": {"contentType": kind, "content": content},
            "importance": self.importance,
            "toRecipients": _people(self.to),
        }
        for name, people in (("ccRecipients", self.cc), ("bccRecipients", self.bcc)):
            if people:
                made[name] = _people(people)
        if self.reply_to:
            made["replyTo"] = _people([self.reply_to])
        return made

    def whole(self, message: dict[str, Json]) -> Json:
        return message

    def body(self) -> Json:
        return self.whole(self.message())

    def sends(self, item: Item, blobs: Blobs | None) -> Encoded | None:
        if not self.attachments:
            return None
        files = [stored(item, slot, blobs, "action.attachments") for slot in self.attachments]
        if sum(ref.size for ref, _ in files) > MOST_ATTACHED:
            raise NodeFailure(
                "FILE_TOO_LARGE",
                "the attachments have more than 3 MB together",
                field="action.attachments",
                hint="put the files into OneDrive, and send links",
            )
        marks = [secrets.token_hex(16) for _ in files]
        attached: list[Json] = [
            {
                "@odata.type": "#microsoft.graph.fileAttachment",
                "name": ref.file_name or slot,
                "contentType": ref.media_type,
                "contentBytes": mark,
            }
            for slot, (ref, _), mark in zip(self.attachments, files, marks, strict=True)
        ]
        text = json.dumps(self.whole({**self.message(), "attachments": attached}))
        return Encoded(_filled(text, marks, files), {"Content-Type": "application/json"})


async def _filled(text: bytes, marks: list[str], files: list[tuple[BinaryRef, Blobs]]) -> AsyncIterator[bytes]:
    """The JSON with each file in Base64 in place of its mark."""
    for mark, (ref, store) in zip(marks, files, strict=True):
        before, _, text = text.partition(mark.encode())
        yield before
        rest = b""
        async for chunk in store.read(ref):
            rest += chunk
            whole = len(rest) // _SEPTETS * _SEPTETS
            if whole:
                yield base64.b64encode(rest[:whole])
                rest = rest[whole:]
        yield base64.b64encode(rest)
    yield text


class SendMessage(Composed):
    """Sends a mail."""

    operation: Literal["message.send"]
    save_to_sent_items: bool = True
    """Keep it among the sent ones."""
    http = post("/me/sendMail")

    def whole(self, message: dict[str, Json]) -> Json:
        return {"message": message, "saveToSentItems": self.save_to_sent_items}


class CreateDraft(Composed):
    """Makes a draft."""

    operation: Literal["draft.create"]
    http = post("/me/messages")


class SendDraft(CamelOperation):
    """Sends a draft."""

    operation: Literal["draft.send"]
    message_id: str
    """The draft."""
    http = post("/me/messages/{message_id}/send")


class Reply(CamelOperation):
    """Answers a mail."""

    operation: Literal["message.reply"]
    message_id: str
    """The mail."""
    text: str = Field(serialization_alias="comment")
    """What stands above it; HTML is taken as such."""
    to_all: bool = False
    """Answer everyone."""
    http = post("")
    apart = frozenset({"operation", "to_all", "message_id"})

    def path(self) -> str:
        verb = "replyAll" if self.to_all else "reply"
        return Forward.http.path.replace("{message_id}", _segment(self.message_id)).replace("forward", verb)


class Forward(CamelOperation):
    """Sends a mail on."""

    operation: Literal["message.forward"]
    message_id: str
    """The mail."""
    to: list[Address] = Field(min_length=1, max_length=500)
    """To whom."""
    text: str = ""
    """What stands above it."""
    http = post("/me/messages/{message_id}/forward")

    def body(self) -> Json:
        return {"comment": self.text, "toRecipients": _people(self.to)}


class GetMessage(CamelOperation):
    """One mail."""

    operation: Literal["message.get"]
    message_id: str
    """The mail."""
    as_text: bool = True
    """Its body as plain text, not as HTML."""
    http = get("/me/messages/{message_id}")
    apart = frozenset({"operation", "as_text"})

    def headers(self) -> dict[str, str]:
        return {"Prefer": 'outlook.body-content-type="text"'} if self.as_text else {}


class ListMessages(GraphListing):
    """Mails, newest first."""

    operation: Literal["message.list"]
    folder_id: str | None = None
    """The folder, by id or as `inbox`, `drafts`, `sentitems`, `archive`; all of them when left out."""
    filter: str | None = Field(default=None, serialization_alias="$filter")
    """In OData, e.g. `isRead eq false and from/emailAddress/address eq 'ada@example.com'`."""
    search: str | None = None
    """Words to look for, e.g. `subject:invoice`; not together with `filter`."""
    fields_wanted: list[str] | None = Field(default=None, alias="select")
    """Only these members of a mail, e.g. `subject`, `from`, `bodyPreview`."""
    http = get("/me/messages", page_size=("$top", 1000), **PAGES)
    apart = frozenset({"operation", "limit", "folder_id", "search", "fields_wanted"})

    def path(self) -> str:
        return f"/me/mailFolders/{_segment(self.folder_id)}/messages" if self.folder_id else "/me/messages"

    def query(self) -> dict[str, Json]:
        query = super().query()
        if self.search:
            query["$search"] = '"' + self.search.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if self.fields_wanted:
            query["$select"] = ",".join(self.fields_wanted)
        return query

    def headers(self) -> dict[str, str]:
        return {"Prefer": 'outlook.body-content-type="text"'}


class UpdateMessage(CamelOperation):
    """Marks a mail as read, or sorts it."""

    operation: Literal["message.update"]
    message_id: str
    """The mail."""
    is_read: bool | None = None
    """Whether it is read."""
    categories: list[str] | None = None
    """Its categories, in place of those it has."""
    importance: Literal["low", "normal", "high"] | None = None
    """How urgent it is."""
    http = patch("/me/messages/{message_id}")


class MoveMessage(CamelOperation):
    """Moves a mail, which gets another id."""

    operation: Literal["message.move"]
    message_id: str
    """The mail."""
    folder_id: str = Field(serialization_alias="destinationId")
    """Where to, by id or as `archive`, `deleteditems`."""
    http = post("/me/messages/{message_id}/move")


class DeleteMessage(CamelOperation):
    """Moves a mail to the deleted ones."""

    operation: Literal["message.delete"]
    message_id: str
    """The mail."""
    http = delete("/me/messages/{message_id}")


class ListAttachments(GraphListing):
    """What is attached to a mail, without the bytes."""

    operation: Literal["attachment.list"]
    message_id: str
    """The mail."""
    http = get("/me/messages/{message_id}/attachments", **PAGES)

    def query(self) -> dict[str, Json]:
        return {"$select": "id,name,contentType,size,isInline"}


class DownloadAttachment(CamelOperation):
    """An attached file, in slot `data`."""

    operation: Literal["attachment.download"]
    message_id: str
    """The mail."""
    attachment_id: str
    """The attachment."""
    http = get("/me/messages/{message_id}/attachments/{attachment_id}/$value")
    gives_file = True


class ListFolders(GraphListing):
    """The mailbox's folders."""

    operation: Literal["folder.list"]
    http = get("/me/mailFolders", page_size=("$top", 100), **PAGES)


class EventFields(CamelOperation):
    subject: str | None = None
    """What it is about."""
    text: str | None = None
    """What it says; HTML is taken as such."""
    start: str | None = None
    """When it begins, e.g. `2026-02-01T09:00:00`."""
    end: str | None = None
    """When it ends."""
    time_zone: str = "UTC"
    """In which time zone both are, e.g. `Europe/Berlin`."""
    location: str | None = None
    """Where it is."""
    attendees: list[Address] | None = None
    """Who is invited."""
    is_online_meeting: bool | None = None
    """Make a Teams meeting of it."""

    def body(self) -> Json:
        made: dict[str, Json] = {}
        if self.subject is not None:
            made["subject"] = self.subject
        if self.text is not None:
            made["body"] = {"contentType": "html", "content": self.text}
        for name, moment in (("start", self.start), ("end", self.end)):
            if moment is not None:
                made[name] = {"dateTime": moment, "timeZone": self.time_zone}
        if self.location is not None:
            made["location"] = {"displayName": self.location}
        if self.attendees is not None:
            made["attendees"] = [{**person, "type": "required"} for person in _people(self.attendees)]
        if self.is_online_meeting is not None:
            made["isOnlineMeeting"] = self.is_online_meeting
        return made


class CreateEvent(EventFields):
    """Puts an event into the calendar."""

    operation: Literal["event.create"]
    subject: str
    """What it is about."""
    start: str
    """When it begins, e.g. `2026-02-01T09:00:00`."""
    end: str
    """When it ends."""
    calendar_id: str | None = None
    """The calendar; the account's own when left out."""
    http = post("/me/events")

    def path(self) -> str:
        return f"/me/calendars/{_segment(self.calendar_id)}/events" if self.calendar_id else "/me/events"


class UpdateEvent(EventFields):
    """Changes an event."""

    operation: Literal["event.update"]
    event_id: str
    """The event."""
    http = patch("/me/events/{event_id}")


class ListEvents(GraphListing):
    """Events, those of a series one by one when a span is given."""

    operation: Literal["event.list"]
    start: str | None = Field(default=None, serialization_alias="startDateTime")
    """From when, e.g. `2026-02-01T00:00:00Z`; with `end`."""
    end: str | None = Field(default=None, serialization_alias="endDateTime")
    """Until when."""
    http = get("/me/events", page_size=("$top", 1000), **PAGES)

    def path(self) -> str:
        return "/me/calendarView" if self.start and self.end else "/me/events"


class DeleteEvent(CamelOperation):
    """Deletes an event, and tells those who were invited."""

    operation: Literal["event.delete"]
    event_id: str
    """The event."""
    http = delete("/me/events/{event_id}")


class GetMe(CamelOperation):
    """Who granted access."""

    operation: Literal["user.me"]
    http = get("/me")


def _segment(value: str) -> str:
    """A value as one segment of a path. Raises NodeFailure."""
    if value in ("", ".", ".."):
        raise NodeFailure("INVALID_PARAMETER", f"{value!r} is no id", field="action")
    from urllib.parse import quote

    return quote(value, safe="")


class MicrosoftOutlookParameters(Parameters):
    """What to do."""

    action: Annotated[
        SendMessage
        | Reply
        | Forward
        | CreateDraft
        | SendDraft
        | ListMessages
        | GetMessage
        | UpdateMessage
        | MoveMessage
        | DeleteMessage
        | ListAttachments
        | DownloadAttachment
        | ListFolders
        | ListEvents
        | CreateEvent
        | UpdateEvent
        | DeleteEvent
        | GetMe
        | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class MicrosoftOutlook(Service[MicrosoftOutlookParameters]):
    """Sends, finds and sorts mail, and keeps the calendar, of the person who granted access (provider `microsoft`).

    Sending, answering, moving and making an event are not repeated after a crash.
    """

    type = "external_action.microsoft_outlook"
    name = "Microsoft Outlook"
    summary = "Mail and calendar of Microsoft 365."
    base_url = GRAPH
    documentation_url = "https://learn.microsoft.com/graph/api/resources/mail-api-overview"
    credentials = slot("oauth2")
    example = {
        "action": {
            "operation": "message.send",
            "to": ["{{ json.email }}"],
            "subject": "Your order",
            "text": "It is on its way.",
        }
    }
