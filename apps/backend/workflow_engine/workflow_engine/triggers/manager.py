"""All triggers of published workflows, in memory: registered when a workflow is published, gone when it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from workflow_engine.core.clock import Clock
from workflow_engine.core.logging import get_logger
from workflow_engine.models import triggers as stored
from workflow_engine.models.store import Store
from workflow_engine.models.triggers import Live
from workflow_engine.models.writes import Decision
from workflow_engine.nodes.context import Blobs, Context
from workflow_engine.nodes.registry import Registry
from workflow_engine.nodes.trigger.base import HttpTrigger, ListenTrigger, PollTrigger, ScheduleTrigger, Trigger
from workflow_engine.runtime.contract import Runtime
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.triggers.deliver import Deliveries, nobody
from workflow_engine.triggers.registered import Registered
from workflow_engine.triggers.router import Router
from workflow_engine.triggers.scheduler import Scheduler, cursor_of
from workflow_engine.triggers.sources import Sources

log = get_logger(__name__)


class Triggers:
    """Construct it, `open` it once the runtime is open, `close` it before the runtime is closed.

    `deliveries.deliver` is how everything starts; `router` finds the trigger behind a path of the HTTP edge.
    """

    def __init__(
        self,
        store: Store,
        runtime: Runtime,
        definitions: Definitions,
        registry: Registry,
        clock: Clock,
        *,
        entropy: Callable[[int], bytes],
        services: Callable[[Context], Context] = lambda context: context,
        blobs: Blobs | None = None,
        queue_limit: int = 100_000,
        leads: bool = True,
        tell: Callable[[str], Awaitable[None]] = nobody,
    ) -> None:
        """`queue_limit` is how many deliveries may wait for their start before further ones are refused.

        Where there are several processes, all answer HTTP and one `leads`: schedules and sources are its work. The
        others are told, by `tell`, of which workflow the triggers have changed.
        """
        self._leads, self._tell = leads, tell
        self._store, self._registry, self._clock = store, registry, clock
        self.deliveries = Deliveries(
            store,
            runtime,
            definitions,
            clock,
            entropy=entropy,
            blobs=blobs,
            on_pause=self._hush,
            tell=self._tell,
            queue_limit=queue_limit,
        )
        self.router: Router[Registered] = Router()
        self._scheduler = Scheduler(self.deliveries, clock)
        self._sources = Sources(self.deliveries, clock, services)
        self._registered: dict[str, Registered] = {}
        self._unfit: dict[str, str] = {}
        self._loading = asyncio.Lock()

    @property
    def registered(self) -> Mapping[str, Registered]:
        """By id."""
        return MappingProxyType(self._registered)

    def problem(self, id: str) -> str:
        """Why a trigger does not do what it should; empty when it does."""
        if (trigger := self._registered.get(id)) is not None:
            return trigger.row.problem or trigger.problem
        return self._unfit.get(id, "")

    def next_at(self, id: str) -> int | None:
        """When a schedule fires next, in epoch milliseconds; None for what does not, or is no schedule."""
        trigger = self._registered.get(id)
        return None if trigger is None else self._scheduler.next_at(trigger)

    async def open(self) -> None:
        """Takes up all triggers."""
        await self._load("")

    async def reload(self, workflow_id: str) -> None:
        """Takes up what has been stored about a workflow's triggers; to be called after each change of them."""
        await self._load(workflow_id)
        await self._tell(workflow_id)

    async def heard(self, workflow_id: str) -> None:
        """Takes up what another process has stored about a workflow's triggers; or about any, when it is empty."""
        await self._load(workflow_id)

    async def lead(self) -> None:
        """From now on schedules and sources are this process's work."""
        await self._load("", leads=True)

    async def follow(self) -> None:
        """From now on they are another's."""
        self._leads = False
        for trigger in self._registered.values():
            self._hush(trigger)

    async def close(self) -> None:
        await self._scheduler.close()
        await self._sources.close()
        await self.deliveries.close()

    async def pause(self, id: str) -> None:
        """A person pauses a trigger. Raises NotFound."""
        await stored.edit(self._store, id, {"paused": True, "problem": ""})
        await self._reload_one(id)

    async def resume(self, id: str) -> None:
        """A trigger fires again from now on. Raises NotFound."""
        if (trigger := self._registered.get(id)) is not None:
            # Another process may have paused it, or moved it since.
            await self._load(trigger.row.workflow_id)
        if trigger is not None and trigger.row.paused and isinstance(trigger.kind, ScheduleTrigger):
            await self._scheduler.skip_paused(trigger)
        now = self._clock.now_ms()
        await stored.edit(self._store, id, {"paused": False, "problem": "", "resumed_at": now})
        await self._reload_one(id)

    async def _reload_one(self, id: str) -> None:
        row = await asyncio.to_thread(stored.get, self._store, id)
        if row is not None:
            await self.reload(row.workflow_id)

    async def _load(self, workflow_id: str, *, leads: bool = False) -> None:
        """Takes up the triggers of a workflow, or all; and the lead, if this process `leads` from now on."""
        async with self._loading:
            rows = await asyncio.to_thread(stored.live, self._store, workflow_id)
            open_ = await asyncio.to_thread(stored.running, self._store, workflow_id)
            waiting = await asyncio.to_thread(stored.waiting, self._store, workflow_id)
            failed = await asyncio.to_thread(stored.failed, self._store, workflow_id)
            self._drop(workflow_id, {live.trigger.id for live in rows})
            taken = [trigger for live in rows if (trigger := self._take(live)) is not None]
            self._leads |= leads
            self._restore(open_, [(id, pk) for id, pk, decision in waiting if decision is Decision.BUFFERED])
            if not workflow_id:
                await self._take_up([(id, pk) for id, pk, decision in waiting if decision is Decision.RECEIVED])
            for id, execution_id in failed:
                if (trigger := self._registered.get(id)) is not None and not trigger.row.paused:
                    await self.deliveries.pause(trigger, f"execution {execution_id} failed")
            for trigger in taken:
                self._plug(trigger)
                self.deliveries.go_on(trigger)

    def _drop(self, workflow_id: str, kept: set[str]) -> None:
        for trigger in list(self._registered.values()):
            if trigger.id not in kept and workflow_id in ("", trigger.row.workflow_id):
                self._unplug(trigger)
                trigger.gone = True
                del self._registered[trigger.id]

    def _take(self, live: Live) -> Registered | None:
        row = live.trigger
        self._unfit.pop(row.id, None)
        kind = self._registry.find(row.type, row.type_version)
        try:
            if not isinstance(kind, Trigger):
                raise ValueError(f"there is no trigger type {row.type!r} version {row.type_version}")
            fresh = Registered.of(live, kind)
        except ValueError as error:
            log.error("trigger_not_taken_up", trigger_id=row.id, error=str(error))
            self._unfit[row.id] = f"this release can not run it: {error}"
            return None
        known = self._registered.get(row.id)
        if known is None:
            self._registered[row.id] = fresh
            return fresh
        # The same object goes on: what it has under way belongs to it.
        self._unplug(known)
        moved = isinstance(kind, ScheduleTrigger) and cursor_of(fresh) > cursor_of(known)
        known.renew(fresh, inherits=moved or not self._leads)
        return known

    def _restore(self, running: Iterable[tuple[str, str]], buffered: Iterable[tuple[str, int]]) -> None:
        for id, pk in buffered:
            if (trigger := self._registered.get(id)) is not None:
                self.deliveries.wait_again(trigger, pk)
        for id, execution_id in running:
            trigger = self._registered.get(id)
            if trigger is not None and (trigger.follows or trigger.buffered):
                self.deliveries.follow(trigger, execution_id)

    async def _take_up(self, received: Iterable[tuple[str, int]]) -> None:
        """What the last life has received and not started; only a new life does not know of it."""
        for id, pk in received:
            row = await asyncio.to_thread(stored.event, self._store, pk)
            trigger = self._registered.get(id)
            if row is not None and trigger is not None:
                self.deliveries.intake.add(trigger, row, None)
            elif row is not None:
                await self.deliveries.give_up(row, "the trigger was removed before its turn")

    def _plug(self, trigger: Registered) -> None:
        """Lets it fire."""
        kind: Any = trigger.kind
        if isinstance(kind, HttpTrigger):
            trigger.routes = kind.routes(trigger.parameters, trigger.id)
            for route in trigger.routes:
                self.router.add(route, trigger)
        if trigger.row.paused or not self._leads:
            return
        if isinstance(kind, ScheduleTrigger):
            self._scheduler.add(trigger)
        elif isinstance(kind, ListenTrigger | PollTrigger):
            self._sources.start(trigger)

    def _unplug(self, trigger: Registered) -> None:
        for route in trigger.routes:
            self.router.remove(route)
        trigger.routes = []
        self._hush(trigger)

    def _hush(self, trigger: Registered) -> None:
        self._scheduler.remove(trigger)
        self._sources.stop(trigger)
