"""action.web_search: what a search engine finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from workflow_engine.nodes.action.http.answer import read, refusal
from workflow_engine.nodes.action.servers import credential
from workflow_engine.nodes.credentials import check_host
from workflow_engine.nodes.spec import Call, CredentialSlot, Effect, Json, Node, NodeFailure, Parameters, Result, emit
from workflow_engine.utils import json

TimeRange = Literal["day", "week", "month", "year"]


class Brave(Parameters):
    """Brave Search."""

    engine: Literal["brave"]
    """Its own index; with a key."""
    country: str = Field(default="", pattern=r"^([A-Z]{2})?$")
    """Where the one who asks is, e.g. `DE`."""
    language: str = Field(default="", pattern=r"^([a-z]{2}(-[a-z]+)?)?$")
    """Language of the pages, e.g. `de`."""


class Tavily(Parameters):
    """Tavily, which is made for language models."""

    engine: Literal["tavily"]
    """Longer extracts, with scores; with a key."""
    topic: Literal["general", "news", "finance"] = "general"
    """What to look through."""
    depth: Literal["basic", "advanced"] = "basic"
    """How much is read; advanced costs more."""
    include_domains: list[str] = Field(default=[], max_length=300)
    """Only these."""
    exclude_domains: list[str] = Field(default=[], max_length=150)
    """All but these."""


class SearXng(Parameters):
    """SearXNG, which asks many engines."""

    engine: Literal["searxng"]
    """Yours, or one that answers in JSON (`formats` in its settings)."""
    url: str = Field(pattern=r"^https?://[^\s?#]+$", max_length=2000)
    """Where it is."""
    categories: list[str] = Field(default=[], max_length=20)
    """E.g. `news` or `science`."""
    language: str = Field(default="all", max_length=20)
    """Language of the pages, e.g. `de`."""


class WebSearchParameters(Parameters):
    query: str = Field(min_length=1, max_length=400)
    """What to look for."""
    provider: Annotated[Brave | Tavily | SearXng, Field(discriminator="engine")]
    """Who looks."""
    limit: int = Field(default=10, ge=1, le=20)
    """Most results."""
    time_range: TimeRange | None = None
    """Only what is no older than that."""
    timeout_seconds: float = Field(default=30, gt=0, le=300)
    """Most time for the answer."""


class WebSearch(Node[WebSearchParameters]):
    """Searches the web by Brave, Tavily or SearXNG and gives one item for each result.

    Results look the same whoever found them: `position`, `title`, `url`, `snippet` as plain text, `published` and
    `score` where they are known, else null.

    The credential in slot `provider` has the key; SearXNG needs none.
    """

    type = "action.web_search"
    name = "Web search"
    summary = "Searches the web by Brave, Tavily or SearXNG."
    example = {"query": "{{ json.company }} annual report", "provider": {"engine": "brave"}, "limit": 5}
    effect = Effect.IDEMPOTENT
    credentials = (CredentialSlot("provider", ("api_key",)),)

    async def run(self, call: Call[WebSearchParameters]) -> Result:
        parameters, context = call.parameters, call.context
        if context.http is None:
            raise NodeFailure("CONNECTION_FAILED", "this server gives nodes no way to the network")
        provider = parameters.provider
        key, base = "", ""
        if not isinstance(provider, SearXng) or call.node.credentials.get("provider"):
            secret = await credential(call.node, context, "api_key", "provider")
            key, base = str(secret["api_key"]), str(secret.get("base_url") or "").rstrip("/")
            check_host(secret, _host(base or _bases(provider)), "provider")
        asked = _asked(parameters, base or _bases(provider), key)
        response = await context.http.request(
            asked.method,
            asked.url,
            params=asked.query,
            headers=asked.headers,
            body=asked.body,
            timeout=parameters.timeout_seconds,
        )
        if response.status >= 400:
            raise await refusal(response, asked.method, context.now)
        answer = await read(response, "json", None)
        found = _found(provider, answer.body)
        return emit(*({"position": index, **each} for index, each in enumerate(found[: parameters.limit], 1)))


@dataclass(frozen=True, slots=True)
class _Asked:
    url: str
    method: str = "GET"
    query: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None


def _bases(provider: Brave | Tavily | SearXng) -> str:
    match provider:
        case Brave():
            return "https://api.search.brave.com"
        case Tavily():
            return "https://api.tavily.com"
        case SearXng():
            return provider.url.rstrip("/")


def _host(url: str) -> str:
    return url.split("/")[2].rpartition("@")[2].partition(":")[0]


def _asked(parameters: WebSearchParameters, base: str, key: str) -> _Asked:
    accept = {"Accept": "application/json"}
    query, limit, time_range = parameters.query, parameters.limit, parameters.time_range
    match parameters.provider:
        case Brave() as brave:
            wanted = {
                "q": query,
                "count": str(limit),
                "text_decorations": "false",
                "country": brave.country,
                "search_lang": brave.language,
                "freshness": {"day": "pd", "week": "pw", "month": "pm", "year": "py"}[time_range] if time_range else "",
            }
            return _Asked(
                f"{base}/res/v1/web/search", query=_given(wanted), headers={**accept, "X-Subscription-Token": key}
            )
        case Tavily() as tavily:
            body: dict[str, Json] = {
                "query": query,
                "max_results": limit,
                "topic": tavily.topic,
                "search_depth": tavily.depth,
            }
            if time_range:
                body["time_range"] = time_range
            if tavily.include_domains:
                body["include_domains"] = list(tavily.include_domains)
            if tavily.exclude_domains:
                body["exclude_domains"] = list(tavily.exclude_domains)
            headers = {**accept, "Content-Type": "application/json", "Authorization": f"Bearer {key}"}
            return _Asked(f"{base}/search", "POST", headers=headers, body=json.dumps(body))
        case SearXng() as searxng:
            wanted = {
                "q": query,
                "format": "json",
                "language": searxng.language,
                "categories": ",".join(searxng.categories),
                "time_range": time_range or "",
            }
            headers = {**accept, "Authorization": f"Bearer {key}"} if key else accept
            return _Asked(f"{base}/search", query=_given(wanted), headers=headers)


def _given(wanted: dict[str, str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in wanted.items() if value]


def _found(provider: Brave | Tavily | SearXng, answer: Json) -> list[dict[str, Json]]:
    """The results, all in one shape. Raises NodeFailure INVALID_RESPONSE."""
    results: Any = answer
    if isinstance(provider, Brave) and isinstance(answer, dict):
        # Brave leaves the part out when there is nothing in it.
        results = answer.get("web") or {"results": []}
    results = results.get("results") if isinstance(results, dict) else None
    if not isinstance(results, list):
        raise NodeFailure(
            "INVALID_RESPONSE",
            f"{provider.engine} did not answer with results",
            field="provider",
            hint="see that the address is right and that the service answers in JSON",
            details={"sent": True},
        )
    snippet, published = {
        "brave": ("description", "page_age"),
        "tavily": ("content", "published_date"),
        "searxng": ("content", "publishedDate"),
    }[provider.engine]
    return [
        {
            "title": str(each.get("title") or ""),
            "url": str(each.get("url") or ""),
            "snippet": _plain(str(each.get(snippet) or "")),
            "published": each.get(published),
            "score": each.get("score"),
        }
        for each in results
        if isinstance(each, dict)
    ]


def _plain(markup: str) -> str:
    """Text without the tags and entities that engines put into it."""
    if "<" not in markup and "&" not in markup:
        return markup
    from selectolax.lexbor import LexborHTMLParser

    body = LexborHTMLParser(markup).body
    return body.text() if body else markup
