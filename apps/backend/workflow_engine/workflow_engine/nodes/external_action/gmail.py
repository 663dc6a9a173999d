"""external_action.gmail: mail of a Gmail account."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from email.message import EmailMessage
from typing import Annotated, Any, Literal

from workflow_engine.engine.items import Item, Items
from workflow_engine.nodes.action.http.answer import Answer
from workflow_engine.nodes.external_action.google import TOKENS
from workflow_engine.nodes.external_action.mail import Mail, message
from workflow_engine.nodes.external_action.service import (
    CallApi,
    CamelListing,
    CamelOperation,
    Field,
    Service,
    get,
    post,
    slot,
)
from workflow_engine.nodes.spec import Effect, Json, Parameters


class Draft(Mail, CamelOperation):
    thread_id: str | None = None
    """The thread to answer in; subject and `in_reply_to` have to fit."""
    in_reply_to: str | None = None
    """The `Message-ID` header of the message that is answered."""

    def raw(self) -> dict[str, Json]:
        made: EmailMessage = message(self)
        if self.in_reply_to:
            made["In-Reply-To"] = made["References"] = self.in_reply_to
        encoded = {"raw": base64.urlsafe_b64encode(made.as_bytes()).decode()}
        return encoded | ({"threadId": self.thread_id} if self.thread_id else {})


class SendMessage(Draft):
    """Sends a mail."""

    operation: Literal["message.send"]
    http = post("/users/me/messages/send")

    def body(self) -> Json:
        return self.raw()


class CreateDraft(Draft):
    """Makes a draft."""

    operation: Literal["draft.create"]
    http = post("/users/me/drafts")

    def body(self) -> Json:
        return {"message": self.raw()}


class GetMessage(CamelOperation):
    """One mail: its headers by name, and its text."""

    operation: Literal["message.get"]
    message_id: str
    """The mail."""
    http = get("/users/me/messages/{message_id}")

    def query(self) -> dict[str, Json]:
        return {"format": "full"}

    def result(self, answer: Answer) -> Items:
        return [Item(_readable(item.json)) for item in super().result(answer)]


class ListMessages(CamelListing):
    """Ids of mails, newest first."""

    operation: Literal["message.list"]
    q: str | None = None
    """As in Gmail's search box, e.g. `from:ada is:unread`."""
    label_ids: list[str] | None = None
    """Only with all of these labels."""
    http = get("/users/me/messages", records="messages", page_size=("maxResults", 500), **TOKENS)


class ModifyMessage(CamelOperation):
    """Adds and removes labels; removing `UNREAD` marks a mail as read."""

    operation: Literal["message.modify"]
    message_id: str
    """The mail."""
    add_label_ids: list[str] | None = None
    """Labels to add."""
    remove_label_ids: list[str] | None = None
    """Labels to remove."""
    http = post("/users/me/messages/{message_id}/modify", effect=Effect.IDEMPOTENT)


class TrashMessage(CamelOperation):
    """Moves a mail to the trash."""

    operation: Literal["message.trash"]
    message_id: str
    """The mail."""
    http = post("/users/me/messages/{message_id}/trash", effect=Effect.IDEMPOTENT)


class GetThread(CamelOperation):
    """A thread and its mails."""

    operation: Literal["thread.get"]
    thread_id: str
    """The thread."""
    http = get("/users/me/threads/{thread_id}")


class ListLabels(CamelOperation):
    """The account's labels."""

    operation: Literal["label.list"]
    http = get("/users/me/labels", records="labels")


class GetProfile(CamelOperation):
    """Whose account it is."""

    operation: Literal["profile.get"]
    http = get("/users/me/profile")


class GmailParameters(Parameters):
    """What to do."""

    action: Annotated[
        SendMessage
        | CreateDraft
        | GetMessage
        | ListMessages
        | ModifyMessage
        | TrashMessage
        | GetThread
        | ListLabels
        | GetProfile
        | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class Gmail(Service[GmailParameters]):
    """Sends, finds and sorts mail of the Gmail account that the credential was granted access to.

    Sending is not repeated after a crash.
    """

    type = "external_action.gmail"
    summary = "Mail of a Gmail account."
    base_url = "https://gmail.googleapis.com/gmail/v1"
    documentation_url = "https://developers.google.com/workspace/gmail/api/reference/rest"
    credentials = slot("oauth2")
    example = {
        "action": {
            "operation": "message.send",
            "to": ["{{ json.email }}"],
            "subject": "Your order",
            "text": "It is on its way.",
        }
    }


def _readable(mail: dict[str, Json]) -> dict[str, Json]:
    """The mail with its headers by lower-case name, and its texts decoded, in place of the raw payload."""
    payload = mail.get("payload") or {}
    texts: dict[str, str] = {}
    for part in _parts(payload):
        kind, data = part.get("mimeType", ""), (part.get("body") or {}).get("data")
        if data and kind in ("text/plain", "text/html"):
            texts.setdefault(kind, base64.urlsafe_b64decode(data + "==").decode(errors="replace"))
    headers = {each["name"].lower(): each["value"] for each in payload.get("headers", [])}
    rest = {name: value for name, value in mail.items() if name != "payload"}
    return {**rest, "headers": headers, "text": texts.get("text/plain", ""), "html": texts.get("text/html", "")}


def _parts(part: dict[str, Any]) -> Iterable[dict[str, Any]]:
    yield part
    for each in part.get("parts") or []:
        yield from _parts(each)
