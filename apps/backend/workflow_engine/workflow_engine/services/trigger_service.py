"""TriggerService: what starts executions, and what they wait for from people."""

from __future__ import annotations

from workflow_engine.proto import workflow_service_pb2_grpc
from workflow_engine.services.backend import Backend
from workflow_engine.services.desk import Desk
from workflow_engine.services.tasks import Tasks


class TriggerService(Tasks, workflow_service_pb2_grpc.TriggerServiceServicer):
    """All RPCs, each in the part that it belongs to; those of triggers are still UNIMPLEMENTED."""

    def __init__(self, backend: Backend, desk: Desk) -> None:
        self.backend, self.desk = backend, desk
