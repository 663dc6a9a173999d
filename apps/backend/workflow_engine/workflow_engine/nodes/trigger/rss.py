"""trigger.rss: new entries of a feed."""

from __future__ import annotations

import asyncio

from workflow_engine.nodes.action.formats.feeds import id_of, item_of, parsed
from workflow_engine.nodes.flow.durations import Duration
from workflow_engine.nodes.spec import Field
from workflow_engine.nodes.trigger.base import Found, Polled, PollTrigger, Source, TriggerParameters
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
        feed = await asyncio.to_thread(parsed, fetched.body, fetched.headers)
        seen = Seen(cursor, REMEMBERED)
        entries = [(id, entry) for entry in feed.entries if (id := id_of(entry)) and seen.is_new(id)]
        found = (
            []
            if cursor is None and not asked.from_start
            else [Found([item_of(entry, feed)], delivery_id=id) for id, entry in reversed(entries)]
        )
        return Polled(found, {**fetched.validators, **seen.cursor()})
