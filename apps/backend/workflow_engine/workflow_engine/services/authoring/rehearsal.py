"""A workflow run on made-up data: nothing outside is touched, and nothing is stored.

Pure nodes run for real, so that every expression and every branch is tried; a node that reaches outside gives what the
author says it might give, once its parameters have been resolved. Time passes at once, people agree, children succeed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workflow_engine.engine import machine
from workflow_engine.engine.events import (
    AnyEvent,
    AttemptFailed,
    ChildEnded,
    ChildResult,
    ExecutionStarted,
    NodeSucceeded,
    NodeSuspended,
)
from workflow_engine.engine.items import Failure, Items, flat
from workflow_engine.engine.plan import Plan
from workflow_engine.engine.shape import Effect
from workflow_engine.engine.state import Perform, StartChild, State
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.perform import perform, run_now, unresolved

MOST_ATTEMPTS = 500
"""A rehearsal that takes longer has shown enough."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came of it."""

    failure: Failure | None
    performed: frozenset[str]
    """The nodes that had their turn, by id."""


def rehearse(plan: Plan, input: Items, samples: Mapping[str, Items], now: int) -> Rehearsed:
    """Runs `plan` on `input`; `samples` are what nodes that reach outside give, by id."""
    state = machine.new(plan)
    machine.apply(state, ExecutionStarted(at=now, execution_id="rehearsal", seed=0, input=input))
    performed: set[str] = set()
    for _ in range(MOST_ATTEMPTS):
        ready = machine.decide(state, now)
        if state.status:
            break
        for child in ready.start:
            if not child.detached:
                machine.apply(state, _ended(plan, child, now))
        for task in ready.perform:
            performed.add(task.node.id)
            machine.apply(state, _outcome(state, task, samples, now))
        if not ready.perform and not ready.start:
            if ready.wake_at is None:
                break
            now = max(now, ready.wake_at)
    return Rehearsed(state.failure, frozenset(performed))


def _outcome(state: State, task: Perform, samples: Mapping[str, Items], now: int) -> AnyEvent:
    context = Context("rehearsal", state.plan.workflow_id, now, timezone=state.plan.timezone)
    if task.node.shape.effect is not Effect.PURE:
        if failure := unresolved(state, task, context):
            return _failed(task, failure, now)
        return _succeeded(task, samples, now)
    outcome = run_now(perform(state, task, context, lambda: now))
    if isinstance(outcome, NodeSuspended) and (outcome.tasks or (outcome.signal and outcome.until is None)):
        return _succeeded(task, samples, now)
    return outcome


def _succeeded(task: Perform, samples: Mapping[str, Items], now: int) -> AnyEvent:
    return NodeSucceeded(
        at=now,
        node=task.node.id,
        path=task.key[1],
        attempt=task.work.attempt,
        started_at=now,
        outputs={task.node.first_output: samples.get(task.node.id) or flat(task.work.inputs)},
        turn=task.work.turn,
    )


def _failed(task: Perform, failure: Failure, now: int) -> AnyEvent:
    path, attempt = task.key[1], task.work.attempt
    return AttemptFailed(at=now, node=task.node.id, path=path, attempt=attempt, started_at=now, failure=failure)


def _ended(plan: Plan, child: StartChild, now: int) -> AnyEvent:
    result = ChildResult(id=child.spec.id, status="SUCCESS", output=child.spec.input)
    return ChildEnded(at=now, node=plan.nodes[child.key[0]].id, path=child.key[1], result=result)
