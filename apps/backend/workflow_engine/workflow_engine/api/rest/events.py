"""Server streams as server-sent events.

Each message is an event whose data is its JSON. An RPC that says how it resumes numbers its events, and a client that
lost its connection comes back with `Last-Event-ID`, as browsers do by themselves. A stream that has come to its end
says so with an event named `end`; one that fails, with an event named `error` whose data is a problem.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from typing import Any

from google.protobuf.message import Message
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from workflow_engine.api.rest.bindings import field_at
from workflow_engine.api.rest.problems import members_of
from workflow_engine.services.calls import Refused
from workflow_engine.services.errors import ServiceError
from workflow_engine.services.rpcs import Rpc
from workflow_engine.utils import json

HEARTBEAT = 15.0
"""Seconds of silence after which a comment shows that the connection is alive."""
FIRST = 2.0
"""Seconds in which a stream may still fail with a status of its own instead of an event."""


def resume(rpc: Rpc, request: Message, last_event_id: str) -> None:
    """Makes `request` ask for what comes after the event that a client saw last."""
    how = rpc.resume
    if how is None or not last_event_id:
        return
    if not last_event_id.isascii() or not last_event_id.isdigit() or len(last_event_id) > 18:
        wrong = f"{last_event_id[:80]!r} is no id of an event of this stream"
        raise ServiceError("INVALID_REQUEST", f"Last-Event-ID: {wrong}", violations=[("Last-Event-ID", wrong)])
    # How far the client came counts for more than where it once began.
    setattr(request, getattr(how, "from"), int(last_event_id) + 1)


class Events:
    """The messages of a stream, one ahead, so that it can fail before anything is sent."""

    def __init__(self, rpc: Rpc, messages: AsyncIterator[Message], to_json: Callable[[Message], bytes]) -> None:
        self._messages, self._to_json = messages, to_json
        self._position = [field.name for field in field_at(rpc.output, rpc.resume.position)] if rpc.resume else []
        # The call's own context, such as who calls, is that of all its messages.
        self._context = contextvars.copy_context()
        self._next = self._ask()

    def _ask(self) -> asyncio.Task[Message | None]:
        async def ask() -> Message | None:
            return await anext(self._messages, None)

        return asyncio.create_task(ask(), context=self._context)

    async def begin(self) -> bool:
        """Waits a little for the first message; says whether there is, or may be, one. Raises Refused."""
        await asyncio.wait([self._next], timeout=FIRST)
        return not self._next.done() or self._next.result() is not None

    async def close(self) -> None:
        self._next.cancel()
        await asyncio.wait([self._next])
        await self._messages.aclose()  # type: ignore[attr-defined]

    async def text(self, closing: asyncio.Event) -> AsyncIterator[bytes]:
        """What goes over the wire, until the stream ends or the server is `closing`."""
        stop = asyncio.create_task(closing.wait())
        try:
            yield b": open\n\n"
            while True:
                await asyncio.wait([self._next, stop], timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
                if stop.done():
                    # No `end`: the client shall come back, to whoever serves by then.
                    return
                if not self._next.done():
                    yield b": still here\n\n"
                    continue
                try:
                    message = self._next.result()
                except Refused as refused:
                    yield _event(json.dumps(members_of(refused)), name=b"error")
                    return
                if message is None:
                    yield _event(b"{}", name=b"end")
                    return
                self._next = self._ask()
                yield _event(self._to_json(message), id=self._id(message))
        finally:
            stop.cancel()

    def _id(self, message: Message) -> bytes:
        value: Any = message
        for name in self._position:
            value = getattr(value, name)
        return str(value).encode() if self._position else b""


class EventStream(StreamingResponse):
    """Sends `events`, and lets go of them whatever becomes of the connection."""

    def __init__(self, events: Events, closing: asyncio.Event) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(events.text(closing), media_type="text/event-stream", headers=headers)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._events.close()


def _event(data: bytes, *, id: bytes = b"", name: bytes = b"") -> bytes:
    lines = [b"id: " + id] if id else []
    if name:
        lines.append(b"event: " + name)
    return b"\n".join([*lines, b"data: " + data, b"", b""])
