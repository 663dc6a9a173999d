"""The one way by which anything starts executions: a delivery is decided, stored, and starts one execution.

The record of a delivery, its decision, how far its trigger has come, and the execution that it starts with its first
event are stored in one transaction. So whoever is told of a decision knows that it holds: a crash before the commit has
stored nothing, and whoever was not told delivers again; a crash after it loses nothing. The delivery's id, unique for
its trigger, makes the second time harmless.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial

import msgspec

from workflow_engine.core.clock import Clock
from workflow_engine.core.ids import new_id
from workflow_engine.core.logging import get_logger
from workflow_engine.core.tracing import kept
from workflow_engine.engine.events import CancelRequested, ExecutionStarted
from workflow_engine.engine.expressions import ExpressionError, ExpressionErrors, Scope
from workflow_engine.engine.items import Item, Items
from workflow_engine.models import triggers as stored
from workflow_engine.models.store import NotFound, Store, StoreUnavailable, Write, WriteRefused
from workflow_engine.models.writes import (
    DecideTriggerEvent,
    Decision,
    InsertTriggerEvent,
    MoveCursor,
    TriggerEventRow,
)
from workflow_engine.nodes.context import Blobs
from workflow_engine.nodes.perform import shown
from workflow_engine.nodes.trigger.base import Overlap
from workflow_engine.runtime.background import Background, insist
from workflow_engine.runtime.contract import Busy, Runtime, RuntimeFailure, Start
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.runtime.journal import LARGE, lay_aside, read_page, whole
from workflow_engine.triggers import overlap as overlaps
from workflow_engine.triggers.intake import BUSY, IN_MEMORY, Intake, Received
from workflow_engine.triggers.registered import Registered

log = get_logger(__name__)

UNTIL = (StoreUnavailable, Busy)
"""What does not stand in the way for ever of what has to happen."""
LONGEST_ID = 255
"""Characters of a delivery id that are kept as they are."""
MEDIA_TYPE = "application/vnd.msgpack"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Item]).decode


async def nobody(workflow_id: str) -> None:
    """There is no other process to tell."""


class PayloadGone(Exception):
    """What came with an event is not stored any more."""


class Deliveries:
    """Decides deliveries, and starts what was buffered when its turn comes."""

    def __init__(
        self,
        store: Store,
        runtime: Runtime,
        definitions: Definitions,
        clock: Clock,
        *,
        entropy: Callable[[int], bytes],
        blobs: Blobs | None = None,
        on_pause: Callable[[Registered], None] = lambda trigger: None,
        tell: Callable[[str], Awaitable[None]] = nobody,
        queue_limit: int = 100_000,
    ) -> None:
        """`on_pause` is called when a trigger pauses itself, `tell` with its workflow when that is stored."""
        self._queue_limit, self._tell = queue_limit, tell
        self._store, self._runtime, self._definitions, self._clock = store, runtime, definitions, clock
        self._entropy, self._blobs, self._on_pause = entropy, blobs, on_pause
        self._deciding: dict[tuple[str, str], asyncio.Future[None]] = {}
        self._background, self._following = Background(), Background()
        self._starting = 0
        """Deliveries from `accept` whose start is being stored."""
        self.intake = Intake(self._start_received)

    async def deliver(
        self,
        trigger: Registered,
        items: Items,
        *,
        delivery_id: str = "",
        at: int | None = None,
        cursor: str | None = None,
        overlap: Overlap | None = None,
        by_hand: bool = False,
        is_new: bool = False,
    ) -> TriggerEventRow:
        """Stores what came with its decision, and starts its execution if that is the decision; returns the record.

        Under the same `delivery_id` only the first one starts anything, whatever crashes in between. `at` is when it
        was due or came, now by default. `cursor` (JSON) is stored with it. `overlap` takes the place of the trigger's
        own policy. A person's delivery, `by_hand`, asks neither whether the trigger is paused nor its condition.
        `is_new` saves the look whether the id is known, for a caller who knows that it is not.

        Raises StoreUnavailable, and RuntimeFailure when too much waits already or the server shuts down: then nothing
        is stored or started, and it should be delivered again. An acknowledgement must wait for this to return.
        """
        now = self._clock.now_ms()
        row = TriggerEventRow(
            pk=0,
            trigger_id=trigger.id,
            delivery_id=_short(delivery_id) or None,
            at=now if at is None else at,
            last_at=now if at is None else at,
            count=1,
            decided_at=now,
            decision=Decision.STARTED,
        )
        moved = [] if cursor is None else [MoveCursor(trigger.id, cursor)]
        decide = partial(self._decide, trigger, row, items, moved, overlap, by_hand)
        settling = self._settle(trigger, row, moved, decide, may_be_known=not is_new)
        if not trigger.follows and overlap is None:
            return await settling
        # The caller may go away in the middle of the commit; the trigger has to know what became true all the same.
        return await self._background.see_through(settling)

    async def accept(self, trigger: Registered, items: Items, *, size: int = 0) -> TriggerEventRow:
        """As `deliver` without a delivery id; but when much comes at once it returns when the delivery is stored.

        Then the decision is RECEIVED, and the execution that the record names starts soon. `size` is about how many
        bytes the items are. Raises what `deliver` does.
        """
        if not trigger.takes_all or size > IN_MEMORY or (self._starting < BUSY and self.intake.is_idle):
            self._starting += 1
            try:
                return await self.deliver(trigger, items)
            finally:
                self._starting -= 1
        if len(self.intake) >= self._queue_limit:
            raise Busy("QUEUE_FULL", f"{len(self.intake)} deliveries wait for their start: try again later")
        now = self._clock.now_ms()
        row = TriggerEventRow(
            pk=self._store.next_trigger_event_pk(),
            trigger_id=trigger.id,
            delivery_id=None,
            at=now,
            last_at=now,
            count=1,
            decided_at=now,
            decision=Decision.RECEIVED,
            execution_id=new_id("exec", now, self._entropy(10)),
            payload=_encode(items),
        )
        # Also when the caller goes away meanwhile: what is stored as received is started.
        await self._write([InsertTriggerEvent(row)], lambda: self.intake.add(trigger, row, items))
        return row

    async def save(self, trigger: Registered, cursor: str) -> None:
        """Stores how far a trigger has come. Raises StoreUnavailable."""
        await self._write([MoveCursor(trigger.id, cursor)])
        trigger.cursor = cursor

    async def skip(
        self, trigger: Registered, decision: Decision, detail: str, *, first: int, last: int, count: int, cursor: str
    ) -> None:
        """Records ticks that start nothing, as one. Raises StoreUnavailable."""
        row = TriggerEventRow(
            pk=self._store.next_trigger_event_pk(),
            trigger_id=trigger.id,
            delivery_id=None,
            at=first,
            last_at=last,
            count=count,
            decided_at=self._clock.now_ms(),
            decision=decision,
            detail=detail,
        )
        await self._write([InsertTriggerEvent(row), MoveCursor(trigger.id, cursor)])
        trigger.cursor = cursor

    async def payload(self, row: TriggerEventRow) -> Items:
        """What came with a delivery. Raises PayloadGone."""
        if row.payload is not None:
            return _decode(await whole(self._blobs, row.payload))
        execution = await asyncio.to_thread(self._store.execution, row.execution_id) if row.execution_id else None
        if execution is not None:
            [(_, started)] = await read_page(self._store, self._blobs, execution.pk, 1, 1)
            assert isinstance(started, ExecutionStarted)
            return started.input
        raise PayloadGone(f"what came with event {row.pk} is not stored any more")

    def follow(self, trigger: Registered, execution_id: str) -> None:
        """Has the trigger know when an execution ends that it started in this life or an earlier one."""
        if execution_id not in trigger.running:
            trigger.running[execution_id] = None
            self._following.spawn(self._until_end(trigger, execution_id))

    def wait_again(self, trigger: Registered, pk: int) -> None:
        """Takes up an event that was buffered in an earlier life."""
        # One that is being started is in neither list, but has its place among those that run.
        if pk not in trigger.buffered and _place(pk) not in trigger.running:
            trigger.buffered.append(pk)

    def go_on(self, trigger: Registered) -> None:
        """Starts what is buffered, if it may start now."""
        self._background.spawn(self._drain(trigger))

    async def pause(self, trigger: Registered, problem: str) -> None:
        """The trigger pauses itself."""
        # In memory first: nothing more may start while this is being stored.
        trigger.row.paused, trigger.row.problem = True, problem
        self._on_pause(trigger)
        try:
            await stored.edit(self._store, trigger.id, {"paused": True, "problem": problem})
        except NotFound:
            return
        trigger.row.revision += 1
        await self._tell(trigger.row.workflow_id)
        log.warning("trigger_paused", trigger_id=trigger.id, workflow_id=trigger.row.workflow_id, why=problem)

    async def close(self) -> None:
        await self.intake.close()
        await self._background.close()
        await self._following.close()

    # deciding

    async def _settle(
        self,
        trigger: Registered,
        row: TriggerEventRow,
        moved: list[MoveCursor],
        decide: Callable[[], Awaitable[TriggerEventRow]],
        *,
        may_be_known: bool,
    ) -> TriggerEventRow:
        """Decides a delivery, if its id is not known."""
        id = row.delivery_id
        try:
            row = await (self._once(id, trigger, row, moved, decide) if id and may_be_known else decide())
        except WriteRefused:
            # Another process decided it at the same time, or before it died.
            if not id or (earlier := await self._earlier(trigger, id)) is None:
                raise
            row = await self._duplicate(row, earlier, moved)
        for each in moved:
            trigger.cursor = each.cursor
        return row

    async def _once(
        self,
        id: str,
        trigger: Registered,
        row: TriggerEventRow,
        moved: list[MoveCursor],
        decide: Callable[[], Awaitable[TriggerEventRow]],
    ) -> TriggerEventRow:
        key = (trigger.id, id)
        while (other := self._deciding.get(key)) is not None:
            await asyncio.wait([other])
        self._deciding[key] = done = asyncio.get_running_loop().create_future()
        try:
            earlier = await self._earlier(trigger, id)
            return await decide() if earlier is None else await self._duplicate(row, earlier, moved)
        finally:
            del self._deciding[key]
            done.set_result(None)

    async def _earlier(self, trigger: Registered, delivery_id: str) -> TriggerEventRow | None:
        return await asyncio.to_thread(stored.event_by_delivery, self._store, trigger.id, delivery_id)

    async def _duplicate(
        self, row: TriggerEventRow, earlier: TriggerEventRow, moved: list[MoveCursor]
    ) -> TriggerEventRow:
        came = datetime.fromtimestamp(earlier.decided_at / 1000, UTC).isoformat(timespec="seconds")
        row.detail = f"delivery {row.delivery_id!r} came before, at {came}"
        row.execution_id, row.decision, row.delivery_id = earlier.execution_id, Decision.DUPLICATE, None
        row.payload = None
        return await self._record(row, None, moved)

    async def _decide(
        self,
        trigger: Registered,
        row: TriggerEventRow,
        items: Items,
        moved: list[MoveCursor],
        overlap: Overlap | None,
        by_hand: bool,
    ) -> TriggerEventRow:
        if not by_hand:
            if trigger.row.paused:
                # It may come again when the trigger fires again.
                row.decision, row.delivery_id = Decision.SKIPPED_PAUSED, None
                row.detail = trigger.row.problem or "the trigger is paused"
                return await self._record(row, items, moved)
            refusal = await self._refusal(trigger, items)
            if refusal is not None:
                row.decision, row.detail = refusal
                if row.decision is Decision.FAILED:
                    row.delivery_id = None
                return await self._record(row, items, moved)
        match overlaps.decide(overlap or trigger.overlap, len(trigger.running), len(trigger.buffered)):
            case overlaps.Start():
                follows = trigger.follows or overlap not in (None, "allow")
                return await self._start(trigger, row, items, moved, follows=follows)
            case overlaps.Skip(why):
                row.decision, row.detail = Decision.SKIPPED_OVERLAP, why
                return await self._record(row, items, moved)
            case overlaps.Buffer(cancel):
                return await self._buffer(trigger, row, items, moved, cancel)

    async def _refusal(self, trigger: Registered, items: Items) -> tuple[Decision, str] | None:
        """Why the condition lets nothing start; None when it does."""
        try:
            condition = trigger.test()
            if condition is None:
                return None
            plan = await self._definitions.plan(trigger.digest)
            views = [shown(item) for item in items]
            first = views[0] if views else {"json": {}, "binary": {}}
            holds = condition.resolve(
                Scope(
                    json=first["json"],
                    item=first,
                    items=views,
                    vars=plan.vars,
                    workflow={"id": trigger.row.workflow_id, "timezone": trigger.row.timezone},
                    now=datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC),
                )
            )
        except ExpressionErrors as failed:
            return Decision.FAILED, f"the condition is wrong: {failed.errors[0]}"
        except (ExpressionError, RuntimeFailure) as failed:
            return Decision.FAILED, f"the condition does not fit what came: {failed}"
        if not isinstance(holds, bool):
            return Decision.FAILED, f"the condition must be true or false, not {type(holds).__name__}"
        return None if holds else (Decision.SKIPPED_CONDITION, "the condition is false")

    async def _start(
        self,
        trigger: Registered,
        row: TriggerEventRow,
        items: Items,
        moved: list[MoveCursor],
        *,
        follows: bool,
        waited: bool = False,
    ) -> TriggerEventRow:
        now = self._clock.now_ms()
        row.execution_id, row.decision = new_id("exec", now, self._entropy(10)), Decision.STARTED
        if not waited:
            row.pk = self._store.next_trigger_event_pk()
        # Once started, what came is in the execution's journal.
        bare = msgspec.structs.replace(row, payload=None)
        record: Write = DecideTriggerEvent(bare) if waited else InsertTriggerEvent(bare)
        if follows:
            # Before the first await: the next delivery has to see that this one runs.
            trigger.running[row.execution_id] = None
        try:
            await self._runtime.start(await self._as_start(trigger, row.execution_id, items, (record, *moved)))
        except (RuntimeFailure, WriteRefused) as refused:
            trigger.running.pop(row.execution_id, None)
            if isinstance(refused, Busy):
                raise
            if isinstance(refused, WriteRefused) and row.delivery_id and not waited:
                # The database may know the delivery, though the caller did not.
                earlier = await self._earlier(trigger, row.delivery_id)
                if earlier is not None:
                    return await self._duplicate(row, earlier, moved)
            row.execution_id, row.decision, row.detail = "", Decision.FAILED, str(refused)
            if waited:
                await self._write([DecideTriggerEvent(row)])
                return row
            row.delivery_id = None
            return await self._record(row, items, moved)
        except BaseException:
            trigger.running.pop(row.execution_id, None)
            raise
        if follows:
            self._following.spawn(self._until_end(trigger, row.execution_id))
        return row

    async def _as_start(self, trigger: Registered, id: str, items: Items, along: Sequence[Write]) -> Start:
        return Start(
            workflow_id=trigger.row.workflow_id,
            digest=trigger.digest,
            version=trigger.version,
            user_id=trigger.user_id,
            mode=trigger.mode,
            triggered_by=trigger.id,
            input=items,
            trigger=trigger.row.node_id,
            priority=(await self._definitions.plan(trigger.digest)).priority,
            execution_id=id,
            trace=kept(_caller(items)),
            along=along,
        )

    async def _buffer(
        self, trigger: Registered, row: TriggerEventRow, items: Items, moved: list[MoveCursor], cancel: bool
    ) -> TriggerEventRow:
        row.decision, row.detail = Decision.BUFFERED, "waits for an earlier execution"
        row.pk = self._store.next_trigger_event_pk()
        outdated = list(trigger.buffered) if cancel else []
        if cancel:
            trigger.buffered.clear()
        trigger.buffered.append(row.pk)
        trigger.storing.add(row.pk)
        try:
            skipped = [await self._outdated(pk, row) for pk in outdated]
            await self._record(row, items, [*moved, *(DecideTriggerEvent(each) for each in skipped if each)])
        except BaseException:
            trigger.buffered.remove(row.pk)
            trigger.buffered.extendleft(reversed(outdated))
            raise
        finally:
            trigger.storing.discard(row.pk)
        if cancel:
            for execution_id in list(trigger.running):
                self._background.spawn(self._cancel(execution_id))
        # What it waits for may have ended meanwhile.
        self.go_on(trigger)
        return row

    async def _outdated(self, pk: int, newer: TriggerEventRow) -> TriggerEventRow | None:
        row = await asyncio.to_thread(stored.event, self._store, pk)
        if row is None or row.decision is not Decision.BUFFERED:
            return None
        row.decision, row.decided_at = Decision.SKIPPED_OVERLAP, newer.decided_at
        row.detail = "a later one took its place"
        return row

    async def _cancel(self, execution_id: str) -> None:
        reason = "a later delivery to its trigger takes its place"
        # It may have ended by itself.
        with contextlib.suppress(RuntimeFailure):
            await self._runtime.send(execution_id, CancelRequested(at=self._clock.now_ms(), reason=reason))

    # receiving

    async def _start_received(self, batch: Sequence[Received]) -> None:
        try:
            await self._runtime.start_all([await self._received(*each) for each in batch])
        except Busy:
            raise
        except (RuntimeFailure, WriteRefused, PayloadGone):
            # One of them is not to be had; the others must not suffer for it.
            for trigger, row, items in batch:
                try:
                    await self._runtime.start(await self._received(trigger, row, items))
                except Busy:
                    raise
                except (RuntimeFailure, WriteRefused, PayloadGone) as error:
                    await self.give_up(row, str(error))

    async def _received(self, trigger: Registered, row: TriggerEventRow, items: Items | None) -> Start:
        if items is None:
            items = await self.payload(row)
        # What it was given will be in its journal.
        started = msgspec.structs.replace(row, decision=Decision.STARTED, payload=None)
        return await self._as_start(trigger, row.execution_id, items, (DecideTriggerEvent(started),))

    async def give_up(self, row: TriggerEventRow, why: str) -> None:
        """Records that what was received can not be started."""
        if await asyncio.to_thread(self._store.execution, row.execution_id) is not None:
            # It was started before the try that failed.
            return
        failed = msgspec.structs.replace(row, decision=Decision.FAILED, execution_id="", detail=why)
        await self._write([DecideTriggerEvent(failed)])

    # following

    async def _until_end(self, trigger: Registered, execution_id: str) -> None:
        ended = None
        try:
            ended = await insist(lambda: self._runtime.wait(execution_id), UNTIL)
        except RuntimeFailure as gone:
            log.warning("execution_not_followed", execution_id=execution_id, why=gone.message)
        if ended is not None and ended.status == "ERROR" and trigger.row.pause_on_failure and not trigger.row.paused:
            why = f"execution {execution_id} failed" + (f": {ended.failure.message}" if ended.failure else "")
            await insist(lambda: self.pause(trigger, why), UNTIL)
        trigger.running.pop(execution_id, None)
        await self._drain(trigger)

    async def _drain(self, trigger: Registered) -> None:
        if trigger.draining:
            return
        trigger.draining = True
        try:
            while trigger.may_go_on:
                await insist(lambda: self._start_next(trigger), UNTIL)
        finally:
            trigger.draining = False

    async def _start_next(self, trigger: Registered) -> None:
        pk = trigger.buffered.popleft()
        # Whatever is delivered meanwhile has to see that something is about to run.
        place = _place(pk)
        trigger.running[place] = None
        try:
            row = await asyncio.to_thread(stored.event, self._store, pk)
            if row is not None and row.decision is Decision.BUFFERED:
                row.decided_at, row.detail = self._clock.now_ms(), "waited for an earlier execution"
                row = await self._start(trigger, row, await self.payload(row), [], follows=True, waited=True)
                if trigger.overlap == "cancel_other" and trigger.buffered and row.execution_id:
                    self._background.spawn(self._cancel(row.execution_id))
        except BaseException:
            trigger.buffered.appendleft(pk)
            raise
        finally:
            del trigger.running[place]

    # storing

    async def _record(self, row: TriggerEventRow, items: Items | None, more: Sequence[Write]) -> TriggerEventRow:
        """Stores a decision that starts nothing now, with what came, so that it can start something later."""
        row.pk = row.pk or self._store.next_trigger_event_pk()
        if items is not None:
            row.payload = _encode(items)
            if len(row.payload) > LARGE and self._blobs is not None:
                row.payload = await lay_aside(self._blobs, row.payload)
        await self._write([InsertTriggerEvent(row), *more])
        return row

    async def _write(self, writes: list[Write], stored: Callable[[], None] = lambda: None) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(failure: Exception | None) -> None:
            if failure is None:
                stored()
            if future.done():
                return
            if failure is None:
                future.set_result(None)
            else:
                future.set_exception(failure)

        self._store.submit(writes, done)
        await future


def _place(pk: int) -> str:
    """What stands among the running executions for an event that is being started."""
    return f"event {pk}"


def _short(delivery_id: str) -> str:
    """An id that fits; a long one is known by its hash."""
    clean = delivery_id.replace("\0", "\ufffd")
    if len(clean) <= LONGEST_ID:
        return clean
    return "sha256:" + hashlib.sha256(delivery_id.encode()).hexdigest()


def _caller(items: Items) -> str:
    """The `traceparent` among the headers of what came, a call or a message; they are kept with it, so it is too."""
    headers = items[0].json.get("headers") if items else None
    found = headers.get("traceparent") if isinstance(headers, dict) else None
    return found if isinstance(found, str) else ""
