"""IntegrationService, second part: node types as tools, and the systems that they connect to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from inspect import cleandoc, get_annotations
from typing import Any

from workflow_engine.engine.items import Failure, Item
from workflow_engine.models import credentials as stored
from workflow_engine.models.store import WorkflowFilter
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.credentials import KINDS, SYSTEMS, CredentialKind, System
from workflow_engine.nodes.external_action.service import Service
from workflow_engine.nodes.registry import AnyNode, Registry
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.nodes.tools import ToolNode, plain
from workflow_engine.nodes.words import Words, words
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.runtime.workflows import Workflows
from workflow_engine.services import wire
from workflow_engine.services.access.callers import current
from workflow_engine.services.backend import Backend
from workflow_engine.services.credentials import no_credential
from workflow_engine.services.errors import ServiceError
from workflow_engine.services.solo import run_alone
from workflow_engine.utils.structs import struct_to_dict, to_struct, to_value

WORKFLOW = "workflow."
"""What the names of tools begin with that are published workflows; their id follows."""
MOST_WORKFLOWS = 500
WAIT = 300.0
"""Seconds that ExecuteTool waits for a workflow; it goes on after that."""


class Tools:
    """The RPCs about integrations and tools."""

    backend: Backend

    async def ListIntegrations(self, request: it.ListIntegrationsRequest, context: Any) -> it.ListIntegrationsResponse:
        wanted, say = request.query.lower(), words(request.language)
        found = [
            integration_to_proto(system, self.backend.registry, say)
            for system in systems(self.backend.registry)
            if wanted in f"{system.id} {system.name} {say(system.name)}".lower()
        ]
        return it.ListIntegrationsResponse(success=True, message=f"{len(found)} integrations", integrations=found)

    async def ListTools(self, request: it.ListToolsRequest, context: Any) -> it.ListToolsResponse:
        wanted = request.query.lower()
        found = [
            it.Tool(
                name=node.type,
                summary=node.summary,
                parameter_schema=to_struct(argument_schema(node)),
                node_type=node.type,
            )
            for node in self.backend.registry
            if is_tool(node) and wanted in f"{node.type} {node.summary}".lower()
        ]
        live = WorkflowFilter(query=request.query, active_only=True, owners=current().owners)
        found += [
            it.Tool(
                name=f"{WORKFLOW}{row.id}",
                summary=row.description or row.name,
                parameter_schema=to_struct({"type": "object"}),
                workflow_id=row.id,
            )
            for row in await asyncio.to_thread(self.backend.store.workflows, live, limit=MOST_WORKFLOWS)
        ]
        return it.ListToolsResponse(success=True, message=f"{len(found)} tools", tools=found)

    async def ExecuteTool(self, request: it.ExecuteToolRequest, context: Any) -> it.ExecuteToolResponse:
        if request.tool.startswith(WORKFLOW):
            return await self._run_workflow(request)
        node = self.backend.registry.find(request.tool)
        if node is None or not is_tool(node):
            raise ServiceError(
                "TOOL_NOT_FOUND",
                f"there is no tool {request.tool!r}; ListTools shows those there are",
                metadata={"tool": request.tool},
            )
        await self._check_credentials(node, request.credentials)
        arguments, item = struct_to_dict(request.arguments), Item()
        if isinstance(node, ToolNode):
            _check_use(arguments)
            item = Item({name: arguments[name] for name in ("tool", "arguments") if name in arguments})
            arguments = arguments.get("parameters") or {}
        record = await run_alone(self.backend, node.type, arguments, dict(request.credentials), item)
        failure = record.failure
        if failure is None and record.status != "succeeded":
            failure = Failure("NOT_DONE", f"the tool is {record.status}: only a workflow can wait for it")
        if failure is not None:
            return it.ExecuteToolResponse(
                success=False, message=failure.message, failure=wire.failure_to_proto(failure)
            )
        items = [item for each in record.outputs.values() for item in each]
        return it.ExecuteToolResponse(success=True, message=f"{len(items)} items", result=to_value(plain(items)))

    async def _run_workflow(self, request: it.ExecuteToolRequest) -> it.ExecuteToolResponse:
        id = request.tool.removeprefix(WORKFLOW)
        await self.backend.scope.check_message(current(), ws.GetWorkflowRequest(workflow_id=id))
        await self.backend.workflow(id)
        backend, use = self.backend, self.backend.new_id("use")
        runs = Workflows(backend.store, backend.definitions, backend.runtime, Context(use, "", backend.clock.now_ms()))
        try:
            items = await runs.run(
                id, 0, [Item(struct_to_dict(request.arguments))], key=use, timeout=WAIT, user_id=request.user_id
            )
        except NodeFailure as failed:
            failure = failed.failure
            return it.ExecuteToolResponse(
                success=False, message=failure.message, failure=wire.failure_to_proto(failure)
            )
        return it.ExecuteToolResponse(success=True, message=f"{len(items)} items", result=to_value(plain(items)))

    async def _check_credentials(self, node: AnyNode, given: Mapping[str, str]) -> None:
        """Raises ServiceError unless each one exists and fits its slot, and none is missing."""
        slots = {slot.name: slot for slot in node.credentials}
        wrong = [(f"credentials.{name}", "is no slot of this tool") for name in given if name not in slots]
        wrong += [
            (f"credentials.{slot.name}", f"is required: a credential of type {' or '.join(slot.types)}")
            for slot in node.credentials
            if slot.required and not given.get(slot.name)
        ]
        for name, id in given.items():
            if id and name in slots:
                row = await asyncio.to_thread(stored.get, self.backend.store, id)
                if row is None:
                    raise no_credential(id)
                if row.type not in slots[name].types:
                    fitting = " or ".join(slots[name].types)
                    wrong.append((f"credentials.{name}", f"takes a credential of type {fitting}, not {row.type}"))
        if wrong:
            raise ServiceError("INVALID_REQUEST", f"{wrong[0][0]} {wrong[0][1]}", violations=wrong)


def is_tool(node: AnyNode) -> bool:
    """Whether a node type makes sense by itself. The others shape a run: they mean nothing outside one."""
    return node.is_action or isinstance(node, ToolNode)


def argument_schema(node: AnyNode) -> dict[str, Any]:
    """What ExecuteTool takes: an action's parameters, or for a node that offers tools, which one and with what."""
    schema = node.parameters.model_json_schema()
    if not isinstance(node, ToolNode):
        return schema
    return {
        "type": "object",
        "properties": {
            "parameters": {key: value for key, value in schema.items() if key != "$defs"},
            "tool": {"type": "string", "description": "Which of its tools to call; without it they are listed."},
            "arguments": {"type": "object", "description": "For that tool, as its schema says."},
        },
        "additionalProperties": False,
        "$defs": schema.get("$defs", {}),
    }


def _check_use(arguments: Mapping[str, Any]) -> None:
    """Raises ServiceError for arguments that are not as `argument_schema` says."""
    kinds = {"parameters": dict, "tool": str, "arguments": dict}
    wrong = [(f"arguments.{name}", "is not one of its arguments") for name in arguments if name not in kinds]
    wrong += [
        (f"arguments.{name}", "must be a text" if kind is str else "must be an object")
        for name, kind in kinds.items()
        if name in arguments and not isinstance(arguments[name], kind)
    ]
    if wrong:
        raise ServiceError("INVALID_REQUEST", f"{wrong[0][0]} {wrong[0][1]}", violations=wrong)


def systems(registry: Registry) -> list[System]:
    """All that can be connected to: a credential of each kind fits one of them."""
    known = [*SYSTEMS, *(node.system() for node in registry if isinstance(node, Service))]
    told = {kind for system in known for kind in system.kinds}
    others = [kind for kind in KINDS.values() if kind.type not in told]
    return known + [System(kind.type, kind.title, cleandoc(kind.__doc__ or ""), (kind.type,)) for kind in others]


def integration_to_proto(system: System, registry: Any, say: Words) -> it.Integration:
    return it.Integration(
        id=system.id,
        name=say(system.name),
        summary=say(system.summary),
        documentation_url=system.documentation_url,
        node_types=system.node_types
        or [
            node.type
            for node in registry
            if any(not set(slot.types).isdisjoint(system.kinds) for slot in node.credentials)
        ],
        credential_types=[_credential_type(KINDS[kind], say) for kind in system.kinds],
    )


def _credential_type(kind: type[CredentialKind], say: Words) -> it.CredentialType:
    # What a kind has of its own matters more than what all of them have.
    schema = wire.ordered(say.schema(kind.model_json_schema()), first=get_annotations(kind))
    return it.CredentialType(type=kind.type, name=say(kind.title), schema=to_struct(schema), is_oauth=kind.is_oauth)
