"""trigger.manual: a person, or a program through the API, starts the workflow."""

from __future__ import annotations

from workflow_engine.engine.items import Item
from workflow_engine.engine.shape import RunMode
from workflow_engine.nodes.spec import Call, Emit, Node, NoParameters


class ManualTrigger(Node[NoParameters]):
    """Starts the workflow when someone runs it, and hands on the items that they gave.

    Run without input it delivers one empty item, so that the nodes after it run once.
    """

    type = "trigger.manual"
    name = "Manual trigger"
    summary = "Starts when someone runs the workflow."
    run_mode = RunMode.BATCH
    inputs = ()
    is_trigger = True

    def run(self, call: Call[NoParameters]) -> Emit:
        return Emit({"main": call.items or [Item()]})
