"""external_action.twilio: text messages and calls."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from pydantic import AliasGenerator, ConfigDict
from pydantic.alias_generators import to_pascal

from workflow_engine.nodes.action.http.auth import Signature
from workflow_engine.nodes.action.http.pages import NextUrls
from workflow_engine.nodes.external_action.service import (
    Account,
    CallApi,
    Field,
    Listing,
    Operation,
    Service,
    get,
    kind,
    post,
    slot,
)
from workflow_engine.nodes.spec import Parameters

_PAGES: dict[str, Any] = {
    "pages": NextUrls(mode="next_url", path="next_page_uri"),
    "page_size": ("PageSize", 1000),
}


@kind
class TwilioAccount(Account):
    """An account's SID and its auth token, or an API key's SID and secret."""

    type = "twilio"
    title = "Twilio account"
    account_sid: str = Field(pattern=r"^AC[0-9a-zA-Z]+$", max_length=64)
    """`AC...`"""
    key_sid: str = Field(default="", pattern=r"^$|^SK[0-9a-zA-Z]+$", max_length=64)
    """`SK...` where the token is an API key's secret."""
    probed = ("external_action.twilio", {"operation": "account.get"})


class TwilioOperation(Operation):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        alias_generator=AliasGenerator(serialization_alias=to_pascal),
    )


class TwilioListing(TwilioOperation, Listing):
    apart = frozenset({"operation", "limit"})


class SendMessage(TwilioOperation):
    """Sends a text or WhatsApp message."""

    operation: Literal["message.send"]
    to: str
    """Number in E.164 form such as `+491701234567`; `whatsapp:+49...` for WhatsApp."""
    sender: str | None = Field(default=None, alias="from", serialization_alias="From")
    """One of the account's numbers; or give `messaging_service_sid`."""
    messaging_service_sid: str | None = None
    """A pool of senders."""
    text: str | None = Field(default=None, alias="body", serialization_alias="Body", max_length=1600)
    """What it says."""
    media_url: list[str] | None = None
    """Pictures and files by address."""
    status_callback: str | None = None
    """Where Twilio tells what became of it."""
    http = post("/Messages.json", form=True)


class GetMessage(TwilioOperation):
    """One message and what became of it."""

    operation: Literal["message.get"]
    sid: str
    """The message, `SM...`."""
    http = get("/Messages/{sid}.json")


class ListMessages(TwilioListing):
    """Messages, newest first."""

    operation: Literal["message.list"]
    to: str | None = None
    """Only to this number."""
    sender: str | None = Field(default=None, alias="from", serialization_alias="From")
    """Only from this number."""
    date_sent: str | None = None
    """Only of this day, `2026-03-01`."""
    http = get("/Messages.json", records="messages", **_PAGES)


class MakeCall(TwilioOperation):
    """Calls a number."""

    operation: Literal["call.make"]
    to: str
    """Number in E.164 form."""
    sender: str = Field(alias="from", serialization_alias="From")
    """One of the account's numbers."""
    twiml: str | None = None
    """What happens in the call, in TwiML."""
    url: str | None = None
    """Where Twilio asks for TwiML instead."""
    http = post("/Calls.json", form=True)


class GetCall(TwilioOperation):
    """One call and what became of it."""

    operation: Literal["call.get"]
    sid: str
    """The call, `CA...`."""
    http = get("/Calls/{sid}.json")


class ListNumbers(TwilioListing):
    """The account's numbers."""

    operation: Literal["number.list"]
    http = get("/IncomingPhoneNumbers.json", records="incoming_phone_numbers", **_PAGES)


class GetAccount(TwilioOperation):
    """The account."""

    operation: Literal["account.get"]
    http = get(".json")


class TwilioParameters(Parameters):
    """What to do."""

    action: Annotated[
        SendMessage | GetMessage | ListMessages | MakeCall | GetCall | ListNumbers | GetAccount | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class Twilio(Service[TwilioParameters]):
    """Sends messages and makes calls with a Twilio account. Neither is repeated after a crash."""

    type = "external_action.twilio"
    summary = "Text messages and calls."
    base_url = "https://api.twilio.com/2010-04-01"
    documentation_url = "https://www.twilio.com/docs/usage/api"
    credentials = slot("twilio")
    example = {
        "action": {
            "operation": "message.send",
            "to": "{{ json.phone }}",
            "from": "+15005550006",
            "body": "Your order is on its way.",
        }
    }

    def address(self, secret: dict[str, Any], operation: Operation) -> str:
        return f"{super().address(secret, operation)}/Accounts/{secret['account_sid']}"

    def signature(self, secret: dict[str, Any]) -> Signature:
        user = secret.get("key_sid") or secret["account_sid"]
        pair = base64.b64encode(f"{user}:{secret['token']}".encode()).decode()
        return Signature({"Authorization": f"Basic {pair}"})
