"""MCP at `/mcp`: published workflows as tools for any agent that speaks the Model Context Protocol.

Streamable HTTP without sessions: every request stands alone, so any replica may answer it, and a client that comes back
after an hour goes on by the execution's id. A workflow that has not ended within `WAIT` answers with that id and with
what it waits for; `get_execution` waits on, and `answer_task` decides what waits for a person. Every tool is a call of
the contract, so that its permissions, its owners and its audit hold here too.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from workflow_engine.api.rest.context import HttpContext
from workflow_engine.api.rest.origin import Origins
from workflow_engine.api.rest.routes import incoming
from workflow_engine.core.config import Settings
from workflow_engine.nodes.tools import tool_name
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.services.access.door import Door
from workflow_engine.services.calls import Calls, Refused
from workflow_engine.services.errors import ServiceError
from workflow_engine.services.rpcs import RPCS
from workflow_engine.utils.structs import struct_to_dict, to_struct

if TYPE_CHECKING:
    from mcp import types
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

PATH = "/mcp"
WAIT = 20
"""Seconds for which a call waits for the end of an execution; many clients give up after thirty."""
MOST_WAIT = 300
PAGE = 200
MOST_WORKFLOWS = 1_000
KEY = "idempotency_key"
"""In a call's `_meta`: the same key and arguments start one execution."""
ENDED = ("SUCCESS", "ERROR", "CANCELED")

_ID = {"execution_id": {"type": "string", "description": "As a workflow's tool gave it."}}
OWN: dict[str, tuple[str, dict[str, Any]]] = {
    "get_execution": (
        "How an execution of a workflow stands, what it waits for, and what it gave. Waits for its end.",
        {
            "type": "object",
            "properties": _ID | {"wait_seconds": {"type": "integer", "minimum": 0, "maximum": MOST_WAIT}},
            "required": ["execution_id"],
        },
    ),
    "cancel_execution": (
        "Stops an execution of a workflow.",
        {"type": "object", "properties": _ID, "required": ["execution_id"]},
    ),
    "answer_task": (
        "Answers a task that an execution waits for, such as an approval, as its schema says. Ask the person first.",
        {
            "type": "object",
            "properties": {"task_id": {"type": "string"}, "answer": {"type": "object"}},
            "required": ["task_id", "answer"],
        },
    ),
}
"""Tools about executions: description and JSON Schema of the arguments."""
_INPUT = {
    "type": "object",
    "description": "The members of the item that the workflow starts with; in its expressions, json.name.",
    "additionalProperties": True,
}


class McpServer:
    """The ASGI application at PATH. `close` it at the end."""

    def __init__(self, calls: Calls, servicers: Mapping[str, Any], door: Door, settings: Settings) -> None:
        self._calls, self._servicers, self._door = calls, servicers, door
        self._origins = Origins(settings)
        self._largest = settings.http_max_body_bytes
        self._manager: StreamableHTTPSessionManager | None = None
        self._opening = asyncio.Lock()
        self._closed = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def routes(self) -> list[BaseRoute]:
        return [Route(PATH, self)]

    async def close(self) -> None:
        self._closed.set()
        if self._running is not None:
            await self._running

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if request.method != "POST":
            # No stream but an answer's own: nothing is kept between calls. Somebody may have opened it in a browser.
            told = {"error": "this is an MCP server: give this address to an MCP client, which sends POST"}
            await JSONResponse(told, 405, {"allow": "POST"})(scope, receive, send)
            return
        try:
            required = await self._door.is_required()
            self._origins.check(request, is_open=not required)
        except ServiceError as refused:
            await JSONResponse({"error": refused.message}, 403)(scope, receive, send)
            return
        if required and not incoming(request).token:
            headers = {"www-authenticate": "Bearer"}
            await JSONResponse({"error": "send an API key as a bearer token"}, 401, headers)(scope, receive, send)
            return
        manager = self._manager or await self._opened()
        await manager.handle_request(scope, receive, send)

    async def _opened(self) -> StreamableHTTPSessionManager:
        async with self._opening:
            if self._manager is None:
                # The library takes a while to import; a server that nobody asks for MCP does without it.
                made = await asyncio.to_thread(self._made)
                started = asyncio.Event()
                self._running = asyncio.create_task(self._run(made, started))
                await started.wait()
                self._manager = made
            return self._manager

    async def _run(self, manager: StreamableHTTPSessionManager, started: asyncio.Event) -> None:
        # A task group has to be left by the task that entered it, so it has one of its own.
        async with manager.run():
            started.set()
            await self._closed.wait()

    def _made(self) -> StreamableHTTPSessionManager:
        from mcp.server.lowlevel import Server
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        server: Any = Server(
            "workflow-engine",
            instructions="Every tool but the last three is a workflow. One that takes long gives an execution_id: ask "
            "get_execution for it. What waits for a person is decided by answer_task, when the person has said how.",
            on_list_tools=self._list,
            on_call_tool=self._call,
        )
        return StreamableHTTPSessionManager(
            server, json_response=True, stateless=True, max_request_body_size=self._largest
        )

    # tools

    async def _list(self, context: Any, params: Any) -> types.ListToolsResult:
        from mcp import types

        found = await self._workflows(context)
        tools = [
            types.Tool(
                name=name,
                title=workflow.name,
                description=workflow.description or f"Runs the workflow {workflow.name!r}.",
                input_schema=_INPUT,
            )
            for name, workflow in found.items()
        ]
        tools += [types.Tool(name=name, description=said, input_schema=schema) for name, (said, schema) in OWN.items()]
        return types.ListToolsResult(tools=tools)

    async def _call(self, context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        arguments = params.arguments or {}
        try:
            match params.name:
                case "get_execution":
                    told = await self._seen(context, _text(arguments, "execution_id"), arguments.get("wait_seconds"))
                case "cancel_execution":
                    id = _text(arguments, "execution_id")
                    request = ex.CancelExecutionRequest(execution_id=id, reason="asked for over MCP")
                    await self._ask(context, "WorkflowService", "CancelExecution", request)
                    told = await self._seen(context, id, 1)
                case "answer_task":
                    told = await self._answer(context, arguments)
                case name:
                    told = await self._run_workflow(context, name, arguments, dict(params.meta or {}))
        except Refused as refused:
            return _result({"error": refused.status.message}, is_error=True)
        except ServiceError as refused:
            return _result({"error": refused.message}, is_error=True)
        return _result(told, is_error=told.get("status") in ("ERROR", "CANCELED"))

    async def _run_workflow(
        self, context: Any, name: str, arguments: dict[str, Any], meta: dict[str, Any]
    ) -> dict[str, Any]:
        workflow = (await self._workflows(context)).get(name)
        if workflow is None:
            raise ServiceError(
                "TOOL_NOT_FOUND", f"there is no tool {name!r}: no published workflow of yours is called so"
            )
        request = ex.ExecuteWorkflowRequest(
            workflow_id=workflow.id,
            mode=ex.TRIGGER,
            triggered_by="mcp",
            input=[pb.Item(json=to_struct(arguments))],
        )
        if key := str(meta.get(KEY) or ""):
            request.idempotency_key = hashlib.sha256(f"mcp:{key}".encode()).hexdigest()
        started = await self._ask(context, "WorkflowService", "ExecuteWorkflow", request)
        return await self._seen(context, started.execution_id, WAIT)

    async def _answer(self, context: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        answer = arguments.get("answer")
        if not isinstance(answer, dict):
            raise ServiceError("INVALID_REQUEST", "answer: has to be an object, as the task's schema says")
        request = it.AnswerTaskRequest(task_id=_text(arguments, "task_id"), data=to_struct(answer))
        answered = await self._ask(context, "TriggerService", "AnswerTask", request)
        return await self._seen(context, answered.task.execution_id, WAIT)

    async def _seen(self, context: Any, id: str, wait: Any) -> dict[str, Any]:
        """How an execution stands, after at most `wait` seconds, or as soon as it waits for a person."""
        seconds = min(max(int(wait), 0), MOST_WAIT) if isinstance(wait, int | float) else WAIT
        waited = asyncio.create_task(self._ended(context, id, seconds)) if seconds else None
        asked = asyncio.create_task(self._asks_people(context, id)) if seconds else None
        if waited and asked:
            await asyncio.wait([waited, asked], return_when=asyncio.FIRST_COMPLETED)
            for task in (waited, asked):
                task.cancel()
            await asyncio.gather(waited, asked, return_exceptions=True)
        request = ex.GetExecutionStatusRequest(execution_id=id)
        execution = (await self._ask(context, "WorkflowService", "GetExecutionStatus", request)).execution
        return await self._told(context, execution)

    async def _ended(self, context: Any, id: str, seconds: int) -> None:
        request = ex.WaitExecutionRequest(execution_id=id)
        request.timeout.FromSeconds(seconds)
        await self._ask(context, "WorkflowService", "WaitExecution", request)

    async def _asks_people(self, context: Any, id: str) -> None:
        """Returns once an open task of the execution is there; never for one that asks nobody."""
        rpc = RPCS["/engine.v1.WorkflowService/WatchExecution"]
        behaviour = self._servicers["WorkflowService"].WatchExecution
        request = ex.WatchExecutionRequest(execution_id=id)
        events = self._calls.stream(rpc, behaviour, request, HttpContext(), incoming(context.request))
        async for event in events:
            suspended = event.event.type == ex.EVENT_TYPE_NODE_SUSPENDED  # type: ignore[attr-defined]
            if suspended and await self._tasks(context, id):
                return
        await asyncio.Event().wait()

    async def _told(self, context: Any, execution: ex.Execution) -> dict[str, Any]:
        status = ex.ExecutionStatus.Name(execution.status).removeprefix("EXECUTION_STATUS_")
        told: dict[str, Any] = {"execution_id": execution.id, "status": status}
        if status in ENDED:
            told["output"] = [struct_to_dict(item.json) for item in execution.output]
            if execution.HasField("failure"):
                told["error"] = json_format.MessageToDict(execution.failure, preserving_proto_field_name=True)
            return told
        tasks = await self._tasks(context, execution.id)
        told["waiting_for"] = [wait.detail for wait in execution.waiting_for if wait.detail]
        told["tasks"] = [
            {"task_id": task.id, "title": task.title, "text": task.text, "schema": struct_to_dict(task.schema)}
            for task in tasks
        ]
        told["next"] = "answer_task, when the person has decided" if tasks else "get_execution, to wait on"
        return told

    async def _tasks(self, context: Any, id: str) -> list[it.Task]:
        request = it.ListTasksRequest(execution_id=id, statuses=[it.TASK_STATUS_OPEN])
        return list((await self._ask(context, "TriggerService", "ListTasks", request)).tasks)

    async def _workflows(self, context: Any) -> dict[str, pb.Workflow]:
        """The caller's published workflows, by the name of their tool."""
        found: list[pb.Workflow] = []
        request = ws.ListWorkflowsRequest(limit=PAGE)
        while len(found) < MOST_WORKFLOWS:
            page = await self._ask(context, "WorkflowService", "ListWorkflows", request)
            found += [workflow for workflow in page.workflows if workflow.published_version]
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        names: dict[str, pb.Workflow] = {}
        # The oldest keeps its name when a newer one is called the same.
        for workflow in sorted(found, key=lambda each: (each.created_at.ToNanoseconds(), each.id)):
            name = tool_name(workflow.name)
            # Names may have only letters that a Chinese name has none of.
            if name in names or name in OWN or not workflow.name.isascii():
                name = f"{name[:50]}_{workflow.id[-8:]}"
            names[name] = workflow
        return names

    async def _ask(self, context: Any, service: str, name: str, request: Message) -> Any:
        rpc = RPCS[f"/engine.v1.{service}/{name}"]
        behaviour = getattr(self._servicers[service], name)
        return await self._calls.unary(rpc, behaviour, request, HttpContext(), incoming(context.request))


def _text(arguments: dict[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise ServiceError("INVALID_REQUEST", f"{name}: has to be a text")
    return value


def _result(told: dict[str, Any], *, is_error: bool = False) -> types.CallToolResult:
    from mcp import types

    from workflow_engine.utils.json import dumps

    text = types.TextContent(type="text", text=dumps(told).decode())
    return types.CallToolResult(content=[text], structured_content=told, is_error=is_error)
