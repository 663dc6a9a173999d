"""action.rss_read against a server that gives feeds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from aiohttp import web

from tests.nodes.action.world import world
from tests.nodes.harness import failure, problems, records, run_node
from tests.runtime.peers import Peer, peer
from workflow_engine.nodes.context import Context

TYPE = "action.rss_read"
RSS = """<?xml version="1.0"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel>
<title>News</title><link>https://example.com</link>
<item><guid>n2</guid><title>Caf\u00e9 &amp; bar</title><link>https://example.com/2</link><description>short</description>
<content:encoded><![CDATA[<p>long</p>]]></content:encoded><category>food</category>
<pubDate>Sun, 01 Mar 2026 09:00:00 +0100</pubDate></item>
<item><guid>n1</guid><title>Older</title></item></channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>A</title><entry><id>urn:1</id><title>One</title>
<author><name>Ada</name></author><updated>2026-03-01T09:00:00Z</updated></entry></feed>"""


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    async with world(tmp_path) as made:
        yield made


def giving(
    text: str, status: int = 200, content_type: str = "application/rss+xml"
) -> AbstractAsyncContextManager[Peer]:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=text.encode(), status=status, headers={"Content-Type": content_type})

    return peer(handler)


async def test_entries_come_as_items(context: Context) -> None:
    async with giving(RSS) as server:
        found = records(
            await run_node(TYPE, {"url": server.url + "/{{ json.path }}"}, [{"path": "a"}], context=context)
        )
    assert [each["id"] for each in found] == ["n2", "n1"]
    assert found[0] == {
        "id": "n2",
        "title": "Caf\u00e9 & bar",
        "link": "https://example.com/2",
        "summary": "short",
        "content": "<p>long</p>",
        "author": "",
        "published": "2026-03-01T08:00:00+00:00",
        "tags": ["food"],
        "feed": {"title": "News", "link": "https://example.com"},
    }
    assert server.seen[0].path == "/a"


async def test_atom_and_no_more_than_is_asked_for(context: Context) -> None:
    async with giving(ATOM, content_type="application/atom+xml") as server:
        [entry] = records(await run_node(TYPE, {"url": server.url}, context=context))
    assert (entry["id"], entry["author"]) == ("urn:1", "Ada")
    async with giving(RSS) as server:
        assert len(records(await run_node(TYPE, {"url": server.url, "limit": 1}, context=context))) == 1


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("<html>hello</html>", 200, "INVALID_FEED"),
        ("", 200, "INVALID_FEED"),
        ("gone", 404, "HTTP_4XX"),
        ("", 503, "HTTP_5XX"),
    ],
)
async def test_what_is_no_feed(context: Context, text: str, status: int, reason: str) -> None:
    async with giving(text, status) as server:
        assert failure(await run_node(TYPE, {"url": server.url}, context=context)).reason == reason


async def test_inner_addresses_are_refused(context: Context) -> None:
    assert failure(await run_node(TYPE, {"url": "http://10.0.0.1/feed"}, context=context)).reason == "EGRESS_REFUSED"


def test_mistakes_are_found_when_saving() -> None:
    assert problems(TYPE, {"url": "example.com"})[0].startswith("parameters.url: ")
