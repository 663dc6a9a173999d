"""What every HTTP request passes, whichever room of api/ it is for."""

from __future__ import annotations

import re
import secrets

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from workflow_engine.api.rest.problems import problem
from workflow_engine.core.config import Settings
from workflow_engine.core.logging import get_logger

log = get_logger(__name__)
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
EXPOSED = ("X-Request-ID", "Retry-After")


def middleware(settings: Settings) -> list[Middleware]:
    """Outermost first."""
    found = [Middleware(RequestIds)]
    if settings.trusted_proxies:
        found.insert(0, Middleware(ProxyHeadersMiddleware, trusted_hosts=settings.trusted_proxies))
    if settings.cors_origins:
        found.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=[
                    "Authorization",
                    "Content-Type",
                    "Last-Event-ID",
                    "X-API-Key",
                    "X-CSRF-Token",
                    "X-Request-ID",
                ],
                expose_headers=EXPOSED,
                max_age=3600,
            )
        )
    return [
        *found,
        # Events are left as they are: they must arrive when they happen.
        Middleware(GZipMiddleware, minimum_size=1024, compresslevel=5),
        Middleware(BodyLimit, most=settings.http_max_body_bytes),
    ]


class RequestIds:
    """Gives every request an id, or takes the caller's; it is in the answer's X-Request-ID and in all log lines."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = id

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = id
                headers.setdefault("x-content-type-options", "nosniff")
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=id):
            await self.app(scope, receive, answer)


class _TooLarge(HTTPException):
    def __init__(self, most: int) -> None:
        super().__init__(413, f"the body has more than {most} bytes, the most that this server takes")


class BodyLimit:
    """Refuses a body of more than `most` bytes, without reading all of it."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdigit() and int(announced) > self.most:
            await refusal(Request(scope), _TooLarge(self.most))(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.most:
                raise _TooLarge(self.most)
            return message

        await self.app(scope, counted, send)


def refusal(request: Request, error: Exception) -> Response:
    """The answer to a request that no route took, or that one refused."""
    assert isinstance(error, HTTPException)
    detail = error.detail
    if error.status_code == 404 and detail == "Not Found":
        detail = f"there is nothing at {request.url.path}; /docs shows what there is"
    if error.status_code == 405:
        detail = f"{request.url.path} does not take {request.method}"
    response = problem(error.status_code, detail)
    response.headers.update(error.headers or {})
    return response


def mistake(request: Request, error: Exception) -> Response:
    """The answer to a request that we failed."""
    log.error("http_failed", path=request.url.path, exc_info=error)
    return problem(500, "the server has made a mistake; its log says which, under http_failed", code="INTERNAL")


HANDLERS = {HTTPException: refusal, Exception: mistake}
