"""What both runtimes tell Prometheus alike."""

from __future__ import annotations

from workflow_engine.core import metrics
from workflow_engine.engine.events import AnyEvent, AttemptFailed, NodeSuspended
from workflow_engine.engine.state import Perform


def attempted(task: Perform, outcome: AnyEvent, seconds: float) -> None:
    """An attempt of a node with an effect has ended."""
    match outcome:
        case AttemptFailed():
            how = "failed"
        case NodeSuspended():
            how = "suspended"
        case _:
            how = "succeeded"
    metrics.ATTEMPT_SECONDS.labels(task.node.kind.type, how).observe(seconds)
