"""Triggers under a test's control: a runtime whose clock stands still, with workflows published on it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.clock import ManualClock
from tests.engine.rig import items, workflow
from tests.runtime.engine import Engine, World, engine
from workflow_engine.engine.planning import build
from workflow_engine.models import triggers as stored
from workflow_engine.models.writes import Status, TriggerEventRow
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.registry import Registry
from workflow_engine.services.backend import canonical
from workflow_engine.triggers.manager import Triggers
from workflow_engine.triggers.registered import Registered
from workflow_engine.triggers.registration import wanted

START = 1_750_000_000_000
"""When every story begins: 2025-06-15T15:06:40Z."""


@dataclass
class Rig:
    """One life of a process with triggers."""

    engine: Engine
    triggers: Triggers
    registry: Registry
    world: World

    @property
    def clock(self) -> ManualClock:
        return self.engine.clock

    async def publish(self, id: str, drawing: dict[str, Any]) -> list[Registered]:
        """Creates a workflow, or changes it, and publishes it as the service does; returns its triggers."""
        definition = workflow({**drawing, "id": id})
        plan = build(definition, self.registry).plan
        assert plan is not None, build(definition, self.registry).errors
        store, now, draft = self.engine.store, self.clock.now_ms(), canonical(definition)
        if store.workflow(id) is None:
            row = {"id": id, "name": id, "description": "", "user_id": "ada", "draft": draft, "draft_revision": 1}
            row |= {"published_version": 0, "active": False, "created_at": now, "updated_at": now}
            await store.create_workflow(row)
        also = stored.register(id, wanted(definition, plan), now)
        await store.publish(id, draft, revision=1, message="", by="", now=now, also=also)
        await self.triggers.reload(id)
        return [each for each in self.triggers.registered.values() if each.row.workflow_id == id]

    async def unpublish(self, id: str) -> None:
        none = stored.register(id, [], self.clock.now_ms())
        await self.engine.store.set_active(id, False, 0, also=none)
        await self.triggers.reload(id)

    async def deliver(self, trigger: Registered, record: dict[str, Any], **more: Any) -> TriggerEventRow:
        return await self.triggers.deliveries.deliver(trigger, items([record]), **more)

    def events(self, trigger: Registered) -> list[TriggerEventRow]:
        """Oldest first."""
        return stored.events(self.engine.store, trigger.id, limit=100_000)[::-1]

    def decisions(self, trigger: Registered) -> list[str]:
        return [event.decision.name for event in self.events(trigger)]

    async def quiet(self) -> None:
        """Returns when nothing happens any more by itself; what stands before a closed gate does not."""
        still = 0
        while still < 5:
            still = 0 if self._busy() else still + 1
            await asyncio.sleep(0)

    def _busy(self) -> bool:
        runtime = self.engine.runtime
        return (
            bool(runtime._background or self.triggers._scheduler._firing or self.triggers.deliveries._background)
            or not self.triggers.deliveries.intake.is_idle
            or any(trigger.draining or self._has_ended(trigger) for trigger in self.triggers.registered.values())
            or any(
                live.committing or live.buffer or live.yielding or any(not self._gated(live, key) for key in live.tasks)
                for live in runtime._live.values()
            )
        )

    def _gated(self, live: Any, key: Any) -> bool:
        gate = self.world.gates.get(live.state.plan.nodes[key[0]].id)
        return gate is not None and not gate.is_set()

    def _has_ended(self, trigger: Registered) -> bool:
        """An execution has, though the trigger does not know yet."""
        rows = (self.engine.store.execution(id) for id in trigger.running if id not in self.engine.runtime._ids)
        return any(row is not None and row.status >= Status.SUCCESS for row in rows)

    async def until(self, at: int) -> None:
        """Moves the clock to a moment, ringing every alarm on the way and letting it do its work."""
        await self.quiet()
        while (alarm := self.clock.next_alarm()) is not None and alarm <= at:
            self.clock.advance(max(alarm - self.clock.now_ms(), 0))
            await self.quiet()
        self.clock.advance(at - self.clock.now_ms())
        await self.quiet()

    async def forward(self, ms: int) -> None:
        await self.until(self.clock.now_ms() + ms)


@asynccontextmanager
async def rig(
    url: str,
    world: World | None = None,
    clock: ManualClock | None = None,
    registry: Registry | None = None,
    services: Callable[[Context], Context] = lambda context: context,
) -> AsyncIterator[Rig]:
    """A process; leaving it stops it at once, as a crash does."""
    world = world or World()
    registry = registry or world.registry()
    async with engine(url, world, clock, registry) as running:
        triggers = Triggers(
            running.store,
            running.runtime,
            running.runtime._definitions,
            registry,
            running.clock,
            entropy=os.urandom,
            services=services,
        )
        await triggers.open()
        try:
            yield Rig(running, triggers, registry, world)
        finally:
            await triggers.close()
