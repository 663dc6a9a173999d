"""Triggers that look: feeds, calendars and any HTTP API, on servers that change and fall silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.clock import ManualClock
from tests.nodes.action.world import world
from tests.runtime.peers import Peer, peer
from tests.triggers.rig import START, Rig, rig
from workflow_engine.engine.events import ExecutionStarted
from workflow_engine.models.store import ExecutionFilter
from workflow_engine.nodes.context import Context
from workflow_engine.runtime.journal import read_page
from workflow_engine.utils import json

MINUTE = 60_000


class Page:
    """What a server shows."""

    def __init__(self) -> None:
        self.body: bytes = b""
        self.status = 200
        self.etag = ""
        self.unchanged = 0

    async def __call__(self, request: web.Request) -> web.Response:
        if self.etag and request.headers.get("if-none-match") == self.etag:
            self.unchanged += 1
            return web.Response(status=304)
        headers = {"etag": self.etag} if self.etag else {}
        media_type = "application/json" if self.body[:1] in (b"[", b"{") else "text/plain"
        return web.Response(body=self.body, status=self.status, headers=headers, content_type=media_type)


@asynccontextmanager
async def looking(url: str, folder: Path, clock: ManualClock | None = None) -> AsyncIterator[Rig]:
    async with world(folder) as there:

        def services(context: Context) -> Context:
            context.http, context.blobs, context.credentials = there.http, there.blobs, there.credentials
            return context

        async with rig(url, clock=clock, services=services) as made:
            yield made


async def looks(rig: Rig, page: Peer, times: int = 1, every: int = 15 * MINUTE) -> None:
    """Lets the trigger look again, and lets what it finds be stored."""
    for _ in range(times):
        before = len(page.seen)
        for _ in range(400):
            if len(page.seen) > before:
                break
            rig.clock.advance(every)
            await asyncio.sleep(0.01)
        await settled(rig)


async def settled(rig: Rig) -> None:
    for _ in range(10):
        await asyncio.sleep(0.01)
        await rig.quiet()


async def started(rig: Rig) -> list[dict[str, Any]]:
    """The first item of every execution, in order."""
    rows = await asyncio.to_thread(lambda: rig.engine.store.executions(ExecutionFilter(), limit=1_000))
    found = []
    for row in reversed(rows):
        [(_, event)] = await read_page(rig.engine.store, rig.engine.runtime._blobs, row.pk, 1, 1)
        assert isinstance(event, ExecutionStarted)
        found.append(event.input[0].json)
    return found


def drawing(type: str, **parameters: Any) -> dict[str, Any]:
    return {
        "nodes": [{"id": "in", "type": type, "parameters": parameters}, {"id": "out", "type": "flow.no_op"}],
        "connections": ["in -> out"],
    }


@pytest.fixture
async def page() -> Page:
    return Page()


def feed(*numbers: int) -> bytes:
    entries = "".join(
        f"<item><guid>id-{n}</guid><title>News {n}</title><link>https://example.com/{n}</link>"
        f"<pubDate>Mon, 0{n} Jun 2026 08:00:00 GMT</pubDate><category>a</category></item>"
        for n in sorted(numbers, reverse=True)
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>The feed</title>{entries}</channel></rss>'.encode()


async def test_a_feed_starts_for_what_is_new_oldest_first(page: Page, sqlite_url: str, tmp_path: Path) -> None:
    clock = ManualClock()
    page.body, page.etag = feed(1), '"1"'
    async with peer(page) as there:
        async with looking(sqlite_url, tmp_path, clock) as first:
            await first.publish("news", drawing("trigger.rss", url=there.url + "/feed"))
            await settled(first)
            assert await started(first) == []
            page.body, page.etag = feed(1, 2, 3), '"2"'
            await looks(first, there)
            assert [each["title"] for each in await started(first)] == ["News 2", "News 3"]
            [_, newest] = await started(first)
            assert newest["published"] == "2026-06-03T08:00:00+00:00"
            assert newest["feed"]["title"] == "The feed"
            await looks(first, there)
            assert page.unchanged == 1
        # What has been seen is remembered by the next life.
        page.body, page.etag = feed(2, 3, 4), '"3"'
        async with looking(sqlite_url, tmp_path, clock) as second:
            await looks(second, there)
            assert [each["id"] for each in await started(second)] == ["id-2", "id-3", "id-4"]


async def test_a_feed_that_fails_says_so_and_is_read_again(page: Page, sqlite_url: str, tmp_path: Path) -> None:
    page.body, page.status = b"<html>sorry</html>", 500
    async with peer(page) as there, looking(sqlite_url, tmp_path) as made:
        [trigger] = await made.publish("news", drawing("trigger.rss", url=there.url, from_start=True))
        await looks(made, there, every=1_000)
        assert "answered 500" in trigger.problem
        page.status = 200
        await looks(made, there, every=10_000)
        assert "no feed" in trigger.problem
        page.body = feed(1)
        await looks(made, there, every=60_000)
        assert trigger.problem == ""
        assert [each["id"] for each in await started(made)] == ["id-1"]


@pytest.mark.parametrize("type", ["trigger.calendar", "trigger.poll"])
async def test_who_does_not_answer_is_named(page: Page, sqlite_url: str, tmp_path: Path, type: str) -> None:
    page.body, page.status = b"sorry", 503
    async with peer(page) as there, looking(sqlite_url, tmp_path) as made:
        where = {"request": {"url": there.url}} if type == "trigger.poll" else {"url": there.url}
        [trigger] = await made.publish("late", drawing(type, **where))
        await looks(made, there, every=1_000)
        assert "503" in trigger.problem
        assert await started(made) == []


class TestPoll:
    async def test_new_records_start_once(self, page: Page, sqlite_url: str, tmp_path: Path) -> None:
        page.body = json.dumps({"orders": [{"id": 1}]})
        async with peer(page) as there, looking(sqlite_url, tmp_path) as made:
            request = {"url": there.url + "/orders", "records_path": "orders"}
            await made.publish("orders", drawing("trigger.poll", request=request, key="json.id"))
            await settled(made)
            page.body = json.dumps({"orders": [{"id": 2}, {"id": 1, "note": "changed"}, {"id": 3}]})
            await looks(made, there, 2)
            assert [each["id"] for each in await started(made)] == [2, 3]

    async def test_changed_records_may_start_again_and_all_together(
        self, page: Page, sqlite_url: str, tmp_path: Path
    ) -> None:
        page.body = json.dumps([{"id": 1, "n": 1}, {"id": 2, "n": 1}])
        async with peer(page) as there, looking(sqlite_url, tmp_path) as made:
            parameters = {"request": {"url": there.url}, "key": "json.id", "start": "changed", "together": True}
            [trigger] = await made.publish("orders", drawing("trigger.poll", **parameters, from_start=True))
            await settled(made)
            page.body = json.dumps([{"id": 1, "n": 2}, {"id": 2, "n": 1}])
            await looks(made, there, 2)
            assert await started(made) == [{"id": 1, "n": 1}, {"id": 1, "n": 2}]
            assert made.decisions(trigger) == ["STARTED", "STARTED"]

    async def test_a_condition_is_asked_before_anything_starts(
        self, page: Page, sqlite_url: str, tmp_path: Path
    ) -> None:
        page.body = json.dumps([{"id": 1, "total": 5}, {"id": 2, "total": 500}])
        async with peer(page) as there, looking(sqlite_url, tmp_path) as made:
            parameters = {"request": {"url": there.url}, "condition": "json.total > 100", "from_start": True}
            [trigger] = await made.publish("orders", drawing("trigger.poll", **parameters))
            await settled(made)
            assert [each["id"] for each in await started(made)] == [2]
            assert sorted(made.decisions(trigger)) == ["SKIPPED_CONDITION", "STARTED"]


def calendar(*events: str) -> bytes:
    inner = "".join(f"BEGIN:VEVENT\r\nDTSTAMP:20250601T000000Z\r\n{event}\r\nEND:VEVENT\r\n" for event in events)
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:test\r\n{inner}END:VCALENDAR\r\n".encode()


async def test_events_of_a_calendar_start_when_they_begin(page: Page, sqlite_url: str, tmp_path: Path) -> None:
    assert datetime.fromtimestamp(START / 1000, UTC).isoformat() == "2025-06-15T15:06:40+00:00"
    page.body = calendar(
        "UID:daily\r\nSUMMARY:Stand-up\r\nDTSTART;TZID=Europe/Berlin:20250601T173000\r\n"
        "DTEND;TZID=Europe/Berlin:20250601T174500\r\nRRULE:FREQ=DAILY\r\nORGANIZER:mailto:ada@example.com",
        "UID:past\r\nSUMMARY:Over\r\nDTSTART:20250615T150000Z",
        "UID:gone\r\nSUMMARY:Cancelled\r\nDTSTART:20250615T154000Z\r\nSTATUS:CANCELLED",
        "UID:day\r\nSUMMARY:Holiday\r\nDTSTART;VALUE=DATE:20250616",
    )
    clock = ManualClock()
    async with peer(page) as there:
        async with looking(sqlite_url, tmp_path, clock) as made:
            await made.publish("team", drawing("trigger.calendar", url=there.url, before="10m"))
            await settled(made)
            # 15:20 UTC is ten minutes before 17:30 in Berlin.
            for _ in range(14):
                await looks(made, there, every=MINUTE)
            [event] = await started(made)
            assert event["title"] == "Stand-up"
            assert event["start"] == "2025-06-15T15:30:00+00:00"
            assert event["organizer"] == "ada@example.com"
        # The server is away for a night, and is told in the morning what began.
        clock.advance(17 * 60 * MINUTE)
        async with looking(sqlite_url, tmp_path, clock) as made:
            await looks(made, there, every=MINUTE)
            titles = [(each["title"], each["start"], each["all_day"]) for each in await started(made)]
            assert titles[1:] == [("Holiday", "2025-06-16T00:00:00+00:00", True)]


async def test_a_clock_that_is_set_back_stops_no_looking(page: Page, sqlite_url: str, tmp_path: Path) -> None:
    clock = ManualClock()
    page.body = feed(1)
    async with peer(page) as server, looking(sqlite_url, tmp_path, clock) as made:
        await made.publish("wf", drawing("trigger.rss", url=server.url))
        await looks(made, server)
        seen = len(server.seen)
        clock.set_back(24 * 60 * MINUTE)
        async with asyncio.timeout(10):
            for _ in range(1_000):
                await asyncio.sleep(0.005)
                if len(server.seen) > seen:
                    break
        assert len(server.seen) > seen
