"""TriggerService, first part: triggers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from pydantic import ValidationError

from workflow_engine.models import triggers as stored
from workflow_engine.models.store import NotFound
from workflow_engine.models.trigger import Trigger
from workflow_engine.models.triggers import Wanted
from workflow_engine.nodes.spec import problem
from workflow_engine.nodes.trigger.base import HttpTrigger, ScheduleTrigger, TriggerParameters
from workflow_engine.nodes.trigger.base import Trigger as TriggerKind
from workflow_engine.nodes.trigger.times import jitter_of
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.services import wire
from workflow_engine.services.access.callers import current
from workflow_engine.services.backend import Backend
from workflow_engine.services.drafts import etag_revision, request_digest
from workflow_engine.services.errors import ServiceError
from workflow_engine.services.paging import Page, token
from workflow_engine.triggers.overlap import OVERLAP
from workflow_engine.triggers.registration import as_wanted
from workflow_engine.utils.structs import struct_to_dict, to_struct

Kind = TriggerKind[TriggerParameters]
PREVIEWED = 10
"""Times that a preview shows when it is not told how many."""


class Triggers:
    """The RPCs about triggers themselves."""

    backend: Backend
    public_url: Callable[[], str]

    async def CreateTrigger(self, request: it.CreateTriggerRequest, context: Any) -> it.CreateTriggerResponse:
        given = request.trigger
        if given.node_id:
            raise ServiceError(
                "TRIGGER_OF_NODE",
                "trigger.node_id: a node's trigger is made when its workflow is published; leave node_id empty",
            )
        kind = self._kind(given.type)
        workflow = await self.backend.workflow(given.workflow_id)
        id, now = self.backend.new_id("trig"), self.backend.clock.now_ms()
        columns = {
            "id": id,
            "workflow_id": workflow.id,
            "node_id": "",
            "credentials": dict(given.credentials),
            "timezone": await self._timezone(workflow.id),
            "paused": given.paused,
        }
        wanted = _wanted(kind, _parameters(kind, given, {}), columns)
        id = await stored.create(
            self.backend.store, wanted, now, key=request.idempotency_key, digest=request_digest(request)
        )
        await self.backend.triggers.reload(workflow.id)
        row = await self._row(id)
        return it.CreateTriggerResponse(success=True, message=f"created trigger {id}", trigger=self._shown(row))

    async def GetTrigger(self, request: it.GetTriggerRequest, context: Any) -> it.GetTriggerResponse:
        row = await self._row(request.trigger_id)
        return it.GetTriggerResponse(success=True, message=f"a {row.type}", trigger=self._shown(row))

    async def UpdateTrigger(self, request: it.UpdateTriggerRequest, context: Any) -> it.UpdateTriggerResponse:
        row = await self._row(request.trigger_id)
        if row.node_id:
            raise ServiceError(
                "TRIGGER_OF_NODE",
                f"the trigger belongs to node {row.node_id!r}: change the node and publish its workflow",
                metadata={"workflow_id": row.workflow_id, "node_id": row.node_id},
            )
        given = request.trigger
        kind = self._kind(row.type, row.type_version)
        old = {} if given.HasField("parameters") else dict(row.parameters)
        credentials = dict(given.credentials) or row.credentials
        columns = {"id": row.id, "node_id": "", "workflow_id": row.workflow_id, "credentials": credentials}
        wanted = _wanted(kind, _parameters(kind, given, old), columns)
        await stored.edit(
            self.backend.store,
            row.id,
            wanted.columns,
            revision=etag_revision(request.etag),
            routes=wanted.routes,
        )
        await self.backend.triggers.reload(row.workflow_id)
        row = await self._row(row.id)
        return it.UpdateTriggerResponse(success=True, message="changed", trigger=self._shown(row))

    async def DeleteTrigger(self, request: it.DeleteTriggerRequest, context: Any) -> it.DeleteTriggerResponse:
        row = await self._row(request.trigger_id)
        if row.node_id:
            raise ServiceError(
                "TRIGGER_OF_NODE",
                f"the trigger belongs to node {row.node_id!r}: unpublish its workflow, or publish it without the node",
                metadata={"workflow_id": row.workflow_id, "node_id": row.node_id},
            )
        try:
            await stored.remove(self.backend.store, row.id, self.backend.clock.now_ms())
        except NotFound:
            raise no_trigger(row.id) from None
        await self.backend.triggers.reload(row.workflow_id)
        return it.DeleteTriggerResponse(success=True, message=f"deleted trigger {row.id}")

    async def ListTriggers(self, request: it.ListTriggersRequest, context: Any) -> it.ListTriggersResponse:
        page = Page.of(request)
        rows = await asyncio.to_thread(
            stored.page,
            self.backend.store,
            workflow_id=request.workflow_id,
            owners=current().owners,
            limit=page.limit + 1,
            after=page.after_change,
        )
        more, rows = len(rows) > page.limit, rows[: page.limit]
        return it.ListTriggersResponse(
            success=True,
            message=f"{len(rows)} triggers",
            triggers=[self._shown(row) for row in rows],
            next_page_token=token(rows[-1].created_at, rows[-1].id) if more else "",
        )

    async def PauseTrigger(self, request: it.PauseTriggerRequest, context: Any) -> it.PauseTriggerResponse:
        try:
            await self.backend.triggers.pause(request.trigger_id)
        except NotFound:
            raise no_trigger(request.trigger_id) from None
        return it.PauseTriggerResponse(success=True, message="it starts nothing until it is resumed")

    async def ResumeTrigger(self, request: it.ResumeTriggerRequest, context: Any) -> it.ResumeTriggerResponse:
        try:
            await self.backend.triggers.resume(request.trigger_id)
        except NotFound:
            raise no_trigger(request.trigger_id) from None
        return it.ResumeTriggerResponse(success=True, message="it fires again from now on")

    async def PreviewTrigger(self, request: it.PreviewTriggerRequest, context: Any) -> it.PreviewTriggerResponse:
        given = request.trigger
        parameters: dict[str, Any] = {}
        if given.id:
            await self.backend.scope.check_message(current(), it.GetTriggerRequest(trigger_id=given.id))
            row = await self._row(given.id)
            kind, timezone = self._kind(row.type, row.type_version), row.timezone
            if not given.HasField("parameters"):
                parameters = dict(row.parameters)
        else:
            kind = self._kind(given.type)
            timezone = await self._timezone(given.workflow_id) if given.workflow_id else "UTC"
        if not isinstance(kind, ScheduleTrigger):
            raise ServiceError(
                "INVALID_REQUEST",
                f"trigger.type: {kind.type} is no schedule, so nobody knows when it fires",
                violations=[("trigger.type", "is no schedule")],
            )
        checked = _checked(kind, _parameters(kind, given, parameters))
        after = request.after.ToMilliseconds() if request.HasField("after") else self.backend.clock.now_ms()
        times: list[Any] = []
        for tick in kind.schedule(checked, timezone).ticks(after):
            times.append(wire.timestamp(tick + jitter_of(given.id, tick, kind.jitter(checked) if given.id else 0)))
            if len(times) == (request.count or PREVIEWED):
                break
        zone = getattr(checked, "timezone", "") or timezone
        return it.PreviewTriggerResponse(success=True, message=f"{len(times)} times", times=times, timezone=zone)

    # parts

    def _kind(self, type: str, version: int = 0) -> Kind:
        kind = self.backend.registry.find(type, version)
        if not isinstance(kind, TriggerKind):
            known = ", ".join(node.type for node in self.backend.registry if isinstance(node, TriggerKind))
            raise ServiceError(
                "INVALID_REQUEST",
                f"trigger.type: {type!r} is no trigger; there are {known}",
                violations=[("trigger.type", "is no trigger")],
            )
        return kind

    async def _timezone(self, workflow_id: str) -> str:
        definition = await self.backend.definition(workflow_id, 0)
        return definition.settings.timezone or "UTC"

    async def _row(self, id: str) -> Trigger:
        row = await asyncio.to_thread(stored.get, self.backend.store, id)
        if row is None:
            raise no_trigger(id)
        return row

    def _shown(self, row: Trigger) -> it.Trigger:
        triggers = self.backend.triggers
        registered = triggers.registered.get(row.id)
        trigger = it.Trigger(
            id=row.id,
            workflow_id=row.workflow_id,
            node_id=row.node_id,
            type=row.type,
            parameters=to_struct(row.parameters),
            paused=row.paused,
            overlap=cast("it.OverlapPolicy.ValueType", row.overlap),
            catch_up_limit=row.catch_up_limit,
            pause_on_failure=row.pause_on_failure,
            condition=row.condition,
            next_at=wire.timestamp(triggers.next_at(row.id)),
            created_at=wire.timestamp(row.created_at),
            etag=str(row.revision),
            problem=row.problem or triggers.problem(row.id),
            credentials=row.credentials,
        )
        trigger.catch_up_window.FromMilliseconds(row.catch_up_window)
        if registered is not None and isinstance(registered.kind, HttpTrigger) and registered.routes:
            trigger.webhook_url = self.public_url() + registered.routes[0].partition(" ")[2]
        return trigger


def no_trigger(id: str) -> ServiceError:
    return ServiceError("TRIGGER_NOT_FOUND", f"there is no trigger {id!r}", metadata={"trigger_id": id})


def _parameters(kind: Kind, given: it.Trigger, old: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a trigger made by hand; what the message says beside them comes first."""
    parameters = struct_to_dict(given.parameters) if given.HasField("parameters") else dict(old)
    if given.condition:
        parameters["condition"] = given.condition
    if given.overlap:
        parameters["overlap"] = OVERLAP[given.overlap]
    if given.pause_on_failure:
        parameters["pause_on_failure"] = True
    if given.HasField("catch_up_window"):
        parameters["catch_up_window"] = given.catch_up_window.ToMilliseconds() / 1000
    if given.catch_up_limit:
        parameters["catch_up_limit"] = given.catch_up_limit
    for wrong in kind.check(parameters):
        raise _invalid(wrong.field, wrong.message)
    return parameters


def _checked(kind: Kind, parameters: dict[str, Any]) -> Any:
    try:
        return kind.parameters.model_validate(parameters)
    except ValidationError as failed:
        first = problem(failed.errors(include_url=False)[0])
        raise _invalid(first.field, first.message) from None


def _wanted(kind: Kind, parameters: dict[str, Any], columns: dict[str, Any]) -> Wanted:
    _checked(kind, parameters)
    return as_wanted(kind, parameters, columns)


def _invalid(field: str, message: str) -> ServiceError:
    place = f"trigger.parameters.{field}" if field else "trigger.parameters"
    return ServiceError("INVALID_REQUEST", f"{place}: {message}", violations=[(place, message)])
