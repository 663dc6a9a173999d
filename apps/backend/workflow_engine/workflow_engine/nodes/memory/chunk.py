"""memory.chunk: a long text in pieces."""

from __future__ import annotations

from pydantic import Field, model_validator

from workflow_engine.engine.items import Item
from workflow_engine.nodes.ai_agent.thinking import Text
from workflow_engine.nodes.memory.chunking import chunks
from workflow_engine.nodes.spec import Call, Emit, Node, Parameters


class ChunkParameters(Parameters):
    """What is cut, and how."""

    text: Text
    """The text; usually an expression."""
    size: int = Field(default=1_200, ge=50, le=200_000)
    """The most characters of a piece."""
    overlap: int = Field(default=150, ge=0, le=50_000)
    """About how many characters each piece has in common with the one before, so that no thought is cut in two."""
    field: str = Field(default="text", min_length=1, max_length=200)
    """Where the piece stands in its item."""

    @model_validator(mode="after")
    def _moves_on(self) -> ChunkParameters:
        if self.overlap > self.size // 2:
            raise ValueError("overlap is at most half of size")
        return self


class Chunk(Node[ChunkParameters]):
    """Makes several items of one, each with a piece of a text and its number under `chunk`.

    It cuts where people pause: before headings, between paragraphs, sentences and words, in this order.
    """

    type = "memory.chunk"
    summary = "Cuts a long text into pieces, for search."
    example = {"text": "{{ json.text }}", "size": 1200, "overlap": 150}

    def run(self, call: Call[ChunkParameters]) -> Emit:
        asked, item = call.parameters, call.item
        pieces = chunks(asked.text, asked.size, asked.overlap)
        made = [Item({**item.json, asked.field: piece, "chunk": at}, item.binary) for at, piece in enumerate(pieces)]
        return Emit({"main": made})
