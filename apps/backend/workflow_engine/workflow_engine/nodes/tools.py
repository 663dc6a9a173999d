"""Tools: what an agent may call while it thinks.

Two kinds of nodes offer tools. Any action becomes one when its `tool` port is connected to an agent's `tools` port:
what its parameters leave open with `{{ from_ai.city }}` is what the model gives, and its result is what the model gets.
And a `tool.*` node (`ToolNode`) offers as many tools as it likes, for example all those of an MCP server.

An agent asks for all of them in one way, and calls them in one way:

    for tool in await tools_of(call):              # what is bound to the agent's port `tools`
        offer(tool.name, tool.description, tool.parameters)
    ...
    result = await tool.invoke(arguments, key="call_1")   # raises NodeFailure, in words that help the model too

Run alone (TestNode, ExecuteTool) an action used as a tool takes its arguments from its input item, and a `ToolNode`
takes an item `{"tool": name, "arguments": {...}}`; without `tool` it tells which tools it offers.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar, TypeVar

from workflow_engine.engine.expressions import Argument, ExpressionError
from workflow_engine.engine.items import Items, Json
from workflow_engine.engine.shape import TOOL, Effect, Port
from workflow_engine.nodes.schema import member, violation
from workflow_engine.nodes.spec import Call, Emit, Node, NodeFailure, Parameters, Part, Result, emit

P = TypeVar("P", bound=Parameters)
LONGEST_NAME = 64
"""Characters; what model providers allow."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One thing that a model may call."""

    name: str
    """Letters, digits, `_` and `-`; unique among the tools of an agent."""
    description: str
    """For the model: what it does, and when to use it."""
    parameters: dict[str, Json]
    """JSON Schema of the arguments, always of an object."""
    call: Callable[[dict[str, Json], str], Awaitable[Json]]
    """Called with arguments that fit the schema, and a key that is the same whenever the same use is repeated."""
    effect: Effect = Effect.AT_MOST_ONCE
    """What a second call with the same key would do; see Effect."""
    node: str = ""
    """The id of the node that offers it."""
    timeout: int = 0
    """Milliseconds for one call; 0 for none."""

    async def invoke(self, arguments: dict[str, Json], key: str) -> Json:
        """The result of one use. Raises NodeFailure, INVALID_ARGUMENTS among others; nothing was done then.

        `key` names this use within the attempt, e.g. the id that the model gave to its call.
        """
        if wrong := violation(self.parameters, arguments):
            raise NodeFailure(
                "INVALID_ARGUMENTS",
                f"{self.name}: {wrong}",
                field="arguments",
                hint="call it with arguments that fit its schema",
            )
        try:
            async with asyncio.timeout(self.timeout / 1000) if self.timeout else nullcontext():
                return await self.call(arguments, key)
        except TimeoutError:
            what = f"took longer than {self.timeout} ms" if self.timeout else "took too long"
            raise NodeFailure("TIMEOUT", f"{self.name} {what}", retryable=True) from None


class ToolNode(Node[P]):
    """Base of node types that offer tools of their own: write `tools`."""

    inputs: ClassVar[tuple[Port, ...]] = ()
    outputs: ClassVar[tuple[Port, ...]] = (TOOL,)
    effect: ClassVar[Effect] = Effect.AT_MOST_ONCE

    async def tools(self, call: Call[P]) -> Sequence[Tool]:
        """The tools that it offers under its parameters. Raises NodeFailure."""
        raise NotImplementedError

    async def offered(self, part: Part) -> Sequence[Tool]:
        """The tools of a bound node; override it where parameters are left to the model."""
        return await self.tools(part.call())

    async def run(self, call: Call[P]) -> Result:
        """Alone: the use that the input item asks for, or the list of what there is to use."""
        offered = {tool.name: tool for tool in await self.tools(call)}
        asked = call.item.json.get("tool")
        if asked is None:
            return emit({"tools": [described(tool) for tool in offered.values()]})
        if not isinstance(asked, str) or asked not in offered:
            raise NodeFailure(
                "TOOL_NOT_FOUND",
                f"there is no tool {asked!r}; there are {', '.join(offered) or 'none'}",
                field="tool",
            )
        arguments = call.item.json.get("arguments") or {}
        if not isinstance(arguments, dict):
            raise NodeFailure("INVALID_ARGUMENTS", "arguments must be an object", field="arguments")
        result = await offered[asked].invoke(arguments, "alone")
        return emit(result if isinstance(result, dict) else {"result": result})


def described(tool: Tool) -> dict[str, Json]:
    """A tool as data."""
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters}


async def tools_of(call: Call[Any], port: str = "tools") -> list[Tool]:
    """Every tool that is bound to a node's port. Raises NodeFailure, DUPLICATE_TOOL among others."""
    found: dict[str, Tool] = {}
    for part in call.parts.get(port, ()):
        for tool in await offered_by(part):
            if twin := found.get(tool.name):
                raise NodeFailure(
                    "DUPLICATE_TOOL",
                    f"{twin.node!r} and {tool.node!r} both offer a tool {tool.name!r}",
                    hint="give one of the nodes another name",
                )
            found[tool.name] = tool
    return list(found.values())


async def offered_by(part: Part) -> Sequence[Tool]:
    """The tools of one bound node. Raises NodeFailure."""
    kind = part.kind
    if isinstance(kind, ToolNode):
        offered = await kind.offered(part)
        return [replace(tool, node=part.node.id, timeout=tool.timeout or part.node.timeout) for tool in offered]
    return [action_tool(part)]


def action_tool(part: Part, *, name: str = "", description: str = "") -> Tool:
    """A bound action as a tool: `from_ai` is what the model gives, the items are what it gets."""

    async def use(arguments: dict[str, Json], key: str) -> Json:
        try:
            asked = part.call(arguments, key)
        except ExpressionError as failed:
            raise NodeFailure("INVALID_ARGUMENTS", failed.message, field=failed.field, hint=failed.hint) from None
        result = part.kind.run(asked)
        return told(await result if inspect.isawaitable(result) else result)

    return Tool(
        name=name or tool_name(part.node.name),
        description=description or part.node.notes or f"{part.node.name}: {part.kind.summary}",
        parameters=arguments_schema(part),
        call=use,
        effect=part.node.shape.effect,
        node=part.node.id,
        timeout=part.node.timeout,
    )


def tool_name(text: str) -> str:
    """A name that every model provider takes."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_")[:LONGEST_NAME] or "tool"


def told(result: Result) -> Json:
    """What a model is told of a node's result: the one record, or all of them. Raises NodeFailure."""
    if not isinstance(result, Emit):
        raise NodeFailure("NOT_DONE", "this node waits, and a tool has to answer at once", hint="use another node")
    return plain([item for items in result.outputs.values() for item in items])


def plain(items: Items) -> Json:
    """Records with what is known of their files: one alone, or a list."""
    shown = [
        item.json | ({"files": {slot: _file(ref) for slot, ref in item.binary.items()}} if item.binary else {})
        for item in items
    ]
    return shown[0] if len(shown) == 1 else shown


def _file(ref: Any) -> dict[str, Json]:
    return {"id": ref.id, "size": ref.size, "media_type": ref.media_type, "file_name": ref.file_name}


def arguments_schema(part: Part) -> dict[str, Json]:
    """JSON Schema of what a bound node's parameters leave to the model.

    An argument that makes up a parameter alone has that parameter's schema and description; any other one is text.
    """
    outline = part.node.template.outline()
    schema = _schema_of(part.kind.parameters)
    arguments = part.node.template.arguments
    return {
        "type": "object",
        "properties": {argument.name: _argument(argument, schema, outline) for argument in arguments},
        "required": [argument.name for argument in arguments if argument.required],
        "additionalProperties": False,
    }


def _argument(argument: Argument, schema: dict[str, Any], outline: Json) -> dict[str, Json]:
    for field in argument.fields:
        if (found := member(schema, outline, field)) is not None:
            return found
    return {"type": "string"}


@cache
def _schema_of(parameters: type[Parameters]) -> dict[str, Any]:
    return parameters.model_json_schema()
