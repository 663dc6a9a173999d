"""Executions that come out of others, and whose limits they come under: alike in every runtime."""

from __future__ import annotations

from workflow_engine.engine import machine
from workflow_engine.engine.events import ChildResult, ChildSpec, ExecutionEnded
from workflow_engine.engine.expressions import ExpressionError, Scope
from workflow_engine.engine.items import Item, Items
from workflow_engine.engine.plan import Plan
from workflow_engine.engine.state import StartChild
from workflow_engine.models.writes import ExecutionRow
from workflow_engine.runtime.contract import Ended, RuntimeFailure
from workflow_engine.utils.json import dumps

SUBWORKFLOW_MODE, ERROR_MODE = 6, 7
"""Numbers of engine.v1.ExecutionMode."""


def group_of(plan: Plan, workflow_id: str, input: Items) -> str:
    """Whose limits an execution comes under. Raises RuntimeFailure when its input has no such key."""
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
