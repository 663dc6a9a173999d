"""A workflow made ready to run: connections resolved, scopes found, expressions compiled, joins counted.

Theory. A scope is a set of nodes that run together in one *frame*. The root scope runs in one frame. A loop or a map
owns a scope of its own: every node that can be reached from its body ports without passing through its `return` port.
A body is entered only through the owner's body ports and left only through its `return` port, so scopes nest like
brackets and a frame can be opened, counted down and closed by itself. Inside a scope the data connections form an
acyclic graph; the way back into `return` is the one cycle that is allowed.

`planning.py` makes one of what a person drew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from workflow_engine.engine.expressions import Template
from workflow_engine.engine.items import Outputs
from workflow_engine.engine.retry import RetryPolicy
from workflow_engine.engine.shape import DONE, ERROR, PortKind, Scope, Shape

ROOT = -1
"""The owner of the root scope."""


@dataclass(frozen=True, slots=True)
class ParameterProblem:
    """What a node type says of parameters that it can not take."""

    field: str
    message: str
    suggestion: str = ""
    code: str = "INVALID_PARAMETER"


class NodeKind(Protocol):
    """What the plan asks of a node type; `nodes/` implements it."""

    @property
    def type(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def literals(self) -> frozenset[str]: ...
    def check(self, parameters: dict[str, Any]) -> Sequence[ParameterProblem]: ...
    def shape(self, parameters: dict[str, Any]) -> Shape: ...


class Catalogue(Protocol):
    """The node types that a workflow may name."""

    def find(self, type: str, version: int) -> NodeKind | None: ...
    def types(self) -> Iterable[str]: ...


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong, or will be."""

    code: str
    message: str
    node: str = ""
    field: str = ""
    suggestion: str = ""
    is_error: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """One data connection, seen from its source; `ordinal` orders the deliveries of a target's port."""

    target: int
    port: str
    ordinal: int


@dataclass(slots=True, eq=False)
class PlanNode:
    """One node of a plan. Fixed once the plan is built."""

    index: int
    id: str
    name: str
    kind: NodeKind
    shape: Shape
    template: Template
    retry: RetryPolicy
    timeout: int
    """Milliseconds for one attempt; 0 for none."""
    on_error: str
    """`stop`, `continue` or `error_port`."""
    on_unknown: str
    """`park`, `retry` or `fail`."""
    disabled: bool
    notes: str
    """What people wrote about it; for a tool, what its model is told."""
    pinned: Outputs | None
    credentials: dict[str, str]
    undo: int = -1
    scope: int = ROOT
    is_flow: bool = True
    """Runs by itself: neither a part that others bind nor an undo step."""
    keeps_outputs: bool = False
    """Some expression names it, so its outputs stay in memory while its frame is open."""
    gives_result: bool = False
    """What it delivers is the execution's result, or a part of it."""
    inbound: int = 0
    """Data connections that must settle before it runs."""
    outgoing: dict[str, list[Link]] = field(default_factory=dict[str, list[Link]])
    returns: int = 0
    """For a scope's owner: connections into its `return` port."""
    parts: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    """Bound resource nodes by this node's port."""
    feeds_only: tuple[int, ...] = ()
    """For a join that cancels the rest: the nodes whose every way forward leads into it."""
    prepared: Any = None
    """Room for the performer: parameters without expressions, validated once."""

    @property
    def first_output(self) -> str:
        """The port by which items leave when the node does not decide: for a scope's owner, what follows it."""
        if self.shape.scope is not Scope.NONE:
            return DONE
        return next((port.name for port in self.shape.outputs if port.kind is PortKind.DATA), "main")

    @property
    def leads_on(self) -> bool:
        """Something follows it in its own scope."""
        return any(self.outgoing.get(port) for port in self.ways_on)

    @property
    def ways_on(self) -> Iterable[str]:
        """Output ports that lead on in its own scope, not into a body that it owns."""
        return (DONE, ERROR) if self.shape.scope is not Scope.NONE else self.outgoing


@dataclass(slots=True, eq=False)
class ScopePlan:
    """The nodes that one frame runs."""

    owner: int
    nodes: tuple[int, ...]
    inbound: dict[int, int]
    """How many connections each node waits for; copied into every new frame."""
    kept: tuple[int, ...] = ()
    """Nodes whose outputs some expression names."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the executions of a workflow may do at once. Zero means no limit."""

    running: int = 0
    starts: int = 0
    """Most starts within `per`."""
    per: int = 0
    """Milliseconds."""

    def __bool__(self) -> bool:
        return bool(self.running or self.starts)


@dataclass(slots=True, eq=False)
class Plan:
    """A workflow that can run. Fixed; one plan serves all executions of a definition."""

    workflow_id: str
    nodes: list[PlanNode]
    by_id: dict[str, int]
    by_name: dict[str, int]
    scopes: dict[int, ScopePlan]
    timeout: int
    """Milliseconds for the whole execution; 0 for none."""
    error_workflow: str
    timezone: str
    limits: Limits
    concurrency_key: Template
    """Over the input; the limits count for each value of it."""
    priority: int
    vars: dict[str, Any]
    leaves: tuple[int, ...]
    """Root nodes that nothing follows: together, the execution's result."""
    responders: tuple[int, ...]
    entries: tuple[int, ...]

    def node(self, id: str) -> PlanNode:
        return self.nodes[self.by_id[id]]


@dataclass(frozen=True, slots=True)
class Built:
    plan: Plan | None
    issues: list[Issue]
    shapes: dict[str, Shape]
    """By node id; also of a workflow that can not run. A node whose type is unknown has none."""

    @property
    def errors(self) -> list[Issue]:
        return [issue for issue in self.issues if issue.is_error]
