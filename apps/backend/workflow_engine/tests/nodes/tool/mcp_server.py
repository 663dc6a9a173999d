"""An MCP server to test against: over HTTP in the test's own loop, or over stdio as `python mcp_server.py`."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel


class Weather(BaseModel):
    city: str
    degrees: float


def server() -> MCPServer:
    made = MCPServer("weather")

    @made.tool(annotations=ToolAnnotations(read_only_hint=True))
    def get_weather(city: str, unit: str = "C") -> Weather:
        """The weather in a city."""
        return Weather(city=city, degrees=21.5)

    @made.tool()
    def forget(city: str) -> str:
        """Forgets a city."""
        raise ToolError(f"{city} can not be forgotten")

    @made.tool()
    def environment() -> str:
        """The names of what this server can see of its environment."""
        return " ".join(sorted(os.environ))

    return made


@asynccontextmanager
async def serving(token: str = "") -> AsyncIterator[str]:
    """The address of a server that wants a bearer token, if one is given."""
    inner: Any = server().streamable_http_app()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", []))
        if scope["type"] == "http" and token and headers.get(b"authorization") != f"Bearer {token}".encode():
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"who are you"})
            return
        await inner(scope, receive, send)

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=1)
    running = uvicorn.Server(config)
    running.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(running.serve, [listener])
        while not running.started:
            await anyio.lowlevel.checkpoint()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        finally:
            running.should_exit = True


if __name__ == "__main__":
    server().run("stdio")
