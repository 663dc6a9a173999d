"""memory.buffer: an agent remembers what was said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from workflow_engine.engine.items import Json
from workflow_engine.nodes.ai_agent.conversation.loop import Turn
from workflow_engine.nodes.memory.parts import MemoryNode
from workflow_engine.nodes.memory.space import Remembered, memories_of, space_of
from workflow_engine.nodes.spec import Call, Emit, Item, Steps

KIND = "turns"


class Session(Remembered):
    """Which conversation."""

    session: str = Field(default="", max_length=500)
    """Tells conversations apart, for example a user's id; usually an expression."""


class BufferParameters(Session):
    """How much is remembered."""

    max_messages: int = Field(default=200, ge=1, le=10_000)
    """The most messages that are recalled, the latest ones."""


class Buffer(MemoryNode[BufferParameters]):
    """Remembers all that was said in a conversation, up to `max_messages`; bind it to an agent's `memory` port.

    Run alone, it tells what it remembers.
    """

    type = "memory.buffer"
    summary = "An agent remembers the whole conversation."
    example = {"session": "{{ json.user }}"}

    async def recall(self, call: Call[BufferParameters], prompt: str) -> list[Turn]:
        return await last_turns(call, call.parameters.max_messages)

    async def remember(self, call: Call[BufferParameters], turns: Sequence[Turn], key: str, steps: Steps) -> None:
        await add_turns(call, turns, key)

    async def run(self, call: Call[BufferParameters]) -> Emit:
        return told(await self.recall(call, ""))


def session_space(call: Call[Any]) -> str:
    return space_of(call, KIND, call.parameters.session)


async def last_turns(call: Call[Any], limit: int) -> list[Turn]:
    found = await memories_of(call).turns(session_space(call), limit)
    return [Turn(role, text) for _, role, text in found]


async def add_turns(call: Call[Any], turns: Sequence[Turn], key: str) -> None:
    await memories_of(call).add_turns(session_space(call), [(turn.role, turn.text) for turn in turns], key)


def told(turns: Sequence[Turn]) -> Emit:
    """What a memory remembers, as data."""
    messages: list[Json] = [{"role": turn.role, "text": turn.text} for turn in turns]
    return Emit({"main": [Item({"messages": messages})]})
