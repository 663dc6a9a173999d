"""AIAgentService: workflows from words, and conversations."""

from __future__ import annotations

from workflow_engine.proto import workflow_service_pb2_grpc
from workflow_engine.services.assistance import Services
from workflow_engine.services.backend import Backend
from workflow_engine.services.chat import Chat
from workflow_engine.services.generation import Generation


class AIAgentService(Generation, Chat, workflow_service_pb2_grpc.AIAgentServiceServicer):
    """All RPCs, each in the part that it belongs to."""

    def __init__(self, backend: Backend, services: Services) -> None:
        self.backend, self.services = backend, services
