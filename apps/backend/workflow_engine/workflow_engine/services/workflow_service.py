"""WorkflowService: workflows, and everything that happens to their executions."""

from __future__ import annotations

from workflow_engine.proto import workflow_service_pb2_grpc
from workflow_engine.services.backend import Backend
from workflow_engine.services.drafts import Drafts
from workflow_engine.services.executions import Executions
from workflow_engine.services.portability import Portability
from workflow_engine.services.testing import Testing
from workflow_engine.services.versions import Versions


class WorkflowService(
    Drafts,
    Versions,
    Portability,
    Executions,
    Testing,
    workflow_service_pb2_grpc.WorkflowServiceServicer,
):
    """All RPCs, each in the part that it belongs to."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
