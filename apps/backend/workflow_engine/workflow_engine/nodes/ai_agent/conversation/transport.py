"""The providers' own clients send through the engine's egress client, so that its rules hold for models too."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2

from workflow_engine.nodes.context import HttpClient, HttpResponse

_NAMES = frozenset({"accept", "content-type", "user-agent"})
_PREFIXES = ("anthropic-", "openai-", "x-goog-api-client", "x-stainless-")
"""Headers that go along. The clients would add what they find in the environment, which may hold a secret of others."""
_DECODED = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""Response headers that are no longer true of the bytes that it gives."""


class EgressTransport(httpx2.AsyncBaseTransport):
    """Sends requests by an HttpClient, with the header that lets us in.

    `timeout`, in seconds, covers one request and the reading of its answer.
    """

    def __init__(self, http: HttpClient, key: dict[str, str], timeout: float) -> None:
        self._http, self._key, self._timeout = http, key, timeout

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._http.request(
            request.method,
            str(request.url),
            headers=_passed_on(request.headers) | self._key,
            body=await request.aread() or None,
            timeout=self._timeout,
            follow_redirects=False,
        )
        headers = {name: value for name, value in response.headers.items() if name not in _DECODED}
        return httpx2.Response(response.status, headers=headers, stream=_Body(response), request=request)


def _passed_on(headers: httpx2.Headers) -> dict[str, str]:
    lower = ((name.lower(), value) for name, value in headers.items())
    return {name: value for name, value in lower if name in _NAMES or name.startswith(_PREFIXES)}


class _Body(httpx2.AsyncByteStream):
    def __init__(self, response: HttpResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.stream():
            yield chunk

    async def aclose(self) -> None:
        await self._response.close()
