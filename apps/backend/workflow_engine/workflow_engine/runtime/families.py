"""How executions begin, which come out of others, and whose limits they come under: alike in every runtime."""

from __future__ import annotations

from workflow_engine.engine import machine
from workflow_engine.engine.events import ChildResult, ChildSpec, ExecutionEnded, ExecutionStarted
from workflow_engine.engine.expressions import ExpressionError, Scope
from workflow_engine.engine.items import Item, Items
from workflow_engine.engine.plan import Plan
from workflow_engine.engine.state import StartChild, State
from workflow_engine.models.writes import ExecutionRow, Status
from workflow_engine.runtime.contract import Ended, RuntimeFailure, Start
from workflow_engine.runtime.measures import beneath
from workflow_engine.utils.json import dumps

SUBWORKFLOW_MODE, ERROR_MODE = 6, 7
"""Numbers of engine.v1.ExecutionMode."""


def birth(
    start: Start,
    id: str,
    pk: int,
    now: int,
    seed: int,
    *,
    parent: ExecutionRow | None = None,
    parent_address: str = "",
    depth: int = 0,
) -> tuple[ExecutionRow, ExecutionStarted]:
    """An execution's row and its first event, as if it ran at once. `parent` has asked for it, from a run there."""
    row = ExecutionRow(
        pk=pk,
        id=id,
        workflow_id=start.workflow_id,
        version=start.version,
        digest=start.digest,
        user_id=start.user_id,
        mode=start.mode,
        status=Status.RUNNING,
        triggered_by=start.triggered_by,
        created_at=now,
        started_at=now,
        idempotency_key=start.idempotency_key or None,
        request_digest=start.request_digest,
        parent_pk=parent.pk if parent else None,
        parent_address=parent_address,
        root_pk=(parent.root_pk or parent.pk) if parent else None,
        retried_from=start.retried_from,
        priority=start.priority,
    )
    started = ExecutionStarted(
        at=now,
        execution_id=id,
        seed=seed,
        input=start.input,
        trigger=start.trigger,
        reuse=start.reuse,
        overrides=start.overrides,
        only=start.only,
        depth=depth or start.depth,
        trace=start.trace,
    )
    return row, started


def queue_up(row: ExecutionRow) -> None:
    """It has not begun: it waits for its turn, or for whoever takes it up."""
    row.status, row.started_at = Status.NEW, None


def child_start(parent: ExecutionRow, state: State, child: StartChild, digest: str, version: int) -> Start:
    """What a child, or an error workflow's execution, starts from."""
    return Start(
        child.spec.workflow_id,
        digest,
        version,
        user_id=parent.user_id,
        mode=ERROR_MODE if state.status else SUBWORKFLOW_MODE,
        triggered_by=parent.id,
        input=child.spec.input,
        priority=parent.priority,
        trace=beneath(parent.id, state.trace),
    )


def group_of(plan: Plan, workflow_id: str, input: Items) -> str:
    """Whose limits an execution comes under; empty when there are none.

    Raises RuntimeFailure when its input has no such key.
    """
    if not plan.limits:
        return ""
    shown = [{"json": item.json, "binary": {}} for item in input]
    first = shown[0] if shown else {"json": {}, "binary": {}}
    scope = Scope(json=first["json"], item=first, items=shown, vars=plan.vars, workflow={"id": workflow_id})
    try:
        key = plan.concurrency_key.resolve(scope)
    except ExpressionError as error:
        raise RuntimeFailure(
            "INVALID_REQUEST", f"the workflow's concurrency_key does not fit the input: {error.message}"
        ) from error
    return workflow_id + "\0" + (key if isinstance(key, str) else dumps(key, sort=True).decode())


def error_children(row: ExecutionRow, plan: Plan, event: ExecutionEnded) -> list[StartChild]:
    """The error workflow's execution, when `event` calls for one."""
    # An error workflow that fails would otherwise start itself for ever.
    if event.status != "ERROR" or not plan.error_workflow or row.mode == ERROR_MODE:
        return []
    item = failure_item(Ended(row.id, event.status, [], event.failure), row.workflow_id)
    spec = ChildSpec(id=f"{row.id}.error", workflow_id=plan.error_workflow, input=[item])
    return [StartChild(machine.EXECUTION, spec, detached=True)]


def child_result(ended: Ended) -> ChildResult:
    """What the execution that waited for it is told."""
    return ChildResult(id=ended.execution_id, status=ended.status, output=ended.output, failure=ended.failure)


def failure_item(ended: Ended, workflow_id: str) -> Item:
    """What an error workflow is given."""
    return Item(
        {
            "execution": {"id": ended.execution_id, "workflow_id": workflow_id, "status": ended.status},
            "error": ended.failure.as_json() if ended.failure else {},
        }
    )
