"""The composition root: the one place that knows every room and puts the server together."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import secrets
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from starlette.routing import BaseRoute

from workflow_engine import replicas
from workflow_engine.api import oauth, pages, sign_in, tls
from workflow_engine.api.edge import HttpServer, application
from workflow_engine.api.mcp import McpServer
from workflow_engine.api.middleware import middleware
from workflow_engine.api.openapi import routes as openapi
from workflow_engine.api.public.chat import ChatPages
from workflow_engine.api.public.forms import FormPages
from workflow_engine.api.public.tasks import TaskPages
from workflow_engine.api.rest.routes import Gateway
from workflow_engine.api.webhooks import Webhooks
from workflow_engine.core.clock import Clock, SystemClock
from workflow_engine.core.config import Settings
from workflow_engine.core.logging import get_logger
from workflow_engine.core.signing import Signer
from workflow_engine.models.store import Store
from workflow_engine.nodes.registry import Registry, installed
from workflow_engine.proto import workflow_service_pb2, workflow_service_pb2_grpc
from workflow_engine.runtime.contract import Runtime
from workflow_engine.runtime.local import LocalRuntime
from workflow_engine.runtime.notifier import Notifier
from workflow_engine.runtime.retention import Policy, Retention
from workflow_engine.services.access.accounts import Accounts
from workflow_engine.services.access.audit import Audit
from workflow_engine.services.access.door import Door
from workflow_engine.services.access.first import first_admin
from workflow_engine.services.access.scope import Scope
from workflow_engine.services.admin_service import AdminService
from workflow_engine.services.ai_agent_service import AIAgentService
from workflow_engine.services.auth_service import AuthService
from workflow_engine.services.backend import Backend
from workflow_engine.services.calls import Calls
from workflow_engine.services.desk import Desk
from workflow_engine.services.integration_service import IntegrationService
from workflow_engine.services.interceptor import ContractInterceptor
from workflow_engine.services.links import Links
from workflow_engine.services.trigger_service import TriggerService
from workflow_engine.services.workflow_service import WorkflowService
from workflow_engine.triggers.listening import Listeners
from workflow_engine.triggers.manager import Triggers
from workflow_engine.wiring import open_store, world

if TYPE_CHECKING:
    from workflow_engine.runtime.temporal import TemporalRuntime

log = get_logger(__name__)

SERVICES = tuple(service.full_name for service in workflow_service_pb2.DESCRIPTOR.services_by_name.values())


@dataclass(slots=True)
class Server:
    """A running server. `close` it, or send SIGTERM to its process."""

    settings: Settings
    runtime: Runtime
    store: Store
    port: int
    """The port for gRPC: the one asked for, or the one it was given when that was 0."""
    http_port: int
    """The same for HTTP."""
    stack: AsyncExitStack

    async def close(self) -> None:
        await self.stack.aclose()


class RefusedToStart(Exception):
    """The settings would start a server that is not safe."""


def check_host(settings: Settings) -> None:
    """Raises RefusedToStart for a server without users that anyone on the network could reach."""
    for name, host in (("GRPC_HOST", settings.grpc_host), ("HTTP_HOST", settings.http_host)):
        if not _is_loopback(host) and not settings.allow_unauthenticated:
            raise RefusedToStart(
                f"{name}={host} is open to the network, but no authentication is set up. Make a first user with "
                "`workflow-engine users create --admin`, or use 127.0.0.1, or say ALLOW_UNAUTHENTICATED=true where a "
                "proxy or the network protects the port."
            )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def start(
    settings: Settings,
    registry: Registry | None = None,
    on_lost: Callable[[], None] | None = None,
    clock: Clock | None = None,
) -> Server:
    """Starts a server and returns once it serves.

    With the local runtime it waits while another process owns the database; on Temporal any number may serve.

    `on_lost` is called, in any thread, when another process has taken the database over: this one can only stop.
    `clock` is the machine's own unless a test brings another.
    """
    clock = clock or SystemClock()
    registry = registry or installed()
    async with AsyncExitStack() as stack:
        store = await open_store(settings, stack)
        door = Door(store, clock, settings)
        if not settings.names_first_admin and not await door.is_required():
            check_host(settings)
        there = world(settings, store, registry, clock, stack)

        def public_url() -> str:
            scheme = "https" if settings.tls_cert_file else "http"
            return settings.public_url.rstrip("/") or f"{scheme}://{settings.http_host}:{edge.port}"

        links = Links(Signer("task links", *settings.secret_keys), public_url)
        shares = settings.engine_runtime == "temporal"
        notifier = Notifier(store, registry, clock, there.services, links.make, shared=shares)
        runtime: Runtime
        on_temporal: TemporalRuntime | None = None
        shared: dict[str, Any] = {"leads": False, "tell": replicas.teller(store)} if shares else {}
        if shares:
            from workflow_engine.worker import temporal_runtime

            store.share()
            runtime = on_temporal = await temporal_runtime(settings, there)
        else:
            await _own(store, on_lost)
            runtime = LocalRuntime(
                store,
                there.definitions,
                clock,
                services=there.services,
                entropy=os.urandom,
                blobs=there.blobs,
                queue_limit=settings.queue_limit,
                on_notice=notifier.told,
            )
            runtime.on_end = there.endings.tell
        there.runtime.append(runtime)
        retention = Retention(
            store,
            clock,
            Policy(round(settings.retention_max_age_days * 86_400_000), settings.retention_max_count),
            runtime=runtime if isinstance(runtime, LocalRuntime) else None,
            # Temporal's own histories name blobs that nobody else knows of.
            blobs=there.blobs if isinstance(runtime, LocalRuntime) else None,
        )
        await first_admin(store, settings, clock)
        door.forget()
        audit = Audit(store, clock)
        await audit.prune(settings.audit_days)
        triggers = Triggers(
            store,
            runtime,
            there.definitions,
            registry,
            clock,
            entropy=os.urandom,
            services=there.services,
            blobs=there.blobs,
            queue_limit=settings.queue_limit,
            **shared,
        )
        scope = Scope(store)
        calls = Calls(door, scope, audit)
        listeners = Listeners()

        server = grpc.aio.server(
            interceptors=[ContractInterceptor(calls)],
            options=[
                ("grpc.max_receive_message_length", settings.grpc_max_message_bytes),
                ("grpc.max_send_message_length", settings.grpc_max_message_bytes),
                # A second server on the same port must fail instead of taking half the calls.
                ("grpc.so_reuseport", 0),
            ],
        )
        backend = Backend(store, there.definitions, runtime, registry, clock, there.blobs, scope, triggers)
        desk = Desk(backend)
        # Pages need to know their own tokens again, if only until the server is started anew.
        page_keys = settings.secret_keys if settings.secret_key.get_secret_value() else (secrets.token_hex(32), [])
        integrations = IntegrationService(backend, there.vault, there.http)
        people = Accounts(store, clock, door, int(settings.session_hours * 3_600_000))
        # The generated bases answer UNIMPLEMENTED: what they stand for is in the contract, and still to be written.
        servicers: dict[str, Any] = {
            "WorkflowService": WorkflowService(backend),
            "AIAgentService": AIAgentService(backend, there.services),
            "IntegrationService": integrations,
            "TriggerService": TriggerService(backend, desk, links, listeners, public_url),
            "AuthService": AuthService(people, sign_in.START if settings.oidc_client_id and door.issuer else ""),
            "AdminService": AdminService(people),
        }
        for name, servicer in servicers.items():
            getattr(workflow_service_pb2_grpc, f"add_{name}Servicer_to_server")(servicer, server)
        healthy = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
        reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        address = f"{settings.grpc_host}:{settings.grpc_port}"
        identity = tls.grpc_credentials(settings)
        port = server.add_secure_port(address, identity) if identity else server.add_insecure_port(address)
        agents = McpServer(calls, servicers, door, settings)
        stack.push_async_callback(agents.close)
        # Every room of api/ adds its routes here; the first that fits serves a request.
        routes: list[BaseRoute] = [
            *oauth.routes(integrations),
            *Gateway(calls, servicers, door, settings, clock).routes(),
            *openapi.routes(),
            *agents.routes(),
            *sign_in.routes(people, door.issuer, public_url),
            *TaskPages(backend, desk, links).routes(),
            *FormPages(triggers, runtime, there.blobs, Signer("form files", *page_keys)).routes(),
            *ChatPages(triggers, runtime, there.definitions, desk, Signer("chat replies", *page_keys)).routes(),
            *pages.routes(),
        ]
        webhooks = Webhooks(
            triggers,
            listeners,
            runtime,
            there.definitions,
            clock,
            there.blobs,
            there.vault.open,
            settings.http_max_body_bytes,
        )
        edge = HttpServer(
            application(routes, middleware(settings)),
            settings.http_host,
            settings.http_port,
            tls.for_http(settings),
            webhooks.doors(),
        )
        await runtime.open()
        stack.push_async_callback(runtime.close)
        await triggers.open()
        stack.push_async_callback(triggers.close)
        retention.open()
        stack.push_async_callback(retention.close)
        if on_temporal is not None:
            await replicas.join(store, triggers, on_temporal.look_now, stack)
        await server.start()
        stack.push_async_callback(server.stop, 5)
        await edge.open()
        stack.push_async_callback(edge.close)
        # The links in its messages lead to the edge.
        notifier.open()
        stack.push_async_callback(notifier.close)
        for name in ("", *SERVICES):
            await healthy.set(name, health_pb2.HealthCheckResponse.SERVING)
        stack.push_async_callback(healthy.enter_graceful_shutdown)
        log.info("serving", grpc=f"{settings.grpc_host}:{port}", http=public_url(), database=store.description)
        return Server(settings, runtime, store, port, edge.port, stack.pop_all())


async def _own(store: Store, on_lost: Callable[[], None] | None) -> None:
    def waits() -> None:
        log.info("standby", reason="another process owns the database; this one takes over when it ends")

    try:
        await asyncio.to_thread(store.acquire_ownership, on_wait=waits, on_lost=on_lost)
    except asyncio.CancelledError:
        store.give_up()
        raise


async def serve(settings: Settings, clock: Clock | None = None) -> None:
    """Serves until SIGTERM or SIGINT, then lets what runs come to a good end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def lost() -> None:
        loop.call_soon_threadsafe(stop.set)

    starting = asyncio.create_task(start(settings, on_lost=lost, clock=clock))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait([starting])
        return
    server = starting.result()
    await stopping
    log.info("stopping")
    await server.close()
    log.info("stopped")
