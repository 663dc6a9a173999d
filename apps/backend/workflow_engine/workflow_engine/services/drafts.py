"""WorkflowService, first part: drafts and the catalogue they are drawn from."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from google.protobuf.message import Message

from workflow_engine.engine.planning import build
from workflow_engine.models.store import NotFound, WorkflowFilter
from workflow_engine.models.triggers import unregister
from workflow_engine.nodes.words import words
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.services import wire
from workflow_engine.services.access.callers import current
from workflow_engine.services.backend import Backend, canonical
from workflow_engine.services.errors import ServiceError, no_workflow
from workflow_engine.services.paging import Page, token

EDITABLE = ("name", "description", "user_id", "tags", "nodes", "connections", "settings", "vars")
START = pb.Node(id="start", name="Start", type="trigger.manual")
"""What a workflow without nodes begins with, so that it can run."""


class Drafts:
    """The RPCs about drafts."""

    backend: Backend

    async def CreateWorkflow(self, request: ws.CreateWorkflowRequest, context: Any) -> ws.CreateWorkflowResponse:
        workflow = pb.Workflow()
        workflow.CopyFrom(request.workflow)
        workflow.id = self.backend.new_id("wf")
        workflow.name = request.name
        workflow.description = request.description or workflow.description
        workflow.user_id = request.user_id or workflow.user_id
        if not workflow.nodes:
            workflow.nodes.append(START)
        id, warnings = await create(self.backend, workflow, key=request.idempotency_key, digest=request_digest(request))
        row = await self.backend.workflow(id)
        return ws.CreateWorkflowResponse(
            success=True,
            message=f"created workflow {row.name!r}",
            workflow=wire.workflow_to_proto(row),
            warnings=warnings,
        )

    async def GetWorkflow(self, request: ws.GetWorkflowRequest, context: Any) -> ws.GetWorkflowResponse:
        if request.version:
            workflow = await self.backend.version(request.workflow_id, request.version)
            return ws.GetWorkflowResponse(success=True, message=f"version {request.version}", workflow=workflow)
        row = await self.backend.workflow(request.workflow_id)
        return ws.GetWorkflowResponse(success=True, message="the draft", workflow=wire.workflow_to_proto(row))

    async def UpdateWorkflow(self, request: ws.UpdateWorkflowRequest, context: Any) -> ws.UpdateWorkflowResponse:
        paths = list(request.update_mask.paths)
        if unknown := [path for path in paths if path not in EDITABLE]:
            raise ServiceError(
                "INVALID_REQUEST",
                f"update_mask names {unknown[0]!r}; {', '.join(EDITABLE)} can be changed",
                violations=[("update_mask", f"{path!r} can not be changed") for path in unknown],
            )
        row = await self.backend.workflow(request.workflow_id)
        workflow = pb.Workflow.FromString(row.draft)
        workflow.name, workflow.description, workflow.user_id = row.name, row.description, row.user_id
        for name in paths or EDITABLE:
            if not paths and name in ("name", "user_id") and not getattr(request.workflow, name):
                continue
            replace_field(workflow, request.workflow, name)
        if not workflow.name:
            raise ServiceError("INVALID_REQUEST", "name: is required", violations=[("workflow.name", "is required")])
        revision = etag_revision(request.etag or request.workflow.etag)
        warnings = await save(self.backend, workflow, revision if revision is not None else row.draft_revision)
        row = await self.backend.workflow(request.workflow_id)
        return ws.UpdateWorkflowResponse(
            success=True,
            message=f"revision {row.draft_revision}",
            workflow=wire.workflow_to_proto(row),
            warnings=warnings,
        )

    async def DeleteWorkflow(self, request: ws.DeleteWorkflowRequest, context: Any) -> ws.DeleteWorkflowResponse:
        now = self.backend.clock.now_ms()
        try:
            await self.backend.store.delete_workflow(
                request.workflow_id, now, etag_revision(request.etag), also=unregister(request.workflow_id, now)
            )
        except NotFound:
            raise no_workflow(request.workflow_id) from None
        await self.backend.triggers.reload(request.workflow_id)
        return ws.DeleteWorkflowResponse(success=True, message=f"deleted workflow {request.workflow_id}")

    async def ListWorkflows(self, request: ws.ListWorkflowsRequest, context: Any) -> ws.ListWorkflowsResponse:
        wanted = WorkflowFilter(request.user_id, request.query, request.active_only, current().owners)
        page = Page.of(request)
        store = self.backend.store
        if request.tags:
            return await self._tagged(set(request.tags), wanted, page)
        rows = await asyncio.to_thread(
            store.workflows, wanted, limit=page.limit + 1, offset=page.offset, after=page.after_change
        )
        more, rows = len(rows) > page.limit, rows[: page.limit]
        workflows = [wire.workflow_to_proto(row, with_graph=False) for row in rows]
        return ws.ListWorkflowsResponse(
            success=True,
            message=_counted(len(workflows)),
            workflows=workflows,
            total=await asyncio.to_thread(store.count_workflows, wanted),
            next_page_token=token(rows[-1].updated_at, rows[-1].id) if more else "",
        )

    async def _tagged(self, tags: set[str], wanted: WorkflowFilter, page: Page) -> ws.ListWorkflowsResponse:
        """Tags live inside the definitions, so all that match otherwise are read through."""
        rows = await asyncio.to_thread(self.backend.store.workflows, wanted, limit=-1)
        found = [(row, wire.workflow_to_proto(row, with_graph=False)) for row in rows]
        found = [(row, workflow) for row, workflow in found if tags <= set(workflow.tags)]
        start = page.offset
        if page.after_change is not None:
            seen = [(row.updated_at, row.id) for row, _ in found]
            start += sum(place >= page.after_change for place in seen)
        shown = found[start : start + page.limit]
        more = start + page.limit < len(found)
        return ws.ListWorkflowsResponse(
            success=True,
            message=_counted(len(shown)),
            workflows=[workflow for _, workflow in shown],
            total=len(found),
            next_page_token=token(shown[-1][0].updated_at, shown[-1][0].id) if more else "",
        )

    async def ValidateWorkflow(self, request: ws.ValidateWorkflowRequest, context: Any) -> ws.ValidateWorkflowResponse:
        workflow = request.workflow
        if not request.HasField("workflow"):
            workflow = await self.backend.definition(request.workflow_id, 0)
        built = build(workflow, self.backend.registry)
        issues = built.issues
        errors = sum(issue.is_error for issue in issues)
        return ws.ValidateWorkflowResponse(
            success=not errors,
            message=f"{errors} errors, {len(issues) - errors} warnings",
            issues=[wire.issue_to_proto(issue) for issue in issues],
            ports={id: wire.ports_to_proto(shape) for id, shape in built.shapes.items()},
        )

    async def ListNodeTypes(self, request: ws.ListNodeTypesRequest, context: Any) -> ws.ListNodeTypesResponse:
        wanted, say = request.query.lower(), words(request.language)
        found = [
            shown
            for node in self.backend.registry
            if not request.family or node.type.startswith(f"{request.family}.")
            if (shown := wire.node_type_to_proto(node, say))
            if wanted in f"{node.type} {node.name} {node.summary} {shown.name} {shown.summary}".lower()
        ]
        return ws.ListNodeTypesResponse(success=True, message=f"{len(found)} node types", node_types=found)


async def create(
    backend: Backend, workflow: pb.Workflow, *, key: str = "", digest: str = ""
) -> tuple[str, list[pb.ValidationIssue]]:
    """Stores a new draft; returns its id, and what is not wrong with it but probably not meant."""
    await backend.scope.check_message(current(), workflow)
    backend.pinned_versions(workflow)
    issues = backend.planned(workflow).issues
    now = backend.clock.now_ms()
    id = await backend.store.create_workflow(
        {
            "id": workflow.id,
            "name": workflow.name,
            "description": workflow.description,
            "user_id": workflow.user_id,
            "draft": canonical(workflow),
            "draft_revision": 1,
            "published_version": 0,
            "active": False,
            "created_at": now,
            "updated_at": now,
        },
        key=key,
        digest=digest,
    )
    return id, [wire.issue_to_proto(issue) for issue in issues]


async def save(backend: Backend, workflow: pb.Workflow, revision: int) -> list[pb.ValidationIssue]:
    """Stores a changed draft; returns what is not wrong with it but probably not meant."""
    await backend.scope.check_message(current(), workflow)
    backend.pinned_versions(workflow)
    issues = backend.planned(workflow).issues
    values = {
        "name": workflow.name,
        "description": workflow.description,
        "user_id": workflow.user_id,
        "draft": canonical(workflow),
        "updated_at": backend.clock.now_ms(),
    }
    try:
        await backend.store.update_workflow(workflow.id, values, revision)
    except NotFound:
        raise no_workflow(workflow.id) from None
    return [wire.issue_to_proto(issue) for issue in issues]


def replace_field(target: Message, source: Message, name: str) -> None:
    """Makes one field of `target` what it is in `source`, set or not."""
    field = target.DESCRIPTOR.fields_by_name[name]
    target.ClearField(name)
    if field.is_repeated:
        getattr(target, name).extend(getattr(source, name))
    elif field.message_type is None:
        setattr(target, name, getattr(source, name))
    elif source.HasField(name):
        getattr(target, name).CopyFrom(getattr(source, name))


def etag_revision(etag: str) -> int | None:
    """The revision that an etag stands for; None when there is no etag."""
    if not etag:
        return None
    if not etag.isdecimal():
        raise ServiceError(
            "INVALID_REQUEST",
            f"etag: {etag!r} is none of ours; give the etag that the draft was read with",
            violations=[("etag", "is none of ours")],
        )
    return int(etag)


def request_digest(request: Message) -> str:
    """Tells a repeated request from another one."""
    return hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()


def _counted(count: int) -> str:
    return "1 workflow" if count == 1 else f"{count} workflows"
