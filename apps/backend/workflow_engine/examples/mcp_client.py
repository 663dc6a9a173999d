"""Calls a published workflow as an agent does: with the client of MCP. `pip install mcp`."""

import asyncio
import os

from mcp import Client

ADDRESS = os.environ.get("WORKFLOW_ENGINE_MCP", "http://localhost:8080/mcp")


async def main() -> None:
    async with Client(ADDRESS) as engine:
        tools = (await engine.list_tools()).tools
        print("tools:", ", ".join(tool.name for tool in tools))
        answer = await engine.call_tool("Greeting", {"name": "Ada"})
        print(answer.structured_content["output"])


asyncio.run(main())
