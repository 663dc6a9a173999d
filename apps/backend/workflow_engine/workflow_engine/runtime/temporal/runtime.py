"""What an API replica asks of Temporal; reads come from the projection in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from temporalio.client import (
    Client,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from workflow_engine.core import metrics
from workflow_engine.core.clock import Clock
from workflow_engine.core.ids import new_id
from workflow_engine.core.logging import get_logger
from workflow_engine.engine.events import AnyEvent, CancelRequested, ExecutionEnded
from workflow_engine.models.notices import Notices
from workflow_engine.models.projection import CHANNEL, Batch
from workflow_engine.models.store import ExecutionRow, Status, Store, StoreUnavailable, Write, WriteRefused
from workflow_engine.nodes.context import Blobs, Context
from workflow_engine.runtime.contract import Busy, Ended, RuntimeFailure, Start, Turn
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.runtime.keys import same_request, unknown_starts
from workflow_engine.runtime.stored import Stored
from workflow_engine.runtime.temporal import names
from workflow_engine.runtime.temporal.activities import write
from workflow_engine.runtime.temporal.handover import HandOver
from workflow_engine.runtime.temporal.lost import GONE, Lost
from workflow_engine.runtime.temporal.wire import Begin, beginning, dump_events

log = get_logger(__name__)
PATIENCE = timedelta(seconds=30)
"""How long a call may wait for a worker to answer."""


class TemporalRuntime(Stored):
    """Drives nothing itself: it starts workflows, tells them things, and reads what they wrote."""

    _blobs: Blobs
    """Always there: many machines read what one has written."""

    def __init__(
        self,
        client: Client,
        store: Store,
        definitions: Definitions,
        clock: Clock,
        *,
        services: Callable[[Context], Context] = lambda context: context,
        entropy: Callable[[int], bytes],
        blobs: Blobs,
        task_queue: str = names.TASK_QUEUE,
    ) -> None:
        super().__init__(store, definitions, clock, services, blobs)
        self._client, self._entropy = client, entropy
        self._handing_over = HandOver(client, store, blobs, definitions, clock, task_queue)
        self._lost = Lost(client, store, blobs, definitions, entropy)
        self._notices = Notices(store.url, {CHANNEL: self._grown})
        self._closing = False

    async def open(self) -> None:
        await self._notices.open()
        self._handing_over.open()

    async def close(self, grace: float = 10.0) -> None:
        self._closing = True
        self._watchers.close()
        await self._handing_over.close()
        await self._notices.close()

    # starting

    async def start(self, start: Start) -> str:
        key = (start.workflow_id, start.idempotency_key)
        if start.idempotency_key and (row := await asyncio.to_thread(self._store.execution_by_key, *key)) is not None:
            return await self._started_before(start, row)
        begin = await self._beginning(start)
        try:
            await self._accept([begin], start.along)
        except WriteRefused:
            # The same key at the same time, at another replica perhaps.
            row = await asyncio.to_thread(self._store.execution_by_key, *key) if start.idempotency_key else None
            if row is None:
                raise
            return await self._started_before(start, row)
        return begin.row.id

    async def _started_before(self, start: Start, row: ExecutionRow) -> str:
        id = same_request(start, row)
        if row.status is Status.NEW:
            # The server that was asked first may have died before it handed it over.
            await self._handing_over.give_again(row)
        return id

    async def start_all(self, starts: Sequence[Start]) -> list[str]:
        keys = {(start.workflow_id, start.idempotency_key) for start in starts if start.idempotency_key}
        known = await asyncio.to_thread(self._store.executions_by_key, keys) if keys else {}
        fresh, places = unknown_starts(starts, known)
        begins = [await self._beginning(start) for start in fresh]
        await self._accept(begins)
        return [place if isinstance(place, str) else begins[place].row.id for place in places]

    async def _beginning(self, start: Start) -> Begin:
        if self._closing:
            raise Busy("SHUTTING_DOWN", "the server is shutting down: try again in a moment")
        plan = await self._definitions.plan(start.digest)
        now = self._clock.now_ms()
        id = start.execution_id or new_id("exec", now, self._entropy(10))
        seed = int.from_bytes(self._entropy(4), "big")
        begin = beginning(start, plan, await self._definition(start.digest), id, now, seed)
        # Whoever takes it up says so.
        begin.row.status = Status.NEW
        return begin

    async def _definition(self, digest: str) -> bytes:
        definition = await asyncio.to_thread(self._store.definition, digest)
        assert definition is not None
        return definition

    async def _accept(self, begins: Sequence[Begin], along: Sequence[Write] = ()) -> None:
        """Stores executions, and what goes along, in one transaction, then hands them to Temporal.

        From the commit on they are accepted: what can not be handed over now, or is not because we die, will be.
        """
        batches = [Batch(each.row, 1, list(each.events)) for each in begins]
        pks = await write(self._store, self._blobs, *batches, along=along)
        metrics.STARTED.inc(len(begins))
        for begin, pk in zip(begins, pks, strict=True):
            begin.row.pk = pk
        await self._handing_over.give(begins)

    def look_now(self) -> None:
        """To be told when another server has died: what it accepted and did not hand over goes on at once."""
        self._handing_over.look_now()

    # telling and asking

    async def send(self, execution_id: str, event: AnyEvent) -> bool:
        handle = self._client.get_workflow_handle(execution_id)
        try:
            expected: bool = await handle.execute_update(
                names.SEND, dump_events([event]), result_type=bool, rpc_timeout=PATIENCE
            )
            return expected
        except WorkflowUpdateFailedError as refused:
            if isinstance(refused.cause, ApplicationError) and refused.cause.type == names.ENDED:
                raise self._ended_before(execution_id) from refused
            raise
        except WorkflowUpdateRPCTimeoutOrCancelledError as slow:
            raise StoreUnavailable("no worker took this up in time: see that workers run, then try again") from slow
        except RPCError as error:
            if error.status in GONE:
                return await self._send_to_gone(execution_id, event)
            raise _unavailable(error) from error

    async def _send_to_gone(self, execution_id: str, event: AnyEvent) -> bool:
        """What becomes of an event when Temporal runs no such execution. What it ran was stored before it ended."""
        row = await self._stored_row(execution_id)
        if row.status >= Status.SUCCESS:
            raise self._ended_before(execution_id)
        if row.status is Status.NEW:
            # Not handed over yet, or to a Temporal that has lost it since.
            await self._handing_over.give_again(row)
            raise StoreUnavailable("the execution was just handed to Temporal; try again in a moment")
        log.error("history_lost", execution_id=execution_id)
        if not isinstance(event, CancelRequested):
            raise _history_lost(execution_id)
        try:
            begins, children = await self._lost.close(row, event)
        except RPCError as error:
            raise (_history_lost(execution_id) if error.status in GONE else _unavailable(error)) from error
        await self._handing_over.give(begins)
        for child in children:
            # It may have ended, or was never born.
            with suppress(RuntimeFailure):
                await self.send(child, CancelRequested(at=event.at, reason=f"its parent {execution_id} was closed"))
        return True

    def _ended_before(self, execution_id: str) -> RuntimeFailure:
        return RuntimeFailure("EXECUTION_ENDED", f"execution {execution_id} has ended")

    async def wait(self, execution_id: str, timeout: float | None = None) -> Ended | None:
        row = await self._stored_row(execution_id)
        if row.status < Status.SUCCESS:
            try:
                async with asyncio.timeout(timeout):
                    async for _, event in self.watch(
                        execution_id, await asyncio.to_thread(self._store.last_seq, row.pk)
                    ):
                        if isinstance(event, ExecutionEnded):
                            break
            except TimeoutError:
                return None
            row = await self._stored_row(execution_id)
        return await self.ended(row) if row.status >= Status.SUCCESS else None

    def running(self, execution_id: str) -> set[str]:
        return set()

    def turn(self, execution_id: str) -> Turn | None:
        return None

    async def watch(self, execution_id: str, from_seq: int = 1) -> AsyncIterator[tuple[int, AnyEvent]]:
        async for each in self._watchers.follow(await self._stored_row(execution_id), from_seq):
            yield each

    def _grown(self, pk: str | None) -> None:
        if pk is None:
            self._watchers.tell_all()
        else:
            self._watchers.tell(int(pk))


def _history_lost(execution_id: str) -> RuntimeFailure:
    return RuntimeFailure(
        "HISTORY_LOST",
        f"execution {execution_id} has not ended, but Temporal does not run it: see that TEMPORAL_ADDRESS and "
        "TEMPORAL_NAMESPACE name where it was started; if its history is lost, CancelExecution closes it, and "
        "ForkExecution goes on from what is stored",
    )


def _unavailable(error: RPCError) -> StoreUnavailable:
    return StoreUnavailable(f"Temporal did not answer as it should ({error.message}); try again")
