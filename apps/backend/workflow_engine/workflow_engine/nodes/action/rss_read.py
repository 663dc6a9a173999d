"""action.rss_read: what a feed holds now."""

from __future__ import annotations

import asyncio

from pydantic import Field

from workflow_engine.nodes.action.formats.feeds import item_of, parsed
from workflow_engine.nodes.action.http.answer import refusal
from workflow_engine.nodes.spec import Call, Effect, Emit, Node, NodeFailure, Parameters, Result


class RssReadParameters(Parameters):
    url: str = Field(pattern=r"^https?://\S+$", max_length=2_000)
    """The feed: RSS, Atom or RDF."""
    limit: int = Field(default=100, ge=1, le=10_000)
    """Most entries to give."""
    timeout_seconds: float = Field(default=30, gt=0, le=3600)
    """Most time for the answer."""


class RssRead(Node[RssReadParameters]):
    """Reads a feed and gives its entries, in the feed's own order, which is mostly the newest first.

    Each is `{"id", "title", "link", "summary", "content", "author", "published", "tags", "feed"}`. To start a workflow
    for new entries, use `trigger.rss`.
    """

    type = "action.rss_read"
    name = "RSS read"
    summary = "Reads the entries of an RSS or Atom feed."
    example = {"url": "https://example.com/feed.xml", "limit": 10}
    effect = Effect.IDEMPOTENT

    async def run(self, call: Call[RssReadParameters]) -> Result:
        asked = call.parameters
        if call.context.http is None:
            raise NodeFailure("CONNECTION_FAILED", "this server gives nodes no way to the network")
        headers = {"Accept": "application/rss+xml, application/atom+xml, application/xml;q=0.9, */*;q=0.8"}
        response = await call.context.http.request("GET", asked.url, headers=headers, timeout=asked.timeout_seconds)
        if response.status >= 400:
            raise await refusal(response, "GET", call.context.now)
        feed = await asyncio.to_thread(parsed, await response.read(), response.headers)
        return Emit({"main": [item_of(entry, feed) for entry in feed.entries[: asked.limit]]})
