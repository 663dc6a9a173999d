"""What happens to a delivery while an earlier one's execution still runs: one pure function."""

from __future__ import annotations

from dataclasses import dataclass

from workflow_engine.nodes.trigger.base import Overlap

OVERLAP: dict[int, Overlap] = {1: "skip", 2: "buffer_one", 3: "buffer_all", 4: "cancel_other", 5: "allow"}
"""By the numbers of engine.v1.OverlapPolicy."""
NUMBERS: dict[Overlap, int] = {name: number for number, name in OVERLAP.items()}


@dataclass(frozen=True, slots=True)
class Start:
    """It starts at once."""


@dataclass(frozen=True, slots=True)
class Skip:
    """It starts nothing."""

    why: str


@dataclass(frozen=True, slots=True)
class Buffer:
    """It waits for its turn."""

    cancel: bool = False
    """What runs is cancelled, and what waits is skipped in its favour."""


def decide(policy: Overlap, running: int, buffered: int) -> Start | Skip | Buffer:
    """`running` executions have not ended, and `buffered` deliveries wait for them."""
    if policy == "allow" or not running + buffered:
        return Start()
    match policy:
        case "skip":
            return Skip("an earlier execution still runs")
        case "buffer_one" if buffered:
            return Skip("an earlier execution still runs, and one waits for it already")
        case "buffer_one" | "buffer_all":
            return Buffer()
        case "cancel_other":
            return Buffer(cancel=True)
