"""flow.subworkflow: a workflow as a step of another."""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import Field

from workflow_engine.engine.events import ChildResult, ChildSpec
from workflow_engine.engine.items import Failure, Item, Items
from workflow_engine.engine.shape import RunMode
from workflow_engine.engine.state import address
from workflow_engine.nodes.flow.lineage import of, traced
from workflow_engine.nodes.spec import Call, Emit, Node, NodeFailure, Parameters, Suspend

MAX_DEPTH = 20


class SubworkflowParameters(Parameters):
    """Which workflow runs, on what, and whether this one waits for it."""

    workflow_id: str = Field(min_length=1, max_length=64)
    """The workflow to run. An expression is resolved once, for the first item."""
    version: int = Field(default=0, ge=0)
    """A published version; 0 for the newest published one."""
    mode: Literal["all", "per_item"] = "all"
    """`all`: one execution gets all items. `per_item`: one execution for each item."""
    wait: bool = True
    """Wait for the results. Otherwise start the executions and go on at once."""


class Subworkflow(Node[SubworkflowParameters]):
    """Runs another workflow as a child execution.

    When it waits, `main` delivers what the children returned, in the order of the items; if one fails, this node fails
    with the child's failure as the cause, once all have ended. Without waiting, `main` delivers one item for each child
    with its `execution_id` and `workflow_id`, and nothing of the child's fate. Each attempt of this node starts new
    children; a crash does not. Workflows nest up to 20 deep. Without items, `per_item` starts nothing.
    """

    type = "flow.subworkflow"
    name = "Sub-workflow"
    summary = "Runs another workflow as a step."
    run_mode = RunMode.BATCH
    example = {"workflow_id": "wf_invoice", "mode": "per_item"}

    def run(self, call: Call[SubworkflowParameters]) -> Emit | Suspend:
        asked = call.parameters
        if call.resume is not None:
            return Emit({"main": _results(call.resume.results, asked.mode == "per_item", len(call.items))})
        if call.context.depth >= MAX_DEPTH:
            raise NodeFailure(
                "DEPTH_LIMIT",
                f"this execution is {call.context.depth} sub-workflows deep, and {MAX_DEPTH} is the most",
                field="workflow_id",
                hint="a workflow that runs itself needs a condition that ends it; repeat with a flow.loop instead",
            )
        children = _children(call)
        if not children:
            return Emit({"main": []})
        if asked.wait:
            noun = "execution" if len(children) == 1 else "executions"
            return Suspend(children=children, detail=f"waits for {len(children)} {noun} of {asked.workflow_id}")
        records = [{"execution_id": child.id, "workflow_id": child.workflow_id} for child in children]
        per_item = asked.mode == "per_item"
        sources = [(index,) if per_item else tuple(range(len(call.items))) for index in range(len(children))]
        return Emit(
            {"main": [Item(record, sources=source) for record, source in zip(records, sources, strict=True)]},
            spawn=children,
        )


def _children(call: Call[SubworkflowParameters]) -> list[ChildSpec]:
    asked = call.parameters
    inputs = [[item] for item in call.items] if asked.mode == "per_item" else [call.items]
    return [
        ChildSpec(id=_child_id(call, index), workflow_id=asked.workflow_id, version=asked.version, input=traced(items))
        for index, items in enumerate(inputs)
    ]


def _child_id(call: Call[SubworkflowParameters], index: int) -> str:
    """The same whenever the same attempt is computed again, so that a crash starts no child twice."""
    place = f"{call.context.execution_id}/{address(call.node.id, call.path)}#{call.attempt}.{call.turn}.{index}"
    return f"ex_{hashlib.sha256(place.encode()).hexdigest()[:32]}"


def _results(results: list[ChildResult], per_item: bool, items: int) -> Items:
    failed = [result for result in results if result.status != "SUCCESS"]
    if failed:
        raise _child_failed(failed, len(results))
    return [
        of(item, *((position,) if per_item else range(items)))
        for position, result in enumerate(results)
        for item in result.output
    ]


def _child_failed(failed: list[ChildResult], all_children: int) -> NodeFailure:
    first = failed[0]
    cause = first.failure or Failure("CANCELED", "the child execution was cancelled")
    which = f"execution {first.id}"
    if all_children > 1:
        which = f"{len(failed)} of {all_children} executions, first {first.id},"
    ended = "was cancelled" if first.status == "CANCELED" else "failed"
    return NodeFailure(
        "SUBWORKFLOW_CANCELED" if first.status == "CANCELED" else "SUBWORKFLOW_FAILED",
        f"{which} {ended}: {cause.message}",
        hint="open the child execution to see where, or give this node a retry policy",
        retryable=cause.retryable,
        details={"execution_ids": [result.id for result in failed]},
        cause=cause,
    )
