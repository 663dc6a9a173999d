"""Keeps what listens listening, and looks again where nobody tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from workflow_engine.core.clock import Clock
from workflow_engine.core.logging import get_logger
from workflow_engine.engine.items import Items, Json
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.trigger.base import Delivered, ListenTrigger, PollTrigger, Source
from workflow_engine.triggers.deliver import Deliveries
from workflow_engine.triggers.registered import Registered
from workflow_engine.utils.json import dumps, loads

log = get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1_000, 60_000
"""Milliseconds before a source that failed is tried again; doubled each time."""
LASTING = 60_000
"""Milliseconds after which a listener that then fails is taken to have worked."""


class Sources:
    """One task for each registered trigger that listens or looks."""

    def __init__(self, deliveries: Deliveries, clock: Clock, services: Callable[[Context], Context]) -> None:
        self._deliveries, self._clock, self._services = deliveries, clock, services
        self._tasks: dict[Registered, asyncio.Task[None]] = {}
        self._stopping: set[asyncio.Task[None]] = set()

    def start(self, trigger: Registered) -> None:
        self._tasks[trigger] = asyncio.ensure_future(self._run(trigger, self._stopping.copy()))

    def stop(self, trigger: Registered) -> None:
        if (task := self._tasks.pop(trigger, None)) is not None:
            task.cancel()
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)

    async def close(self) -> None:
        for trigger in list(self._tasks):
            self.stop(trigger)
        await asyncio.gather(*self._stopping, return_exceptions=True)

    async def _run(self, trigger: Registered, before: set[asyncio.Task[None]]) -> None:
        # The one that it takes the place of lets go of its connection first.
        if before:
            await asyncio.wait(before)
        pause = FIRST_PAUSE
        while True:
            began = self._clock.now_ms()
            source = self._source(trigger)
            try:
                if isinstance(trigger.kind, PollTrigger):
                    await self._look(trigger, trigger.kind, source)
                    trigger.problem, pause = "", FIRST_PAUSE
                    await self._sleep(trigger.kind.interval(trigger.parameters))
                    continue
                assert isinstance(trigger.kind, ListenTrigger)
                await trigger.kind.listen(source)
                trigger.problem = "it stopped listening by itself"
            except Exception as error:
                trigger.problem = source.context.handed_out.text(f"{error}" or type(error).__name__)
            log.warning("source_failed", trigger_id=trigger.id, type=trigger.kind.type, why=trigger.problem)
            if self._clock.now_ms() - began > LASTING:
                pause = FIRST_PAUSE
            await self._sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _look(self, trigger: Registered, kind: PollTrigger[Any], source: Source) -> None:
        polled = await kind.poll(source)
        for found in polled.found:
            await source.emit(found.items, delivery_id=found.delivery_id, at=found.at)
        if polled.cursor != source.cursor:
            await source.save(polled.cursor)

    def _source(self, trigger: Registered) -> Source:
        async def emit(
            items: Items, *, delivery_id: str = "", at: int | None = None, cursor: Json | None = None
        ) -> Delivered:
            moved = None if cursor is None else dumps(cursor).decode()
            row = await self._deliveries.deliver(trigger, items, delivery_id=delivery_id, at=at, cursor=moved)
            trigger.problem = ""
            return Delivered(row.decision.name, row.execution_id)

        async def save(cursor: Json) -> None:
            await self._deliveries.save(trigger, dumps(cursor).decode())

        def listens() -> None:
            trigger.problem = ""

        row = trigger.row
        return Source(
            trigger_id=row.id,
            workflow_id=row.workflow_id,
            node_id=row.node_id,
            parameters=trigger.parameters,
            credentials=dict(row.credentials),
            context=self._services(Context(row.id, row.workflow_id, self._clock.now_ms(), timezone=row.timezone)),
            cursor=loads(trigger.cursor) if trigger.cursor else None,
            emit=emit,
            save=save,
            listens=listens,
        )

    async def _sleep(self, ms: int) -> None:
        began = self._clock.now_ms()
        until = began + ms
        # Nobody knows how long a sleep has lasted when the clock was set back.
        while began <= self._clock.now_ms() < until:
            rings = asyncio.Event()
            alarm = self._clock.call_at(until, rings.set)
            try:
                await rings.wait()
            finally:
                alarm.cancel()
