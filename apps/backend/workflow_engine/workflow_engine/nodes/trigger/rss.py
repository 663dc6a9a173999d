"""trigger.rss: new entries of a feed."""

from __future__ import annotations

import asyncio
import calendar
from typing import Any

from workflow_engine.engine.items import Item
from workflow_engine.nodes.flow.durations import Duration
from workflow_engine.nodes.spec import Field, NodeFailure
from workflow_engine.nodes.trigger.base import Found, Json, Polled, PollTrigger, Source, TriggerParameters
from workflow_engine.nodes.trigger.fetched import Seen, fetch

REMEMBERED = 2_000
"""Entries that are known again; feeds hold far fewer."""


class RssParameters(TriggerParameters):
    """Which feed, and how often to look."""

    url: str = Field(pattern=r"^https?://\S+$", max_length=2_000)
    """The feed: RSS, Atom or RDF."""
    every: Duration = Field(default=900_000, ge=60_000)
    """How often to look: seconds, or text such as `15m`, `1h`."""
    from_start: bool = False
    """Start for the entries that are there at the first look, too."""


class RssTrigger(PollTrigger[RssParameters]):
    """Starts the workflow for every new entry of a feed, oldest first.

    Its item is `{"id", "title", "link", "summary", "content", "author", "published", "tags", "feed"}`. An entry is
    known by its id, or by its link, so one that was corrected does not start again. A feed that says that nothing has
    changed is not read again.
    """

    type = "trigger.rss"
    name = "RSS"
    summary = "Starts for every new entry of a feed."
    example = {"url": "https://example.com/feed.xml"}

    def interval(self, parameters: RssParameters) -> int:
        return parameters.every

    async def poll(self, source: Source) -> Polled:
        asked: RssParameters = source.parameters
        cursor = source.cursor if isinstance(source.cursor, dict) else None
        fetched = await fetch(source, asked.url, cursor or {})
        if fetched.body is None:
            return Polled(cursor=cursor)
        feed = await asyncio.to_thread(_parsed, fetched.body, fetched.headers)
        seen = Seen(cursor, REMEMBERED)
        entries = [(id, entry) for entry in feed.entries if (id := _id(entry)) and seen.is_new(id)]
        found = (
            []
            if cursor is None and not asked.from_start
            else [Found([_item(id, entry, feed)], delivery_id=id, at=_at(entry)) for id, entry in reversed(entries)]
        )
        return Polled(found, {**fetched.validators, **seen.cursor()})


def _parsed(body: bytes, headers: dict[str, str]) -> Any:
    import feedparser

    feed = feedparser.parse(body, response_headers={"content-type": headers.get("content-type", "")})
    if not feed.entries and (feed.bozo or not feed.version):
        why = str(getattr(feed, "bozo_exception", "")) or "it is neither RSS nor Atom"
        raise NodeFailure("INVALID_FEED", f"what is there is no feed: {why[:300]}", field="url", hint="see the address")
    return feed


def _id(entry: Any) -> str:
    return str(entry.get("id") or entry.get("link") or entry.get("title") or "")


def _at(entry: Any) -> int | None:
    # Clocks of publishers are what they are: the time is shown, and does not order anything.
    return None


def _item(id: str, entry: Any, feed: Any) -> Item:
    content = entry.get("content") or []
    record: dict[str, Json] = {
        "id": id,
        "title": entry.get("title", ""),
        "link": entry.get("link", ""),
        "summary": entry.get("summary", ""),
        "content": content[0].get("value", "") if content else "",
        "author": entry.get("author", ""),
        "published": _iso(entry.get("published_parsed") or entry.get("updated_parsed")),
        "tags": [tag.get("term", "") for tag in entry.get("tags", [])],
        "feed": {"title": feed.feed.get("title", ""), "link": feed.feed.get("link", "")},
    }
    return Item(record)


def _iso(moment: Any) -> str | None:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(calendar.timegm(moment), UTC).isoformat() if moment else None
