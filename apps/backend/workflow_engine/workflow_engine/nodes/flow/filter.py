"""flow.filter: what goes on, and what does not."""

from __future__ import annotations

from workflow_engine.engine.shape import Port
from workflow_engine.nodes.flow.rules import Condition
from workflow_engine.nodes.spec import Call, Emit, Node


class FilterParameters(Condition):
    """The condition that items must satisfy."""


class Filter(Node[FilterParameters]):
    """Lets the items pass for which the condition holds; the others leave by `rejected`.

    When no item passes, `main` is dead and what follows it is skipped.
    """

    type = "flow.filter"
    summary = "Lets matching items pass."
    outputs = (
        Port("main", description="Items for which the condition holds."),
        Port("rejected", description="The others."),
    )
    example = {"condition": "{{ json.status == 'open' }}"}

    def run(self, call: Call[FilterParameters]) -> Emit:
        return Emit({"main" if call.parameters.holds(call.item.json) else "rejected": [call.item]})
