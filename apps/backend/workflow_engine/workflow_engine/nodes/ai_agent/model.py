"""ai_agent.model: a language model for other nodes to use."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from workflow_engine.engine.shape import Port, PortKind
from workflow_engine.nodes.ai_agent.conversation.model import LanguageModel
from workflow_engine.nodes.ai_agent.conversation.providers import choose
from workflow_engine.nodes.spec import Call, CredentialSlot, Effect, Emit, Node, Parameters, emit

MODEL = Port("model", PortKind.RESOURCE, "model", description="The language model.")
KEY = CredentialSlot("model", ("api_key",))


class ModelParameters(Parameters):
    """Which model, and how it answers."""

    provider: Literal["openai", "anthropic", "google", "openai_compatible"] = "openai"
    """Who runs it. `openai_compatible` is any server that speaks OpenAI's chat API, such as Ollama or vLLM."""
    model: str = Field(default="", max_length=255)
    """Its name, as the provider says it; a usual one when empty."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    """How freely it chooses its words; the model's own when empty."""
    max_output_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    """The most tokens of one answer."""
    structured_output: Literal["tool", "json_schema"] = "tool"
    """How it is told the shape of a structured answer: as a tool to call, which every provider has, or as the
    provider's own response format, which small models on a server such as vLLM keep to better."""


class Model(Node[ModelParameters]):
    """A language model, to be bound to the `model` port of agents and of other nodes that need one.

    Its key comes from the credential in the slot `model`, with a base URL for a server of your own, or else from the
    server's settings. Run alone, it asks the model to say hello, to show that it can be reached.
    """

    type = "ai_agent.model"
    summary = "A language model for agents to use."
    effect = Effect.IDEMPOTENT
    inputs = ()
    outputs = (MODEL,)
    credentials = (KEY,)
    example = {"provider": "openai", "model": "gpt-5.6-luna"}

    async def language_model(self, call: Call[ModelParameters]) -> LanguageModel:
        """The model that the parameters name. Raises NodeFailure."""
        asked = call.parameters
        secret = await secret_of(call)
        choice = choose(call.context.models, f"{asked.provider}:{asked.model}", secret)
        native = asked.structured_output == "json_schema"
        return LanguageModel(choice, call.context, asked.temperature, asked.max_output_tokens, native)

    async def run(self, call: Call[ModelParameters]) -> Emit:
        from pydantic_ai.messages import ModelRequest, UserPromptPart

        model = await self.language_model(call)
        reply = await model.ask([ModelRequest([UserPromptPart("Say hello in one word.")])])
        return Emit(emit({"text": reply.text}).outputs, usage=reply.usage)


async def secret_of(call: Call[Any]) -> dict[str, object] | None:
    """The credential in the slot `model`, if there is one."""
    id = call.node.credentials.get(KEY.name)
    if not id:
        return None
    assert call.context.credentials is not None
    return await call.context.credentials.get(id)
