"""flow.if: two ways on."""

from __future__ import annotations

from workflow_engine.engine.shape import Port
from workflow_engine.nodes.flow.rules import Condition
from workflow_engine.nodes.spec import Call, Emit, Node


class IfParameters(Condition):
    """The condition that decides each item's way."""


class If(Node[IfParameters]):
    """Sends each item to `true` or to `false`.

    The condition is tested for each item by itself. A port that gets no item is dead: what hangs on it alone is
    skipped, and a merge after both ways waits for neither.
    """

    type = "flow.if"
    summary = "Sends each item one of two ways."
    outputs = (
        Port("true", description="Items for which the condition holds."),
        Port("false", description="The others."),
    )
    example = {"condition": "{{ json.total > 100 }}"}

    def run(self, call: Call[IfParameters]) -> Emit:
        return Emit({"true" if call.parameters.holds(call.item.json) else "false": [call.item]})
