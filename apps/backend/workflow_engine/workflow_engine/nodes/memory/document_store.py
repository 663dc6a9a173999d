"""memory.document_store: whole documents, by id."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from workflow_engine.engine.items import Item, Json
from workflow_engine.nodes.flow.parameters import needs
from workflow_engine.nodes.memory.parts import MemoryAction
from workflow_engine.nodes.memory.space import Remembered, memories_of, space_of
from workflow_engine.nodes.spec import Call, Emit, NodeFailure

KIND = "documents"


class DocumentStoreParameters(Remembered):
    """What to do with which document."""

    mode: Literal["get", "put", "delete", "list"] = "get"
    """What to do."""
    id: str = Field(default="", max_length=512)
    """The document."""
    text: str = ""
    """For `put`: what it says."""
    metadata: dict[str, Json] = {}
    """For `put`: what else is known about it."""
    limit: int = Field(default=100, ge=1, le=10_000)
    """For `list`: the most documents."""

    @model_validator(mode="before")
    @classmethod
    def _mode(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("mode", "get") != "list":
            needs(data, str(data.get("mode", "get")), "id")
        return data


class DocumentStore(MemoryAction[DocumentStoreParameters]):
    """Keeps whole documents in the engine's database: text and what is known about it, by id.

    `get` gives `id`, `text` and `metadata`; `put` stores or replaces, and hands the item on; `list` gives an item for
    each document, without its text. To find passages by meaning, store pieces in a `memory.vector_store` as well.
    """

    type = "memory.document_store"
    summary = "Keeps whole documents, by id."
    example = {"mode": "put", "id": "{{ json.file }}", "text": "{{ json.text }}"}

    async def run(self, call: Call[DocumentStoreParameters]) -> Emit:
        asked, item = call.parameters, call.item
        memories, space = memories_of(call), space_of(call, KIND)
        match asked.mode:
            case "get":
                found = await memories.document(space, asked.id)
                if found is None:
                    raise NodeFailure("NOT_FOUND", f"there is no document {asked.id!r}", field="id")
                return Emit({"main": [Item(_shown(found), item.binary)]})
            case "put":
                await memories.put_document(space, asked.id, asked.text, asked.metadata)
                return Emit({"main": [item]})
            case "delete":
                deleted = await memories.delete_document(space, asked.id)
                return Emit({"main": [Item({**item.json, "deleted": deleted}, item.binary)]})
            case _:
                return Emit({"main": [Item(_shown(each)) for each in await memories.documents(space, asked.limit)]})


def _shown(document: dict[str, Any]) -> dict[str, Json]:
    return {"metadata" if name == "details" else name: value for name, value in document.items()}
