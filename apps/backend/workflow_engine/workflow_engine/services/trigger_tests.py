"""TriggerService, third part: trying a webhook before its workflow is published."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from workflow_engine.engine.expressions import ExpressionError
from workflow_engine.engine.items import Items
from workflow_engine.nodes.trigger.base import HttpTrigger
from workflow_engine.nodes.trigger.webhook import PREFIX, TEST_PREFIX
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.runtime.contract import Start
from workflow_engine.services.backend import Backend, canonical
from workflow_engine.services.errors import ServiceError
from workflow_engine.triggers.listening import Listener, Listeners
from workflow_engine.triggers.registration import resolved, trigger_id

DEFAULT_TIMEOUT = 120.0
"""Seconds."""


class TriggerTests:
    """The RPC that listens at a test URL."""

    backend: Backend
    listeners: Listeners
    public_url: Callable[[], str]

    async def ListenTrigger(
        self, request: it.ListenTriggerRequest, context: Any
    ) -> AsyncIterator[it.ListenTriggerResponse]:
        listener, routes = await self._listener(request)
        timeout = request.timeout.ToNanoseconds() / 1e9 if request.HasField("timeout") else DEFAULT_TIMEOUT
        called = listener.called
        with self.listeners.listening(listener, routes):
            url = self.public_url() + routes[0].partition(" ")[2]
            yield it.ListenTriggerResponse(success=True, message="call the test URL now", url=url)
            await asyncio.wait([called], timeout=timeout)
        if called.cancelled():
            yield it.ListenTriggerResponse(success=False, message="somebody else listens here now", url=url)
        elif not called.done():
            yield it.ListenTriggerResponse(success=False, message=f"no call came within {timeout:g} s", url=url)
        else:
            id = called.result()
            yield it.ListenTriggerResponse(success=True, message="called", url=url, execution_id=id)

    async def _listener(self, request: it.ListenTriggerRequest) -> tuple[Listener, list[str]]:
        backend = self.backend
        row = await backend.workflow(request.workflow_id)
        draft = pb.Workflow.FromString(row.draft)
        plan = backend.planned(draft).plan
        assert plan is not None
        index = plan.by_id.get(request.node_id)
        if index is None:
            raise ServiceError("NODE_NOT_FOUND", f"node_id: the workflow has no node {request.node_id!r}")
        node = plan.nodes[index]
        if not isinstance(node.kind, HttpTrigger):
            raise ServiceError(
                "INVALID_REQUEST",
                f"node_id: {node.id!r} is a {node.kind.type}, which is not called over HTTP",
                violations=[("node_id", "is not called over HTTP")],
            )
        try:
            parameters = node.kind.parameters.model_validate(resolved(plan, node))
        except (ExpressionError, ValueError) as wrong:
            raise ServiceError("INVALID_WORKFLOW", f"node {node.id!r}: {wrong}") from None
        digest = await backend.store.keep_definition(canonical(draft))

        async def start(items: Items) -> str:
            return await backend.runtime.start(
                Start(
                    workflow_id=row.id,
                    digest=digest,
                    user_id=row.user_id,
                    mode=ex.WEBHOOK,
                    triggered_by="test",
                    input=items,
                    trigger=node.id,
                    priority=plan.priority,
                )
            )

        credentials = next(dict(each.credentials) for each in draft.nodes if each.id == node.id)
        listener = Listener(row.id, node.id, parameters, credentials, digest, start)
        id = trigger_id(row.id, node.id)
        return listener, [
            route.replace(f" {PREFIX}/", f" {TEST_PREFIX}/", 1) for route in node.kind.routes(parameters, id)
        ]
