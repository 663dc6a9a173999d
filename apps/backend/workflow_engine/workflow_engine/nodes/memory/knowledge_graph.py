"""memory.knowledge_graph: facts, and how they hang together."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from workflow_engine.engine.items import Item, Json
from workflow_engine.nodes.flow.parameters import needs
from workflow_engine.nodes.memory.parts import MemoryAction
from workflow_engine.nodes.memory.space import Remembered, memories_of, space_of
from workflow_engine.nodes.spec import Call, Emit, Parameters

KIND = "facts"


class Fact(Parameters):
    """One fact: something stands in a relation to something."""

    subject: str = Field(min_length=1, max_length=512)
    """What it is about."""
    relation: str = Field(min_length=1, max_length=255)
    """How the two hang together, for example `works_for`."""
    object: str = Field(min_length=1, max_length=512)
    """What it is related to."""
    metadata: dict[str, Json] = {}
    """What else is known, for example where it was said."""


class KnowledgeGraphParameters(Remembered):
    """What to do with the facts."""

    mode: Literal["add", "find", "around", "delete"] = "find"
    """`find` gives facts that fit, `around` all facts within some steps of one thing."""
    facts: list[Fact] = Field(default=[], max_length=1_000)
    """For `add`."""
    subject: str = Field(default="", max_length=512)
    """For `find` and `delete`: facts about this. For `around`: where to begin."""
    relation: str = Field(default="", max_length=255)
    """For `find` and `delete`: facts of this relation."""
    object: str = Field(default="", max_length=512)
    """For `find` and `delete`: facts that end here."""
    steps: int = Field(default=2, ge=1, le=5)
    """For `around`: how far."""
    limit: int = Field(default=100, ge=1, le=5_000)
    """The most facts that are given."""

    @model_validator(mode="before")
    @classmethod
    def _mode(cls, data: Any) -> Any:
        if isinstance(data, dict):
            if data.get("mode") == "add":
                needs(data, "add", "facts")
            elif data.get("mode") == "around":
                needs(data, "around", "subject")
        return data


class KnowledgeGraph(MemoryAction[KnowledgeGraphParameters]):
    """Keeps facts as a graph in the engine's database, and follows them.

    `find` and `around` add `facts` to the item: each has `subject`, `relation`, `object` and `metadata`, and for
    `around` its `distance`. A fact that is added again gets the new metadata. Agents can use it as a tool; an
    `ai_agent.extractor` before it makes facts of text.
    """

    type = "memory.knowledge_graph"
    summary = "Keeps facts as a graph, and follows them."
    example = {"mode": "around", "subject": "{{ json.person }}", "steps": 2}

    async def run(self, call: Call[KnowledgeGraphParameters]) -> Emit:
        asked, item = call.parameters, call.item
        memories, space = memories_of(call), space_of(call, KIND)
        match asked.mode:
            case "add":
                rows = [(fact.subject, fact.relation, fact.object, fact.metadata) for fact in asked.facts]
                await memories.put_facts(space, rows)
                return Emit({"main": [item]})
            case "delete":
                deleted = await memories.delete_facts(space, asked.subject, asked.relation, asked.object)
                return Emit({"main": [Item({**item.json, "deleted": deleted}, item.binary)]})
            case "find":
                found = await memories.facts(
                    space, subject=asked.subject, relation=asked.relation, object=asked.object, limit=asked.limit
                )
                facts = [_shown(*fact) for fact in found]
            case _:
                facts = await _around(call, space)
        return Emit({"main": [Item({**item.json, "facts": facts}, item.binary)]})


async def _around(call: Call[KnowledgeGraphParameters], space: str) -> list[dict[str, Json]]:
    asked, memories = call.parameters, memories_of(call)
    found: dict[tuple[str, str, str], dict[str, Json]] = {}
    edge, seen = {asked.subject}, {asked.subject}
    for distance in range(1, asked.steps + 1):
        ahead: set[str] = set()
        for thing in sorted(edge):
            for subject, relation, other, details in await memories.facts(space, about=thing, limit=asked.limit):
                shown = _shown(subject, relation, other, details) | {"distance": distance}
                found.setdefault((subject, relation, other), shown)
                ahead |= {subject, other} - seen
                if len(found) >= asked.limit:
                    return list(found.values())
        seen |= ahead
        edge = ahead
    return list(found.values())


def _shown(subject: str, relation: str, other: str, details: dict[str, Json]) -> dict[str, Json]:
    return {"subject": subject, "relation": relation, "object": other, "metadata": details}
