"""memory.embedding: where a text lies among all that can be said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from pydantic import Field

from workflow_engine.engine.shape import Port, PortKind
from workflow_engine.nodes.ai_agent.conversation.providers import USUAL, choose
from workflow_engine.nodes.ai_agent.model import KEY, secret_of
from workflow_engine.nodes.spec import Call, Effect, Emit, Node, NodeFailure, Parameters, emit

EMBEDDING = Port("embedding", PortKind.RESOURCE, "embedding", description="Says where texts lie.")
EMBEDDING_PORT = Port(
    "embedding", PortKind.RESOURCE, "embedding", description="Says where texts lie; the local model when unbound."
)
BATCH = 100
"""Texts that a provider is sent at once."""
_MODELS = {"openai": "text-embedding-3-small", "openai_compatible": ""}


class EmbeddingParameters(Parameters):
    """Which model."""

    provider: Literal["local", "openai", "openai_compatible"] = "local"
    """`local` needs no key and no network: multilingual-e5-small on this machine, for about a hundred languages."""
    model: str = Field(default="", max_length=255)
    """The provider's model; a usual one when empty."""
    dimensions: int | None = Field(default=None, ge=1, le=8192)
    """How many numbers a vector has, for models that let one choose."""


class Embedding(Node[EmbeddingParameters]):
    """Says for texts where they lie among all that can be said: texts that mean about the same lie close together.

    Bind it to a vector store and to its retriever, the same one to both: vectors of different models can not be
    compared, and a store finds only those of the model that asks. Run alone, it gives the vector of the item's `text`.
    """

    type = "memory.embedding"
    summary = "A model that makes vectors of texts, for search by meaning."
    effect = Effect.IDEMPOTENT
    inputs = ()
    outputs = (EMBEDDING,)
    credentials = (KEY,)
    example = {"provider": "local"}

    async def run(self, call: Call[EmbeddingParameters]) -> Emit:
        [vector] = await self.embed(call, [str(call.item.json.get("text", "hello"))], is_query=False)
        return emit({"vector": vector, "model": self.model(call)})

    def model(self, call: Call[EmbeddingParameters]) -> str:
        """The name under which its vectors are kept."""
        asked = call.parameters
        if asked.provider == "local":
            assert call.context.embedder is not None
            return call.context.embedder.model
        size = f":{asked.dimensions}" if asked.dimensions else ""
        return f"{asked.provider}:{asked.model or _MODELS[asked.provider]}{size}"

    async def embed(
        self, call: Call[EmbeddingParameters], texts: Sequence[str], *, is_query: bool
    ) -> list[list[float]]:
        """A vector for each text. Raises NodeFailure."""
        if call.parameters.provider == "local":
            assert call.context.embedder is not None
            return await call.context.embedder.embed(texts, is_query=is_query)
        vectors: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            vectors += await self._asked(call, texts[start : start + BATCH])
        return vectors

    async def _asked(self, call: Call[EmbeddingParameters], texts: Sequence[str]) -> list[list[float]]:
        asked, context = call.parameters, call.context
        model = asked.model or _MODELS[asked.provider]
        choice = choose(context.models, f"{asked.provider}:{model or '-'}", await secret_of(call))
        if not model:
            raise NodeFailure("INVALID_PARAMETER", "the provider has no usual model", field="model")
        body: dict[str, Any] = {"model": model, "input": list(texts), "encoding_format": "float"}
        if asked.dimensions:
            body["dimensions"] = asked.dimensions
        assert context.http is not None
        headers = {"content-type": "application/json"}
        if choice.access.key:
            context.handed_out.add([choice.access.key])
            headers["authorization"] = f"Bearer {choice.access.key}"
        url = (choice.access.base_url or USUAL[asked.provider][1]).rstrip("/") + "/embeddings"
        response = await context.http.request("POST", url, headers=headers, body=msgspec.json.encode(body), timeout=120)
        data = await response.read()
        if response.status >= 400:
            raise NodeFailure(
                "RATE_LIMITED" if response.status == 429 else "EMBEDDING_FAILED",
                f"{asked.provider}:{model} answers {response.status}: {data[:300].decode(errors='replace')}",
                retryable=response.status == 429 or response.status >= 500,
            )
        try:
            answer = msgspec.json.decode(data, type=_Answer)
        except msgspec.DecodeError as error:
            raise NodeFailure("EMBEDDING_FAILED", f"{asked.provider}:{model} gave no vectors: {error}") from error
        found = sorted(answer.data, key=lambda each: each.index)
        if len(found) != len(texts):
            raise NodeFailure("EMBEDDING_FAILED", f"{len(found)} vectors came for {len(texts)} texts")
        return [each.embedding for each in found]


class _Vector(msgspec.Struct):
    index: int
    embedding: list[float]


class _Answer(msgspec.Struct):
    data: list[_Vector]


async def embedded(call: Call[Any], texts: Sequence[str], *, is_query: bool) -> tuple[str, list[list[float]]]:
    """The model's name and a vector for each text, by the part that a node binds, or the local model."""
    if (part := call.part("embedding")) is not None:
        assert isinstance(part.kind, Embedding)
        bound = part.call()
        return part.kind.model(bound), await part.kind.embed(bound, texts, is_query=is_query)
    embedder = call.context.embedder
    assert embedder is not None
    return embedder.model, await embedder.embed(texts, is_query=is_query)
