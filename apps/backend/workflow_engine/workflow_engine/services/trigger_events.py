"""TriggerService, second part: what comes to triggers, and firing them by hand."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from workflow_engine.engine.items import Item
from workflow_engine.models import triggers as stored
from workflow_engine.models.writes import Decision, TriggerEventRow
from workflow_engine.nodes.trigger.base import ScheduleTrigger
from workflow_engine.nodes.trigger.times import tick_item
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.services import wire
from workflow_engine.services.access.callers import current
from workflow_engine.services.backend import Backend
from workflow_engine.services.errors import ServiceError
from workflow_engine.services.paging import Page, token
from workflow_engine.services.triggers import no_trigger
from workflow_engine.triggers.deliver import PayloadGone
from workflow_engine.triggers.overlap import OVERLAP
from workflow_engine.triggers.registered import Registered
from workflow_engine.utils.structs import struct_to_dict

MOST_TICKS = 10_000
"""Ticks that one backfill fires."""
EVENT = "evt_"


class TriggerEvents:
    """The RPCs about deliveries."""

    backend: Backend

    async def FireTrigger(self, request: it.FireTriggerRequest, context: Any) -> it.FireTriggerResponse:
        trigger = await self._registered(request.trigger_id)
        row = await self.backend.triggers.deliveries.deliver(
            trigger,
            [Item(struct_to_dict(request.payload))],
            delivery_id=f"fire:{request.idempotency_key}" if request.idempotency_key else "",
            by_hand=True,
        )
        return it.FireTriggerResponse(success=_went_well(row), message=_told(row), event=event_to_proto(row))

    async def ListTriggerEvents(
        self, request: it.ListTriggerEventsRequest, context: Any
    ) -> it.ListTriggerEventsResponse:
        page, store = Page.of(request), self.backend.store
        rows = await asyncio.to_thread(
            stored.events, store, request.trigger_id, limit=page.limit + 1, before=page.before
        )
        # The events of a trigger outlive it.
        if not rows and await asyncio.to_thread(stored.get, store, request.trigger_id) is None:
            raise no_trigger(request.trigger_id)
        more, rows = len(rows) > page.limit, rows[: page.limit]
        return it.ListTriggerEventsResponse(
            success=True,
            message=f"{len(rows)} events",
            events=[event_to_proto(row) for row in rows],
            next_page_token=token(rows[-1].pk) if more else "",
        )

    async def BackfillTrigger(self, request: it.BackfillTriggerRequest, context: Any) -> it.BackfillTriggerResponse:
        trigger = await self._registered(request.trigger_id)
        kind = trigger.kind
        if not isinstance(kind, ScheduleTrigger):
            raise ServiceError(
                "INVALID_REQUEST",
                f"trigger_id: {kind.type} is no schedule; replay what came to it instead",
                violations=[("trigger_id", "is no schedule")],
            )
        first, last = getattr(request, "from").ToMilliseconds(), request.to.ToMilliseconds()
        ticks: list[int] = []
        for tick in kind.schedule(trigger.parameters, trigger.row.timezone).ticks(first - 1):
            if tick > last:
                break
            ticks.append(tick)
            if len(ticks) > MOST_TICKS:
                raise ServiceError(
                    "INVALID_REQUEST",
                    f"to: more than {MOST_TICKS} ticks lie in this span; split it",
                    violations=[("to", "is too far from `from`")],
                )
        zone = getattr(trigger.parameters, "timezone", "") or trigger.row.timezone
        key = request.idempotency_key
        started = 0
        for tick in ticks:
            row = await self.backend.triggers.deliveries.deliver(
                trigger,
                [tick_item(tick, zone)],
                delivery_id=f"backfill:{key}:{tick}" if key else "",
                at=tick,
                overlap=OVERLAP.get(request.overlap, "buffer_all"),
                by_hand=True,
            )
            started += row.decision in (Decision.STARTED, Decision.BUFFERED)
        return it.BackfillTriggerResponse(
            success=True,
            message=f"{started} of {len(ticks)} ticks have started an execution or wait for their turn",
            started=started,
            skipped=len(ticks) - started,
        )

    async def ReplayTriggerEvent(
        self, request: it.ReplayTriggerEventRequest, context: Any
    ) -> it.ReplayTriggerEventResponse:
        number = request.event_id.removeprefix(EVENT)
        known = number.isdecimal() and len(number) < 19
        row = await asyncio.to_thread(stored.event, self.backend.store, int(number)) if known else None
        if row is None:
            raise _no_event(request.event_id, "there is no such event")
        try:
            # The request names the trigger by its event only.
            await self.backend.scope.check_message(current(), it.GetTriggerRequest(trigger_id=row.trigger_id))
        except ServiceError:
            raise _no_event(request.event_id, "there is no such event") from None
        trigger = await self._registered(row.trigger_id)
        try:
            items = await self.backend.triggers.deliveries.payload(row)
        except PayloadGone as gone:
            raise _no_event(request.event_id, str(gone)) from None
        key = request.idempotency_key
        again = await self.backend.triggers.deliveries.deliver(
            trigger, items, delivery_id=f"replay:{row.pk}:{key}" if key else "", by_hand=True
        )
        return it.ReplayTriggerEventResponse(
            success=_went_well(again), message=_told(again), event=event_to_proto(again)
        )

    async def _registered(self, id: str) -> Registered:
        trigger = self.backend.triggers.registered.get(id)
        if trigger is not None:
            return trigger
        if await asyncio.to_thread(stored.get, self.backend.store, id) is None:
            raise no_trigger(id)
        raise ServiceError(
            "NOT_PUBLISHED",
            self.backend.triggers.problem(id) or "the trigger's workflow is not published: publish it first",
            metadata={"trigger_id": id},
        )


def _no_event(id: str, why: str) -> ServiceError:
    return ServiceError("EVENT_NOT_FOUND", f"event_id {id!r}: {why}", metadata={"event_id": id})


def _went_well(row: TriggerEventRow) -> bool:
    return row.decision in (Decision.STARTED, Decision.BUFFERED, Decision.DUPLICATE)


def _told(row: TriggerEventRow) -> str:
    return row.detail or row.decision.name.lower().replace("_", " ")


def event_to_proto(row: TriggerEventRow) -> it.TriggerEvent:
    return it.TriggerEvent(
        id=f"{EVENT}{row.pk}",
        trigger_id=row.trigger_id,
        at=wire.timestamp(row.at),
        decided_at=wire.timestamp(row.decided_at),
        decision=cast("it.TriggerDecision.ValueType", int(row.decision)),
        execution_id=row.execution_id,
        detail=row.detail,
        count=row.count,
        last_at=wire.timestamp(row.last_at),
    )
