"""A language model: it is asked with messages and tools, and answers with text or with calls of tools."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from workflow_engine.engine.items import Json
from workflow_engine.nodes.ai_agent.conversation.providers import Choice, opened
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.nodes.tools import Tool

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model, ModelRequestParameters

FINAL = "final_answer"
"""The tool by which a model gives a structured answer."""
LONGEST = 600.0
"""Seconds that one answer may take."""
_RETRYABLE = {408, 409, 425, 429, 500, 502, 503, 504, 529}


@dataclass(frozen=True, slots=True)
class Said:
    """One call of a tool, as the model made it."""

    id: str
    tool: str
    arguments: Any
    """An object, or the text that is none."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said, and what that took."""

    text: str
    calls: list[Said]
    usage: dict[str, Json]
    refusal: str
    """Why it does not answer; empty when it does."""
    stored: dict[str, Json]
    """The whole of it as JSON, to be stored and to go on with."""


@dataclass(slots=True)
class LanguageModel:
    """One model of one provider, with the settings that hold for all it is asked."""

    choice: Choice
    context: Context
    temperature: float | None = None
    max_tokens: int | None = None
    native_schema: bool = False
    """A structured answer is asked for by the provider's own way of saying a schema, not by the tool FINAL."""
    _model: Model[Any] | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        return f"{self.choice.provider}:{self.choice.model}"

    async def ask(
        self,
        messages: Sequence[ModelMessage],
        tools: Sequence[Tool] = (),
        output: dict[str, Json] | None = None,
        *,
        max_tokens: int | None = None,
    ) -> Reply:
        """The model's answer to a conversation; with `output`, a JSON Schema, it has to fit that.

        Raises NodeFailure: RATE_LIMITED, MODEL_UNAVAILABLE, MODEL_REFUSED, INVALID_MODEL_ANSWER and what the egress
        client raises.
        """
        began = time.monotonic()
        try:
            model = await self._opened()
            asked = await _requested(model, messages, self._parameters(tools, output), self._settings(max_tokens))
        except Exception as error:
            raise failure_of(error, self.name) from error
        return self._reply(asked, began)

    async def stream(
        self, messages: Sequence[ModelMessage], tools: Sequence[Tool] = (), *, max_tokens: int | None = None
    ) -> AsyncIterator[str | Reply]:
        """The answer's text piece by piece, and at the end all of it. Raises as `ask` does."""
        began = time.monotonic()
        try:
            model = await self._opened()
            from pydantic_ai.direct import model_request_stream
            from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta

            async with model_request_stream(
                model,
                messages,
                model_settings=self._settings(max_tokens),
                model_request_parameters=self._parameters(tools, None),
            ) as pieces:
                async for piece in pieces:
                    match piece:
                        case PartStartEvent(part=TextPart(content=text)) if text:
                            yield text
                        case PartDeltaEvent(delta=TextPartDelta(content_delta=text)) if text:
                            yield text
                        case _:
                            pass
                asked = pieces.get()
        except Exception as error:
            raise failure_of(error, self.name) from error
        yield self._reply(asked, began)

    async def _opened(self) -> Model[Any]:
        if self._model is None:
            self._model = await opened(self.choice, self.context, LONGEST)
        return self._model

    def _settings(self, max_tokens: int | None) -> Any:
        limits = [each for each in (self.max_tokens, max_tokens) if each is not None]
        settings: dict[str, Any] = {"max_tokens": min(limits)} if limits else {}
        if self.temperature is not None:
            settings["temperature"] = self.temperature
        return settings

    def _parameters(self, tools: Sequence[Tool], output: dict[str, Json] | None) -> ModelRequestParameters:
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.output import OutputObjectDefinition
        from pydantic_ai.tools import ToolDefinition

        offered = [
            ToolDefinition(name=tool.name, description=tool.description, parameters_json_schema=tool.parameters)
            for tool in tools
        ]
        if output is None:
            return ModelRequestParameters(function_tools=offered)
        if self.native_schema:
            wanted = OutputObjectDefinition(json_schema=output, name=FINAL)
            return ModelRequestParameters(function_tools=offered, output_mode="native", output_object=wanted)
        final = ToolDefinition(
            name=FINAL,
            description="Gives the final answer.",
            parameters_json_schema=output,
            kind="output",
        )
        return ModelRequestParameters(
            function_tools=offered, output_mode="tool", output_tools=[final], allow_text_output=False
        )

    def _reply(self, response: ModelResponse, began: float) -> Reply:
        usage = _usage(response) | {"milliseconds": round((time.monotonic() - began) * 1000)}
        return read(stored(response), usage)


async def _requested(
    model: Model[Any], messages: Sequence[ModelMessage], parameters: ModelRequestParameters, settings: Any
) -> ModelResponse:
    from pydantic_ai.direct import model_request

    return await model_request(model, messages, model_settings=settings, model_request_parameters=parameters)


def stored(response: ModelResponse) -> dict[str, Json]:
    """A response as JSON."""
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    [made] = ModelMessagesTypeAdapter.dump_python([response], mode="json", exclude_none=True)
    return made  # type: ignore[no-any-return]


def restored(data: dict[str, Json]) -> ModelMessage:
    """The message that `stored` wrote."""
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    return ModelMessagesTypeAdapter.validate_python([data])[0]


def read(data: dict[str, Json], usage: dict[str, Json]) -> Reply:
    """A stored response taken apart."""
    parts: list[dict[str, Any]] = data["parts"]
    calls: list[Said] = []
    for part in parts:
        if part["part_kind"] == "tool-call":
            arguments = part.get("args") or {}
            if isinstance(arguments, str):
                with suppress(msgspec.DecodeError):
                    arguments = msgspec.json.decode(arguments)
            calls.append(Said(part["tool_call_id"], part["tool_name"], arguments))
    text = "".join(part["content"] for part in parts if part["part_kind"] == "text")
    refusal = ""
    if data.get("finish_reason") == "content_filter":
        refusal = (data.get("provider_details") or {}).get("refusal") or text or "it gives no reason"
    return Reply(text, calls, usage, refusal, data)


def _usage(response: ModelResponse) -> dict[str, Json]:
    used = response.usage
    usage: dict[str, Json] = {
        "model_calls": 1,
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
    }
    if used.cache_read_tokens:
        usage["cached_tokens"] = used.cache_read_tokens
    # Nobody knows what some models cost, such as one that runs on the operator's own machine.
    with suppress(LookupError, AssertionError, ValueError):
        usage["cost_micros"] = round(response.cost().total_price * 1_000_000)
    return usage


def failure_of(error: Exception, name: str) -> NodeFailure:
    """What went wrong, for the one who must act."""
    for cause in _causes(error):
        if isinstance(cause, NodeFailure):
            return cause
    from pydantic_ai import exceptions as ai

    match error:
        case ai.ModelHTTPError():
            return _refused(error, name)
        case ai.ModelTimeoutError() | TimeoutError():
            return NodeFailure("TIMEOUT", f"{name} did not answer in time", retryable=True)
        case ai.ModelConnectionError():
            return NodeFailure(
                "MODEL_UNAVAILABLE",
                f"{name}: the answer broke off: {_short(error)}",
                hint="give the node a retry policy",
                retryable=True,
            )
        case ai.ContentFilterError():
            return NodeFailure("MODEL_REFUSED", f"{name} refuses to answer: {_short(error)}")
        case ai.UserError():
            return NodeFailure("INVALID_PARAMETER", f"{name}: {_short(error)}")
        case _:
            return NodeFailure(
                "INVALID_MODEL_ANSWER",
                f"{name} gave an answer that can not be read: {_short(error)}",
                hint="see that the base URL speaks this provider's protocol; the node's retry policy may help",
                retryable=True,
            )


def _refused(error: Any, name: str) -> NodeFailure:
    wait = round((error.retry_after or 0) * 1000)
    body = error.body
    if isinstance(body, dict):
        body = body.get("message") or body.get("error") or body
        body = body.get("message", body) if isinstance(body, dict) else body
    said = str(body)[:500]
    match error.status_code:
        case 429:
            return NodeFailure(
                "RATE_LIMITED",
                f"{name} takes no more calls for now: {said}",
                hint="give the node a retry policy, or ask the provider for a higher limit",
                retryable=True,
                retry_after=wait,
            )
        case 401 | 403:
            return NodeFailure("MODEL_REFUSED_KEY", f"{name} does not accept the key: {said}", hint="correct the key")
        case 404:
            return NodeFailure("MODEL_NOT_FOUND", f"{name} is not there: {said}", hint="correct the model's name")
        case status if status in _RETRYABLE:
            return NodeFailure(
                "MODEL_UNAVAILABLE",
                f"{name} answers {status}: {said}",
                hint="give the node a retry policy",
                retryable=True,
                retry_after=wait,
            )
        case status:
            return NodeFailure("MODEL_REJECTED", f"{name} answers {status}: {said}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _short(error: BaseException) -> str:
    said = str(error) or type(error).__name__
    return said if len(said) <= 500 else said[:500] + "..."
