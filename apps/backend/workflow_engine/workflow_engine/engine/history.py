"""What people see of an execution: one record a run, projected from the journal.

The machine forgets a run once its outputs are handed on. A `History` follows the same events through a machine of its
own and keeps what each run took in, gave out, when, and why it waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from workflow_engine.engine import machine
from workflow_engine.engine.events import (
    AnyEvent,
    AttemptFailed,
    AttemptStarted,
    ExecutionEnded,
    ExecutionStarted,
    NodeIterated,
    NodeSucceeded,
    NodeSuspended,
    StepSucceeded,
)
from workflow_engine.engine.items import Failure, Json, Outputs
from workflow_engine.engine.plan import Plan
from workflow_engine.engine.state import (
    Backoff,
    Canceled,
    Failed,
    Looping,
    Mapping,
    Parked,
    RunKey,
    Running,
    Scheduled,
    Skipped,
    State,
    Succeeded,
    Waiting,
    address,
)


@dataclass(slots=True)
class Wait:
    """Why a run does not go on."""

    kind: str
    """`timer`, `signal`, `children`, `task`, `retry` or `unknown_outcome`."""
    detail: str = ""
    until: int | None = None
    signal: str = ""
    children: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()


@dataclass(slots=True)
class AttemptRecord:
    number: int
    started_at: int
    ended_at: int | None = None
    failure: Failure | None = None


@dataclass(slots=True)
class StepRecord:
    """One step of a run that takes many."""

    key: str
    at: int
    value: Json
    usage: dict[str, Json]


@dataclass(slots=True)
class RunRecord:
    """One run as people see it. Times are epoch milliseconds."""

    key: RunKey
    node: str
    name: str
    status: str = "ready"
    """`ready`, `running`, `waiting`, `succeeded`, `failed`, `skipped` or `canceled`."""
    inputs: Outputs = field(default_factory=dict[str, list])  # type: ignore[type-arg]
    outputs: Outputs = field(default_factory=dict[str, list])  # type: ignore[type-arg]
    started_at: int | None = None
    ended_at: int | None = None
    attempts: list[AttemptRecord] = field(default_factory=list[AttemptRecord])
    failure: Failure | None = None
    source: str = ""
    wait: Wait | None = None
    turn: int = 0
    steps: list[StepRecord] = field(default_factory=list[StepRecord])
    usage: dict[str, Json] = field(default_factory=dict[str, Json])
    """What all its attempts consumed, e.g. tokens, whether they succeeded or not."""

    @property
    def address(self) -> str:
        return address(self.node, self.key[1])


class History:
    """All runs of one execution, in the order in which they became ready."""

    def __init__(self, plan: Plan) -> None:
        self.state: State = machine.new(plan)
        self.runs: dict[RunKey, RunRecord] = {}
        self.started: ExecutionStarted | None = None
        self.ended: ExecutionEnded | None = None
        self.last_at = 0

    @classmethod
    def of(cls, plan: Plan, events: Iterable[AnyEvent]) -> History:
        """The history that a journal tells."""
        history = cls(plan)
        for event in events:
            history.feed(event)
        return history

    def feed(self, event: AnyEvent) -> list[RunRecord]:
        """Takes in the next event of the journal; returns the records that it changed."""
        self.last_at = event.at
        state = self.state
        match event:
            case ExecutionStarted():
                self.started = event
            case ExecutionEnded():
                self.ended = event
            case AttemptStarted() | NodeSucceeded() | AttemptFailed() | NodeSuspended() | NodeIterated():
                self._attempted(event)
            case StepSucceeded() if machine.expects(state, event):
                record = self._record(machine.run_key(state, event))
                record.steps.append(StepRecord(event.key, event.at, event.value, event.usage))
                record.usage = added(record.usage, event.usage)
            case _:
                pass
        machine.apply(state, event)
        changed = {key: self._changed(key, change, event.at) for key, change in state.changes}
        state.changes.clear()
        state.start.clear()
        state.tasks.clear()
        state.abort.clear()
        state.ready.clear()
        return list(changed.values())

    def _record(self, key: RunKey) -> RunRecord:
        record = self.runs.get(key)
        if record is None:
            node = self.state.plan.nodes[key[0]]
            record = self.runs[key] = RunRecord(key, node.id, node.name)
        return record

    def _attempted(self, event: AttemptStarted | NodeSucceeded | AttemptFailed | NodeSuspended | NodeIterated) -> None:
        key = (self.state.plan.by_id[event.node], event.path)
        record = self._record(key)
        started = event.at if isinstance(event, AttemptStarted | NodeIterated) else event.started_at
        if record.started_at is None:
            record.started_at = started
        if isinstance(event, NodeIterated):
            record.turn = event.turn
            return
        if not record.attempts or record.attempts[-1].number != event.attempt:
            record.attempts.append(AttemptRecord(event.attempt, started))
        attempt = record.attempts[-1]
        if isinstance(event, NodeSucceeded):
            record.source = event.source
            if not record.steps:
                record.usage = event.usage
        if isinstance(event, NodeSucceeded | AttemptFailed):
            attempt.ended_at = event.at
        if isinstance(event, AttemptFailed):
            attempt.failure = event.failure

    def _changed(self, key: RunKey, change: object, at: int) -> RunRecord:
        record = self._record(key)
        record.wait = None
        match change:
            case Scheduled(work=work):
                record.status = "ready"
                if not work.turn:
                    record.inputs = work.inputs
            case Running() | Looping() | Mapping():
                record.status = "running"
            case Backoff(until=until, failure=failure):
                record.status = "waiting"
                record.failure = failure
                record.wait = Wait("retry", failure.message, until)
            case Waiting() as waiting:
                record.status = "waiting"
                record.wait = _wait(waiting)
            case Parked():
                record.status = "waiting"
                record.wait = Wait("unknown_outcome", "someone must say whether the effect happened")
            case Succeeded(outputs=outputs):
                self._end(record, "succeeded", at)
                record.outputs, record.failure = outputs, None
            case Failed(failure=failure, outputs=outputs):
                self._end(record, "failed", at)
                record.outputs, record.failure = outputs, failure
            case Skipped():
                record.status = "skipped"
            case Canceled():
                self._end(record, "canceled", at)
            case _:
                raise TypeError(f"unknown change {change}")
        return record

    @staticmethod
    def _end(record: RunRecord, status: str, at: int) -> None:
        record.status = status
        record.ended_at = at
        if record.started_at is None:
            record.started_at = at

    @property
    def status(self) -> str:
        """`RUNNING`, `WAITING`, `PAUSED`, or how it ended."""
        if self.state.status:
            return self.state.status
        if self.state.paused:
            return "PAUSED"
        return "WAITING" if is_waiting(self.state) else "RUNNING"


def _wait(run: Waiting) -> Wait:
    if run.tasks:
        kind = "task"
    elif run.signal is not None:
        kind = "signal"
    else:
        kind = "children" if run.children else "timer"
    tasks = tuple(task.id for task in run.tasks)
    return Wait(kind, run.detail, run.until, run.signal or "", run.children, tasks)


def is_waiting(state: State) -> bool:
    """Nothing of the execution is running or about to: only time, a signal, a child or a person moves it on."""
    if state.closed:
        # It ends at once, or it has to see to its children's end first.
        return False
    return all(isinstance(run, Waiting | Backoff | Parked | Looping | Mapping) for run in state.runs.values())


def added(one: dict[str, Json], other: dict[str, Json]) -> dict[str, Json]:
    """What both consumed together: numbers of the same name add up, of anything else the later one stays."""
    total = dict(one)
    for name, value in other.items():
        before = total.get(name)
        is_count = isinstance(value, int | float) and isinstance(before, int | float)
        total[name] = before + value if is_count else value
    return total
