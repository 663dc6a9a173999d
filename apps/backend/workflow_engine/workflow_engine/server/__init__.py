"""The composition root: the one place that knows every room and puts the server together."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from workflow_engine import replicas
from workflow_engine.core.clock import Clock, SystemClock
from workflow_engine.core.config import Settings
from workflow_engine.core.logging import get_logger
from workflow_engine.models.store import Store
from workflow_engine.nodes.registry import Registry, installed
from workflow_engine.runtime.contract import Runtime
from workflow_engine.runtime.local import LocalRuntime
from workflow_engine.runtime.notifier import Notifier
from workflow_engine.runtime.retention import Policy, Retention
from workflow_engine.server.front import front, links_of
from workflow_engine.server.grpc_edge import GrpcServer
from workflow_engine.server.http_edge import http_server
from workflow_engine.server.refusal import RefusedToStart, try_to_listen
from workflow_engine.services.access.audit import Audit
from workflow_engine.services.access.door import Door
from workflow_engine.services.access.first import first_admin
from workflow_engine.triggers.manager import Triggers
from workflow_engine.wiring import World, open_store, world

log = get_logger(__name__)


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


def check_host(settings: Settings) -> None:
    """Raises RefusedToStart for a server without users that anyone on the network could reach."""
    for name, host in (("GRPC_HOST", settings.grpc_host), ("HTTP_HOST", settings.http_host)):
        if not _is_loopback(host) and not settings.allow_unauthenticated:
            raise RefusedToStart(
                f"{name}={host} is open to the network, and there are no users yet, so whoever reaches it could do "
                "everything. In the environment or in .env, set one of\n"
                f"  {name}=127.0.0.1\n      to serve this machine alone\n"
                "  ADMIN_EMAIL=you@example.com and ADMIN_PASSWORD=...\n      to make the first user, as "
                "`workflow-engine users create you@example.com --admin` does\n"
                "  ALLOW_UNAUTHENTICATED=true\n      where a proxy or a firewall protects the port"
            )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reached_at(host: str) -> str:
    """How a URL names a host that is listened on; "every address" is none that a browser could go to."""
    if host in ("0.0.0.0", "::"):  # noqa: S104  (nothing is bound here)
        return "localhost"
    return f"[{host}]" if ":" in host else host


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
        is_open = not settings.names_first_admin and not await door.is_required()
        if is_open:
            check_host(settings)
        there = world(settings, store, registry, clock, stack)

        def public_url() -> str:
            scheme = "https" if settings.tls_cert_file else "http"
            return settings.public_url.rstrip("/") or f"{scheme}://{_reached_at(settings.http_host)}:{http.port}"

        links = links_of(there, public_url)
        on_temporal = settings.engine_runtime == "temporal"
        on_lead: Callable[[], None] | None = None
        notifier = Notifier(store, registry, clock, there.services, links.make, shared=on_temporal)
        if on_temporal:
            # Only here, because Temporal's client takes long to import.
            from workflow_engine.worker import temporal_runtime

            store.share()
            temporal = await temporal_runtime(settings, there)
            runtime: Runtime = temporal
            on_lead = temporal.look_now
        else:
            await _own(store, on_lost)
            runtime = _local_runtime(there, notifier)
        there.runtime.append(runtime)
        retention = _retention(there, runtime)
        await first_admin(store, settings, clock)
        door.forget()
        audit = Audit(store, clock)
        await audit.prune(settings.audit_days)
        triggers = _triggers(there, runtime)
        announce = replicas.tell_of_people if on_temporal else None
        services = front(there, runtime, triggers, door, audit, links, public_url, announce)
        try_to_listen("GRPC", settings.grpc_host, settings.grpc_port)
        try_to_listen("HTTP", settings.http_host, settings.http_port)
        rpc, http = GrpcServer(services), http_server(services, stack)

        await runtime.open()
        stack.push_async_callback(runtime.close)
        await triggers.open()
        stack.push_async_callback(triggers.close)
        retention.open()
        stack.push_async_callback(retention.close)
        if on_lead is not None:
            await replicas.join(store, triggers, on_lead, door.forget, stack)
        await rpc.open()
        stack.push_async_callback(rpc.close)
        await http.open()
        stack.push_async_callback(http.close)
        # The links in its messages lead to the edge.
        notifier.open()
        stack.push_async_callback(notifier.close)
        await rpc.ready()
        stack.push_async_callback(rpc.leaving)
        if is_open and not (_is_loopback(settings.grpc_host) and _is_loopback(settings.http_host)):
            log.warning(
                "open_to_everybody",
                reason="ALLOW_UNAUTHENTICATED=true: whoever reaches these ports may do everything",
                hint="set ADMIN_EMAIL and ADMIN_PASSWORD, or publish the ports on 127.0.0.1 alone",
            )
        log.info("serving", grpc=f"{settings.grpc_host}:{rpc.port}", http=public_url(), database=store.description)
        return Server(settings, runtime, store, rpc.port, http.port, stack.pop_all())


def _local_runtime(there: World, notifier: Notifier) -> LocalRuntime:
    runtime = LocalRuntime(
        there.store,
        there.definitions,
        there.clock,
        services=there.services,
        entropy=os.urandom,
        blobs=there.blobs,
        queue_limit=there.settings.queue_limit,
        on_notice=notifier.told,
    )
    runtime.on_end = there.endings.tell
    return runtime


def _retention(there: World, runtime: Runtime) -> Retention:
    settings = there.settings
    return Retention(
        there.store,
        there.clock,
        Policy(round(settings.retention_max_age_days * 86_400_000), settings.retention_max_count),
        runtime=runtime if isinstance(runtime, LocalRuntime) else None,
        # Temporal's own histories name blobs that nobody else knows of.
        blobs=there.blobs if isinstance(runtime, LocalRuntime) else None,
    )


def _triggers(there: World, runtime: Runtime) -> Triggers:
    # Replicas share the database: one of them leads, and all tell each other what has changed.
    alone = isinstance(runtime, LocalRuntime)
    shared: dict[str, Any] = {} if alone else {"leads": False, "tell": replicas.teller(there.store)}
    return Triggers(
        there.store,
        runtime,
        there.definitions,
        there.registry,
        there.clock,
        entropy=os.urandom,
        services=there.services,
        blobs=there.blobs,
        queue_limit=there.settings.queue_limit,
        **shared,
    )


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
