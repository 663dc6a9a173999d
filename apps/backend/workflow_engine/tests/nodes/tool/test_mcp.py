"""tool.mcp against real MCP servers: over HTTP on loopback, and as a process."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.nodes.action.world import world
from tests.nodes.harness import NOW, failure, problems, records, run_node
from tests.nodes.tool import mcp_server
from workflow_engine.engine.events import AnyEvent
from workflow_engine.engine.shape import Effect
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.tool.mcp import Mcp, McpParameters
from workflow_engine.runtime.egress import EgressClient

TOKEN = "mcp-s3cret"


async def use(context: Context, url: str, item: dict[str, Any] | None = None, **parameters: Any) -> AnyEvent:
    asked = {"server": {"transport": "http", "url": url}, **parameters}
    return await run_node("tool.mcp", asked, [item or {}], context=context, credentials={"auth": "auth"})


async def test_a_servers_tools_are_listed_and_used_over_http(tmp_path: Path) -> None:
    account = {"type": "http_bearer", "token": TOKEN}
    async with mcp_server.serving(TOKEN) as url, world(tmp_path, auth=account) as context:
        (listed,) = records(await use(context, url))
        weather = listed["tools"][0]
        assert weather["name"] == "get_weather"
        assert weather["description"] == "The weather in a city."
        assert weather["parameters"]["properties"]["city"]["type"] == "string"
        arguments = {"city": "Rome"}
        (told,) = records(await use(context, url, {"tool": "get_weather", "arguments": arguments}))
        assert told == {"city": "Rome", "degrees": 21.5}
        failed = failure(await use(context, url, {"tool": "forget", "arguments": arguments}))
        assert failed.reason == "TOOL_FAILED"
        assert "Rome can not be forgotten" in failed.message
        failed = failure(await use(context, url, {"tool": "get_weather", "arguments": {"town": "Rome"}}))
        assert failed.reason == "INVALID_ARGUMENTS"


async def test_only_the_tools_that_are_named_are_offered(tmp_path: Path) -> None:
    async with mcp_server.serving() as url, world(tmp_path, auth={"type": "http_bearer", "token": "x"}) as context:
        (listed,) = records(await use(context, url, tools=["get_weather"]))
        assert [each["name"] for each in listed["tools"]] == ["get_weather"]
        failed = failure(await use(context, url, tools=["get_wether"]))
        assert failed.reason == "TOOL_NOT_FOUND"
        assert "get_weather" in failed.message


async def test_a_tool_that_only_reads_may_be_used_again(tmp_path: Path) -> None:
    async with mcp_server.serving() as url, world(tmp_path) as context:
        call: Any = _call(context, McpParameters(server={"transport": "http", "url": url}))  # type: ignore[arg-type]
        effects = {each.name: each.effect for each in await Mcp().tools(call)}
    assert effects["get_weather"] is Effect.IDEMPOTENT
    assert effects["forget"] is Effect.AT_MOST_ONCE


def _call(context: Context, parameters: McpParameters) -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(parameters=parameters, context=context, node=SimpleNamespace(credentials={}))


async def test_who_is_not_let_in_is_told_so(tmp_path: Path) -> None:
    account = {"type": "http_bearer", "token": "wrong"}
    async with mcp_server.serving(TOKEN) as url, world(tmp_path, auth=account) as context:
        failed = failure(await use(context, url))
    assert failed.reason == "HTTP_4XX"
    assert "401" in failed.message


async def test_a_credential_for_another_host_stays_here(tmp_path: Path) -> None:
    bound = {"type": "http_bearer", "token": TOKEN, "allowed_hosts": ["mcp.example.com"]}
    async with mcp_server.serving(TOKEN) as url, world(tmp_path, auth=bound) as context:
        assert failure(await use(context, url)).reason == "CREDENTIAL_REFUSED"


async def test_private_addresses_are_refused_here_as_well(tmp_path: Path) -> None:
    async with mcp_server.serving() as url:
        http = EgressClient()
        context = Context("exec", "wf", NOW, http=http)
        event = await run_node("tool.mcp", {"server": {"transport": "http", "url": url}}, context=context)
        await http.close()
    assert failure(event).reason == "EGRESS_REFUSED"


async def test_a_server_that_is_none_fails_in_words(tmp_path: Path) -> None:
    from aiohttp import web

    from tests.runtime.peers import peer

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html>hello</html>", content_type="text/html")

    async with peer(page) as there, world(tmp_path, auth={"type": "http_bearer", "token": "x"}) as context:
        failed = failure(await use(context, f"{there.url}/mcp", timeout_seconds=5))
    assert failed.reason in ("MCP_FAILED", "TOOL_FAILED")


class TestPrograms:
    async def use(self, item: dict[str, Any], program: str = "weather") -> AnyEvent:
        context = Context("exec", "wf", NOW)
        script = str(Path(mcp_server.__file__))
        context = dataclasses.replace(context, mcp_servers={"weather": [sys.executable, script]})
        server = {"transport": "stdio", "program": program}
        return await run_node("tool.mcp", {"server": server, "timeout_seconds": 50}, [item], context=context)

    async def test_one_that_the_operator_set_up_is_used_and_sees_no_secrets(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SECRET_KEY", "k" * 40)
        (told,) = records(await self.use({"tool": "environment"}))
        assert "PATH" in told["result"].split()
        assert "SECRET_KEY" not in told["result"]

    async def test_no_other_one_is_started(self) -> None:
        failed = failure(await self.use({}, program="rm"))
        assert failed.reason == "MCP_NOT_ALLOWED"
        assert "there are weather" in failed.message

    def test_a_command_can_not_be_written_in_a_node(self) -> None:
        asked = {"server": {"transport": "stdio", "program": "weather", "command": "sh"}}
        assert problems("tool.mcp", asked) == ["parameters.server.command: there is no parameter 'server.command'"]
        assert problems("tool.mcp", {"server": {"transport": "stdio", "program": "/bin/sh"}})
