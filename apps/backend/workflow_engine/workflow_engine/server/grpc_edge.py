"""gRPC: every service of the contract on one port, with the standard health and reflection services."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from workflow_engine.api import tls
from workflow_engine.proto import workflow_service_pb2_grpc
from workflow_engine.server.front import SERVICES, Front
from workflow_engine.services.interceptor import ContractInterceptor


class GrpcServer:
    """`open` it, and say that it is `ready` once everything else is; `leaving` tells health checks so."""

    def __init__(self, front: Front) -> None:
        settings = front.there.settings
        self._server = grpc.aio.server(
            interceptors=[ContractInterceptor(front.calls)],
            options=[
                ("grpc.max_receive_message_length", settings.grpc_max_message_bytes),
                ("grpc.max_send_message_length", settings.grpc_max_message_bytes),
                # A second server on the same port must fail instead of taking half the calls.
                ("grpc.so_reuseport", 0),
            ],
        )
        for name, servicer in front.servicers.items():
            getattr(workflow_service_pb2_grpc, f"add_{name}Servicer_to_server")(servicer, self._server)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        address = f"{settings.grpc_host}:{settings.grpc_port}"
        identity = tls.grpc_credentials(settings)
        self.port: int = (
            self._server.add_secure_port(address, identity) if identity else self._server.add_insecure_port(address)
        )
        """The one asked for, or the one it was given when that was 0."""

    async def open(self) -> None:
        await self._server.start()

    async def ready(self) -> None:
        for name in ("", *SERVICES):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def leaving(self) -> None:
        await self._health.enter_graceful_shutdown()

    async def close(self) -> None:
        """Lets calls that are under way end, for five seconds."""
        await self._server.stop(5)
