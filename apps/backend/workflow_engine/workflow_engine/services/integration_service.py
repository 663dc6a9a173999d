"""IntegrationService: credentials, the systems they are for, and tools."""

from __future__ import annotations

from workflow_engine.nodes.context import HttpClient
from workflow_engine.proto import workflow_service_pb2_grpc
from workflow_engine.runtime.vault import Vault
from workflow_engine.services.backend import Backend
from workflow_engine.services.credentials import Credentials
from workflow_engine.services.oauth import OAuth
from workflow_engine.services.tools import Tools


class IntegrationService(Credentials, OAuth, Tools, workflow_service_pb2_grpc.IntegrationServiceServicer):
    """All RPCs, each in the part that it belongs to."""

    def __init__(self, backend: Backend, vault: Vault, http: HttpClient) -> None:
        self.backend, self.vault, self.http = backend, vault, http
