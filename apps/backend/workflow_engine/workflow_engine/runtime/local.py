"""The local runtime: one process drives every execution, and the journal is the truth.

Theory. An execution in memory is the machine's state plus the events that are not stored yet. Whatever happens is
applied to the state at once and goes into the buffer; at most one commit of an execution is under way, and what comes
in meanwhile leaves with the next. The store's writer puts the commits of all executions into one transaction. Only when
a commit is done do the effects start that it allowed, do callers get their answer and watchers see the events. Pure
nodes need no barrier: they run at once, between two commits.

An execution that only waits leaves memory without a trace: what is due is found in the store, when one alarm, set for
whoever is next, rings; signals and children name whom they wake. After a crash the journal is replayed: what was
stored is not run again, what was not stored is.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from workflow_engine.core import metrics, spans
from workflow_engine.core.clock import Clock
from workflow_engine.core.ids import new_id
from workflow_engine.core.logging import get_logger
from workflow_engine.engine import machine, snapshot
from workflow_engine.engine.events import (
    AnyEvent,
    CancelRequested,
    ChildEnded,
    ChildResult,
    ExecutionEnded,
    ExecutionStarted,
    ItemSucceeded,
    OutcomeUnknown,
    StepSucceeded,
    encode,
)
from workflow_engine.engine.items import Failure, Items, Json, Outputs
from workflow_engine.engine.plan import Plan
from workflow_engine.engine.shape import Effect
from workflow_engine.engine.state import Perform, RunKey, Running, StartChild, Waiting, parse_address
from workflow_engine.models.store import (
    Append,
    ExecutionRow,
    InsertExecution,
    OwnershipLost,
    Status,
    Store,
    StoreUnavailable,
    Write,
)
from workflow_engine.nodes.context import Blobs, Context
from workflow_engine.nodes.perform import perform, run_now, storable
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.runtime import measures
from workflow_engine.runtime.admission import Admission
from workflow_engine.runtime.background import Background, delay, insist
from workflow_engine.runtime.contract import Busy, Ended, RuntimeFailure, Start, Turn
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.runtime.families import (
    birth,
    child_result,
    child_start,
    error_children,
    group_of,
    queue_up,
)
from workflow_engine.runtime.journal import (
    LARGE,
    lay_aside,
    read_events,
    read_page,
)
from workflow_engine.runtime.keys import Key, Keys, same_request, unknown_starts
from workflow_engine.runtime.live import Live, answer
from workflow_engine.runtime.measures import Attempting
from workflow_engine.runtime.sleepers import Sleepers
from workflow_engine.runtime.stored import Stored

log = get_logger(__name__)
T = TypeVar("T")

PURE_STEPS = 256
"""How many pure attempts one execution may run before the others get their turn."""
LAST_COMMITS = 10.0
"""Seconds for which a runtime that closes waits for a database that does not answer."""


class LocalRuntime(Stored):
    """Drives executions in this process. Construct it, `open` it inside a running loop, `close` it."""

    def __init__(
        self,
        store: Store,
        definitions: Definitions,
        clock: Clock,
        *,
        services: Callable[[Context], Context] = lambda context: context,
        entropy: Callable[[int], bytes],
        blobs: Blobs | None = None,
        max_attempts_in_flight: int = 1_000,
        queue_limit: int = 100_000,
        on_notice: Callable[[int], None] = lambda due_at: None,
    ) -> None:
        """`on_notice` is told when the first message about a task that has been stored is due."""
        super().__init__(store, definitions, clock, services, blobs)
        self._entropy, self._on_notice = entropy, on_notice
        self.on_end: Callable[[], None] = lambda: None
        """Called when an execution has ended, and that is stored."""
        self._live: dict[int, Live] = {}
        self._ids: dict[str, int] = {}
        """The pk of every execution in memory, by id."""
        self._loading: dict[int, asyncio.Future[None]] = {}
        self._background = Background()
        self._sleepers = Sleepers(store, clock, self._background, self._wake)
        self._waiters: dict[int, list[asyncio.Future[Ended]]] = {}
        self._keys = Keys()
        self._in_flight = 0
        self._max_in_flight = max_attempts_in_flight
        self._backlog: deque[tuple[Live, Perform]] = deque()
        """Attempts that wait for room."""
        self._admission = Admission()
        self._gates: dict[str, Any] = {}
        """The timer that lets more of a group in when its rate allows it."""
        self._queue_limit = queue_limit
        self._closing = False

    # the promise

    async def open(self) -> None:
        # Slots that are held come before the queue for those that are free.
        for digest in await asyncio.to_thread(self._store.digests_asleep):
            plan = await self._plan_again(digest)
            if plan is not None and plan.limits:
                async for row in self._all(partial(self._store.executions_asleep, digest)):
                    await self._take_slot_again(row, plan)
        busy: list[ExecutionRow] = []
        async for row in self._all(self._store.busy_executions):
            plan = await self._plan_again(row.digest)
            if plan is None:
                continue
            if plan.limits and row.status is not Status.NEW:
                await self._take_slot_again(row, plan)
            busy.append(row)
        for row in busy:
            try:
                await self._load(row)
            except Exception as error:
                # The others need not wait for a blob, say, that is not to be had.
                log.error("execution_delayed", execution_id=row.id, error=str(error))
                self._background.do(self._wake, row.pk)
        self._sleepers.open()
        self._background.do(self._tell_parents_again)

    async def _plan_again(self, digest: str) -> Plan | None:
        try:
            return await self._definitions.plan(digest)
        except RuntimeFailure as failure:
            # One definition that this release can not run must not keep all others from running.
            log.error("executions_not_taken_up", digest=digest, error=failure.message)
            return None

    async def _take_slot_again(self, row: ExecutionRow, plan: Plan) -> None:
        group = group_of(plan, row.workflow_id, [] if plan.concurrency_key.is_static else await self._input(row))
        self._admission.take(row.pk, group, plan.limits, row.started_at or row.created_at)

    @staticmethod
    async def _all(page: Callable[[int, int], list[ExecutionRow]]) -> AsyncIterator[ExecutionRow]:
        after = 0
        while rows := await asyncio.to_thread(page, after, 1_000):
            after = rows[-1].pk
            for row in rows:
                yield row

    async def close(self, grace: float = 10.0) -> None:
        self._closing = True
        self._backlog.clear()
        self._sleepers.close()
        for gate in self._gates.values():
            gate.cancel()
        deadline = asyncio.get_running_loop().time() + grace
        while attempts := [task for live in self._live.values() for task in live.tasks.values()]:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            await asyncio.wait(attempts, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        for attempt in self.attempts():
            attempt.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_COMMITS):
                commits = [self._stored(live) for live in self._live.values() if live.committing]
                await asyncio.gather(*commits, return_exceptions=True)
        await self._background.close()
        self._watchers.close()

    async def start(self, start: Start) -> str:
        if self._closing:
            raise Busy("SHUTTING_DOWN", "the server is shutting down: try again in a moment")
        if not start.idempotency_key:
            return await self._start(start)
        return await self._background.see_through(self._start_once(start))

    async def _start_once(self, start: Start) -> str:
        key = (start.workflow_id, start.idempotency_key)
        async with self._keys.alone({key}):
            row = await asyncio.to_thread(self._store.execution_by_key, *key)
            return await self._start(start) if row is None else same_request(start, row)

    async def start_all(self, starts: Sequence[Start]) -> list[str]:
        if self._closing:
            raise Busy("SHUTTING_DOWN", "the server is shutting down: try again in a moment")
        keys = {(start.workflow_id, start.idempotency_key) for start in starts if start.idempotency_key}
        if not keys:
            return await self._start_all(starts)
        return await self._background.see_through(self._start_all_once(starts, keys))

    async def _start_all_once(self, starts: Sequence[Start], keys: set[Key]) -> list[str]:
        async with self._keys.alone(keys):
            known = await asyncio.to_thread(self._store.executions_by_key, keys)
            fresh, places = unknown_starts(starts, known)
            ids = await self._start_all(fresh)
        return [place if isinstance(place, str) else ids[place] for place in places]

    async def _start_all(self, starts: Sequence[Start]) -> list[str]:
        if self._admission.queued + len(starts) > self._queue_limit:
            raise self._full()
        plans = [await self._definitions.plan(start.digest) for start in starts]
        now = self._clock.now_ms()
        writes: list[Write] = []
        starting: list[Live] = []
        born: list[Live] = []
        try:
            for start, plan in zip(starts, plans, strict=True):
                live = self._create(start, plan, now, self._new_id(start, now))
                live.committing = True
                starting.append(live)
            for live in starting:
                self._pump(live)
            for live in starting:
                if self._needs_time(live):
                    writes += await self._prepare(live, born)
        except BaseException as error:
            # Also when the caller has gone: none of them may keep a slot.
            for live in (*starting, *born):
                self._discard(live, StoreUnavailable(str(error)))
            raise
        stored = [live.when_stored() for live in starting]
        told: list[Callable[[Exception | None], bool]] = []
        for live in starting:
            parts, done = self._leaving(live, live.status())
            writes += parts
            told.append(done)
        self._submit(writes, partial(self._told, told, born))
        await asyncio.gather(*stored)
        return [live.row.id for live in starting]

    async def send(self, execution_id: str, event: AnyEvent) -> bool:
        live = await self._find(execution_id)
        if live is None:
            raise RuntimeFailure("EXECUTION_ENDED", f"execution {execution_id} has ended")
        if not machine.expects(live.state, event):
            # What makes it mean nothing may be news itself; whoever is refused finds it stored.
            await self._stored(live)
            return False
        if not live.admitted and isinstance(event, CancelRequested):
            self._admit(live)
        self._feed(live, event)
        await self._stored(live)
        return True

    async def wait(self, execution_id: str, timeout: float | None = None) -> Ended | None:
        row = await self._row(execution_id)
        future: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(row.pk, []).append(future)
        try:
            # It may have ended before we began to listen.
            if row.pk not in self._live:
                row = await self._stored_row(execution_id)
                if row.status >= Status.SUCCESS:
                    return await self.ended(row)
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError:
            return None
        finally:
            waiters = self._waiters.get(row.pk, [])
            if future in waiters:
                waiters.remove(future)
                if not waiters:
                    del self._waiters[row.pk]

    def running(self, execution_id: str) -> set[str]:
        pk = self._ids.get(execution_id)
        if pk is None:
            return set()
        live = self._live[pk]
        return {live.state.address(key) for key in live.tasks}

    def turn(self, execution_id: str) -> Turn | None:
        pk = self._ids.get(execution_id)
        return self._admission.turn(pk, self._clock.now_ms()) if pk is not None else None

    async def watch(self, execution_id: str, from_seq: int = 1) -> AsyncIterator[tuple[int, AnyEvent]]:
        row = await self._row(execution_id)
        # In memory it may have ended before that is stored.
        async for each in self._watchers.follow(row, from_seq, lambda: row.pk not in self._live):
            yield each

    def attempts(self) -> set[asyncio.Task[Any]]:
        """All attempts under way."""
        return {task for live in self._live.values() for task in live.tasks.values()}

    def removed(self, pks: Iterable[int]) -> None:
        """To be told when executions were removed from the store: nobody shall wait for more of them."""
        for pk in pks:
            self._watchers.dismiss(pk)

    # starting

    async def _start(self, start: Start) -> str:
        if self._admission.queued >= self._queue_limit:
            raise self._full()
        plan = await self._definitions.plan(start.digest)
        now = self._clock.now_ms()
        live = self._create(start, plan, now, self._new_id(start, now))
        stored = live.when_stored()
        self._pump(live)
        await stored
        return live.row.id

    def _new_id(self, start: Start, now: int) -> str:
        return start.execution_id or new_id("exec", now, self._entropy(10))

    def _full(self) -> Busy:
        return Busy(
            "QUEUE_FULL",
            f"{self._admission.queued} executions wait for their turn: try again when some have ended",
        )

    def _create(
        self,
        start: Start,
        plan: Plan,
        now: int,
        id: str,
        *,
        parent: Live | None = None,
        parent_address: str = "",
        depth: int = 0,
    ) -> Live:
        row, started = birth(
            start,
            id,
            self._store.next_execution_pk(),
            now,
            int.from_bytes(self._entropy(4), "big"),
            parent=parent.row if parent else None,
            parent_address=parent_address,
            depth=depth,
        )
        group = group_of(plan, start.workflow_id, start.input)
        live = Live(row, machine.new(plan), is_new=True, along=start.along)
        try:
            live.take_in(started)
        except (TypeError, ValueError, OverflowError) as error:
            raise RuntimeFailure("INVALID_REQUEST", f"the input can not be stored as JSON: {error}") from error
        metrics.STARTED.inc()
        self._remember(live)
        if group and not self._enter(live, group):
            queue_up(live.row)
        return live

    def _enter(self, live: Live, group: str) -> bool:
        """Takes a slot, or a place in the queue."""
        row, limits, now = live.row, live.state.plan.limits, self._clock.now_ms()
        live.admitted = self._admission.enter(row.pk, group, limits, user=row.user_id, priority=row.priority, now=now)
        # The limits may be wider than those that the others in the queue came under.
        self._let_in(group)
        return live.admitted

    def _watch_gate(self, group: str) -> None:
        """Comes back when the rate lets more of the group in."""
        now = self._clock.now_ms()
        at = self._admission.opens_at(group, now)
        if at is not None and at > now and group not in self._gates:
            self._gates[group] = self._clock.call_at(at, lambda: self._open_gate(group))

    def _open_gate(self, group: str) -> None:
        self._gates.pop(group, None)
        self._let_in(group)

    def _admit(self, live: Live) -> None:
        live.admitted = True
        live.row.started_at = self._clock.now_ms()

    # the pump

    def _feed(self, live: Live, event: AnyEvent, data: bytes | None = None) -> None:
        data = data or encode(event)
        if machine.take(live.state, event):
            live.record(data)
            self._pump(live)

    def _pump(self, live: Live) -> None:
        """Does everything that follows from the state now, up to the next thing that takes time."""
        if live.admitted and not live.yielding:
            self._decide(live)
        self._flush(live)

    def _decide(self, live: Live) -> None:
        state = live.state
        for _ in range(PURE_STEPS):
            now = self._clock.now_ms()
            ready = machine.decide(state, now)
            for event in ready.append:
                live.record(encode(event))
                if isinstance(event, ExecutionEnded):
                    live.children += error_children(live.row, state.plan, event)
            for key in ready.abort:
                self._abort(live, key)
            live.children += ready.start
            for child in ready.cancel_children:
                if child not in live.asked_to_cancel:
                    live.asked_to_cancel.add(child)
                    self._background.do(self._cancel_child, live.row, child)
            pure = False
            for task in ready.perform:
                if task.node.shape.effect is Effect.PURE:
                    pure = True
                    given = run_now(perform(state, task, self._context(live, now), self._clock.now_ms))
                    outcome, data = storable(task, given)
                    if spans.active is not None:
                        measures.performed(live.row.id, live.row.workflow_id, state.trace, task, outcome, now)
                    machine.apply(state, outcome)
                    live.record(data)
                else:
                    live.held.append(task)
            if not pure:
                live.wake_at = ready.wake_at
                return
        live.yielding = True
        asyncio.get_running_loop().call_soon(self._go_on, live)

    def _go_on(self, live: Live) -> None:
        live.yielding = False
        self._pump(live)

    def _context(self, live: Live, now: int) -> Context:
        plan = live.state.plan
        row, depth = live.row, live.state.depth
        return self._services(Context(row.id, row.workflow_id, now, depth, plan.timezone, row.user_id))

    def _abort(self, live: Live, key: RunKey) -> None:
        live.held = [task for task in live.held if task.key != key]
        if task := live.tasks.pop(key, None):
            self._stop(task)

    # storing

    def _flush(self, live: Live) -> None:
        if live.committing:
            return
        status = live.status()
        if live.buffer or live.is_new or status != live.row.status or live.wake_at != live.row.wake_at:
            live.committing = True
            if self._needs_time(live):
                self._background.spawn(self._flush_slowly(live))
            else:
                self._commit(live, status)
        else:
            self._settled(live)

    def _commit(self, live: Live, status: Status, more: Sequence[Write] = (), born: Sequence[Live] = ()) -> None:
        """Stores the buffer, the row, and `more` in one transaction; then the `born` that are in it may live."""
        writes, done = self._leaving(live, status)
        self._submit([*writes, *more], partial(self._told, [done], born) if born else done)

    def _told(
        self, parents: Sequence[Callable[[Exception | None], bool]], born: Sequence[Live], error: Exception | None
    ) -> bool:
        if sum(done(error) for done in parents):
            return True
        for newborn in born:
            if error is None:
                newborn.committing = False
                self._pump(newborn)
            else:
                self._discard(newborn, error)
        return False

    def _leaving(self, live: Live, status: Status) -> tuple[list[Write], Callable[[Exception | None], bool]]:
        """Takes what is to be stored out of `live`, and says what to do when it is stored, or is not.

        What to do answers whether the same writes have to be tried again.
        """
        row, state = live.row, live.state
        events, live.buffer = live.buffer, []
        held, live.held = live.held, []
        waiting, live.on_stored = live.on_stored, []
        first = live.seq - len(events) + 1
        is_new, live.is_new = live.is_new, False
        has_changed = is_new or status != row.status or live.wake_at != row.wake_at
        row.status, row.wake_at = status, live.wake_at
        if status >= Status.SUCCESS:
            row.ended_at = self._clock.now_ms()
            row.failure_summary = state.failure.message if state.failure else ""
        writes: list[Write] = [InsertExecution(row), *live.along] if is_new else []
        live.along = ()
        writes.append(Append(row.pk, first, events, row if has_changed and not is_new else None))
        writes += live.snapshot()
        saved = live.task_changes(self._clock.now_ms())
        due = min((at for each in saved for _, _, at, _, _ in each.notices), default=None) if saved else None
        writes += saved

        def done(error: Exception | None) -> bool:
            if error is None:
                live.committing = False
                answer(waiting, None)
                self._watchers.tell(row.pk)
                if due is not None:
                    self._on_notice(due)
                self._launch(live, held)
                self._flush(live)
                return False
            if not is_new and isinstance(error, StoreUnavailable):
                return True
            answer(waiting, error)
            self._refuse(live, is_new, error)
            return False

        return writes, done

    def _submit(self, writes: list[Write], done: Callable[[Exception | None], bool], tries: int = 0) -> None:
        """Stores `writes`; as long as the database is out of reach, again and again, for they are true already."""

        def told(error: Exception | None) -> None:
            if done(error):
                log.error("commit_delayed", error=str(error), tries=tries + 1, seconds=delay(tries))
                asyncio.get_running_loop().call_later(delay(tries), self._submit, writes, done, tries + 1)

        self._store.submit(writes, told)

    async def _stored(self, live: Live) -> None:
        """Returns when everything that has happened to `live` so far is stored."""
        if live.buffer or live.committing:
            # A commit that is under way settles whoever asks by the flush behind it.
            await live.when_stored()

    def _settled(self, live: Live) -> None:
        """Everything is stored: the execution may end, leave memory, or go on with its effects."""
        stored, live.on_stored = live.on_stored, []
        answer(stored, None)
        held, live.held = live.held, []
        self._launch(live, held)
        if live.state.status:
            self._finish(live)
        elif live.row.status is Status.WAITING or (live.row.status is Status.PAUSED and not live.may_act()):
            self._forget(live)
            if live.wake_at is not None:
                if live.wake_at > self._clock.now_ms():
                    self._sleepers.add(live.wake_at)
                else:
                    self._background.do(self._wake, live.row.pk)
        else:
            self._set_alarm(live)

    def _refuse(self, live: Live, is_new: bool, error: Exception) -> None:
        """The store does not take an execution as it is."""
        self._discard(live, error)
        # Of a new one nobody was told; one that exists can not just be gone.
        if not is_new and not isinstance(error, OwnershipLost):
            self._background.do(self._give_up, live.row.pk, str(error), live.gave_up)

    def _discard(self, live: Live, error: Exception) -> None:
        self._forget(live)
        for task in live.tasks.values():
            self._stop(task)
        self._release(live.row.pk)
        waiting, live.on_stored = live.on_stored, []
        answer(waiting, error)

    async def _give_up(self, pk: int, reason: str, again: bool) -> None:
        """Ends an execution, from where it is stored, that has come to something that the database will never take."""
        if again:
            log.error("execution_stands_still", pk=pk, error=reason)
            return
        live = await self._wake(pk)
        if live is None:
            return
        live.gave_up = live.admitted = True
        failure = Failure(
            "NOT_STORABLE",
            f"the database does not take what the execution has come to: {reason}",
            hint="its last events are missing for that reason; look for text that the database can not hold",
        )
        children = [child for run in live.state.runs.values() if isinstance(run, Waiting) for child in run.children]
        ended = ExecutionEnded(at=self._clock.now_ms(), status="ERROR", failure=failure)
        live.take_in(ended)
        live.children += error_children(live.row, live.state.plan, ended)
        for child in children:
            self._background.do(self._cancel_child, live.row, child)
        self._pump(live)

    # effects

    def _launch(self, live: Live, tasks: Iterable[Perform]) -> None:
        for task in tasks:
            run = live.state.runs.get(task.key)
            if self._closing or not isinstance(run, Running) or run.work.attempt != task.work.attempt:
                continue
            if self._live.get(live.row.pk) is not live:
                # It has left memory while its attempt waited for room.
                continue
            if self._in_flight >= self._max_in_flight:
                self._backlog.append((live, task))
                continue
            self._in_flight += 1
            live.tasks[task.key] = asyncio.create_task(self._attempt(live, task))

    async def _attempt(self, live: Live, task: Perform) -> None:
        try:
            row, now = live.row, self._clock.now_ms()
            context = self._context(live, now)
            attempting = Attempting(row.id, row.workflow_id, live.state.trace, task, now)
            on_item = self._item_done(live, task) if sum(map(len, task.work.inputs.values())) > 1 else None
            on_step = self._step_done(live, task)
            outcome = await perform(live.state, task, context, self._clock.now_ms, on_item, on_step)
            attempting.over(outcome)
        finally:
            if live.tasks.get(task.key) is asyncio.current_task():
                del live.tasks[task.key]
            self._make_room()
        self._feed(live, *storable(task, outcome))

    def _stop(self, attempt: asyncio.Task[None]) -> None:
        if inspect.getcoroutinestate(attempt.get_coro()) == inspect.CORO_CREATED:  # type: ignore[arg-type]
            # What has not begun never comes to its `finally`.
            self._make_room()
        attempt.cancel()

    def _make_room(self) -> None:
        """One attempt less."""
        self._in_flight -= 1
        while self._backlog and self._in_flight < self._max_in_flight:
            live, task = self._backlog.popleft()
            self._launch(live, [task])

    def _feed_part(self, live: Live, event: AnyEvent) -> None:
        """For what an attempt tells while it is under way. Raises NodeFailure when it can not be stored."""
        try:
            data = encode(event)
        except Exception as error:
            raise NodeFailure("NODE_CRASHED", f"what it gave can not be stored as JSON: {error}") from error
        self._feed(live, event, data)

    def _item_done(self, live: Live, task: Perform) -> Callable[[int, Outputs], Any]:
        async def done(index: int, outputs: Outputs) -> None:
            event = ItemSucceeded(
                at=self._clock.now_ms(),
                node=task.node.id,
                path=task.key[1],
                attempt=task.work.attempt,
                index=index,
                outputs=outputs,
            )
            self._feed_part(live, event)
            if task.node.shape.effect is Effect.AT_MOST_ONCE:
                await self._stored(live)

        return done

    def _step_done(self, live: Live, task: Perform) -> Callable[[str, Json, dict[str, Json]], Any]:
        async def done(key: str, value: Json, usage: dict[str, Json]) -> None:
            event = StepSucceeded(
                at=self._clock.now_ms(),
                node=task.node.id,
                path=task.key[1],
                attempt=task.work.attempt,
                key=key,
                value=value,
                usage=usage,
            )
            self._feed_part(live, event)
            await self._stored(live)

        return done

    # families

    async def _flush_slowly(self, live: Live) -> None:
        """Stores the births of children together with the event that asked for them, and large events as blobs."""
        born: list[Live] = []
        try:
            writes = await self._prepare(live, born)
        except Exception as error:
            for newborn in born:
                self._discard(newborn, error)
            self._refuse(live, live.is_new, error)
        else:
            self._commit(live, live.status(), writes, born)

    async def _prepare(self, live: Live, born: list[Live]) -> list[Write]:
        """What has to be stored together with the buffer of `live`; its children join `born`.

        Raises StoreUnavailable when a new execution has to be refused.
        """
        writes: list[Write] = []
        # More may be asked for meanwhile, and what asks must not be stored without what it asked for.
        while self._needs_time(live):
            children, live.children = live.children, []
            for child in children:
                newborn = await self._bear(live, child)
                if newborn is None:
                    continue
                born.append(newborn)
                # Its parent is told to wait for it, so it has to be taken.
                await self._lay_aside(newborn, must=True)
                writes += [InsertExecution(newborn.row), Append(newborn.row.pk, 1, newborn.buffer)]
                newborn.buffer, newborn.is_new = [], False
            await self._lay_aside(live)
            if live.state.start:
                await asyncio.sleep(0)
        return writes

    def _needs_time(self, live: Live) -> bool:
        """Whether the buffer can not be stored as it is."""
        return bool(live.children or live.state.start or (live.has_large and self._blobs))

    async def _bear(self, live: Live, child: StartChild) -> Live | None:
        """A child with its first event, not stored; None when its parent waits for it no more, or is told that it can
        not be.
        """
        try:
            start, plan = await insist(partial(self._child_start, live, child))
            if not child.detached and not machine.waits_for(live.state, child):
                # It was called off meanwhile, and is taken to have ended.
                return None
            newborn = self._create(
                start,
                plan,
                self._clock.now_ms(),
                child.spec.id,
                parent=live,
                parent_address="" if child.detached else live.state.address(child.key),
                depth=live.state.depth + 1,
            )
        except RuntimeFailure as refused:
            if not child.detached:
                result = ChildResult(id=child.spec.id, status="ERROR", failure=Failure(refused.reason, refused.message))
                node, path = live.state.plan.nodes[child.key[0]].id, child.key[1]
                self._feed(live, ChildEnded(at=self._clock.now_ms(), node=node, path=path, result=result))
            return None
        newborn.committing = True
        return newborn

    async def _lay_aside(self, live: Live, *, must: bool = False) -> None:
        """Puts large events of the buffer into the blob store. Raises StoreUnavailable for a new execution."""
        while live.has_large and self._blobs:
            live.has_large = False
            for index, data in enumerate(live.buffer):
                if len(data) > LARGE:
                    try:
                        live.buffer[index] = await insist(
                            partial(lay_aside, self._blobs, data), () if live.is_new and not must else OSError
                        )
                    except OSError as error:
                        raise StoreUnavailable(
                            f"the blob store does not take this execution's data: {error}"
                        ) from error

    async def _child_start(self, live: Live, child: StartChild) -> tuple[Start, Plan]:
        digest, version = await self._definitions.resolve_for(
            live.row.user_id, child.spec.workflow_id, child.spec.version
        )
        start = child_start(live.row, live.state, child, digest, version)
        return start, await self._definitions.plan(digest)

    async def _tell_parent(self, pk: int, address: str, result: ChildResult) -> None:
        node, path = parse_address(address)
        if (live := await self._wake(pk)) is not None:
            self._feed(live, ChildEnded(at=self._clock.now_ms(), node=node, path=path, result=result))

    async def _tell_parents_again(self) -> None:
        # A child may have ended in the last life without its parent having been told.
        for child in await asyncio.to_thread(self._store.ended_children_of_open):
            self._background.do(self._tell_again, child)

    async def _tell_again(self, child: ExecutionRow) -> None:
        assert child.parent_pk is not None
        await self._tell_parent(child.parent_pk, child.parent_address, child_result(await self.ended(child)))

    async def _cancel_child(self, parent: ExecutionRow, child: str) -> None:
        now = self._clock.now_ms()
        try:
            await self.send(child, CancelRequested(at=now, reason=f"its parent {parent.id} goes on without it"))
        except RuntimeFailure as refused:
            # It ended, or was never born: either way the parent need not wait for it any longer.
            failure = Failure(refused.reason, refused.message)
            await self._tell_parent(parent.pk, "", ChildResult(id=child, status="CANCELED", failure=failure))

    # ending

    def _finish(self, live: Live) -> None:
        row, state = live.row, live.state
        if row.pk not in self._live:
            return
        self._forget(live)
        metrics.ENDED.labels(state.status).inc()
        measures.ended(row, state)
        ended = Ended(row.id, state.status, state.output, state.failure)
        answer(self._waiters.pop(row.pk, ()), ended)
        self.on_end()
        self._release(live.row.pk)
        if row.parent_pk is not None and row.parent_address:
            self._background.do(self._tell_parent, row.parent_pk, row.parent_address, child_result(ended))

    def _release(self, pk: int) -> None:
        if (group := self._admission.leave(pk)) is not None:
            self._let_in(group)

    def _let_in(self, group: str) -> None:
        for pk in self._admission.next(group, self._clock.now_ms()):
            self._background.do(self._begin, pk)
        self._watch_gate(group)

    async def _begin(self, pk: int) -> None:
        """Lets in one that has been given its slot."""
        try:
            live = await self._wake(pk)
        except StoreUnavailable:
            raise
        except Exception as error:
            log.error("execution_not_taken_up", pk=pk, error=str(error))
            live = None
        if live is None:
            # It will not come back to give the slot back.
            self._release(pk)
            return
        self._admit(live)
        self._pump(live)

    # memory

    async def _row(self, execution_id: str) -> ExecutionRow:
        if (pk := self._ids.get(execution_id)) is not None:
            return self._live[pk].row
        return await self._stored_row(execution_id)

    async def _find(self, execution_id: str) -> Live | None:
        row = await self._row(execution_id)
        return await self._wake(row.pk)

    async def _wake(self, pk: int) -> Live | None:
        """The execution, in memory; None when it has ended.

        Use it before the next `await`: an execution that only waits may leave memory at any other time.
        """
        while (live := self._live.get(pk)) is None:
            if (loading := self._loading.get(pk)) is not None:
                await asyncio.wait([loading])
                continue
            row = await asyncio.to_thread(self._store.execution_by_pk, pk)
            if row is None or row.status >= Status.SUCCESS:
                return None
            await self._load(row)
        return live

    async def _load(self, row: ExecutionRow) -> None:
        if row.pk in self._live or row.pk in self._loading:
            return
        self._loading[row.pk] = loading = asyncio.get_running_loop().create_future()
        try:
            live = await self._restore(row)
        finally:
            del self._loading[row.pk]
            loading.set_result(None)
        self._remember(live)
        self._enrol(live)
        state = live.state
        for key in machine.unknown_outcomes(state):
            node, attempt = state.plan.nodes[key[0]].id, state.runs[key].work.attempt
            live.take_in(OutcomeUnknown(at=self._clock.now_ms(), node=node, path=key[1], attempt=attempt))
        # Whoever asked for the execution gets it first; it might leave memory again at once.
        asyncio.get_running_loop().call_soon(self._pump, live)

    async def _input(self, row: ExecutionRow) -> Items:
        [(_, started)] = await read_page(self._store, self._blobs, row.pk, 1, 1)
        assert isinstance(started, ExecutionStarted)
        return started.input

    def _remember(self, live: Live) -> None:
        self._live[live.row.pk] = live
        self._ids[live.row.id] = live.row.pk

    def _forget(self, live: Live) -> None:
        self._live.pop(live.row.pk, None)
        self._ids.pop(live.row.id, None)
        if live.alarm is not None:
            live.alarm.cancel()

    def _enrol(self, live: Live) -> None:
        """Queues an execution again that had not got its slot before a restart."""
        plan = live.state.plan
        if plan.limits and live.row.status is Status.NEW:
            self._enter(live, group_of(plan, live.row.workflow_id, live.state.input))

    async def _restore(self, row: ExecutionRow) -> Live:
        """The execution as its journal leaves it, from its newest snapshot on."""
        plan = await self._definitions.plan(row.digest)
        state, seq, size = machine.new(plan), 0, 0
        if (found := await asyncio.to_thread(self._store.snapshot, row.pk)) is not None:
            restored = snapshot.load(plan, found[1])
            if restored is not None:
                state, seq, size = restored, found[0], len(found[1])
        events = await read_events(self._store, self._blobs, row.pk, seq + 1)
        machine.go_on(state, events)
        return Live(row, state, seq + len(events), snapshot_seq=seq, snapshot_size=size, wake_at=row.wake_at)

    # time

    def _set_alarm(self, live: Live) -> None:
        """For an execution that stays in memory."""
        if live.wake_at == live.alarm_at:
            return
        if live.alarm is not None:
            live.alarm.cancel()
        live.alarm_at = live.wake_at
        live.alarm = self._clock.call_at(live.wake_at, partial(self._ring, live)) if live.wake_at is not None else None

    def _ring(self, live: Live) -> None:
        live.alarm = live.alarm_at = None
        if self._live.get(live.row.pk) is live:
            self._pump(live)
