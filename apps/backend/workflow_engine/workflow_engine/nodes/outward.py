"""The HTTP of libraries that bring a client of their own, through the one way out of nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from workflow_engine.nodes.context import Context, HttpResponse
from workflow_engine.nodes.spec import NodeFailure

if TYPE_CHECKING:
    import httpx2

_FRAMED = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_FRAMING = frozenset({"host", "content-length", "connection", "transfer-encoding", "accept-encoding"})


def unframed(headers: dict[str, str]) -> dict[str, str]:
    """Without the headers that the egress client writes itself."""
    return {name: value for name, value in headers.items() if name.lower() not in _FRAMING}


def through(
    context: Context,
    timeout: float,
    trouble: list[NodeFailure],
    outgoing: Callable[[dict[str, str]], dict[str, str]] = unframed,
) -> httpx2.AsyncBaseTransport:
    """A transport that asks the egress client. The library hides why a request failed, so `trouble` is told too.

    `outgoing` says which headers go along.
    """
    import httpx2

    class Body(httpx2.AsyncByteStream):
        def __init__(self, response: HttpResponse) -> None:
            self._response = response

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for chunk in self._response.stream():
                yield chunk

        async def aclose(self) -> None:
            await self._response.close()

    class Egress(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            if context.http is None:
                raise NodeFailure("CONNECTION_FAILED", "this server gives nodes no way to the network")
            try:
                response = await context.http.request(
                    request.method,
                    str(request.url),
                    headers=outgoing(dict(request.headers)),
                    body=await request.aread() or None,
                    timeout=timeout,
                    follow_redirects=False,
                )
            except NodeFailure as failed:
                trouble.append(failed)
                raise httpx2.ConnectError(str(failed), request=request) from None
            if response.status in (401, 403) or response.status >= 500:
                trouble.append(_refused(response.status))
            # The egress client has decompressed the body already.
            headers = {name: value for name, value in response.headers.items() if name not in _FRAMED}
            return httpx2.Response(response.status, headers=headers, stream=Body(response), request=request)

    return Egress()


def _refused(status: int) -> NodeFailure:
    return NodeFailure(
        f"HTTP_{status // 100}XX",
        f"the peer answered {status}",
        hint="see the node's credential" if status < 500 else "try again later",
        retryable=status >= 500,
    )
