"""trigger.chat: a person writes on a chat page that we serve."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from workflow_engine.nodes.spec import Field
from workflow_engine.nodes.trigger.base import HttpTrigger, TriggerParameters
from workflow_engine.nodes.trigger.paths import plain_path

PREFIX = "/chat"


class ChatTriggerParameters(TriggerParameters):
    """The page, and what an answer is."""

    path: Annotated[str, Field(max_length=200), AfterValidator(plain_path)] = ""
    """The path behind `/chat/`, such as `support`. When left out it is one that nobody can guess."""
    title: str = Field(default="Chat", min_length=1, max_length=200)
    """The page's heading."""
    greeting: str = Field(default="", max_length=5_000)
    """What it says first, in Markdown."""
    reply: str = Field(default="", max_length=200)
    """Which member of an item is the answer, such as `output.text`; the first of `reply`, `text`, `output`, `answer`
    and `message` that is a text, when empty."""
    most_message: int = Field(default=10_000, ge=1, le=100_000)
    """Most characters of a message."""


class ChatTrigger(HttpTrigger[ChatTriggerParameters]):
    """Serves a chat at `PUBLIC_URL/chat/<path>` and starts the workflow for every message.

    The item is `{"message", "session_id"}`; give `session_id` to a memory so that the conversation has one. Answers are
    what the workflow's flow.respond nodes give, as they come, or else what its last nodes deliver. When the workflow
    waits with `human.chat_reply` for this session, what it says appears in the chat, and the next message is the reply
    instead of another start.

    Programs use the same address: `POST` with `{"message", "session_id", "message_id"}` answers with server-sent events
    `started`, `reply`, `ask`, `failed` and `done`; the same `message_id` again starts nothing again.
    """

    type = "trigger.chat"
    name = "Chat"
    summary = "Starts for every message on a chat page that we serve."
    example = {"path": "support", "title": "Ask us", "greeting": "What can we do for you?"}

    def routes(self, parameters: ChatTriggerParameters, trigger_id: str) -> list[str]:
        path = f"{PREFIX}/{parameters.path or trigger_id}"
        return [f"GET {path}", f"POST {path}"]
