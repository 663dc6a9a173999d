"""IntegrationService: credentials, the systems they are for, and tools."""

from __future__ import annotations

from workflow_engine.proto import workflow_service_pb2_grpc
from workflow_engine.runtime.vault import Vault
from workflow_engine.services.backend import Backend
from workflow_engine.services.credentials import Credentials
from workflow_engine.services.tools import Tools


class IntegrationService(Credentials, Tools, workflow_service_pb2_grpc.IntegrationServiceServicer):
    """All RPCs, each in the part that it belongs to; StartOAuth and CompleteOAuth are still UNIMPLEMENTED."""

    def __init__(self, backend: Backend, vault: Vault) -> None:
        self.backend, self.vault = backend, vault
