"""WorkflowService, fifth part: workflows as text."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import yaml
from google.protobuf import json_format

from workflow_engine.engine.planning import build
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.services import wire
from workflow_engine.services.backend import Backend, strip
from workflow_engine.services.calls import check
from workflow_engine.services.drafts import create
from workflow_engine.services.errors import ServiceError
from workflow_engine.services.n8n import from_n8n, settle
from workflow_engine.services.proto_json import complaint
from workflow_engine.utils.yaml import load

MOST_VALUES = 200_000
"""Values in the text of one workflow."""


class Portability:
    """The RPCs that write and read text."""

    backend: Backend

    async def ExportWorkflow(self, request: ws.ExportWorkflowRequest, context: Any) -> ws.ExportWorkflowResponse:
        workflow = await self.backend.definition(request.workflow_id, request.version)
        strip(workflow)
        tree = json_format.MessageToDict(workflow, preserving_proto_field_name=True)
        match request.format:
            case ws.WORKFLOW_FORMAT_YAML:
                content = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
            case ws.WORKFLOW_FORMAT_UNSPECIFIED | ws.WORKFLOW_FORMAT_JSON:
                content = json.dumps(tree, indent=2, ensure_ascii=False) + "\n"
            case _:
                raise ServiceError(
                    "INVALID_REQUEST",
                    "format: workflows are written as JSON or YAML",
                    violations=[("format", "is for import only")],
                )
        return ws.ExportWorkflowResponse(success=True, message=f"{len(content)} characters", content=content)

    def _from_n8n(self, content: str) -> tuple[pb.Workflow, list[pb.ValidationIssue]]:
        workflow, report = parsed_n8n(content)
        return workflow, report + settle(workflow, lambda drawn: build(drawn, self.backend.registry).issues)

    async def ImportWorkflow(self, request: ws.ImportWorkflowRequest, context: Any) -> ws.ImportWorkflowResponse:
        report: list[pb.ValidationIssue] = []
        if request.format == ws.WORKFLOW_FORMAT_N8N:
            workflow, report = self._from_n8n(request.content)
        else:
            workflow = await asyncio.to_thread(parse, request.content)
        workflow.id = self.backend.new_id("wf")
        workflow.user_id = request.user_id or workflow.user_id
        workflow.name = workflow.name or "Imported workflow"
        check(workflow)
        if request.dry_run:
            self.backend.pinned_versions(workflow)
            report += [wire.issue_to_proto(issue) for issue in self.backend.planned(workflow).issues]
            return ws.ImportWorkflowResponse(
                success=True, message="it can be imported", workflow=workflow, report=report
            )
        id, warnings = await create(self.backend, workflow)
        row = await self.backend.workflow(id)
        return ws.ImportWorkflowResponse(
            success=True,
            message=f"imported {row.name!r}",
            workflow=wire.workflow_to_proto(row),
            report=[*report, *warnings],
        )


def parsed_n8n(content: str) -> tuple[pb.Workflow, list[pb.ValidationIssue]]:
    """Raises ServiceError for what is no export of n8n."""
    try:
        return from_n8n(json.loads(content))
    except (ValueError, RecursionError, json_format.ParseError) as error:
        raise ServiceError(
            "INVALID_CONTENT",
            f"content: this is no workflow that n8n exported: {error}",
            violations=[("content", str(error)[:1000])],
        ) from None


def parse(content: str) -> pb.Workflow:
    """A workflow from JSON or YAML, which is read as a superset of it. Raises ServiceError."""
    try:
        tree = load(content, MOST_VALUES)
        if not isinstance(tree, dict):
            raise _no_workflow("content", "holds no mapping with `nodes` and `connections`")
        return json_format.ParseDict(tree, pb.Workflow())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise _no_workflow("content", f"is neither YAML nor JSON: {where}{error.problem or error.context}") from None
    except (json_format.ParseError, TypeError) as error:
        field, wrong = complaint(error)
        raise _no_workflow(field or "content", wrong) from None
    except (yaml.YAMLError, ValueError, AttributeError, RecursionError) as error:
        raise _no_workflow("content", f"is no workflow: {str(error) or type(error).__name__}") from None


def _no_workflow(field: str, wrong: str) -> ServiceError:
    wrong = wrong[:1000]
    return ServiceError("INVALID_CONTENT", f"{field}: {wrong}", violations=[(field, wrong)])
