"""tool.mcp: the tools of an MCP server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from workflow_engine.nodes.action.http.auth import IN_HEADERS, Signature, in_headers, signed
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.credentials import check_host
from workflow_engine.nodes.spec import Call, Effect, Json, NodeFailure, Parameters
from workflow_engine.nodes.tools import Tool, ToolNode

if TYPE_CHECKING:
    from mcp import Client

MOST_PAGES = 20


class OverHttp(Parameters):
    """A server on the network."""

    transport: Literal["http"]
    """Streamable HTTP."""
    url: str = Field(pattern=r"^https?://\S+$")
    """Where it is, e.g. `https://mcp.example.com/mcp`."""


class OverStdio(Parameters):
    """A program on this machine."""

    transport: Literal["stdio"]
    """Started for each use, and ended after it."""
    program: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    """Its name in the operator's setting MCP_SERVERS, which says what it runs."""


class McpParameters(Parameters):
    """Which server, and which of its tools."""

    server: Annotated[OverHttp | OverStdio, Field(discriminator="transport")]
    """Where the tools are."""
    tools: list[str] = Field(default=[], max_length=200)
    """Only these; all of them when empty."""
    timeout_seconds: float = Field(default=60, gt=0, le=3600)
    """Most time for one use, with the connecting."""


class Mcp(ToolNode[McpParameters]):
    """Lets an agent use the tools of an MCP server (Model Context Protocol).

    Every use is a connection of its own, so what a server remembers in a session is gone after it. What a server says
    of its tools is passed on to the model: connect only servers that you trust. Over HTTP the same rules hold as for
    every request of a node, and a credential goes along as it goes with action.http_request. Programs are those that
    the operator has set up under MCP_SERVERS; they get none of the engine's secrets.
    """

    type = "tool.mcp"
    name = "MCP"
    summary = "Lets an agent use the tools of an MCP server."
    example = {"server": {"transport": "http", "url": "https://mcp.example.com/mcp"}, "tools": ["search"]}
    effect = Effect.AT_MOST_ONCE
    credentials = (IN_HEADERS,)

    async def tools(self, call: Call[McpParameters]) -> Sequence[Tool]:
        async with connected(call) as client:
            listed = await _listed(client)
        wanted = call.parameters.tools
        known = [each.name for each in listed]
        if missing := sorted(set(wanted) - set(known)):
            raise NodeFailure(
                "TOOL_NOT_FOUND",
                f"the MCP server has no tool {missing[0]!r}; it has {', '.join(known) or 'none'}",
                field="tools",
            )
        return [self._tool(call, each) for each in listed if not wanted or each.name in wanted]

    def _tool(self, call: Call[McpParameters], listed: Any) -> Tool:
        async def use(arguments: dict[str, Json], key: str) -> Json:
            async with connected(call) as client:
                return _told(listed.name, await client.call_tool(listed.name, arguments))

        about = listed.annotations
        is_repeatable = bool(about and (about.read_only_hint or about.idempotent_hint))
        return Tool(
            name=listed.name,
            description=listed.description or listed.title or listed.name,
            parameters={"type": "object", **listed.input_schema},
            call=use,
            effect=Effect.IDEMPOTENT if is_repeatable else Effect.AT_MOST_ONCE,
        )


async def _listed(client: Client) -> list[Any]:
    found: list[Any] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        found += page.tools
        cursor = page.next_cursor
        if not cursor:
            break
    return found


def _told(name: str, result: Any) -> Json:
    """What a model is told of a result. Raises NodeFailure TOOL_FAILED."""
    texts = [_text(each) for each in result.content]
    if result.is_error:
        raise NodeFailure("TOOL_FAILED", f"{name}: {' '.join(texts)[:2000] or 'it failed'}")
    if result.structured_content is not None:
        return result.structured_content
    return texts[0] if len(texts) == 1 else texts


def _text(content: Any) -> str:
    match content.type:
        case "text":
            return str(content.text)
        case "resource":
            return str(getattr(content.resource, "text", "")) or f"[{content.resource.uri}]"
        case "resource_link":
            return f"[{content.uri}]"
        case kind:
            return f"[{kind}, {content.mime_type}]"


@asynccontextmanager
async def connected(call: Call[McpParameters]) -> AsyncIterator[Client]:
    """A client of the server. Raises NodeFailure."""
    from mcp import Client, MCPError

    asked, trouble = call.parameters, list[NodeFailure]()
    try:
        async with (
            asyncio.timeout(asked.timeout_seconds),
            _transport(call, trouble) as transport,
            Client(transport, read_timeout_seconds=asked.timeout_seconds) as client,
        ):
            yield client
    except Exception as error:
        raise _failure(error, trouble, MCPError, asked.timeout_seconds) from None


def _failure(error: Exception, trouble: list[NodeFailure], refused: type[Exception], seconds: float) -> NodeFailure:
    """The one cause among those that come out of the library, which wraps them in groups."""
    causes = list(_causes(error))
    if found := next((each for each in causes if isinstance(each, NodeFailure)), None):
        return found
    if trouble:
        return trouble[0]
    if any(isinstance(each, TimeoutError) for each in causes):
        return NodeFailure("TIMEOUT", f"the MCP server took longer than {seconds:g} s", retryable=True)
    if said := next((str(each) for each in causes if isinstance(each, refused)), ""):
        return NodeFailure("TOOL_FAILED", f"the MCP server refuses: {said}", hint="its documentation says why")
    first = causes[0]
    return NodeFailure(
        "MCP_FAILED",
        f"the MCP server can not be used: {type(first).__name__}: {first}"[:1000],
        hint="see that the server runs, and that it speaks MCP",
    )


def _causes(error: BaseException) -> Sequence[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [cause for each in error.exceptions for cause in _causes(each)]
    return [error]


@asynccontextmanager
async def _transport(call: Call[McpParameters], trouble: list[NodeFailure]) -> AsyncIterator[Any]:
    match call.parameters.server:
        case OverStdio(program=program):
            yield _program(call.context, program)
        case OverHttp(url=url):
            import httpx2
            from mcp.client.streamable_http import streamable_http_client

            from workflow_engine.nodes.outward import through

            signature = await _signature(call, url)
            http = through(call.context, call.parameters.timeout_seconds, trouble)
            target = httpx2.URL(url).copy_merge_params(dict(signature.query)) if signature.query else url
            async with httpx2.AsyncClient(transport=http, headers=signature.headers) as client:
                yield streamable_http_client(str(target), http_client=client)


async def _signature(call: Call[McpParameters], url: str) -> Signature:
    id = call.node.credentials.get(IN_HEADERS.name)
    if not id:
        return Signature()
    if call.context.credentials is None:
        raise NodeFailure("CREDENTIAL_MISSING", "this server keeps no credentials", hint="set SECRET_KEY")
    secret = await call.context.credentials.get(id)
    check_host(secret, urlsplit(url).hostname or "", "server.url")
    return in_headers(signed(secret))


def _program(context: Context, name: str) -> Any:
    from mcp import StdioServerParameters

    command = context.mcp_servers.get(name)
    if not command:
        known = ", ".join(sorted(context.mcp_servers)) or "none"
        raise NodeFailure(
            "MCP_NOT_ALLOWED",
            f"the operator has set up no MCP server {name!r}; there are {known}",
            field="server.program",
            hint="the operator adds it to MCP_SERVERS",
        )
    return StdioServerParameters(command=command[0], args=list(command[1:]))
