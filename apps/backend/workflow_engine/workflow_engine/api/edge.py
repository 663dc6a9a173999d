"""The HTTP edge: one Starlette application on uvicorn, in the event loop of the engine.

Each room of `api/` gives a list of routes; the composition root hands them all to `application`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from workflow_engine.api.middleware import HANDLERS
from workflow_engine.api.rest.problems import problem

GRACE = 5
"""Seconds that requests under way may take once the server stops."""


def application(
    routes: Sequence[BaseRoute], middleware: Sequence[Middleware] = (), *, is_ready: Callable[[], bool] = lambda: True
) -> Starlette:
    """Everything that is served over HTTP. Routes are tried in order. `is_ready` says whether to send requests here."""

    async def alive(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(request: Request) -> Response:
        if is_ready() and not app.state.closing.is_set():
            return JSONResponse({"status": "ready"})
        return problem(503, "the server is starting or stopping")

    health = [Route("/healthz", alive), Route("/readyz", ready)]
    app = Starlette(routes=[*health, *routes], middleware=middleware, exception_handlers=HANDLERS)
    app.state.closing = asyncio.Event()
    return app


class _Uvicorn(uvicorn.Server):
    """uvicorn without its own signal handlers: the process that we run in has them already."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


def _fork(app: ASGIApp, doors: Mapping[str, ASGIApp]) -> ASGIApp:
    """Whichever application a request is for."""

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        # "/webhooks/orders" -> "webhooks"
        door = doors.get(scope["path"][1:].partition("/")[0]) if scope["type"] == "http" else None
        await (door or app)(scope, receive, send)

    return choose


class HttpServer:
    """Serves an application on a socket of its own. Raises OSError when the address is taken."""

    def __init__(
        self,
        app: Starlette,
        host: str,
        port: int,
        tls: dict[str, Any] | None = None,
        doors: Mapping[str, ASGIApp] | None = None,
    ) -> None:
        """`doors` are applications by the first segment of their path that take their requests as they come, without
        the middleware, which would cost more than answering them.
        """
        self._app = app
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=2048)
        # asyncio sets it for sockets that say they are TCP, which this one does not; without it an answer in two parts
        # waits 40 ms for the other side's acknowledgement. Connections have it from the socket that they came in by.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = int(self._socket.getsockname()[1])
        """The port it listens on: the one asked for, or the one it was given when that was 0."""
        self._server = _Uvicorn(
            uvicorn.Config(
                _fork(app, doors) if doors else app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE,
                **(tls or {}),
            )
        )
        self._serving: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Returns once it serves."""
        self._serving = asyncio.create_task(self._server.serve([self._socket]))
        up = asyncio.create_task(self._server.is_up.wait())
        await asyncio.wait([self._serving, up], return_when=asyncio.FIRST_COMPLETED)
        if not up.done():
            up.cancel()
            await self._serving

    async def close(self) -> None:
        """Takes no more requests, and lets those under way end."""
        self._server.should_exit = True
        # Streams would otherwise hold the server up until their time is over.
        self._app.state.closing.set()
        if self._serving is not None:
            await self._serving
        self._socket.close()
