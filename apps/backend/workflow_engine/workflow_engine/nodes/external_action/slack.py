"""external_action.slack: messages and channels of a Slack workspace."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from workflow_engine.nodes.action.http.answer import Answer
from workflow_engine.nodes.action.http.pages import Cursors
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
from workflow_engine.nodes.spec import Effect, Json, NodeFailure, Parameters

_PAGES: dict[str, Any] = {
    "pages": Cursors(mode="cursor", parameter="cursor", path="response_metadata.next_cursor"),
    "page_size": ("limit", 200),
}


@kind
class SlackToken(Account):
    """A bot token (`xoxb-`) or a user token (`xoxp-`) of a Slack app."""

    type = "slack"
    title = "Slack token"
    probed = ("external_action.slack", {"operation": "account.get"})


class SendMessage(Operation):
    """Sends a message to a channel, a person or a thread."""

    operation: Literal["message.send"]
    channel: str
    """Channel or user id, or a channel's name such as `#general`."""
    text: str
    """What it says; with blocks, what notifications show."""
    blocks: list[dict[str, Json]] | None = None
    """Block Kit layout."""
    thread_ts: str | None = None
    """The `ts` of the message to answer in a thread."""
    reply_broadcast: bool | None = None
    """Show the answer in the channel too."""
    unfurl_links: bool | None = None
    """Show previews of links."""
    http = post("/chat.postMessage")


class UpdateMessage(Operation):
    """Replaces a message."""

    operation: Literal["message.update"]
    channel: str
    """Channel id."""
    ts: str
    """The message's `ts`."""
    text: str
    """What it says now."""
    blocks: list[dict[str, Json]] | None = None
    """Block Kit layout."""
    http = post("/chat.update", effect=Effect.IDEMPOTENT)


class DeleteMessage(Operation):
    """Deletes a message."""

    operation: Literal["message.delete"]
    channel: str
    """Channel id."""
    ts: str
    """The message's `ts`."""
    http = post("/chat.delete", effect=Effect.IDEMPOTENT)


class ListMessages(Listing):
    """The messages of a channel, newest first."""

    operation: Literal["message.list"]
    channel: str
    """Channel id."""
    oldest: str | None = None
    """Only messages after this `ts`."""
    latest: str | None = None
    """Only messages before this `ts`."""
    http = get("/conversations.history", records="messages", **_PAGES)


class ListReplies(Listing):
    """A message and what was answered in its thread."""

    operation: Literal["thread.list"]
    channel: str
    """Channel id."""
    ts: str
    """The `ts` of the thread's first message."""
    http = get("/conversations.replies", records="messages", **_PAGES)


class AddReaction(Operation):
    """Adds an emoji to a message."""

    operation: Literal["reaction.add"]
    channel: str
    """Channel id."""
    timestamp: str
    """The message's `ts`."""
    name: str
    """The emoji, without colons."""
    http = post("/reactions.add", effect=Effect.IDEMPOTENT)


class ListChannels(Listing):
    """The channels that the token may see."""

    operation: Literal["channel.list"]
    types: str = "public_channel"
    """Of `public_channel`, `private_channel`, `mpim`, `im`, comma-separated."""
    exclude_archived: bool = True
    """Leave out archived ones."""
    http = get("/conversations.list", records="channels", **_PAGES)


class CreateChannel(Operation):
    """Makes a channel."""

    operation: Literal["channel.create"]
    name: str = Field(max_length=80)
    """Lower case, without spaces."""
    is_private: bool = False
    """Only for those who are invited."""
    http = post("/conversations.create", records="channel")


class InviteToChannel(Operation):
    """Invites people to a channel."""

    operation: Literal["channel.invite"]
    channel: str
    """Channel id."""
    users: list[str] = Field(min_length=1, max_length=1000)
    """User ids."""
    http = post("/conversations.invite", records="channel")

    def body(self) -> Json:
        return {"channel": self.channel, "users": ",".join(self.users)}


class ListUsers(Listing):
    """The people and bots of the workspace."""

    operation: Literal["user.list"]
    http = get("/users.list", records="members", **_PAGES)


class FindUser(Operation):
    """The person with an e-mail address."""

    operation: Literal["user.find"]
    email: str
    """Their address."""
    http = get("/users.lookupByEmail", records="user")


class GetAccount(Operation):
    """Who the token stands for."""

    operation: Literal["account.get"]
    http = post("/auth.test", effect=Effect.IDEMPOTENT)


class SlackParameters(Parameters):
    """What to do."""

    action: Annotated[
        SendMessage
        | UpdateMessage
        | DeleteMessage
        | ListMessages
        | ListReplies
        | AddReaction
        | ListChannels
        | CreateChannel
        | InviteToChannel
        | ListUsers
        | FindUser
        | GetAccount
        | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class Slack(Service[SlackParameters]):
    """Sends and reads messages, and looks after channels, with the token of a Slack app.

    The app needs the scopes of what it does, for example `chat:write` to send. Slack answers 200 to what it refuses;
    that fails here with SLACK_REFUSED and Slack's own word for it. Sending is not repeated after a crash.
    """

    type = "external_action.slack"
    summary = "Messages and channels of a Slack workspace."
    base_url = "https://slack.com/api"
    documentation_url = "https://docs.slack.dev/reference/methods"
    credentials = slot("slack", "oauth2")
    example = {"action": {"operation": "message.send", "channel": "#orders", "text": "Order {{ json.id }} is paid"}}

    def check_answer(self, operation: Operation, answer: Answer) -> None:
        said = answer.body if isinstance(answer.body, dict) else {}
        if said.get("ok") is not False:
            return
        error = str(said.get("error", "unknown"))
        needed = f" (needs the scope {said['needed']})" if said.get("needed") else ""
        raise NodeFailure(
            "SLACK_REFUSED",
            f"Slack answered {error!r}{needed}",
            hint=_HINTS.get(error, "Slack's documentation of the method says what it means"),
            retryable=error in ("ratelimited", "internal_error", "fatal_error", "service_unavailable"),
            details={"error": error, "sent": True},
        )


_HINTS = dict.fromkeys(
    ("invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive"),
    "the token is not accepted; enter it anew or connect the credential again",
) | {
    "not_in_channel": "invite the app to the channel",
    "channel_not_found": "give the channel's id; the app sees private channels only when it was invited",
    "missing_scope": "add the scope to the app and install it again",
}
