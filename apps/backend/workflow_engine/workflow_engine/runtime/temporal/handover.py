"""Gives accepted executions to Temporal: at once, and where that did not come to pass, as soon as it can.

An execution is accepted when PostgreSQL has it. Between that and its hand-over Temporal may be away, which the server
that tried knows, or the server may die, which nobody tells: so every server looks, and the one that becomes the leader
looks at once. Temporal takes each execution's id once, however many hand it over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from workflow_engine.core.clock import Clock
from workflow_engine.core.logging import get_logger
from workflow_engine.engine.events import ExecutionStarted
from workflow_engine.models.store import ExecutionRow, Store, StoreUnavailable
from workflow_engine.nodes.context import Blobs
from workflow_engine.runtime.contract import RuntimeFailure
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.runtime.journal import read_page
from workflow_engine.runtime.temporal import names
from workflow_engine.runtime.temporal.wire import BEGIN, Begin, again

log = get_logger(__name__)
LATE = 5_000
"""Milliseconds that a hand-over may take before others think that it will not come."""
LOOK, LOOK_AGAIN = 5.0, 1.0
"""Seconds between looks; and after one that failed."""
SLOWEST_COMMIT = 300_000
"""Milliseconds after the time in an execution's row within which the row can be read, also by another clock."""
PAGE = 200


class HandOver:
    """`open` it, `close` it."""

    def __init__(
        self, client: Client, store: Store, blobs: Blobs, definitions: Definitions, clock: Clock, task_queue: str
    ) -> None:
        self._client, self._store, self._blobs, self._definitions = client, store, blobs, definitions
        self._clock, self._task_queue = clock, task_queue
        self._looking: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._patience = LATE
        self._since = 0
        """Who was accepted before has been handed over."""
        self._given: set[int] = set()
        """Who has been, of those that were accepted since then. They stay new while they wait for a slot."""

    def open(self) -> None:
        self._looking = asyncio.create_task(self._look_for_late())

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def give(self, begins: Iterable[Begin]) -> None:
        """Hands over what has just been accepted. What Temporal can not take now it will be given again."""
        try:
            await asyncio.gather(*(self._give(begin) for begin in begins))
        except RPCError as error:
            log.warning("temporal_late", error=str(error))
            self._wanted.set()

    async def give_again(self, row: ExecutionRow) -> None:
        """Hands over one that somebody asks for and that may not have been."""
        try:
            await self._give_stored(row)
        except RPCError as error:
            log.warning("temporal_late", error=str(error), execution_id=row.id)

    def look_now(self) -> None:
        """Another server has died, perhaps before it handed over what it had accepted."""
        self._patience = 0
        self._wanted.set()

    async def _give(self, begin: Begin) -> None:
        with suppress(WorkflowAlreadyStartedError):
            await self._client.start_workflow(
                names.EXECUTION,
                BEGIN.dump(begin),
                id=begin.row.id,
                task_queue=self._task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            )

    async def _give_stored(self, row: ExecutionRow) -> None:
        [(_, started)] = await read_page(self._store, self._blobs, row.pk, 1, 1)
        assert isinstance(started, ExecutionStarted)
        plan = await self._definitions.plan(row.digest)
        definition = await asyncio.to_thread(self._store.definition, row.digest)
        assert definition is not None
        await self._give(again(row, plan, definition, started))

    async def _look_for_late(self) -> None:
        while True:
            self._wanted.clear()
            patience, self._patience = self._patience, LATE
            pause = LOOK
            try:
                await self._look(self._clock.now_ms() - patience)
            except (RPCError, StoreUnavailable) as error:
                log.warning("late_executions_wait", error=str(error))
                pause = LOOK_AGAIN
            except Exception:
                log.exception("late_executions_wait")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), pause)

    async def _look(self, before: int) -> None:
        """Hands over whoever was accepted before a time and is new still."""
        after, seen = 0, set[int]()
        while rows := await asyncio.to_thread(self._store.new_executions, self._since, before, after, PAGE):
            after = rows[-1].pk
            seen |= {row.pk for row in rows}
            await asyncio.gather(*(self._give_late(row) for row in rows if row.pk not in self._given))
        self._given &= seen
        self._since = max(self._since, before - SLOWEST_COMMIT)

    async def _give_late(self, row: ExecutionRow) -> None:
        try:
            await self._give_stored(row)
        except RuntimeFailure as refused:
            # It must not keep the others from running.
            log.error("execution_not_handed_over", execution_id=row.id, why=refused.message)
        self._given.add(row.pk)
