"""What the parts of AIAgentService share: which model answers, what it took, how its failures are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workflow_engine.engine.items import Failure, Json
from workflow_engine.nodes.ai_agent.conversation.model import LanguageModel
from workflow_engine.nodes.ai_agent.conversation.providers import choose
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.proto import ai_system_pb2 as ai
from workflow_engine.services.backend import Backend
from workflow_engine.services.errors import ServiceError

Services = Callable[[Context], Context]
_AWAY = {"MODEL_UNAVAILABLE", "TIMEOUT", "CONNECTION_FAILED", "INVALID_MODEL_ANSWER"}


async def model_for(backend: Backend, services: Services, choice: ai.ModelChoice) -> LanguageModel:
    """The model that a request asks for, or the server's. Raises ServiceError."""
    context = services(Context("assistance", "", backend.clock.now_ms()))
    wanted = choice.provider
    if choice.model:
        wanted = f"{choice.provider}:{choice.model}" if choice.provider else choice.model
    try:
        secret: dict[str, Any] | None = None
        if choice.credential_id:
            assert context.credentials is not None
            secret = await context.credentials.get(choice.credential_id)
            if secret["type"] != "api_key":
                raise NodeFailure("NO_MODEL", "model.credential_id: takes a credential of type api_key")
        return LanguageModel(choose(context.models, wanted, secret), context)
    except NodeFailure as failed:
        raise refusal(failed) from failed


def refusal(failed: NodeFailure) -> ServiceError:
    """A failure on the way to a model's answer, as callers are told it."""
    failure: Failure = failed.failure
    if failure.reason == "NO_MODEL":
        reason = "NO_MODEL"
    elif failure.reason == "RATE_LIMITED":
        reason = "MODEL_BUSY"
    else:
        reason = "MODEL_UNAVAILABLE" if failure.reason in _AWAY else "MODEL_FAILED"
    hint = "try again in a while" if failure.retryable else failure.hint
    message = f"{failure.message}; {hint}" if hint else failure.message
    return ServiceError(reason, message, metadata={"cause": failure.reason})


def usage_to_proto(usage: dict[str, Json]) -> ai.Usage:
    return ai.Usage(
        input_tokens=usage.get("input_tokens", 0),
        output_tokens=usage.get("output_tokens", 0),
        cached_tokens=usage.get("cached_tokens", 0),
        model_calls=usage.get("model_calls", 0),
        tool_calls=usage.get("tool_calls", 0),
        cost_micros=usage.get("cost_micros", 0),
    )
