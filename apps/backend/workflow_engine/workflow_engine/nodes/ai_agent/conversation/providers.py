"""Which language models there are to talk to, and how each is reached."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from workflow_engine.core.config import Settings
from workflow_engine.nodes.context import Context, ModelAccess, Models
from workflow_engine.nodes.credentials import check_host
from workflow_engine.nodes.outward import through
from workflow_engine.nodes.spec import NodeFailure

if TYPE_CHECKING:
    from pydantic_ai.models import Model

USUAL = {
    "openai": ("gpt-5.6-luna", "https://api.openai.com/v1"),
    "anthropic": ("claude-sonnet-5-5", "https://api.anthropic.com"),
    "google": ("gemini-3.8-flash", "https://generativelanguage.googleapis.com"),
    "openai_compatible": ("", ""),
}
"""By provider: the model that is used where none is named, and where it is."""
_LIBRARIES = {"openai_compatible": "openai"}
HOW = (
    "set AI_MODEL to provider:model (for example openai:gpt-5.6-luna, anthropic:claude-sonnet-5-5 or "
    "openai_compatible:qwen3) and the provider's key (OPENAI_API_KEY, ANTHROPIC_API_KEY, GOOGLE_API_KEY) or "
    "OPENAI_COMPATIBLE_BASE_URL, or bind an ai_agent.model with a credential"
)


def models_of(settings: Settings) -> Models:
    """The models that the operator has set up."""
    access = {
        "openai": ModelAccess(settings.openai_api_key.get_secret_value(), settings.openai_base_url),
        "anthropic": ModelAccess(settings.anthropic_api_key.get_secret_value(), settings.anthropic_base_url),
        "google": ModelAccess(settings.google_api_key.get_secret_value(), settings.google_base_url),
        "openai_compatible": ModelAccess(
            settings.openai_compatible_api_key.get_secret_value(), settings.openai_compatible_base_url
        ),
    }
    with_key = next((provider for provider, each in access.items() if each.key and USUAL[provider][0]), "")
    return Models(settings.ai_model or with_key, access)


@dataclass(frozen=True, slots=True)
class Choice:
    """One model of one provider, and what lets us in."""

    provider: str
    model: str
    access: ModelAccess


def choose(models: Models, wanted: str = "", credential: Mapping[str, Any] | None = None) -> Choice:
    """The model that `wanted` (`provider:model`, or a provider alone) names; the server's default when it is empty.

    Raises NodeFailure NO_MODEL, in words that say how to set one.
    """
    wanted = wanted or models.default
    provider, _, model = wanted.partition(":")
    if not wanted:
        raise NodeFailure("NO_MODEL", "no language model is set up", hint=HOW)
    if provider not in USUAL:
        raise NodeFailure(
            "NO_MODEL",
            f"{wanted!r} names no provider; there are {', '.join(USUAL)}",
            field="model",
            hint="write provider:model, for example openai:gpt-5.6-luna",
        )
    model = model or USUAL[provider][0]
    if not model:
        raise NodeFailure("NO_MODEL", f"{provider} has no usual model", field="model", hint=f"write {provider}:model")
    access = _access(models, provider, credential)
    if not access.key and not access.base_url:
        raise NodeFailure("NO_MODEL", f"there is no key for {provider}", hint=HOW)
    return Choice(provider, model, access)


def _access(models: Models, provider: str, credential: Mapping[str, Any] | None) -> ModelAccess:
    usual = models.access.get(provider, ModelAccess())
    if credential is None:
        return usual
    access = ModelAccess(str(credential["api_key"]), str(credential.get("base_url") or ""))
    host = urlsplit(access.base_url or USUAL[provider][1]).hostname or ""
    check_host(dict(credential), host)
    return access


async def opened(choice: Choice, context: Context, timeout: float) -> Model[Any]:
    """The library's model, sending through the egress client. Its import takes a second or two, in another thread."""
    name = _LIBRARIES.get(choice.provider, choice.provider)
    # The event loop must not stand still meanwhile.
    await asyncio.to_thread(importlib.import_module, f"pydantic_ai.models.{name}")
    context.handed_out.add([choice.access.key] if choice.access.key else [])
    return _model(choice, context, timeout)


_NAMES = frozenset({"accept", "content-type", "user-agent"})
_PREFIXES = ("anthropic-", "openai-", "x-goog-api-client", "x-stainless-")
"""Headers that go along. The clients would add what they find in the environment, which may hold a secret of others."""


def _header(choice: Choice) -> dict[str, str]:
    """What lets us in."""
    key = choice.access.key
    if not key:
        return {}
    match choice.provider:
        case "anthropic":
            return {"x-api-key": key}
        case "google":
            return {"x-goog-api-key": key}
        case _:
            return {"authorization": f"Bearer {key}"}


def _model(choice: Choice, context: Context, timeout: float) -> Model[Any]:
    import httpx2

    key, url = choice.access.key or "none", choice.access.base_url or None
    ours = _header(choice)

    def outgoing(headers: dict[str, str]) -> dict[str, str]:
        lower = {name.lower(): value for name, value in headers.items()}
        return {name: value for name, value in lower.items() if name in _NAMES or name.startswith(_PREFIXES)} | ours

    transport = through(context, timeout, [], outgoing)
    client = httpx2.AsyncClient(transport=transport, timeout=timeout, trust_env=False)
    match choice.provider:
        case "anthropic":
            from anthropic import AsyncAnthropic
            from pydantic_ai.models.anthropic import AnthropicModel
            from pydantic_ai.providers.anthropic import AnthropicProvider

            url = url or USUAL["anthropic"][1]
            anthropic = AsyncAnthropic(api_key=key, base_url=url, http_client=client, max_retries=0)
            return AnthropicModel(choice.model, provider=AnthropicProvider(anthropic_client=anthropic))
        case "google":
            from pydantic_ai.models.google import GoogleModel
            from pydantic_ai.providers.google import GoogleProvider

            google = GoogleProvider(api_key=key, base_url=url, http_client=client)
            return GoogleModel(choice.model, provider=google)
        case _:
            from openai import AsyncOpenAI
            from pydantic_ai.models.openai import OpenAIChatModel
            from pydantic_ai.providers.openai import OpenAIProvider

            url = url or USUAL["openai"][1]
            openai = AsyncOpenAI(api_key=key, base_url=url, http_client=client, max_retries=0)
            return OpenAIChatModel(choice.model, provider=OpenAIProvider(openai_client=openai))
