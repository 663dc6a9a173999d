"""The structural half of a node type: all that the plan and the machine know about it.

A node type in `nodes/` adds parameters, documentation and code; none of that decides how a graph runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Effect(Enum):
    """What running a node twice would do to the world; decides what is stored before and after an attempt."""

    PURE = "pure"
    """Computed from its inputs alone: run at once, and again after a crash."""
    IDEMPOTENT = "idempotent"
    """Safe to repeat under one idempotency key: starts after everything before it is stored."""
    AT_MOST_ONCE = "at_most_once"
    """Must not be repeated blindly: its intent is stored before, its result after."""


class RunMode(Enum):
    """How a node sees its input items."""

    PER_ITEM = "per_item"
    """Its code runs for each item; parameters are resolved for each item."""
    ONCE = "once"
    """Its code runs a single time; `json` is the first item's."""
    BATCH = "batch"
    """Its code runs a single time over the whole list."""


class PortKind(Enum):
    DATA = "data"
    RESOURCE = "resource"


class Scope(Enum):
    """Whether a node owns a body that runs many times."""

    NONE = "none"
    LOOP = "loop"
    """One iteration after another: flow.loop."""
    MAP = "map"
    """Iterations side by side: flow.map."""


class JoinKind(Enum):
    ALL = "all"
    """Wait until every inbound connection is settled."""
    QUORUM = "quorum"
    """Run as soon as `count` connections have delivered; later deliveries are ignored."""


@dataclass(frozen=True, slots=True)
class Join:
    kind: JoinKind = JoinKind.ALL
    count: int = 1
    """Deliveries that a quorum needs."""
    cancel_rest: bool = False
    """Whether branches that lead only to this join are cancelled once it runs."""


@dataclass(frozen=True, slots=True)
class Port:
    name: str = "main"
    kind: PortKind = PortKind.DATA
    resource: str = ""
    """For a resource port, what it binds: `model`, `memory`, `tool`, `output_parser`, `retriever`, `embedding`."""
    required: bool = False
    description: str = ""


MAIN = Port("main")
TOOL = Port("tool", PortKind.RESOURCE, "tool", description="Lets an agent use this node.")
BODY, RETURN, DONE, ERROR = "body", "return", "done", "error"
"""Port names with a meaning of their own: a scope's first body port, its way back, its result, and failed items."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One node's structure, after its parameters are known (a switch has as many outputs as it has cases)."""

    inputs: tuple[Port, ...] = (MAIN,)
    outputs: tuple[Port, ...] = (MAIN,)
    effect: Effect = Effect.PURE
    run_mode: RunMode = RunMode.PER_ITEM
    scope: Scope = Scope.NONE
    join: Join = Join()
    collects: bool = False
    """For a loop: its code is given everything that its iterations have returned so far, as input `collected`."""
    is_trigger: bool = False
    responds: bool = False
    """Its output is the execution's result, in place of what the last nodes deliver."""

    def input(self, name: str) -> Port | None:
        return next((port for port in self.inputs if port.name == name), None)

    def output(self, name: str) -> Port | None:
        return next((port for port in self.outputs if port.name == name), None)

    @property
    def is_part(self) -> bool:
        """A part (a model, a memory, a tool) is bound by other nodes and never runs by itself."""
        return bool(self.outputs) and all(port.kind is PortKind.RESOURCE for port in self.outputs)
