"""AIAgentService, first part: workflows from words."""

from __future__ import annotations

from typing import Any

from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.proto import ai_system_pb2 as ai
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.services import wire
from workflow_engine.services.assistance import Services, model_for, refusal, usage_to_proto
from workflow_engine.services.authoring.author import Author
from workflow_engine.services.backend import Backend
from workflow_engine.services.calls import check
from workflow_engine.services.diff import diff
from workflow_engine.services.drafts import create
from workflow_engine.services.errors import ServiceError

TAG = "generated"
"""The tag of workflows that a model has drawn."""


class Generation:
    """The RPCs that draw."""

    backend: Backend
    services: Services

    async def GenerateWorkflow(self, request: ai.GenerateWorkflowRequest, context: Any) -> ai.GenerateWorkflowResponse:
        author = Author(self.backend, await model_for(self.backend, self.services, request.model))
        try:
            draft = await author.generate(request.description, dict(request.answers))
        except NodeFailure as failed:
            raise refusal(failed) from failed
        response = ai.GenerateWorkflowResponse(
            explanation=draft.explanation,
            questions=draft.questions,
            issues=[wire.issue_to_proto(issue) for issue in draft.issues],
            usage=usage_to_proto(author.usage),
        )
        if draft.workflow is None:
            asks = f"{len(draft.questions)} questions have to be answered first"
            response.message = asks if draft.questions else f"no valid workflow came of it: {draft.failure}"
            return response
        workflow = draft.workflow
        workflow.user_id = request.user_id
        workflow.tags.append(TAG)
        response.success = True
        response.message = "a valid workflow; nothing is stored"
        if not request.dry_run:
            workflow.id = self.backend.new_id("wf")
            id, _ = await create(self.backend, workflow)
            workflow = wire.workflow_to_proto(await self.backend.workflow(id))
            response.message = "a draft; a person has to publish it"
        response.workflow.CopyFrom(workflow)
        return response

    async def RefineWorkflow(self, request: ai.RefineWorkflowRequest, context: Any) -> ai.RefineWorkflowResponse:
        before = await self._refined(request)
        author = Author(self.backend, await model_for(self.backend, self.services, request.model))
        try:
            draft = await author.refine(before, request.instruction)
        except NodeFailure as failed:
            raise refusal(failed) from failed
        response = ai.RefineWorkflowResponse(explanation=draft.explanation, usage=usage_to_proto(author.usage))
        if draft.workflow is None:
            response.message = f"no valid change came of it: {draft.failure}"
            return response
        response.success = True
        response.edits.extend(diff(before, draft.workflow))
        response.message = f"{len(response.edits)} edits; nothing is stored"
        response.workflow.CopyFrom(draft.workflow)
        return response

    async def _refined(self, request: ai.RefineWorkflowRequest) -> pb.Workflow:
        if request.HasField("workflow"):
            workflow = pb.Workflow()
            workflow.CopyFrom(request.workflow)
        elif request.workflow_id:
            workflow = await self.backend.definition(request.workflow_id, 0)
        else:
            raise ServiceError(
                "INVALID_REQUEST",
                "workflow_id: give it, or a workflow",
                violations=[("workflow_id", "give it, or a workflow")],
            )
        check(workflow)
        # Types that get their version only when it is saved are no edit of this one.
        self.backend.pinned_versions(workflow)
        return workflow
