"""memory.retriever: lets agents, and other nodes, search a vector store."""

from __future__ import annotations

from pydantic import Field

from workflow_engine.engine.shape import Port, PortKind
from workflow_engine.nodes.memory.embedding import EMBEDDING_PORT
from workflow_engine.nodes.memory.parts import Passage, RetrieverNode
from workflow_engine.nodes.memory.reranker import Reranker
from workflow_engine.nodes.memory.space import Remembered
from workflow_engine.nodes.memory.vector_store import search
from workflow_engine.nodes.spec import Call, Emit, Item

RERANKER_PORT = Port("reranker", PortKind.RESOURCE, "reranker", description="Puts what was found into a better order.")


class RetrieverParameters(Remembered):
    """Where to look, and how much to give."""

    limit: int = Field(default=4, ge=1, le=100)
    """The most passages."""
    candidates: int = Field(default=20, ge=1, le=500)
    """With a reranker: how many passages it chooses from."""
    min_score: float = Field(default=0, ge=0, le=1)
    """How close a passage has to be, from 0 to 1."""


class Retriever(RetrieverNode[RetrieverParameters]):
    """Finds passages of a vector store; bind it to an agent's `retriever` port, and the agent can search.

    Use the space and the embedding that the passages were stored with. With a reranker, it finds `candidates` by
    meaning, and the reranker picks `limit` of them. Run alone, it searches for the item's `query`.
    """

    type = "memory.retriever"
    summary = "Lets an agent search a vector store."
    inputs = (EMBEDDING_PORT, RERANKER_PORT)
    example = {"space": "handbook", "limit": 4}

    async def retrieve(self, call: Call[RetrieverParameters], query: str) -> list[Passage]:
        asked = call.parameters
        part = call.part("reranker")
        if part is None:
            return await search(call, query, asked.limit, asked.min_score)
        assert isinstance(part.kind, Reranker)
        found = await search(call, query, max(asked.candidates, asked.limit), asked.min_score)
        return (await part.kind.rerank(part.call(), query, found))[: asked.limit]

    async def run(self, call: Call[RetrieverParameters]) -> Emit:
        found = await self.retrieve(call, str(call.item.json.get("query", "")))
        return Emit({"main": [Item(passage.as_json()) for passage in found]})
