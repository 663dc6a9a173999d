"""flow.no_op: a place to meet."""

from __future__ import annotations

from workflow_engine.engine.shape import RunMode
from workflow_engine.nodes.flow.lineage import traced
from workflow_engine.nodes.spec import Call, Emit, Node, NoParameters


class NoOp(Node[NoParameters]):
    """Hands its items on unchanged. Use it to join branches, or to give a place in the drawing a name."""

    type = "flow.no_op"
    name = "No operation"
    summary = "Hands its items on."
    run_mode = RunMode.BATCH

    def run(self, call: Call[NoParameters]) -> Emit:
        return Emit({"main": traced(call.items)})
