"""One node by itself, on data that a person gives: nothing is stored, so every runtime does it in the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workflow_engine.core.clock import Clock
from workflow_engine.engine import machine
from workflow_engine.engine.events import ExecutionStarted
from workflow_engine.engine.history import History
from workflow_engine.engine.items import Items, Outputs
from workflow_engine.engine.plan import Plan
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.perform import perform


async def try_node(
    plan: Plan,
    node: str,
    input: Items,
    outputs: Mapping[str, Outputs],
    clock: Clock,
    services: Callable[[Context], Context],
    user_id: str = "",
) -> History:
    """See Runtime.try_node."""
    state, history, now = machine.new(plan), History(plan), clock.now_ms()
    started = ExecutionStarted(at=now, execution_id="test", seed=0, input=input, only=node)
    machine.apply(state, started)
    history.feed(started)
    state.outputs = {(plan.by_name[name], ()): ports for name, ports in outputs.items() if name in plan.by_name}
    for task in machine.decide(state, now).perform:
        context = services(Context("test", plan.workflow_id, now, timezone=plan.timezone, user_id=user_id))
        history.feed(await perform(state, task, context, clock.now_ms))
    return history
