"""What parts of a memory promise to the nodes that bind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from workflow_engine.engine.items import Json
from workflow_engine.engine.shape import Effect, Port, PortKind
from workflow_engine.nodes.ai_agent.conversation.loop import Turn
from workflow_engine.nodes.spec import Call, Node, P, Part, Steps
from workflow_engine.nodes.tools import Tool, tool_name

MEMORY = Port("memory", PortKind.RESOURCE, "memory", description="Remembers a conversation.")
RETRIEVER = Port("retriever", PortKind.RESOURCE, "retriever", description="Finds passages.")


class MemoryNode(Node[P]):
    """Base of node types that remember conversations."""

    inputs: ClassVar[tuple[Port, ...]] = ()
    outputs: ClassVar[tuple[Port, ...]] = (MEMORY,)
    effect: ClassVar[Effect] = Effect.IDEMPOTENT

    async def recall(self, call: Call[P], prompt: str) -> list[Turn]:
        """What was said before, oldest first. Raises NodeFailure."""
        raise NotImplementedError

    async def remember(self, call: Call[P], turns: Sequence[Turn], key: str, steps: Steps) -> None:
        """Adds to it, once for the same `key`; what that takes is kept in `steps`. Raises NodeFailure."""
        raise NotImplementedError


class MemoryAction(Node[P]):
    """Base of node types that read and write a memory; agents can use them as tools, like actions."""

    effect: ClassVar[Effect] = Effect.IDEMPOTENT

    @property
    def is_action(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Remembering:
    """A memory that a node binds; what it gave and took is stored as steps, so that it is the same after a crash."""

    part: Part

    @property
    def _memory(self) -> MemoryNode[Any]:
        assert isinstance(self.part.kind, MemoryNode)
        return self.part.kind

    async def recall(self, steps: Steps, prompt: str) -> list[Turn]:
        step = f"recall:{self.part.node.id}"
        if step not in steps:
            turns = await self._memory.recall(self.part.call(), prompt)
            await steps.put(step, [[turn.role, turn.text] for turn in turns])
        return [Turn(role, text) for role, text in steps.get(step)]

    async def remember(self, steps: Steps, prompt: str, answer: str) -> None:
        step = f"remember:{self.part.node.id}"
        if step not in steps:
            call = self.part.call()
            turns = [Turn("user", prompt), Turn("assistant", answer)]
            await self._memory.remember(call, turns, call.idempotency_key, steps.within(step))
            await steps.put(step, True)


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document that was found."""

    text: str
    score: float
    """From 0, nothing in common, to 1, the same."""
    document: str = ""
    metadata: dict[str, Json] | None = None

    def as_json(self) -> dict[str, Json]:
        return {
            "text": self.text,
            "score": round(self.score, 4),
            "document": self.document,
            "metadata": self.metadata or {},
        }


class RetrieverNode(Node[P]):
    """Base of node types that find passages."""

    inputs: ClassVar[tuple[Port, ...]] = ()
    outputs: ClassVar[tuple[Port, ...]] = (RETRIEVER,)
    effect: ClassVar[Effect] = Effect.IDEMPOTENT

    async def retrieve(self, call: Call[P], query: str) -> list[Passage]:
        """The passages that answer `query` best, best first. Raises NodeFailure."""
        raise NotImplementedError


async def retriever_tools(call: Call[Any]) -> list[Tool]:
    """What is bound to the port `retriever`, as tools that search it."""
    return [_search(part) for part in call.parts.get("retriever", ())]


def _search(part: Part) -> Tool:
    kind = part.kind
    assert isinstance(kind, RetrieverNode)

    async def search(arguments: dict[str, Json], key: str) -> Json:
        return [found.as_json() for found in await kind.retrieve(part.call(None, key), arguments["query"])]

    return Tool(
        name=tool_name(f"search_{part.node.name}"),
        description=part.node.notes or f"Searches {part.node.name} for passages about a question.",
        parameters={
            "type": "object",
            "properties": {"query": {"type": "string", "description": "What to look for, in words."}},
            "required": ["query"],
        },
        call=search,
        effect=Effect.IDEMPOTENT,
        node=part.node.id,
        timeout=part.node.timeout,
    )
