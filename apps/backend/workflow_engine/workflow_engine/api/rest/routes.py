"""The routes of the REST gateway, one for each binding of the contract."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from workflow_engine.api.rest import events, problems
from workflow_engine.api.rest.bindings import Binding, bindings
from workflow_engine.api.rest.context import SESSION_COOKIE, HttpContext
from workflow_engine.api.rest.origin import SAFE, Origins
from workflow_engine.api.rest.transcode import to_json, to_message
from workflow_engine.core.clock import Clock
from workflow_engine.core.config import Settings
from workflow_engine.services.access.callers import OPERATE, Incoming
from workflow_engine.services.access.door import Door
from workflow_engine.services.calls import Calls, Refused
from workflow_engine.services.errors import ServiceError

LARGE = 256 * 1024
"""Bytes of a message from which on it is converted in a thread, so that others need not wait."""


class Gateway:
    """Transcodes requests, and has the servicers carry them out in this process."""

    def __init__(
        self, calls: Calls, servicers: Mapping[str, Any], door: Door, settings: Settings, clock: Clock
    ) -> None:
        """`servicers` by the name of their service."""
        self._calls, self._servicers, self._door, self._clock = calls, servicers, door, clock
        self._origins = Origins(settings)
        self._always_secure = settings.public_url.startswith("https:")

    def routes(self) -> list[BaseRoute]:
        return [
            Route(binding.path, partial(self._serve, binding), methods=[binding.verb], name=binding.rpc.path)
            for binding in bindings()
        ]

    async def _serve(self, binding: Binding, request: Request) -> Response:
        context = HttpContext()
        try:
            acts = binding.rpc.permission == OPERATE
            self._origins.check(request, is_open=not await self._door.is_required(), acts=acts)
            message = await self._message(binding, request)
            if binding.rpc.is_stream:
                return await self._stream(binding, request, message)
            behaviour = getattr(self._servicers[binding.rpc.service], binding.rpc.name)
            response = await self._calls.unary(binding.rpc, behaviour, message, context, incoming(request))
        except Refused as refusal:
            return problems.of(refusal)
        except ServiceError as error:
            return problems.of(Refused(error.code, error.status()))
        if response.ByteSize() > LARGE:
            text = await asyncio.to_thread(to_json, response, binding.response_body)
        else:
            text = to_json(response, binding.response_body)
        answer = Response(text, media_type="application/json")
        secure = self._always_secure or request.url.scheme == "https"
        context.write_cookies(answer, now=self._clock.now_ms(), secure=secure)
        return answer

    async def _message(self, binding: Binding, request: Request) -> Message:
        body = await request.body()
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if body and kind != "application/json":
            # A browser asks before it sends this type for a page of another site, and sends others unasked.
            wrong = f"{kind!r} is not application/json"
            raise ServiceError("INVALID_REQUEST", f"Content-Type: {wrong}", violations=[("Content-Type", wrong)])
        parts = (binding, request.path_params, request.query_params.multi_items(), body)
        if len(body) > LARGE:
            return await asyncio.to_thread(to_message, *parts)
        return to_message(*parts)

    async def _stream(self, binding: Binding, request: Request, message: Message) -> Response:
        rpc, seen = binding.rpc, request.headers.get("last-event-id", "")
        events.resume(rpc, message, seen)
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        behaviour = getattr(self._servicers[rpc.service], rpc.name)
        stream = self._calls.stream(rpc, behaviour, message, HttpContext(), incoming(request))
        sent = events.Events(rpc, stream, partial(to_json, response_body=binding.response_body))
        try:
            more = await sent.begin()
        except BaseException:
            await sent.close()
            raise
        if not more and seen:
            # Tells a browser that has seen everything to come back no more.
            await sent.close()
            return Response(status_code=204)
        return events.EventStream(sent, request.app.state.closing)


def incoming(request: Request) -> Incoming:
    """What HTTP tells of a call."""
    headers = request.headers
    kind, _, token = headers.get("authorization", "").partition(" ")
    token = token.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "")
    cookie = "" if token else request.cookies.get(SESSION_COOKIE, "")
    return Incoming(
        surface="http",
        token=token or cookie,
        from_cookie=bool(cookie),
        needs_csrf=bool(cookie) and request.method not in SAFE,
        csrf=headers.get("x-csrf-token", ""),
        address=request.client.host if request.client is not None else "",
        user_agent=headers.get("user-agent", ""),
        request_id=str(getattr(request.state, "request_id", "")),
        traceparent=headers.get("traceparent", ""),
    )
