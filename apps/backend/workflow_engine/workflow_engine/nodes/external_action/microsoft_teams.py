"""external_action.microsoft_teams: messages of Microsoft Teams, through Microsoft Graph."""

from __future__ import annotations

from typing import Annotated, Literal

from workflow_engine.nodes.external_action.microsoft import GRAPH, PAGES, GraphListing
from workflow_engine.nodes.external_action.service import (
    CallApi,
    CamelOperation,
    Field,
    Service,
    get,
    post,
    slot,
)
from workflow_engine.nodes.spec import Json, Parameters


class Content(CamelOperation):
    text: str
    """What it says."""
    content_type: Literal["text", "html"] = "text"
    """Whether the text is HTML."""

    def body(self) -> Json:
        return {"body": {"contentType": self.content_type, "content": self.text}}


class SendChannelMessage(Content):
    """Sends a message to a channel."""

    operation: Literal["channel_message.send"]
    team_id: str
    """The team."""
    channel_id: str
    """The channel."""
    http = post("/teams/{team_id}/channels/{channel_id}/messages")


class ReplyToChannelMessage(Content):
    """Answers a message in a channel."""

    operation: Literal["channel_message.reply"]
    team_id: str
    """The team."""
    channel_id: str
    """The channel."""
    message_id: str
    """The message."""
    http = post("/teams/{team_id}/channels/{channel_id}/messages/{message_id}/replies")


class ListChannelMessages(GraphListing):
    """Messages of a channel, newest first."""

    operation: Literal["channel_message.list"]
    team_id: str
    """The team."""
    channel_id: str
    """The channel."""
    http = get("/teams/{team_id}/channels/{channel_id}/messages", page_size=("$top", 50), **PAGES)


class SendChatMessage(Content):
    """Sends a message to a chat."""

    operation: Literal["chat_message.send"]
    chat_id: str
    """The chat."""
    http = post("/chats/{chat_id}/messages")


class ListChats(GraphListing):
    """The chats that the account is in."""

    operation: Literal["chat.list"]
    http = get("/me/chats", page_size=("$top", 50), **PAGES)


class ListTeams(GraphListing):
    """The teams that the account is in."""

    operation: Literal["team.list"]
    http = get("/me/joinedTeams", **PAGES)


class ListChannels(GraphListing):
    """The channels of a team."""

    operation: Literal["channel.list"]
    team_id: str
    """The team."""
    http = get("/teams/{team_id}/channels", **PAGES)


class CreateChannel(CamelOperation):
    """Makes a channel."""

    operation: Literal["channel.create"]
    team_id: str
    """The team."""
    display_name: str = Field(max_length=50)
    """Its name."""
    description: str | None = None
    """What it is for."""
    membership_type: Literal["standard", "private"] = "standard"
    """Who may see it."""
    http = post("/teams/{team_id}/channels")


class GetMe(CamelOperation):
    """Who granted access."""

    operation: Literal["user.me"]
    http = get("/me")


class MicrosoftTeamsParameters(Parameters):
    """What to do."""

    action: Annotated[
        SendChannelMessage
        | ReplyToChannelMessage
        | ListChannelMessages
        | SendChatMessage
        | ListChats
        | ListTeams
        | ListChannels
        | CreateChannel
        | GetMe
        | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class MicrosoftTeams(Service[MicrosoftTeamsParameters]):
    """Sends and reads messages as the person who granted access (provider `microsoft`).

    Sending is not repeated after a crash. To post by a channel's incoming webhook, use external_action.generic_webhook.
    """

    type = "external_action.microsoft_teams"
    name = "Microsoft Teams"
    summary = "Messages of Microsoft Teams."
    base_url = GRAPH
    documentation_url = "https://learn.microsoft.com/graph/api/resources/teams-api-overview"
    credentials = slot("oauth2")
    example = {
        "action": {
            "operation": "channel_message.send",
            "team_id": "8f2c",
            "channel_id": "19:abc@thread.tacv2",
            "text": "{{ json.text }}",
        }
    }
