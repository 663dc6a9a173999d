"""tool.openapi: operations of an OpenAPI 3 document that an agent may use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from workflow_engine.nodes.openapi.client import SIGNED_BY, Source, carry_out, document_of
from workflow_engine.nodes.openapi.document import Document, Operation
from workflow_engine.nodes.openapi.request import arguments_schema
from workflow_engine.nodes.spec import Call, Effect, Json, NodeFailure, Parameters
from workflow_engine.nodes.tools import Tool, ToolNode, plain, tool_name

MOST = 64
"""Tools of one node; models choose badly among more."""


class OpenApiToolParameters(Parameters):
    """Which operations of which document."""

    document: Source
    """The OpenAPI 3 document. Expressions have no meaning in it."""
    operations: list[str] = Field(default=[], max_length=MOST)
    """Each by its `operationId` or by method and path."""
    tags: list[str] = Field(default=[], max_length=20)
    """All operations with one of these tags, besides."""
    server: str = Field(default="", pattern=r"^$|^https?://\S+$")
    """Where the API is; the document's first server when empty."""
    timeout_seconds: float = Field(default=60, gt=0, le=3600)
    """Most time for one request."""


class OpenApiTool(ToolNode[OpenApiToolParameters]):
    """Lets an agent use operations of an OpenAPI 3 document, each as a tool of its own.

    A tool is named after its operation and takes the operation's parameters by name, and its body as `body`; what a
    model gives is checked against the document before anything is sent. At most 64 operations make tools.
    """

    type = "tool.openapi"
    name = "OpenAPI tools"
    summary = "Lets an agent use an API that an OpenAPI 3 document describes."
    example = {
        "document": {"source": "url", "url": "https://api.example.com/openapi.json"},
        "operations": ["getOrder", "listOrders"],
    }
    effect = Effect.AT_MOST_ONCE
    credentials = SIGNED_BY
    literals = frozenset({"document"})

    async def tools(self, call: Call[OpenApiToolParameters]) -> Sequence[Tool]:
        asked = call.parameters
        document = await document_of(call, asked.document)
        chosen = {id: document.operation(id) for id in asked.operations}
        if asked.tags:
            every = (document.operation(id) for id in document.ids())
            chosen |= {each.id: each for each in every if not set(each.tags).isdisjoint(asked.tags)}
        if not chosen or len(chosen) > MOST:
            raise NodeFailure(
                "TOO_MANY_TOOLS" if chosen else "NO_TOOLS",
                f"{len(chosen)} of {len(document.ids())} operations are chosen, and 1 to {MOST} can be tools",
                field="operations",
                hint="name the operations, or a tag that fewer have",
            )
        return [self._tool(call, document, each) for each in chosen.values()]

    def _tool(self, call: Call[OpenApiToolParameters], document: Document, operation: Operation) -> Tool:
        async def use(arguments: dict[str, Json], key: str) -> Json:
            given: dict[str, Any] = dict(arguments)
            body = given.pop("body", None) if operation.bodies else None
            answer = await carry_out(
                call,
                document,
                operation,
                given,
                body,
                server=call.parameters.server,
                timeout=call.parameters.timeout_seconds,
            )
            return plain(answer.items(full=False))

        about = " ".join(f"{operation.summary}. {operation.description}".split()).strip(". ")
        return Tool(
            name=tool_name(operation.id),
            description=about[:1000] or f"{operation.method} {operation.path}",
            parameters=arguments_schema(document, operation),
            call=use,
            effect=Effect.IDEMPOTENT if operation.is_repeatable else Effect.AT_MOST_ONCE,
        )
