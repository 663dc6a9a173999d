"""Runs one node the way a runtime does: a plan of one node, expressions compiled, `nodes.perform`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from google.protobuf import json_format

from workflow_engine.engine import machine
from workflow_engine.engine.events import AnyEvent, AttemptFailed, NodeSucceeded
from workflow_engine.engine.items import Failure, Item, Outputs
from workflow_engine.engine.planning import build
from workflow_engine.engine.state import Perform, Resume, Work
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.perform import perform
from workflow_engine.nodes.registry import installed
from workflow_engine.proto import workflow_pb2 as pb

NOW = 1_750_000_000_000
"""2025-06-15T15:06:40Z, in epoch milliseconds."""


def problems(type: str, parameters: dict[str, Any]) -> list[str]:
    """What saving a workflow with this one node would complain about, as `field: message`."""
    return [f"{issue.field}: {issue.message}" for issue in _built(type, parameters).issues if issue.is_error]


def _built(type: str, parameters: dict[str, Any], **node: Any) -> Any:
    drawn = {"id": "wf", "nodes": [{"id": "node", "type": type, "parameters": parameters, **node}]}
    return build(json_format.ParseDict(drawn, pb.Workflow()), installed())


async def run_node(
    type: str,
    parameters: dict[str, Any],
    items: Sequence[Item | dict[str, Any]] = ({},),
    *,
    inputs: Outputs | None = None,
    now: int = NOW,
    context: Context | None = None,
    turn: int = 0,
    resume: Resume | None = None,
    **node: Any,
) -> AnyEvent:
    """The outcome of one attempt. `inputs` by port, when there is more than `main`; `node` adds members of
    the node as proto JSON, e.g. `credentials`.
    """
    built = _built(type, parameters, **node)
    assert built.plan is not None, built.errors
    given = [item if isinstance(item, Item) else Item(item) for item in items]
    state = machine.new(built.plan)
    state.execution_id, state.started_at = "exec", now
    context = context or Context("exec", "wf", now)
    task = Perform((0, ()), built.plan.nodes[0], Work(inputs=inputs or {"main": given}, turn=turn, resume=resume))
    return await perform(state, task, dataclasses.replace(context, now=now), lambda: now)


def records(event: AnyEvent, port: str = "main") -> list[dict[str, Any]]:
    """The records that a successful attempt delivered on `port`."""
    assert isinstance(event, NodeSucceeded), event
    return [item.json for item in event.outputs[port]]


def failure(event: AnyEvent) -> Failure:
    assert isinstance(event, AttemptFailed), event
    return event.failure
