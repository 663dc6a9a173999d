"""Executions that have ended, for triggers that start when they do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from sqlalchemy import and_, exists, select
from sqlalchemy.orm import aliased

from workflow_engine.core.clock import Clock
from workflow_engine.engine.items import Items
from workflow_engine.models.execution import WorkflowExecution
from workflow_engine.models.store import Store
from workflow_engine.models.workflow import Workflow
from workflow_engine.models.writes import Status
from workflow_engine.nodes.context import Ending
from workflow_engine.runtime.contract import Runtime

ROW = WorkflowExecution.__table__.columns
UNTOLD = 30_000
"""Milliseconds after which it is looked again although nobody has told: another process may carry executions out."""


class StoredEndings:
    """Implements `nodes.context.Endings`."""

    def __init__(self, store: Store, clock: Clock, runtime: Callable[[], Runtime]) -> None:
        self._store, self._clock, self._runtime = store, clock, runtime
        self._count = 0
        self._waiting: set[asyncio.Event] = set()

    def tell(self) -> None:
        """An execution has ended, and that is stored."""
        self._count += 1
        for event in self._waiting:
            event.set()

    def told(self) -> int:
        return self._count

    async def news(self, since: int) -> None:
        if self._count != since:
            return
        event = asyncio.Event()
        self._waiting.add(event)
        alarm = self._clock.call_at(self._clock.now_ms() + UNTOLD, event.set)
        try:
            await event.wait()
        finally:
            alarm.cancel()
            self._waiting.discard(event)

    async def ended(self, watcher: str, workflow_ids: Sequence[str], since: int, limit: int) -> list[Ending]:
        return await asyncio.to_thread(self._ended, watcher, workflow_ids, since, limit)

    def _ended(self, watcher: str, workflow_ids: Sequence[str], since: int, limit: int) -> list[Ending]:
        own = aliased(Workflow)
        of_one_owner = exists().where(own.id == watcher, own.user_id == ROW.user_id)
        columns = [ROW.id, ROW.workflow_id, ROW.status, ROW.started_at, ROW.ended_at, ROW.failure_summary]
        found: list[Ending] = []
        with self._store.reading() as connection:
            # The index of what has ended is by workflow.
            for id in workflow_ids:
                ended = and_(ROW.workflow_id == id, ROW.ended_at.is_not(None), ROW.ended_at >= since, of_one_owner)
                query = select(*columns).where(ended).order_by(ROW.ended_at, ROW.pk).limit(limit)
                found += [
                    Ending(
                        row.id,
                        row.workflow_id,
                        Status(row.status).name,
                        row.started_at,
                        row.ended_at,
                        row.failure_summary,
                    )
                    for row in connection.execute(query)
                ]
        return sorted(found, key=lambda each: each.ended_at)

    async def output(self, execution_id: str) -> Items:
        ended = await self._runtime().wait(execution_id, 5)
        return ended.output if ended is not None else []
