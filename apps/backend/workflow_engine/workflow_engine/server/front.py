"""The services of the contract, and what they share: gRPC and HTTP are two edges around the same ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from workflow_engine.api import sign_in
from workflow_engine.core.signing import Signer
from workflow_engine.proto import workflow_service_pb2
from workflow_engine.runtime.contract import Runtime
from workflow_engine.services.access.accounts import Accounts
from workflow_engine.services.access.audit import Audit
from workflow_engine.services.access.door import Door
from workflow_engine.services.access.scope import Scope
from workflow_engine.services.admin_service import AdminService
from workflow_engine.services.ai_agent_service import AIAgentService
from workflow_engine.services.auth_service import AuthService
from workflow_engine.services.backend import Backend
from workflow_engine.services.calls import Calls
from workflow_engine.services.desk import Desk
from workflow_engine.services.integration_service import IntegrationService
from workflow_engine.services.links import Links
from workflow_engine.services.trigger_service import TriggerService
from workflow_engine.services.workflow_service import WorkflowService
from workflow_engine.triggers.listening import Listeners
from workflow_engine.triggers.manager import Triggers
from workflow_engine.wiring import World

SERVICES = tuple(service.full_name for service in workflow_service_pb2.DESCRIPTOR.services_by_name.values())


@dataclass(frozen=True, slots=True)
class Front:
    there: World
    runtime: Runtime
    triggers: Triggers
    door: Door
    calls: Calls
    people: Accounts
    backend: Backend
    desk: Desk
    links: Links
    listeners: Listeners
    integrations: IntegrationService
    servicers: dict[str, Any]
    """By the service's short name."""
    public_url: Callable[[], str]
    """Where people reach HTTP."""


def links_of(there: World, public_url: Callable[[], str]) -> Links:
    return Links(Signer("task links", *there.settings.secret_keys), public_url)


def front(
    there: World,
    runtime: Runtime,
    triggers: Triggers,
    door: Door,
    audit: Audit,
    links: Links,
    public_url: Callable[[], str],
    announce: Callable[[Connection], None] | None = None,
) -> Front:
    """The services on top of a runtime. `announce` tells other servers of changes of people, in their transaction."""
    settings, store, clock = there.settings, there.store, there.clock
    scope, listeners = Scope(store), Listeners()
    backend = Backend(store, there.definitions, runtime, there.registry, clock, there.blobs, scope, triggers)
    desk = Desk(backend)
    people = Accounts(store, clock, door, int(settings.session_hours * 3_600_000), announce)
    integrations = IntegrationService(backend, there.vault, there.http)
    return Front(
        there=there,
        runtime=runtime,
        triggers=triggers,
        door=door,
        calls=Calls(door, scope, audit),
        people=people,
        backend=backend,
        desk=desk,
        links=links,
        listeners=listeners,
        integrations=integrations,
        servicers={
            "WorkflowService": WorkflowService(backend),
            "AIAgentService": AIAgentService(backend, there.services),
            "IntegrationService": integrations,
            "TriggerService": TriggerService(backend, desk, links, listeners, public_url),
            "AuthService": AuthService(people, sign_in.START if settings.oidc_client_id and door.issuer else ""),
            "AdminService": AdminService(people),
        },
        public_url=public_url,
    )
