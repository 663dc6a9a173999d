"""memory.vector_store: passages that are found by what they mean."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Literal

from pydantic import Field, model_validator

from workflow_engine.engine.items import Item, Items, Json
from workflow_engine.engine.shape import MAIN, RunMode
from workflow_engine.nodes.flow.parameters import needs
from workflow_engine.nodes.memory.embedding import EMBEDDING_PORT, embedded
from workflow_engine.nodes.memory.parts import Passage
from workflow_engine.nodes.memory.space import Remembered, memories_of, space_of
from workflow_engine.nodes.spec import Call, Effect, Emit, Node, NodeFailure

KIND = "vectors"
BATCH = 256


class VectorStoreParameters(Remembered):
    """What to do with the passages."""

    mode: Literal["insert", "search", "delete"] = "search"
    """`insert` stores the input items as passages, `search` finds passages for a query, `delete` forgets."""
    text_field: str = Field(default="text", min_length=1)
    """For `insert`: where the passage stands in the item."""
    document_field: str = Field(default="document", min_length=1)
    """For `insert`: where the item says which document it is from. Passages of a document that comes again replace its
    old ones."""
    query: str = ""
    """For `search`: what is looked for, in words."""
    limit: int = Field(default=4, ge=1, le=200)
    """For `search`: the most passages."""
    min_score: float = Field(default=0, ge=0, le=1)
    """For `search`: how close a passage has to be, from 0 to 1."""
    document: str = ""
    """For `delete`: the document to forget; all of them when empty."""

    @model_validator(mode="before")
    @classmethod
    def _mode(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("mode", "search") == "search":
            needs(data, "search", "query")
        return data


class VectorStore(Node[VectorStoreParameters]):
    """Keeps passages with vectors of their texts, and finds those that mean about what a query says.

    Bind a `memory.embedding`, or leave it to the local model, which needs no key and no network. `search` gives one
    item for each passage, best first, with `text`, `score`, `document` and `metadata`: the other members of the item
    that was stored. The vectors lie in the engine's database. Search is exact, with pgvector where PostgreSQL has it,
    with sqlite-vec where SQLite can load it, else by the engine: fit for some hundred thousand passages in a space.
    """

    type = "memory.vector_store"
    summary = "Stores passages, and finds them by what they mean."
    effect = Effect.IDEMPOTENT
    run_mode = RunMode.BATCH
    inputs = (MAIN, EMBEDDING_PORT)
    example = {"mode": "search", "space": "handbook", "query": "{{ json.question }}"}

    async def run(self, call: Call[VectorStoreParameters]) -> Emit:
        asked = call.parameters
        memories, space = memories_of(call), space_of(call, KIND)
        match asked.mode:
            case "insert":
                return await self._insert(call)
            case "search":
                found = await search(call, asked.query, asked.limit, asked.min_score)
                return Emit({"main": [Item(passage.as_json(), sources=(0,)) for passage in found]})
            case _:
                deleted = await memories.delete_passages(space, asked.document)
                return Emit({"main": [Item({"deleted": deleted}, sources=tuple(range(len(call.items))))]})

    async def _insert(self, call: Call[VectorStoreParameters]) -> Emit:
        asked, memories, space = call.parameters, memories_of(call), space_of(call, KIND)
        by_document: dict[str, Items] = defaultdict(list)
        for position, item in enumerate(call.items):
            text = item.json.get(asked.text_field)
            if not isinstance(text, str) or not text.strip():
                raise NodeFailure(
                    "INVALID_PARAMETER",
                    f"item {position} has no text in {asked.text_field!r}",
                    field="text_field",
                    hint="name the member that holds the passage",
                )
            by_document[str(item.json.get(asked.document_field, ""))].append(item)
        result: list[Json] = []
        for document, items in by_document.items():
            passages: list[tuple[str, dict[str, Json], list[float]]] = []
            model = ""
            for start in range(0, len(items), BATCH):
                batch = items[start : start + BATCH]
                texts = [str(item.json[asked.text_field]) for item in batch]
                model, vectors = await embedded(call, texts, is_query=False)
                for item, text, vector in zip(batch, texts, vectors, strict=True):
                    skipped = (asked.text_field, asked.document_field)
                    details = {name: value for name, value in item.json.items() if name not in skipped}
                    passages.append((text, details, vector))
            await memories.put_passages(space, document, model, passages)
            result.append({"document": document, "passages": len(passages), "model": model})
        sources = tuple(range(len(call.items)))
        return Emit({"main": [Item(each, sources=sources) for each in result]})


async def search(call: Call[Any], query: str, limit: int, min_score: float) -> list[Passage]:
    """The passages of a node's space that are nearest to `query`, by the embedding that it binds."""
    if not query.strip():
        raise NodeFailure("INVALID_PARAMETER", "the query is empty", field="query")
    model, [vector] = await embedded(call, [query], is_query=True)
    found = await memories_of(call).nearest(space_of(call, KIND), model, vector, limit)
    return [Passage(text, score, document, details) for document, text, details, score in found if score >= min_score]
