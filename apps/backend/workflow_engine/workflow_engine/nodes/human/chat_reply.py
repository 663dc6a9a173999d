"""human.chat_reply: words."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from workflow_engine.engine.shape import RunMode, Shape
from workflow_engine.nodes.human.asking import (
    CHANNELS,
    Asking,
    answered,
    asked,
    outcome,
    timed_out,
    waiting,
    with_timeout,
)
from workflow_engine.nodes.spec import Call, Emit, Node, Suspend


class ChatReplyParameters(Asking):
    """What is said, and where the reply comes from."""

    title: str = Field(default="Your reply", min_length=1, max_length=200)
    """One line, for the list of tasks."""
    text: str = Field(min_length=1, max_length=50_000)
    """What is said to the person, in Markdown. In a chat it appears as a message."""
    session_id: str = Field(default="", max_length=128)
    """The chat whose next message is the reply, for example `{{ json.session_id }}` of a chat trigger. Elsewhere it is
    answered like any other task."""


class ChatReply(Node[ChatReplyParameters]):
    """Says something and waits for what the person writes back.

    Each item carries the words under `answer` (`reply`).
    """

    type = "human.chat_reply"
    summary = "Waits for a person's next message."
    run_mode = RunMode.BATCH
    credentials = CHANNELS
    example = {"text": "Which order is it about?", "session_id": "{{ json.session_id }}", "timeout": "30m"}

    def shape(self, parameters: dict[str, Any]) -> Shape:
        return with_timeout(super().shape(parameters), parameters)

    def run(self, call: Call[ChatReplyParameters]) -> Emit | Suspend:
        asking = call.parameters
        if call.resume is None:
            schema = {
                "type": "object",
                "properties": {
                    "reply": {"type": "string", "format": "multiline", "minLength": 1, "maxLength": 100_000}
                },
                "required": ["reply"],
                "additionalProperties": False,
            }
            data = {"session_id": asking.session_id} if asking.session_id else {}
            return waiting(asked(call, asking, "reply", schema, data=data))
        settled = outcome(call)
        if not settled.decision:
            return timed_out(call, settled)
        return Emit({"main": answered(call.items, settled)})
