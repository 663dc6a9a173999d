"""Conversations without a workflow around them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.ai.model_server import KEY, ModelServer
from workflow_engine.engine.shape import Effect
from workflow_engine.nodes.ai_agent.conversation.loop import Answer, Conversation
from workflow_engine.nodes.ai_agent.conversation.model import LanguageModel
from workflow_engine.nodes.ai_agent.conversation.providers import choose
from workflow_engine.nodes.context import Context, ModelAccess, Models
from workflow_engine.nodes.tools import Tool
from workflow_engine.runtime.egress import EgressClient

MODELS = {
    "openai": "gpt-5.6-luna",
    "anthropic": "claude-sonnet-5-5",
    "openai_compatible": "qwen3",
    "google": "gemini-3.8-flash",
}


@asynccontextmanager
async def language_model(server: ModelServer, provider: str = "openai") -> AsyncIterator[LanguageModel]:
    """A model of the server, reached as nodes reach it."""
    http = EgressClient(allow=["127.0.0.0/8"])
    url = {"anthropic": server.anthropic, "google": server.google}.get(provider, server.openai)
    models = Models(access={provider: ModelAccess(KEY, url)})
    context = Context("exec", "wf", 1_750_000_000_000, http=http, models=models)
    try:
        yield LanguageModel(choose(models, f"{provider}:{MODELS[provider]}"), context)
    finally:
        await http.close()


async def answer(conversation: Conversation) -> Answer:
    """The answer; people must not be needed for it."""
    ended = await conversation.run()
    assert isinstance(ended, Answer), ended
    return ended


def tool(
    name: str, call: Callable[[dict[str, Any]], Any], effect: Effect = Effect.IDEMPOTENT, **properties: str
) -> Tool:
    """A tool whose arguments are `properties`: name to JSON type."""

    async def use(arguments: dict[str, Any], key: str) -> Any:
        given = call(arguments)
        return await given if isinstance(given, Awaitable) else given

    schema = {
        "type": "object",
        "properties": {key: {"type": type} for key, type in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }
    return Tool(name, f"Does {name}.", schema, use, effect)
