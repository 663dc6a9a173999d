"""WorkflowService, fourth part: published versions, and going from one definition to another."""

from __future__ import annotations

import asyncio
from typing import Any

from workflow_engine.models.store import NotFound
from workflow_engine.models.triggers import register
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.services import wire
from workflow_engine.services.backend import Backend, canonical
from workflow_engine.services.diff import diff
from workflow_engine.services.drafts import EDITABLE, etag_revision, replace_field, save
from workflow_engine.services.errors import no_workflow


class Versions:
    """The RPCs about versions."""

    backend: Backend

    async def PublishWorkflow(self, request: ws.PublishWorkflowRequest, context: Any) -> ws.PublishWorkflowResponse:
        row = await self.backend.workflow(request.workflow_id)
        workflow = pb.Workflow.FromString(row.draft)
        triggers = self.backend.registers(workflow)
        revision, now = etag_revision(request.etag), self.backend.clock.now_ms()
        number, _ = await self.backend.store.publish(
            row.id,
            canonical(workflow),
            revision=row.draft_revision if revision is None else revision,
            message=request.message,
            by=request.published_by,
            now=now,
            also=register(row.id, triggers, now),
        )
        await self.backend.triggers.reload(row.id)
        version = await asyncio.to_thread(self.backend.store.version, row.id, number)
        assert version is not None
        return ws.PublishWorkflowResponse(
            success=True, message=f"version {number} is live", version=wire.version_to_proto(version)
        )

    async def UnpublishWorkflow(
        self, request: ws.UnpublishWorkflowRequest, context: Any
    ) -> ws.UnpublishWorkflowResponse:
        try:
            none = register(request.workflow_id, [], self.backend.clock.now_ms())
            await self.backend.store.set_active(request.workflow_id, False, 0, also=none)
        except NotFound:
            raise no_workflow(request.workflow_id) from None
        await self.backend.triggers.reload(request.workflow_id)
        return ws.UnpublishWorkflowResponse(success=True, message="it starts nothing by itself any more")

    async def ListWorkflowVersions(
        self, request: ws.ListWorkflowVersionsRequest, context: Any
    ) -> ws.ListWorkflowVersionsResponse:
        await self.backend.workflow(request.workflow_id)
        rows = await asyncio.to_thread(
            self.backend.store.versions, request.workflow_id, limit=request.limit or 50, offset=request.offset
        )
        return ws.ListWorkflowVersionsResponse(
            success=True,
            message=f"{len(rows)} versions",
            versions=[wire.version_to_proto(row) for row in rows],
        )

    async def GetWorkflowVersion(
        self, request: ws.GetWorkflowVersionRequest, context: Any
    ) -> ws.GetWorkflowVersionResponse:
        definition = await self.backend.version(request.workflow_id, request.version)
        row = await asyncio.to_thread(self.backend.store.version, request.workflow_id, request.version)
        assert row is not None
        return ws.GetWorkflowVersionResponse(
            success=True,
            message=f"version {request.version}",
            version=wire.version_to_proto(row, definition.SerializeToString()),
        )

    async def DiffWorkflow(self, request: ws.DiffWorkflowRequest, context: Any) -> ws.DiffWorkflowResponse:
        before = await self.backend.definition(request.workflow_id, request.from_version)
        after = await self.backend.definition(request.workflow_id, request.to_version)
        edits = diff(before, after)
        return ws.DiffWorkflowResponse(success=True, message=f"{len(edits)} edits", edits=edits)

    async def RollbackWorkflow(self, request: ws.RollbackWorkflowRequest, context: Any) -> ws.RollbackWorkflowResponse:
        row = await self.backend.workflow(request.workflow_id)
        workflow = pb.Workflow.FromString(row.draft)
        version = await self.backend.version(request.workflow_id, request.version)
        for name in EDITABLE:
            replace_field(workflow, version, name)
        revision = etag_revision(request.etag)
        await save(self.backend, workflow, row.draft_revision if revision is None else revision)
        row = await self.backend.workflow(request.workflow_id)
        return ws.RollbackWorkflowResponse(
            success=True,
            message=f"the draft is version {request.version} again",
            workflow=wire.workflow_to_proto(row),
        )
