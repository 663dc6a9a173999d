"""TriggerService: what starts executions by itself, and what they wait for from people."""

from __future__ import annotations

from collections.abc import Callable

from workflow_engine.proto import workflow_service_pb2_grpc
from workflow_engine.services.backend import Backend
from workflow_engine.services.desk import Desk
from workflow_engine.services.links import Links
from workflow_engine.services.tasks import Tasks
from workflow_engine.services.trigger_events import TriggerEvents
from workflow_engine.services.trigger_tests import TriggerTests
from workflow_engine.services.triggers import Triggers
from workflow_engine.triggers.listening import Listeners


class TriggerService(Triggers, TriggerEvents, TriggerTests, Tasks, workflow_service_pb2_grpc.TriggerServiceServicer):
    """All RPCs, each in the part that it belongs to."""

    def __init__(
        self, backend: Backend, desk: Desk, links: Links, listeners: Listeners, public_url: Callable[[], str]
    ) -> None:
        """`public_url` is where the HTTP edge is reached, without a slash at its end."""
        self.backend, self.desk, self.links = backend, desk, links
        self.listeners, self.public_url = listeners, public_url
