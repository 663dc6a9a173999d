"""flow.limit: some of the items."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workflow_engine.engine.shape import RunMode
from workflow_engine.nodes.flow.lineage import traced
from workflow_engine.nodes.spec import Call, Emit, Node, Parameters


class LimitParameters(Parameters):
    """Which items pass."""

    count: int = Field(default=1, ge=0)
    """How many items pass at most."""
    keep: Literal["first", "last"] = "first"
    """From which end they are taken."""
    offset: int = Field(default=0, ge=0)
    """How many items to pass over first, at that end."""


class Limit(Node[LimitParameters]):
    """Lets the first or the last items pass, in their order, and drops the others."""

    type = "flow.limit"
    summary = "Lets the first or last items pass."
    run_mode = RunMode.BATCH
    example = {"count": 10}

    def run(self, call: Call[LimitParameters]) -> Emit:
        asked, items = call.parameters, traced(call.items)
        start = asked.offset
        if asked.keep == "last":
            start = max(len(items) - asked.offset - asked.count, 0)
        end = max(len(items) - asked.offset, 0) if asked.keep == "last" else start + asked.count
        return Emit({"main": items[start:end]})
