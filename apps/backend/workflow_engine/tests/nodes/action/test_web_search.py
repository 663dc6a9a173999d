"""action.web_search on servers that answer as the search engines do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.nodes.action.world import world
from tests.nodes.harness import failure, problems, records, run_node
from tests.runtime.peers import Peer, peer
from workflow_engine.engine.events import AnyEvent

TYPE = "action.web_search"
BRAVE: dict[str, Any] = {
    "type": "search",
    "query": {"original": "tea"},
    "web": {
        "type": "search",
        "results": [
            {
                "title": "Tea",
                "url": "https://example.com/tea",
                "description": "All about <strong>tea</strong> &amp; more",
                "page_age": "2025-06-01T00:00:00",
                "profile": {"name": "Example"},
            },
            {"title": "More", "url": "https://example.org", "description": "x"},
        ],
    },
}
TAVILY: dict[str, Any] = {
    "query": "tea",
    "answer": None,
    "results": [{"title": "Tea", "url": "https://example.com/tea", "content": "All about tea", "score": 0.9}],
    "response_time": 1.2,
}
SEARXNG: dict[str, Any] = {
    "query": "tea",
    "number_of_results": 0,
    "results": [
        {
            "url": "https://example.com/tea",
            "title": "Tea",
            "content": "All about tea",
            "engine": "duckduckgo",
            "score": 2.0,
            "publishedDate": None,
        }
    ],
    "answers": [],
    "unresponsive_engines": [],
}


async def search(
    folder: Path, answer: Any, engine: str, *, status: int = 200, **parameters: Any
) -> tuple[AnyEvent, Peer]:
    async def handler(_: web.Request) -> web.StreamResponse:
        if isinstance(answer, str):
            return web.Response(text=answer, status=status, headers={"Retry-After": "3"})
        return web.json_response(answer, status=status, headers={"Retry-After": "3"})

    async with (
        peer(handler) as server,
        world(folder, key={"type": "api_key", "api_key": "k3y", "base_url": server.url}) as context,
    ):
        provider = {
            "engine": engine,
            **({"url": server.url} if engine == "searxng" else {}),
            **parameters.pop("provider", {}),
        }
        drawn = {"query": "{{ json.q }}", "provider": provider, **parameters}
        credentials = {} if engine == "searxng" else {"credentials": {"provider": "key"}}
        return await run_node(TYPE, drawn, [{"q": "tea"}], context=context, **credentials), server


async def test_brave(tmp_path: Path) -> None:
    event, server = await search(tmp_path, BRAVE, "brave", limit=5, time_range="week", provider={"country": "DE"})
    assert records(event) == [
        {
            "position": 1,
            "title": "Tea",
            "url": "https://example.com/tea",
            "snippet": "All about tea & more",
            "published": "2025-06-01T00:00:00",
            "score": None,
        },
        {
            "position": 2,
            "title": "More",
            "url": "https://example.org",
            "snippet": "x",
            "published": None,
            "score": None,
        },
    ]
    [request] = server.seen
    assert request.path == "/res/v1/web/search"
    assert dict(request.query) == {
        "q": "tea", "count": "5", "text_decorations": "false", "country": "DE", "freshness": "pw"
    }  # fmt: skip
    assert request.headers["X-Subscription-Token"] == "k3y"


async def test_tavily(tmp_path: Path) -> None:
    event, server = await search(tmp_path, TAVILY, "tavily", provider={"include_domains": ["example.com"]})
    [record] = records(event)
    assert (record["snippet"], record["score"]) == ("All about tea", 0.9)
    [request] = server.seen
    assert (request.method, request.path, request.headers["Authorization"]) == ("POST", "/search", "Bearer k3y")
    assert await request.json() == {
        "query": "tea",
        "max_results": 10,
        "topic": "general",
        "search_depth": "basic",
        "include_domains": ["example.com"],
    }


async def test_searxng_needs_no_key(tmp_path: Path) -> None:
    event, server = await search(tmp_path, SEARXNG, "searxng", time_range="year")
    assert [(each["title"], each["score"]) for each in records(event)] == [("Tea", 2.0)]
    [request] = server.seen
    assert dict(request.query) == {"q": "tea", "format": "json", "language": "all", "time_range": "year"}
    assert "Authorization" not in request.headers


async def test_nothing_found_gives_nothing(tmp_path: Path) -> None:
    assert records((await search(tmp_path, {"type": "search"}, "brave"))[0]) == []
    assert records((await search(tmp_path, {"results": []}, "tavily"))[0]) == []


async def test_no_more_than_was_asked_for(tmp_path: Path) -> None:
    assert len(records((await search(tmp_path, BRAVE, "brave", limit=1))[0])) == 1


@pytest.mark.parametrize(
    ("answer", "status", "reason", "retryable"),
    [
        ({"detail": "bad key"}, 401, "HTTP_4XX", False),
        ({"detail": "slow down"}, 429, "HTTP_4XX", True),
        ("oops", 500, "HTTP_5XX", True),
        ("<html>", 200, "INVALID_RESPONSE", False),
        ([1], 200, "INVALID_RESPONSE", False),
        ({"results": "none"}, 200, "INVALID_RESPONSE", False),
    ],
)
async def test_an_answer_without_results_is_told(
    tmp_path: Path, answer: Any, status: int, reason: str, retryable: bool
) -> None:
    event, _ = await search(tmp_path, answer, "tavily", status=status)
    failed = failure(event)
    assert (failed.reason, failed.retryable) == (reason, retryable)
    assert failed.retry_after == (3000 if retryable else 0)
    assert "k3y" not in str(failed)


async def test_without_a_key(tmp_path: Path) -> None:
    async with world(tmp_path) as context:
        drawn = {"query": "tea", "provider": {"engine": "brave"}}
        assert failure(await run_node(TYPE, drawn, context=context)).reason == "CREDENTIAL_MISSING"


def test_mistakes_are_found_when_saving() -> None:
    assert problems(TYPE, {"query": "x", "provider": {"engine": "altavista"}})[0].startswith("parameters.provider: ")
    found = problems(TYPE, {"query": "x", "provider": {"engine": "brave"}, "count": 3})
    assert found == ["parameters.count: there is no parameter 'count'"]
