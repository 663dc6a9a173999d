"""memory.window: an agent remembers the last exchanges."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from workflow_engine.nodes.ai_agent.conversation.loop import Turn
from workflow_engine.nodes.memory.buffer import Session, add_turns, last_turns, told
from workflow_engine.nodes.memory.parts import MemoryNode
from workflow_engine.nodes.spec import Call, Emit, Steps


class WindowParameters(Session):
    """How much is remembered."""

    exchanges: int = Field(default=10, ge=1, le=1_000)
    """How many questions with their answers are recalled, the latest ones."""


class Window(MemoryNode[WindowParameters]):
    """Remembers the last exchanges of a conversation; bind it to an agent's `memory` port.

    All that was said is kept, as with `memory.buffer`, and a larger window recalls more of it. Run alone, it tells what
    it remembers.
    """

    type = "memory.window"
    summary = "An agent remembers the last exchanges."
    example = {"session": "{{ json.user }}", "exchanges": 10}

    async def recall(self, call: Call[WindowParameters], prompt: str) -> list[Turn]:
        return await last_turns(call, 2 * call.parameters.exchanges)

    async def remember(self, call: Call[WindowParameters], turns: Sequence[Turn], key: str, steps: Steps) -> None:
        await add_turns(call, turns, key)

    async def run(self, call: Call[WindowParameters]) -> Emit:
        return told(await self.recall(call, ""))
