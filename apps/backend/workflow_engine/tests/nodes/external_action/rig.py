"""A service on this machine that answers as the real one does, and a table of what has to be asked of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from tests.nodes.action.world import world
from tests.nodes.harness import run_node
from tests.runtime.peers import Peer, peer
from workflow_engine.engine.events import AnyEvent, NodeSucceeded
from workflow_engine.engine.items import Item
from workflow_engine.nodes.context import Context
from workflow_engine.utils import json

ANY = object()
"""Matches whatever is there."""


@dataclass
class Case:
    """One operation: what it takes, what has to be asked, what is answered, what comes of it."""

    action: dict[str, Any]
    asks: str
    """`METHOD path?query`, the path as it goes over the wire."""
    body: Any = None
    """The JSON that has to be sent, or the fields of a form."""
    answers: Any = field(default_factory=dict)
    """The reply's JSON; several replies for several requests as a list of `Reply`."""
    gives: Any = ANY
    """The records that come out; by default whatever is answered."""
    then: Sequence[str] = ()
    """Further requests, for the pages after the first."""

    @property
    def id(self) -> str:
        return str(self.action["operation"])


@dataclass
class Reply:
    """One HTTP response."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def response(self, base: str) -> web.Response:
        headers = {name: value.replace("BASE", base) for name, value in self.headers.items()}
        if self.body is None:
            return web.Response(status=self.status, headers=headers)
        if isinstance(self.body, bytes):
            return web.Response(body=self.body, status=self.status, headers=headers)
        text = json.dumps(self.body).decode().replace("BASE", base)
        return web.Response(text=text, status=self.status, headers=headers, content_type="application/json")


@dataclass
class Stage:
    """A running service and a context that reaches it."""

    there: Peer
    context: Context

    async def run(self, type: str, action: dict[str, Any], items: Sequence[Item | dict[str, Any]] = ({},)) -> AnyEvent:
        return await run_node(type, {"action": action}, items, context=self.context, credentials={"auth": "account"})

    @property
    def asked(self) -> list[str]:
        return [f"{each.method} {each.raw_path}" for each in self.there.seen]


@asynccontextmanager
async def stage(folder: Path, secret: dict[str, Any], *replies: Reply, base: str = "") -> AsyncIterator[Stage]:
    """A service that gives these replies, one after another; the last one for ever. `base` is a path below it."""
    left = list(replies)

    async def answer(request: web.Request) -> web.StreamResponse:
        reply = left.pop(0) if len(left) > 1 else left[0]
        return reply.response(there.url)

    async with peer(answer) as there, world(folder, account={**secret, "base_url": there.url + base}) as context:
        # As the vault does when it hands a credential out.
        context.handed_out.add(secret[name] for name in ("token", "access_token", "key") if name in secret)
        yield Stage(there, context)


async def sent_body(request: web.Request) -> Any:
    """What a request carried: JSON, or the fields of a form."""
    data = await request.read()
    if request.content_type == "application/x-www-form-urlencoded":
        return dict(parse_qsl(data.decode(), keep_blank_values=True))
    return json.loads(data) if data else None


async def check(
    folder: Path, type: str, secret: dict[str, Any], case: Case, headers: dict[str, str], base: str = ""
) -> None:
    """Runs a case, and compares what was asked and what came out."""
    replies = case.answers if isinstance(case.answers, list) and case.then else [Reply(case.answers)]
    if isinstance(case.answers, Reply):
        replies = [case.answers]
    async with stage(folder, secret, *replies, base=base) as there:
        event = await there.run(type, case.action)
        assert isinstance(event, NodeSucceeded), event
        assert there.asked == [
            f"{each.partition(' ')[0]} {base}{each.partition(' ')[2]}" for each in (case.asks, *case.then)
        ]
        first = there.there.seen[0]
        assert await sent_body(first) == case.body
        for name, value in headers.items():
            assert first.headers.get(name) == value, name
        given = [item.json for item in event.outputs["main"]]
        wanted = case.answers if case.gives is ANY else case.gives
        if wanted is not None:
            assert given == (wanted if isinstance(wanted, list) else [wanted])
