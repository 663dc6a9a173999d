"""What planning costs, and what deciding costs for each event, as graphs grow: `python -m benchmarks.planning`."""

from __future__ import annotations

import time
from typing import Any

from tests.engine.rig import START, catalogue, workflow
from workflow_engine.engine import machine
from workflow_engine.engine.events import ExecutionStarted, NodeSucceeded
from workflow_engine.engine.items import Item
from workflow_engine.engine.planning import build


def drawing(count: int) -> dict[str, Any]:
    """A chain with a branch at every tenth node that meets it again."""
    nodes = [{"id": "start", "type": "trigger.manual"}, *({"id": f"n{number}"} for number in range(count))]
    links = ["start -> n0", *(f"n{number} -> n{number + 1}" for number in range(count - 1))]
    links += [f"n{number} -> n{number + 5}" for number in range(0, count - 5, 10)]
    return {"nodes": nodes, "connections": links}


def measure(count: int) -> tuple[float, float]:
    """Seconds to plan `count` nodes, and microseconds for each event of an execution of them."""
    drawn, types = workflow(drawing(count)), catalogue()
    began = time.perf_counter()
    plan = build(drawn, types).plan
    planned = time.perf_counter() - began
    assert plan is not None
    state = machine.new(plan)
    machine.apply(state, ExecutionStarted(at=START, execution_id="x", seed=1, input=[Item()]))
    events, began = 1, time.perf_counter()
    while not state.status:
        for task in machine.decide(state, START).perform:
            outcome = NodeSucceeded(
                at=START, node=task.node.id, path=task.key[1], attempt=1, started_at=START, outputs={"main": [Item()]}
            )
            machine.apply(state, outcome)
            events += 1
        state.changes.clear()
    return planned, (time.perf_counter() - began) / events * 1e6


def main() -> None:
    print("| nodes | plan, ms | deciding and applying, us an event |\n|---:|---:|---:|")
    for count in (10, 100, 1_000, 10_000):
        rounds = [measure(count) for _ in range(3)]
        print(f"| {count:,} | {min(r[0] for r in rounds) * 1e3:,.1f} | {min(r[1] for r in rounds):.1f} |")


if __name__ == "__main__":
    main()
