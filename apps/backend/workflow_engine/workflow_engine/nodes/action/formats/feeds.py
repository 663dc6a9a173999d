"""Feeds: RSS, Atom and RDF."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime
from typing import Any

from workflow_engine.engine.items import Item
from workflow_engine.nodes.spec import Json, NodeFailure


def parsed(body: bytes, headers: dict[str, str]) -> Any:
    """What feedparser makes of it; it takes a while. Raises NodeFailure INVALID_FEED."""
    import feedparser

    feed = feedparser.parse(body, response_headers={"content-type": headers.get("content-type", "")})
    if not feed.entries and (feed.bozo or not feed.get("version")):
        why = str(getattr(feed, "bozo_exception", "")) or "it is neither RSS nor Atom"
        raise NodeFailure("INVALID_FEED", f"what is there is no feed: {why[:300]}", field="url", hint="see the address")
    return feed


def id_of(entry: Any) -> str:
    """What an entry is known by; empty for one that says nothing of itself."""
    return str(entry.get("id") or entry.get("link") or entry.get("title") or "")


def item_of(entry: Any, feed: Any) -> Item:
    """`{"id", "title", "link", "summary", "content", "author", "published", "tags", "feed"}`."""
    content = entry.get("content") or []
    record: dict[str, Json] = {
        "id": id_of(entry),
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
    # Clocks of publishers are what they are: the time is shown, and orders nothing.
    return datetime.fromtimestamp(calendar.timegm(moment), UTC).isoformat() if moment else None
