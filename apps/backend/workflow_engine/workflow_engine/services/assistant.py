"""The server's own assistant: what it is told, and what it may look up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from workflow_engine.engine.items import Json
from workflow_engine.engine.shape import Effect
from workflow_engine.models.store import WorkflowFilter
from workflow_engine.nodes.registry import AnyNode
from workflow_engine.nodes.schema import standing_alone
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.nodes.tools import Tool, plain, tool_name
from workflow_engine.services.access.callers import current
from workflow_engine.services.authoring.catalogue import Catalogue
from workflow_engine.services.backend import Backend
from workflow_engine.services.errors import ServiceError
from workflow_engine.services.solo import run_alone
from workflow_engine.services.tools import argument_schema, is_tool

INSTRUCTIONS = """\
You are the assistant of a workflow engine. You help people to find, understand and plan workflows: graphs of nodes that
a trigger starts. Look things up with your tools instead of guessing; say so when you do not know. You can not change
or publish workflows: for a new one, tell the person to describe it to GenerateWorkflow, for a change to RefineWorkflow.
Answer in the person's language, briefly."""
MOST = 20


def assistant_tools(backend: Backend, user_id: str, wanted: Iterable[str]) -> list[Tool]:
    """What it can look up, and the node types that the caller lets it use. Raises ServiceError for an unknown one."""
    return [_workflows(backend, user_id), _node_types(backend), *(_action(backend, name) for name in wanted)]


def _workflows(backend: Backend, user_id: str) -> Tool:
    async def look(arguments: dict[str, Json], key: str) -> Json:
        wanted = WorkflowFilter(user_id, arguments.get("query", ""), False, current().owners)
        rows = await asyncio.to_thread(backend.store.workflows, wanted, limit=MOST)
        return [
            {"id": row.id, "name": row.name, "description": row.description[:300], "published": row.published_version}
            for row in rows
        ]

    return Tool("list_workflows", "Lists the person's workflows, latest change first.", _QUERY, look, Effect.PURE)


def _node_types(backend: Backend) -> Tool:
    catalogue = Catalogue(backend.registry)

    async def look(arguments: dict[str, Json], key: str) -> Json:
        return catalogue.cards(catalogue.retrieve(arguments.get("query", ""), [], more=5))

    return Tool(
        "search_node_types",
        "Describes node types: what they do, their parameters and ports.",
        _QUERY,
        look,
        Effect.PURE,
    )


_QUERY: dict[str, Json] = {
    "type": "object",
    "properties": {"query": {"type": "string", "description": "Words to look for, in English."}},
    "additionalProperties": False,
}


def _action(backend: Backend, name: str) -> Tool:
    node = backend.registry.find(name)
    if node is None or not is_tool(node):
        raise ServiceError(
            "TOOL_NOT_FOUND", f"there is no tool {name!r}; ListTools shows those there are", metadata={"tool": name}
        )
    return _alone(backend, node)


def _alone(backend: Backend, node: AnyNode) -> Tool:
    schema = argument_schema(node)
    written_out = standing_alone({key: each for key, each in schema.items() if key != "$defs"}, schema.get("$defs", {}))

    async def use(arguments: dict[str, Json], key: str) -> Json:
        try:
            record = await run_alone(backend, node.type, arguments, {})
        except ServiceError as refused:
            raise NodeFailure("INVALID_ARGUMENTS", refused.message) from refused
        if record.failure is not None:
            failure = record.failure
            raise NodeFailure(failure.reason, failure.message, hint=failure.hint)
        return plain([item for items in record.outputs.values() for item in items])

    return Tool(tool_name(node.type), node.summary, written_out, use, node.effect)
