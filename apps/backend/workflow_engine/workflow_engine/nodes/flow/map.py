"""flow.map: the same nodes for every item, side by side."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workflow_engine.engine.shape import BODY, DONE, ERROR, MAIN, RETURN, Port, RunMode, Scope
from workflow_engine.nodes.flow.lineage import traced
from workflow_engine.nodes.spec import Call, Emit, Expand, Node, Parameters


class MapParameters(Parameters):
    """How the items are shared out."""

    batch_size: int = Field(default=1, ge=1)
    """How many items one branch gets; the last one gets what is left."""
    concurrency: int = Field(default=10, ge=1, le=10_000)
    """How many branches run at once."""
    keep_order: bool = True
    """Deliver results in the order of the incoming items; otherwise as they come, first done first."""
    on_item_failure: Literal["stop", "collect", "drop"] = "stop"
    """When a branch fails: fail the map and stop the other branches; go on and deliver the items of the failed branch
    on `error`, each with its failure; or go on without them."""


class Map(Node[MapParameters]):
    """Runs the nodes between `body` and `return` for every item, or batch of items, side by side.

    `done` delivers what the branches returned when the last one is over. `error` lives only when `on_item_failure` is
    `collect` and something failed.
    """

    type = "flow.map"
    summary = "Runs the nodes of its body for every item, side by side."
    run_mode = RunMode.BATCH
    scope = Scope.MAP
    inputs = (MAIN, Port(RETURN, description="Where the body ends."))
    outputs = (
        Port(BODY, description="Where the body begins: the items of one branch."),
        Port(DONE, description="What all branches returned."),
        Port(ERROR, description="Items of branches that failed, each with its failure under `error`."),
    )
    example = {"concurrency": 5, "on_item_failure": "collect"}

    def run(self, call: Call[MapParameters]) -> Emit | Expand:
        asked, items = call.parameters, traced(call.items)
        if not items:
            return Emit({DONE: []})
        batches = [items[start : start + asked.batch_size] for start in range(0, len(items), asked.batch_size)]
        return Expand(batches, asked.concurrency, asked.on_item_failure, asked.keep_order)
