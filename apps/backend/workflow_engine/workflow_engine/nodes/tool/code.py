"""tool.code: code that an agent may run, in the sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from workflow_engine.nodes.spec import Call, Effect, Json, NodeFailure
from workflow_engine.nodes.tool.parameters import ArgumentsSchema, Named
from workflow_engine.nodes.tools import Tool, ToolNode


class CodeToolParameters(Named):
    """The code, and what it is called with."""

    language: Literal["python", "javascript"]
    """As in action.run_code."""
    code: str = Field(min_length=1, max_length=64 * 1024)
    """The body of a function that gets the arguments as `item`, and returns what the model is told."""
    arguments: ArgumentsSchema = {"type": "object", "properties": {}, "additionalProperties": False}
    """JSON Schema of the arguments."""
    timeout: float = Field(default=10, ge=0.1, le=300)
    """Seconds for one call."""
    memory_mib: int = Field(default=128, ge=16, le=1024)
    """Memory that the code may use, in MiB."""


class CodeTool(ToolNode[CodeToolParameters]):
    """Lets an agent run a piece of your code with arguments of its own.

    The code runs where action.run_code runs it: in a process without network, files and environment, under limits. The
    arguments are checked against their schema first. `{{ }}` has no meaning in code and schema.
    """

    type = "tool.code"
    name = "Code tool"
    summary = "Lets an agent run your Python or JavaScript."
    example = {
        "name": "add",
        "description": "Adds two numbers.",
        "language": "python",
        "code": "return item['a'] + item['b']",
        "arguments": {
            "type": "object",
            "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
            "required": ["a", "b"],
            "additionalProperties": False,
        },
    }
    effect = Effect.IDEMPOTENT
    literals = frozenset({"code", "arguments"})

    async def tools(self, call: Call[CodeToolParameters]) -> Sequence[Tool]:
        asked, sandbox = call.parameters, call.context.sandbox

        async def use(arguments: dict[str, Json], key: str) -> Json:
            if sandbox is None:
                raise NodeFailure("CODE_UNAVAILABLE", "this host runs no user code", hint="give its Context a sandbox")
            return await sandbox.run(
                asked.language, asked.code, [arguments], each=False, timeout=asked.timeout, memory=asked.memory_mib
            )

        return [Tool(asked.name, asked.description, dict(asked.arguments), use, Effect.IDEMPOTENT)]
