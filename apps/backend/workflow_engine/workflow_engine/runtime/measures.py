"""What both runtimes tell Prometheus alike."""

from __future__ import annotations

from functools import cache

from prometheus_client import Histogram

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
    _seconds(task.node.kind.type, how).observe(seconds)


@cache
def _seconds(type: str, how: str) -> Histogram:
    """Looked up once, for it is asked at every step; there are as many as node types, thrice."""
    return metrics.ATTEMPT_SECONDS.labels(type, how)
