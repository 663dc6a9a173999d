"""external_action.discord: messages and channels of Discord servers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from workflow_engine.nodes.action.http.auth import Signature
from workflow_engine.nodes.action.http.pages import Cursors
from workflow_engine.nodes.external_action.service import (
    Account,
    CallApi,
    Field,
    Listing,
    Operation,
    Service,
    delete,
    get,
    kind,
    patch,
    post,
    put,
    slot,
)
from workflow_engine.nodes.spec import Json, Parameters


@kind
class DiscordBot(Account):
    """The token of a Discord bot."""

    type = "discord"
    title = "Discord bot token"
    probed = ("external_action.discord", {"operation": "user.me"})


class SendMessage(Operation):
    """Sends a message to a channel."""

    operation: Literal["message.send"]
    channel_id: str
    """The channel, or a thread."""
    content: str | None = Field(default=None, max_length=2000)
    """What it says."""
    embeds: list[dict[str, Json]] | None = Field(default=None, max_length=10)
    """Rich contents."""
    message_reference: dict[str, Json] | None = None
    """The message to answer, as `{"message_id": "..."}`."""
    http = post("/channels/{channel_id}/messages")


class EditMessage(Operation):
    """Changes a message of the bot's own."""

    operation: Literal["message.edit"]
    channel_id: str
    """The channel."""
    message_id: str
    """The message."""
    content: str | None = Field(default=None, max_length=2000)
    """What it says now."""
    embeds: list[dict[str, Json]] | None = Field(default=None, max_length=10)
    """Rich contents."""
    http = patch("/channels/{channel_id}/messages/{message_id}")


class DeleteMessage(Operation):
    """Deletes a message."""

    operation: Literal["message.delete"]
    channel_id: str
    """The channel."""
    message_id: str
    """The message."""
    http = delete("/channels/{channel_id}/messages/{message_id}")


class GetMessage(Operation):
    """One message."""

    operation: Literal["message.get"]
    channel_id: str
    """The channel."""
    message_id: str
    """The message."""
    http = get("/channels/{channel_id}/messages/{message_id}")


class ListMessages(Listing):
    """The messages of a channel, newest first."""

    operation: Literal["message.list"]
    channel_id: str
    """The channel."""
    before: str | None = None
    """Only messages before this one."""
    http = get(
        "/channels/{channel_id}/messages",
        pages=Cursors(mode="cursor", parameter="before", path="[-1].id"),
        page_size=("limit", 100),
    )


class AddReaction(Operation):
    """Adds an emoji to a message."""

    operation: Literal["reaction.add"]
    channel_id: str
    """The channel."""
    message_id: str
    """The message."""
    emoji: str
    """The emoji itself, or `name:id` for a server's own."""
    http = put("/channels/{channel_id}/messages/{message_id}/reactions/{emoji}/@me")

    def body(self) -> Json:
        return None


class ListChannels(Operation):
    """The channels of a server."""

    operation: Literal["channel.list"]
    guild_id: str
    """The server."""
    http = get("/guilds/{guild_id}/channels")


class CreateChannel(Operation):
    """Makes a channel in a server."""

    operation: Literal["channel.create"]
    guild_id: str
    """The server."""
    name: str = Field(max_length=100)
    """Its name."""
    type: int = 0
    """0 for text, 2 for voice, 4 for a category."""
    topic: str | None = None
    """What it is about."""
    parent_id: str | None = None
    """Its category."""
    http = post("/guilds/{guild_id}/channels")


class ListMembers(Listing):
    """The members of a server; the bot needs the intent for them."""

    operation: Literal["member.list"]
    guild_id: str
    """The server."""
    http = get(
        "/guilds/{guild_id}/members",
        pages=Cursors(mode="cursor", parameter="after", path="[-1].user.id"),
        page_size=("limit", 1000),
    )


class ListGuilds(Listing):
    """The servers that the bot is in."""

    operation: Literal["guild.list"]
    http = get(
        "/users/@me/guilds",
        pages=Cursors(mode="cursor", parameter="after", path="[-1].id"),
        page_size=("limit", 200),
    )


class GetMe(Operation):
    """Who the token stands for."""

    operation: Literal["user.me"]
    http = get("/users/@me")


class DiscordParameters(Parameters):
    """What to do."""

    action: Annotated[
        SendMessage
        | EditMessage
        | DeleteMessage
        | GetMessage
        | ListMessages
        | AddReaction
        | ListChannels
        | CreateChannel
        | ListMembers
        | ListGuilds
        | GetMe
        | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class Discord(Service[DiscordParameters]):
    """Sends and reads messages as a Discord bot, which has to be in the server and see the channel.

    Sending is not repeated after a crash. Discord's limits answer 429 with a time to wait, which a retry policy keeps.
    """

    type = "external_action.discord"
    summary = "Messages and channels of Discord servers."
    base_url = "https://discord.com/api/v10"
    documentation_url = "https://discord.com/developers/docs/reference"
    credentials = slot("discord", "oauth2")
    example = {"action": {"operation": "message.send", "channel_id": "123", "content": "{{ json.text }}"}}

    def signature(self, secret: dict[str, Any]) -> Signature:
        if "token" in secret:
            return Signature({"Authorization": f"Bot {secret['token']}"})
        return super().signature(secret)
