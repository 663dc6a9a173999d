"""What workflows may not do themselves: run nodes, write the projection, read definitions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import Priority, WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from workflow_engine.core import metrics
from workflow_engine.core.clock import Clock
from workflow_engine.core.logging import get_logger
from workflow_engine.engine.events import AnyEvent, ItemSucceeded, StepSucceeded
from workflow_engine.engine.items import Json, Outputs
from workflow_engine.engine.shape import Effect
from workflow_engine.engine.state import Perform, State
from workflow_engine.models.projection import Batch, project
from workflow_engine.models.store import Store, Write
from workflow_engine.nodes.context import Blobs, Context
from workflow_engine.nodes.perform import perform, storable
from workflow_engine.runtime.contract import RuntimeFailure
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.runtime.journal import LARGE, lay_aside
from workflow_engine.runtime.measures import Attempting
from workflow_engine.runtime.temporal import names
from workflow_engine.runtime.temporal.gate import GATE, Gate
from workflow_engine.runtime.temporal.wire import (
    ATTEMPT,
    ATTEMPTED,
    BATCH,
    PUBLISHED,
    Attempted,
    Published,
    dump_events,
)

log = get_logger(__name__)


async def write(store: Store, blobs: Blobs, *batches: Batch, along: Sequence[Write] = ()) -> list[int]:
    """Stores batches, large events as blobs, and what goes along; returns the executions' pks."""
    for batch in batches:
        batch.events = [await lay_aside(blobs, each) if len(each) > LARGE else each for each in batch.events]
    return await project(store, batches, along)


class Activities:
    def __init__(
        self,
        client: Client,
        store: Store,
        definitions: Definitions,
        blobs: Blobs,
        services: Callable[[Context], Context],
        clock: Clock,
        task_queue: str,
    ) -> None:
        self._client, self._store, self._definitions, self._blobs = client, store, definitions, blobs
        self._services, self._clock, self._task_queue = services, clock, task_queue

    @property
    def all(self) -> list[Callable[..., Any]]:
        return [self.attempt, self.journal, self.published, self.gate, self.gone]

    @activity.defn(name=names.ATTEMPT)
    async def attempt(self, data: bytes) -> bytes:
        """One attempt of a node. Whatever the node does, its outcome is an event, never an error."""
        wanted = ATTEMPT.load(data)
        stored = pk = 0
        try:
            if wanted.journal is not None:
                stored = wanted.journal.last
                [pk] = await write(self._store, self._blobs, wanted.journal)
            plan = await self._definitions.plan(wanted.digest)
        except Exception as error:
            raise ApplicationError(str(error), type=names.NOT_PERFORMED) from error
        state = State(plan, wanted.execution_id, started_at=wanted.started_at, depth=wanted.depth)
        state.outputs = {(each.node, each.path): each.outputs for each in wanted.seen}
        task = Perform((wanted.node, wanted.path), plan.nodes[wanted.node], wanted.work)
        now, id = self._clock.now_ms(), wanted.execution_id
        context = self._services(Context(id, wanted.workflow_id, now, wanted.depth, plan.timezone, wanted.user_id))
        async with _heart(), self._outbox(wanted.execution_id) as outbox:
            several = sum(map(len, wanted.work.inputs.values())) > 1
            on_item = outbox.item_done(task, self._clock) if several else None
            on_step = outbox.step_done(task, self._clock)
            attempting = Attempting(id, wanted.workflow_id, wanted.trace, task, now)
            event = await perform(state, task, context, self._clock.now_ms, on_item, on_step)
            attempting.over(event)
        return ATTEMPTED.dump(Attempted(storable(task, event)[1], stored, pk))

    @activity.defn(name=names.JOURNAL)
    async def journal(self, data: bytes) -> int:
        """Stores events that are true already; returns the execution's pk."""
        batch = BATCH.load(data)
        [pk] = await write(self._store, self._blobs, batch)
        if batch.row.ended_at is not None:
            metrics.ENDED.labels(batch.row.status.name).inc()
        return pk

    @activity.defn(name=names.PUBLISHED)
    async def published(self, workflow_id: str, version: int, owner: str = "") -> bytes:
        """The definition that a child runs, whose parent is an execution of `owner`."""
        try:
            digest, number = await self._definitions.resolve_for(owner, workflow_id, version)
        except RuntimeFailure as refused:
            return PUBLISHED.dump(Published(reason=refused.reason, message=refused.message))
        definition = await asyncio.to_thread(self._store.definition, digest)
        assert definition is not None
        return PUBLISHED.dump(Published(digest, number, definition))

    @activity.defn(name=names.GATE)
    async def gate(self, group: str, signal: str, data: bytes) -> None:
        """Comes to a gate, which is set up when there is none."""
        await self._client.start_workflow(
            names.GATE_KEEPER,
            GATE.dump(Gate()),
            id=f"gate {group}",
            task_queue=self._task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            # Many wait for the one gate, so it must not wait its turn behind them.
            priority=Priority(priority_key=1),
            start_signal=signal,
            start_signal_args=[data],
        )

    @activity.defn(name=names.GONE)
    async def gone(self, ids: list[str]) -> list[str]:
        """Which of these executions have ended."""
        return [id for id in ids if not await self._runs(id)]

    async def _runs(self, id: str) -> bool:
        try:
            described = await self._client.get_workflow_handle(id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return described.status is WorkflowExecutionStatus.RUNNING

    @asynccontextmanager
    async def _outbox(self, execution_id: str) -> AsyncIterator[Outbox]:
        outbox = Outbox(self._client, execution_id)
        try:
            yield outbox
        finally:
            await outbox.close()


class Outbox:
    """Tells an execution what an attempt has done so far. What comes while a message is under way leaves with the
    next."""

    def __init__(self, client: Client, execution_id: str) -> None:
        self._handle = client.get_workflow_handle(execution_id)
        self._events: list[AnyEvent] = []
        self._sending: asyncio.Task[None] | None = None

    def item_done(self, task: Perform, clock: Clock) -> Callable[[int, Outputs], Coroutine[Any, Any, None]]:
        async def done(index: int, outputs: Outputs) -> None:
            node, path, attempt = task.node.id, task.key[1], task.work.attempt
            sending = self._tell(
                ItemSucceeded(at=clock.now_ms(), node=node, path=path, attempt=attempt, index=index, outputs=outputs)
            )
            if task.node.shape.effect is Effect.AT_MOST_ONCE:
                await sending

        return done

    def step_done(self, task: Perform, clock: Clock) -> Callable[[str, Json, dict[str, Json]], Any]:
        async def done(key: str, value: Json, usage: dict[str, Json]) -> None:
            node, path, attempt = task.node.id, task.key[1], task.work.attempt
            await self._tell(
                StepSucceeded(
                    at=clock.now_ms(), node=node, path=path, attempt=attempt, key=key, value=value, usage=usage
                )
            )

        return done

    def _tell(self, event: AnyEvent) -> asyncio.Task[None]:
        """The message that takes `event` along; when it is done, Temporal has it."""
        self._events.append(event)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        return self._sending

    async def _send(self) -> None:
        try:
            while self._events:
                events, self._events = self._events, []
                await self._handle.signal(names.EVENTS, dump_events(events))
        finally:
            self._sending = None

    async def close(self) -> None:
        """Nothing is left to say that the attempt's outcome does not say."""
        self._events.clear()
        if self._sending is not None:
            self._sending.cancel()
            with suppress(asyncio.CancelledError, RPCError):
                await self._sending


@asynccontextmanager
async def _heart() -> AsyncIterator[None]:
    """Beats while an attempt is under way; that is also how the attempt hears that it is cancelled."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(names.HEARTBEAT.total_seconds() / 4)
            activity.heartbeat()

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
