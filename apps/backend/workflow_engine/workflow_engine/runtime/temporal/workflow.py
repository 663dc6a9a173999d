"""An execution as a Temporal workflow: the same pure machine, with Temporal as its journal and its clock.

Theory. Temporal's history is the truth here. Everything that enters the machine comes out of that history: the
argument, the results of activities, timers, signals, updates. The machine is deterministic, so replaying the history
leads to the same state, on any worker. Pure nodes run inside the workflow; every other attempt is an activity. Our own
journal in PostgreSQL is a projection, written in order and repeatably, mostly by the activities on their way; all reads
of the API come from it, as in the local runtime.

An attempt whose worker died is made again, unless its effect must not be repeated: then its outcome is unknown, and the
machine parks it or follows the node's policy. What the attempt had recorded by then (items of a list that are done)
came by signal and is in the history.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    FailureError,
    WorkflowAlreadyStartedError,
)
from temporalio.workflow import ActivityCancellationType, ParentClosePolicy

from workflow_engine.engine import machine, snapshot
from workflow_engine.engine.events import (
    AnyEvent,
    CancelRequested,
    ChildEnded,
    ChildResult,
    ExecutionEnded,
    OutcomeUnknown,
    decode,
    encode,
)
from workflow_engine.engine.items import Failure
from workflow_engine.engine.plan import Catalogue, Plan, PlanNode
from workflow_engine.engine.planning import build
from workflow_engine.engine.shape import Effect
from workflow_engine.engine.state import Perform, RunKey, Running, StartChild, State, Work, parse_address
from workflow_engine.engine.tasks import TaskChange
from workflow_engine.models.projection import Batch
from workflow_engine.models.writes import Status
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.perform import perform, run_now
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.runtime import measures
from workflow_engine.runtime.contract import Ended, RuntimeFailure
from workflow_engine.runtime.families import child_result, child_start, error_children
from workflow_engine.runtime.journal import status_of
from workflow_engine.runtime.temporal import names
from workflow_engine.runtime.temporal.wire import (
    ATTEMPT,
    ATTEMPTED,
    BATCH,
    BEGIN,
    ENTER,
    PUBLISHED,
    Attempt,
    Begin,
    Enter,
    Seen,
    beginning,
    dump_events,
    load_events,
)

PURE_STEPS = 200
"""Pure attempts in one go; a workflow that takes two seconds without a pause is taken for a deadlock."""
PAUSE = timedelta(milliseconds=1)
CARRIED = 64 * 1024
"""Bytes of events that an activity stores on its way; more take a round of their own."""
LAG = 1.0
"""Seconds that the projection may lag behind while the execution is busy."""
LONGEST_ATTEMPT = timedelta(days=365)
PATIENT = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_interval=timedelta(seconds=5))
"""For what must succeed in the end, such as storing what is true already."""
ONCE = RetryPolicy(maximum_attempts=1)


class Plans:
    """Plans by definition, shared by all workflows of this worker."""

    def __init__(self) -> None:
        self.catalogue: Catalogue | None = None
        self._plans: OrderedDict[bytes, Plan] = OrderedDict()

    def of(self, definition: bytes) -> Plan:
        """The plan of a definition, which was checked before it was stored."""
        if (plan := self._plans.get(definition)) is not None:
            self._plans.move_to_end(definition)
            return plan
        assert self.catalogue is not None, "the worker has not said which node types there are"
        built = build(pb.Workflow.FromString(definition), self.catalogue)
        if built.plan is None:
            # Not a failure of the execution: a worker of another release may know the node type.
            raise RuntimeError(f"this release can not run the definition: {built.errors[0].message}")
        self._plans[definition] = built.plan
        if len(self._plans) > 1_000:
            self._plans.popitem(last=False)
        return built.plan


PLANS = Plans()


@workflow.defn(name=names.EXECUTION, sandboxed=False)
class ExecutionWorkflow:
    """One execution. Its id is the execution's id."""

    @workflow.init
    def __init__(self, data: bytes) -> None:
        begin = BEGIN.load(data)
        self.begin, self.row = begin, begin.row
        self.state = self._restored(begin)
        self.first, self.unstored = begin.first, list(begin.events)
        """Events that are not known to be stored, from number `first` on."""
        self.tasks_changed: list[tuple[int, int, TaskChange]] = []
        """What they did to tasks: (number of the event, when, how a task stands)."""
        self.sent = begin.first - 1
        """The newest event that is on its way to the store."""
        self.shown: Status | None = None
        """The status that is on its way to the store."""
        self.storing: asyncio.Task[None] | None = None
        self.admitted = begin.admitted
        self.attempts: dict[RunKey, asyncio.Task[None]] = {}
        self.children: dict[str, asyncio.Task[None]] = {}
        self.asked_to_cancel: set[str] = set()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.changed = True
        self.broken: BaseException | None = None
        self.alarm: asyncio.TimerHandle | None = None
        self.alarm_at = 0
        self.lag: asyncio.TimerHandle | None = None

    def _restored(self, begin: Begin) -> State:
        plan = PLANS.of(begin.definition)
        if begin.state is not None:
            state = snapshot.load(plan, begin.state)
            if state is None:
                raise RuntimeError("this release can not read the execution's snapshot")
            return state
        return machine.replay(plan, [decode(each) for each in begin.events])

    # what comes in

    @workflow.signal(name=names.EVENTS)
    def take(self, data: bytes) -> None:
        for event in load_events(data):
            self._feed(event)

    @workflow.update(name=names.SEND)
    async def send(self, data: bytes) -> bool:
        """Whether the event means anything to the execution as it is; it can be read when this answers."""
        [event] = load_events(data)
        if self.state.status:
            raise ApplicationError("it has ended", type=names.ENDED, non_retryable=True)
        if not self._feed(event):
            return False
        number = self.last
        while self.first <= number:
            if self.storing is None:
                self.storing = self._do(self._store())
            await asyncio.wait([self.storing])
        return True

    @workflow.signal(name=names.ADMITTED)
    def let_in(self) -> None:
        if not self.admitted:
            self.admitted = self.changed = True
            self.row.started_at = _now()

    def _feed(self, event: AnyEvent) -> bool:
        if not machine.expects(self.state, event):
            return False
        if isinstance(event, CancelRequested) and not self.admitted:
            self.let_in()
        machine.apply(self.state, event)
        self._record(event)
        self.changed = True
        return True

    def _record(self, event: AnyEvent) -> None:
        self.unstored.append(encode(event))
        self.state.changes.clear()
        tasks, self.state.tasks = self.state.tasks, []
        self.tasks_changed += [(self.last, event.at, each) for each in tasks]

    # the loop

    @workflow.run
    async def run(self, data: bytes) -> None:
        if not self.admitted:
            begin = self.begin
            await self._gate(
                names.ENTER, ENTER.dump(Enter(self.row.id, self.row.user_id, self.row.priority, begin.limits))
            )
        while not self.state.status:
            try:
                await self._turn()
            except asyncio.CancelledError:
                # Somebody used Temporal's own cancel; to us that is a request like any other.
                self._feed(CancelRequested(at=_now(), by="temporal"))
        while True:
            try:
                await self._end()
                return
            except asyncio.CancelledError:
                continue

    async def _turn(self) -> None:
        self.changed = False
        if workflow.info().is_continue_as_new_suggested():
            # No attempt may be under way when the history ends, so none is begun.
            await workflow.wait_condition(lambda: not self.tasks)
            await self._store_all()
            if not self.tasks and workflow.all_handlers_finished():
                workflow.continue_as_new(BEGIN.dump(self._sequel()))
        if self.admitted:
            await self._decide()
        if not self.state.status:
            self._arm()
            # The first attempt that sets out takes along what there is to store.
            await asyncio.sleep(0)
            self._store_soon()
            await workflow.wait_condition(lambda: self.changed)
        if self.broken:
            raise self.broken

    async def _decide(self) -> None:
        """Does everything that follows from the state now."""
        for _ in range(PURE_STEPS):
            ready = machine.decide(self.state, _now())
            for event in ready.append:
                self._record(event)
                if isinstance(event, ExecutionEnded):
                    ready.start += error_children(self.row, self.state.plan, event)
            for key in ready.abort:
                if (aborted := self.attempts.pop(key, None)) is not None:
                    aborted.cancel()
            for child in ready.start:
                self.children[child.spec.id] = self._do(self._start_child(child))
            for id in ready.cancel_children:
                if id not in self.asked_to_cancel:
                    self.asked_to_cancel.add(id)
                    self._do(self._cancel_child(id))
            pure = False
            for task in ready.perform:
                if task.node.shape.effect is Effect.PURE:
                    pure = True
                    context = self._context()
                    outcome = run_now(perform(self.state, task, context, _now))
                    if not workflow.unsafe.is_replaying():
                        row = self.row
                        measures.performed(row.id, row.workflow_id, self.state.trace, task, outcome, context.now)
                    machine.apply(self.state, outcome)
                    self._record(outcome)
                else:
                    self.attempts[task.key] = attempt = self._do(self._attempt(task))
                    attempt.add_done_callback(partial(self._attempted, task.key))
            if not pure:
                self.row.wake_at = ready.wake_at
                return
        await workflow.sleep(PAUSE)
        self.changed = True

    def _context(self) -> Context:
        row, plan = self.row, self.state.plan
        return Context(row.id, row.workflow_id, _now(), self.state.depth, plan.timezone, row.user_id)

    def _do(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self.changed = True
        if not task.cancelled() and (error := task.exception()) is not None:
            self.broken = error

    def _arm(self) -> None:
        """Comes back when the machine has something to do by then."""
        at = self.row.wake_at
        if (self.alarm_at if self.alarm else None) == at:
            return
        if self.alarm:
            self.alarm.cancel()
            self.alarm = None
        if at is not None:
            delay = max(at - _now(), 0) / 1000
            self.alarm_at, self.alarm = at, asyncio.get_running_loop().call_later(delay, self._ring)

    def _ring(self) -> None:
        self.alarm, self.changed = None, True

    def _sequel(self) -> Begin:
        """What goes on under a new history."""
        begin = self.begin
        return Begin(
            row=self.row,
            definition=begin.definition,
            events=[],
            first=self.first,
            state=snapshot.dump(self.state),
            parent=begin.parent,
            group=begin.group,
            limits=begin.limits,
            admitted=self.admitted,
        )

    # attempts

    async def _attempt(self, task: Perform) -> None:
        key, delay = task.key, 1
        try:
            while isinstance(run := self.state.runs.get(key), Running) and run.work.attempt == task.work.attempt:
                journal = self._carried()
                argument = self._argument(task.node, key, run.work, journal)
                try:
                    answer = ATTEMPTED.load(
                        await workflow.execute_activity(
                            names.ATTEMPT,
                            ATTEMPT.dump(argument),
                            result_type=bytes,
                            start_to_close_timeout=LONGEST_ATTEMPT,
                            heartbeat_timeout=names.HEARTBEAT,
                            retry_policy=ONCE,
                            cancellation_type=ActivityCancellationType.TRY_CANCEL,
                            summary=self.state.address(key),
                        )
                    )
                except ActivityError as error:
                    if journal:
                        self.sent = self.first - 1
                    if isinstance(error.cause, CancelledError):
                        return
                    if task.node.shape.effect is Effect.AT_MOST_ONCE and not _not_performed(error.cause):
                        node, path = task.node.id, key[1]
                        self._feed(OutcomeUnknown(at=_now(), node=node, path=path, attempt=task.work.attempt))
                        return
                    await asyncio.sleep(delay)
                    delay = min(2 * delay, 60)
                    continue
                if answer.stored:
                    self._stored(answer.stored, answer.pk)
                self._feed(decode(answer.event))
                return
        except asyncio.CancelledError:
            # Aborted by the machine, which no longer expects an outcome.
            return

    def _attempted(self, key: RunKey, attempt: asyncio.Task[None]) -> None:
        if self.attempts.get(key) is attempt:
            del self.attempts[key]

    def _argument(self, node: PlanNode, key: RunKey, work: Work, journal: Batch | None) -> Attempt:
        state, row = self.state, self.row
        return Attempt(
            digest=row.digest,
            execution_id=row.id,
            workflow_id=row.workflow_id,
            started_at=state.started_at,
            depth=state.depth,
            node=key[0],
            path=key[1],
            work=work,
            seen=list(_seen(state, node, key[1])),
            journal=journal,
            user_id=row.user_id,
            trace=state.trace,
        )

    # families

    async def _start_child(self, child: StartChild) -> None:
        spec, now = child.spec, _now()
        try:
            if self.first == 1:
                # The child's row names this one's key, which is certain only when it is stored.
                await self._store_all()
            found = PUBLISHED.load(
                await workflow.execute_local_activity(
                    names.PUBLISHED,
                    args=[spec.workflow_id, spec.version, self.row.user_id],
                    result_type=bytes,
                    start_to_close_timeout=timedelta(seconds=30),
                    retry_policy=PATIENT,
                )
            )
            if found.reason:
                raise RuntimeFailure(found.reason, found.message)
            plan = PLANS.of(found.definition)
            begin = beginning(
                child_start(self.row, self.state, child, found.digest, found.version),
                plan,
                found.definition,
                spec.id,
                now,
                workflow.random().getrandbits(32),
                parent=self.row,
                parent_address="" if child.detached else self.state.address(child.key),
                depth=self.state.depth + 1,
            )
            begin.parent = "" if child.detached else self.row.id
            await workflow.start_child_workflow(
                names.EXECUTION,
                BEGIN.dump(begin),
                id=spec.id,
                parent_close_policy=ParentClosePolicy.ABANDON,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            )
            # Whoever sees the parent's end finds the child.
            await self._write(Batch(begin.row, 1, begin.events))
        except WorkflowAlreadyStartedError:
            pass
        except RuntimeFailure as refused:
            if not child.detached:
                self._child_failed(child, refused)
        finally:
            self.children.pop(spec.id, None)

    def _child_failed(self, child: StartChild, refused: RuntimeFailure) -> None:
        result = ChildResult(id=child.spec.id, status="ERROR", failure=Failure(refused.reason, refused.message))
        node, path = self.state.plan.nodes[child.key[0]].id, child.key[1]
        self._feed(ChildEnded(at=_now(), node=node, path=path, result=result))

    async def _cancel_child(self, id: str) -> None:
        if (starting := self.children.get(id)) is not None:
            await asyncio.wait([starting])
        asked = CancelRequested(at=_now(), reason=f"its parent {self.row.id} goes on without it")
        try:
            await workflow.get_external_workflow_handle(id).signal(names.EVENTS, dump_events([asked]))
        except FailureError as gone:
            # It ended, or was never born: either way there is nothing to wait for.
            result = ChildResult(id=id, status="CANCELED", failure=Failure("EXECUTION_ENDED", str(gone)))
            self._feed(ChildEnded(at=_now(), node="", path=(), result=result))

    # the projection

    @property
    def last(self) -> int:
        return self.first + len(self.unstored) - 1

    @property
    def is_stale(self) -> bool:
        """There is something that is neither stored nor on its way."""
        return self.sent < self.last or self._status() is not self.shown

    def _status(self) -> Status:
        return status_of(self.state, admitted=self.admitted, at_work=bool(self.attempts))

    def _batch(self) -> Batch:
        row, state = self.row, self.state
        row.status = self.shown = self._status()
        if state.status and row.ended_at is None:
            row.ended_at = _now()
            row.failure_summary = state.failure.message if state.failure else ""
        self.sent = self.last
        if self.lag is not None:
            # A timer that rings for nothing costs Temporal as much as one that rings for something.
            self.lag.cancel()
            self.lag = None
        return Batch(row, self.first, list(self.unstored), list(self.tasks_changed))

    def _carried(self) -> Batch | None:
        """What an activity may store on its way."""
        if self.sent >= self.last or sum(map(len, self.unstored)) > CARRIED:
            return None
        return self._batch()

    def _stored(self, last: int, pk: int) -> None:
        if last >= self.first:
            del self.unstored[: last - self.first + 1]
            self.tasks_changed = [each for each in self.tasks_changed if each[0] > last]
            self.first = last + 1
        self.row.pk = pk

    def _store_soon(self) -> None:
        """Sees to it that what people are shown is not long behind."""
        if not self.is_stale or self.storing:
            return
        if not self.attempts:
            self.storing = self._do(self._store())
        elif self.lag is None:
            self.lag = asyncio.get_running_loop().call_later(LAG, self._lagged)

    def _lagged(self) -> None:
        self.lag = None
        if self.is_stale and not self.storing:
            self.storing = self._do(self._store())

    async def _store_all(self) -> None:
        while self.storing or self.first <= self.last or self.is_stale:
            if self.storing is None:
                self.storing = self._do(self._store())
            await asyncio.wait([self.storing])

    async def _store(self) -> None:
        try:
            batch = self._batch()
            self._stored(batch.last, await self._write(batch))
        finally:
            self.storing = None

    async def _write(self, batch: Batch) -> int:
        pk: int = await workflow.execute_local_activity(
            names.JOURNAL,
            BATCH.dump(batch),
            result_type=int,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=PATIENT,
        )
        return pk

    # the end

    async def _end(self) -> None:
        for timer in (self.alarm, self.lag):
            if timer is not None:
                timer.cancel()
        self.alarm = self.lag = None
        await workflow.wait_condition(lambda: not self.tasks)
        await self._store_all()
        if not workflow.unsafe.is_replaying():
            measures.ended(self.row, self.state)
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self.begin.parent:
            ended = Ended(self.row.id, self.state.status, self.state.output, self.state.failure)
            node, path = parse_address(self.row.parent_address)
            told = ChildEnded(at=_now(), node=node, path=path, result=child_result(ended))
            # A parent that ended without it need not be told.
            with suppress(FailureError):
                await workflow.get_external_workflow_handle(self.begin.parent).signal(names.EVENTS, dump_events([told]))
        if self.begin.group:
            await self._gate(names.LEAVE, self.row.id.encode())

    async def _gate(self, signal: str, data: bytes) -> None:
        await workflow.execute_local_activity(
            names.GATE,
            args=[self.begin.group, signal, data],
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=PATIENT,
        )


def _now() -> int:
    return int(workflow.time() * 1000)


def _not_performed(cause: BaseException | None) -> bool:
    return isinstance(cause, ApplicationError) and cause.type == names.NOT_PERFORMED


def _seen(state: State, node: PlanNode, path: tuple[int, ...]) -> Iterator[Seen]:
    """What the node's expressions, and those of the parts bound to it, may read of other nodes."""
    plan = state.plan
    told: set[RunKey] = set()
    nodes = [node]
    while nodes:
        each = nodes.pop()
        nodes += [plan.nodes[part] for parts in each.parts.values() for part in parts]
        for name in sorted(each.template.nodes):
            index = plan.by_name.get(name)
            if index is None:
                continue
            for depth in range(len(path), -1, -1):
                key = (index, path[:depth])
                if (outputs := state.outputs.get(key)) is not None:
                    if key not in told:
                        told.add(key)
                        yield Seen(index, key[1], outputs)
                    break
