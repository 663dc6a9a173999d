"""What all nodes that ask a language model share: which model, how much it may consume, how it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, TypeAlias, TypeVar

import msgspec
from pydantic import BeforeValidator, Field

from workflow_engine.engine.items import Item, Json
from workflow_engine.engine.shape import MAIN, Port, PortKind
from workflow_engine.nodes.ai_agent.conversation.ledger import Ledger, Limits
from workflow_engine.nodes.ai_agent.conversation.loop import Answer, Conversation
from workflow_engine.nodes.ai_agent.conversation.model import LanguageModel
from workflow_engine.nodes.ai_agent.conversation.providers import choose
from workflow_engine.nodes.ai_agent.model import KEY, Model, secret_of
from workflow_engine.nodes.spec import Call, CredentialSlot, Effect, Node, Parameters

MODEL_PORT = Port("model", PortKind.RESOURCE, "model", description="The language model; the server's when unbound.")


def _as_text(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()


Text: TypeAlias = Annotated[str, BeforeValidator(_as_text, json_schema_input_type=str), Field(min_length=1)]
"""What a model reads. An expression may also give a number, an object or a list: it is read as JSON."""


class ThinkingParameters(Parameters):
    """Which model is asked, and how much that may take."""

    model: str = Field(default="", max_length=255, examples=["openai:gpt-5.6-luna"])
    """`provider:model`, when no model is bound; the server's default when empty."""
    max_repairs: int = Field(default=2, ge=0, le=10)
    """How often the model may correct an answer that does not fit what is asked."""
    max_model_calls: int = Field(default=20, ge=1, le=1_000)
    """The most calls of the model."""
    max_tokens: int = Field(default=0, ge=0)
    """The most tokens that all calls may read and write together; 0 for no limit."""
    max_cost: float = Field(default=0, ge=0)
    """The most that all calls may cost, in US dollars; 0 for no limit."""
    max_seconds: float = Field(default=0, ge=0)
    """The longest time that the model and the tools may work, without the time that people take; 0 for no limit."""

    @property
    def limits(self) -> Limits:
        return Limits(
            model_calls=self.max_model_calls,
            tokens=self.max_tokens,
            cost_micros=round(self.max_cost * 1_000_000),
            milliseconds=round(self.max_seconds * 1000),
        )


T = TypeVar("T", bound=ThinkingParameters)


class Thinking(Node[T]):
    """Base of nodes that ask a language model."""

    effect = Effect.IDEMPOTENT
    inputs: ClassVar[tuple[Port, ...]] = (MAIN, MODEL_PORT)
    credentials: ClassVar[tuple[CredentialSlot, ...]] = (KEY,)

    async def asked(
        self,
        call: Call[T],
        prompt: str,
        instructions: str,
        schema: dict[str, Json],
        check: Callable[[Json], str] = lambda answer: "",
    ) -> Answer:
        """The model's answer to one question, as `schema` asks for it. Raises NodeFailure."""
        answer = await Conversation(
            model=await model_of(call),
            prompt=prompt,
            instructions=instructions,
            output=schema,
            check=check,
            repairs=call.parameters.max_repairs,
            ledger=Ledger(call.parameters.limits),
            steps=call.steps,
        ).run()
        assert isinstance(answer, Answer), "without tools there is nothing to wait for"
        return answer


async def model_of(call: Call[Any]) -> LanguageModel:
    """The model that is bound, or named in the parameters, or the server's. Raises NodeFailure."""
    if (part := call.part("model")) is not None:
        assert isinstance(part.kind, Model)
        return await part.kind.language_model(part.call())
    return LanguageModel(choose(call.context.models, call.parameters.model, await secret_of(call)), call.context)


def told(item: Item, ledger: Ledger, **more: Json) -> Item:
    """The input item with what the model said, what it took, and each step of that."""
    return Item({**item.json, **more, "usage": ledger.total, "steps": ledger.entries}, item.binary)
