"""What operators are told of executions, alike in both runtimes: numbers, spans, and what was slow."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache

from prometheus_client import Histogram

from workflow_engine.core import metrics, spans
from workflow_engine.core.config import Settings
from workflow_engine.core.logging import get_logger
from workflow_engine.core.tracing import UNDER_WAY, Origin, Place
from workflow_engine.engine.events import AnyEvent, AttemptFailed, NodeSuspended
from workflow_engine.engine.state import Perform, State, address
from workflow_engine.models.writes import ExecutionRow

log = get_logger(__name__)


@dataclass(slots=True)
class Slow:
    """What is worth a line in the log, in seconds; 0: nothing is."""

    attempt: float = 0
    execution: float = 0


slow = Slow()


def notice_slow(settings: Settings) -> None:
    slow.attempt, slow.execution = settings.slow_attempt_seconds, settings.slow_execution_seconds


class Attempting:
    """One attempt of a node with an effect. Make it in the attempt's own task."""

    __slots__ = ("_began", "_now", "_task", "_trace", "execution_id", "place", "workflow_id")

    def __init__(self, execution_id: str, workflow_id: str, trace: str, task: Perform, now: int) -> None:
        """`now` is the start in epoch milliseconds, `trace` what the execution keeps of where it comes from."""
        self.execution_id, self.workflow_id = execution_id, workflow_id
        self._trace, self._task, self._now = trace, task, now
        self.place = _place(execution_id, trace, task, now) if spans.active is not None else None
        UNDER_WAY.set(self)
        self._began = time.perf_counter()

    @property
    def node(self) -> str:
        return address(self._task.node.id, self._task.key[1])

    @property
    def attempt(self) -> int:
        return self._task.work.attempt

    def over(self, outcome: AnyEvent) -> None:
        seconds, type, how = time.perf_counter() - self._began, self._task.node.kind.type, _how(outcome)
        _seconds(type, how).observe(seconds)
        if spans.active is not None:
            performed(self.execution_id, self.workflow_id, self._trace, self._task, outcome, self._now)
        if slow.attempt and seconds >= slow.attempt:
            log.warning("slow_attempt", type=type, outcome=how, seconds=round(seconds, 3))


@cache
def _seconds(type: str, how: str) -> Histogram:
    """Looked up once, for it is asked at every step; there are as many as node types, thrice."""
    return metrics.ATTEMPT_SECONDS.labels(type, how)


def performed(
    execution_id: str, workflow_id: str, trace: str, task: Perform, outcome: AnyEvent, started_at: int
) -> None:
    """Tells the span of an attempt."""
    if spans.active is None:
        return
    place = _place(execution_id, trace, task, started_at)
    if not place.sampled:
        return
    work = task.work
    execution = spans.active.execution(execution_id, trace)
    # What is tried again points at what went wrong.
    links = [_attempt(execution, task, work.attempt - 1)] if work.attempt > 1 and work.resume is None else []
    attributes: dict[str, str | int] = {
        "workflow_engine.execution.id": execution_id,
        "workflow_engine.workflow.id": workflow_id,
        "workflow_engine.node.id": task.node.id,
        "workflow_engine.node.address": address(task.node.id, task.key[1]),
        "workflow_engine.node.type": task.node.kind.type,
        "workflow_engine.attempt": work.attempt,
        "workflow_engine.outcome": _how(outcome),
    }
    error = outcome.failure.reason if isinstance(outcome, AttemptFailed) else ""
    spans.active.tell(
        task.node.kind.type, place, execution, started_at, outcome.at, attributes, links=links, error=error
    )


def ended(row: ExecutionRow, state: State) -> None:
    """An execution has ended, and that is stored."""
    at = row.ended_at or row.created_at
    seconds = (at - row.created_at) / 1000
    place: Place | None = None
    if spans.active is not None:
        place, origin = spans.active.execution(row.id, state.trace), Origin.read(state.trace)
        attributes: dict[str, str | int] = {
            "workflow_engine.execution.id": row.id,
            "workflow_engine.workflow.id": row.workflow_id,
            "workflow_engine.workflow.version": row.version,
            "workflow_engine.status": state.status,
        }
        if row.retried_from:
            attributes["workflow_engine.execution.retried_from"] = row.retried_from
        error = state.failure.reason if state.failure is not None else ""
        spans.active.tell(
            "execution",
            place,
            origin.caller,
            row.created_at,
            at,
            attributes,
            links=[origin.again] if origin.again is not None else [],
            error=error,
        )
    if slow.execution and seconds >= slow.execution:
        told = {"trace_id": f"{place.trace_id:032x}"} if place is not None else {}
        log.warning(
            "slow_execution",
            execution_id=row.id,
            workflow_id=row.workflow_id,
            status=state.status,
            seconds=seconds,
            **told,
        )


def beneath(execution_id: str, trace: str) -> str:
    """What the child of an execution keeps of where it comes from."""
    return str(spans.active.execution(execution_id, trace)) if spans.active is not None else ""


def _place(execution_id: str, trace: str, task: Perform, now: int) -> Place:
    assert spans.active is not None
    execution = spans.active.execution(execution_id, trace)
    return _attempt(execution, task, task.work.attempt, now if task.work.resume is not None else 0)


def _attempt(execution: Place, task: Perform, attempt: int, resumed_at: int = 0) -> Place:
    """An attempt's place. One that goes on after a wait is a span of its own."""
    return execution.beneath(address(task.node.id, task.key[1]), task.work.turn, attempt, resumed_at)


def _how(outcome: AnyEvent) -> str:
    match outcome:
        case AttemptFailed():
            return "failed"
        case NodeSuspended():
            return "suspended"
        case _:
            return "succeeded"
