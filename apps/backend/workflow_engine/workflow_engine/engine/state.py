"""What the machine knows of one execution: its open frames, its active runs, and what it still has to ask for.

A run is one node in one frame. Each state of a run is a record that carries only its own data; a run that has ended is
no longer here, because its outputs have been handed on.
"""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

import msgspec

from workflow_engine.engine.events import AnyEvent, ChildResult, ChildSpec, Outcome
from workflow_engine.engine.items import Failure, Item, Items, Json, Outputs, flat
from workflow_engine.engine.plan import ROOT, Plan, PlanNode
from workflow_engine.engine.tasks import Answer, Settled, Task, TaskChange

RunKey: TypeAlias = tuple[int, tuple[int, ...]]
"""A node's index and the iteration of each scope around it, outermost first."""


RunKeyByName: TypeAlias = tuple[str, tuple[int, ...]]
"""The same with the node's id."""


def address(node: str, path: tuple[int, ...]) -> str:
    """How people write a run: `node[0][3]`."""
    return node + "".join(f"[{index}]" for index in path) if path else node


def parse_address(written: str) -> RunKeyByName:
    """`node[0][3]` taken apart. Raises ValueError for anything else."""
    node, bracket, indexes = written.partition("[")
    if not bracket:
        return written, ()
    return node, tuple(int(index) for index in indexes.removesuffix("]").split("]["))


class Resume(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Why a waiting run goes on."""

    kind: str
    """`timer`, `signal`, `children` or `tasks`."""
    payload: Json = None
    """The signal's payload."""
    sender: str = ""
    results: list[ChildResult] = []
    data: dict[str, Json] = {}
    """What the node left behind when it suspended."""
    settled: list[Settled] = []
    """What became of the tasks that it waited for."""


class Work(msgspec.Struct, frozen=True, gc=False):
    """What an attempt works on; the same from the first attempt to the last."""

    inputs: Outputs
    attempt: int = 1
    turn: int = 0
    """Which iteration a scope's owner is asked for; 0 for every other node."""
    done: dict[int, Outputs] = {}
    """Outputs of the items that earlier attempts finished."""
    resume: Resume | None = None
    steps: dict[str, Json] = {}
    """What the steps that are done gave, by name."""


class Scheduled(msgspec.Struct, frozen=True, tag=True, gc=False):
    """May start as soon as the driver has room."""

    work: Work


class Running(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Handed to the driver; its outcome comes back as an event."""

    work: Work
    intent: bool = False
    """The intent is in the journal: after a crash nobody knows whether the effect happened."""


class Backoff(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Failed, and will be tried again when the timer fires."""

    work: Work
    until: int
    token: int
    failure: Failure


class Waiting(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Suspended by its own code."""

    work: Work
    until: int | None
    token: int
    signal: str | None
    children: tuple[str, ...]
    results: tuple[ChildResult, ...]
    detail: str
    data: dict[str, Json]
    tasks: tuple[Task, ...] = ()
    answers: tuple[Answer, ...] = ()
    """Of all its tasks, in the order in which they came."""


class Parked(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The outcome of an at-most-once effect is unknown, and a person must say what became of it."""

    work: Work


class Looping(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A loop with one iteration open."""

    work: Work
    collected: Items


class Mapping(msgspec.Struct, tag=True, gc=False):
    """A map with some branches open. The one record that changes in place: it may have a million results."""

    work: Work
    batches: list[Items]
    concurrency: int
    on_failure: str
    keep_order: bool
    opened: int = 0
    open: set[int] = set()
    results: dict[int, Items] = {}
    failed: list[Item] = []
    opening: bool = False
    """Branches are being opened; one that closes at once must not open the next one below it on the stack."""


RunState: TypeAlias = Scheduled | Running | Backoff | Waiting | Parked | Looping | Mapping


class Succeeded(msgspec.Struct, frozen=True, gc=False):
    outputs: Outputs
    source: str = ""


class Failed(msgspec.Struct, frozen=True, gc=False):
    failure: Failure
    outputs: Outputs = {}
    """What went on all the same: failed items on the error port, or the input when the node continues."""


class Skipped(msgspec.Struct, frozen=True, gc=False):
    """Every path into it was dead."""


class Canceled(msgspec.Struct, frozen=True, gc=False):
    """Stopped before it had an outcome."""


Ending: TypeAlias = Succeeded | Failed | Skipped | Canceled
Change: TypeAlias = tuple[RunKey, RunState | Ending]


class Frame(msgspec.Struct, gc=False):
    """One pass through a scope's nodes."""

    owner: int
    path: tuple[int, ...]
    waiting: dict[int, int]
    """Connections that each node still waits for; a node leaves when it starts or is skipped."""
    unsettled: int
    """Nodes without an outcome; the frame closes at zero."""
    inbox: dict[int, list[tuple[int, str, Items]]] = {}
    """Deliveries to nodes that have not started: (ordinal of the connection, port, items)."""
    active: set[int] = set()
    """Nodes with a run in `State.runs`."""
    returned: list[tuple[int, Items]] = []


class Perform(msgspec.Struct, frozen=True, gc=False):
    """Run a node's code once. Start it only after every event before it is stored, unless the node is pure."""

    key: RunKey
    node: PlanNode
    work: Work

    @property
    def is_last(self) -> bool:
        """No retry will follow, so failed items may go to the error port one by one."""
        return self.work.attempt >= self.node.retry.max_attempts


class StartChild(msgspec.Struct, frozen=True, gc=False):
    """Start an execution. Store its first event in the same transaction as `Ready.append`."""

    key: RunKey
    spec: ChildSpec
    detached: bool


class Ready(msgspec.Struct, gc=False):
    """What the driver has to do, in this order."""

    append: list[AnyEvent] = []
    """Already applied; store them first."""
    start: list[StartChild] = []
    """Store these together with `append`: both or neither."""
    abort: list[RunKey] = []
    """Stop these attempts; their outcome no longer matters."""
    cancel_children: list[str] = []
    """Ask these executions to cancel; asking twice does no harm."""
    perform: list[Perform] = []
    """Start these when everything in `append` is stored; pure nodes at once."""
    wake_at: int | None = None
    """Come back at this time, in epoch milliseconds, if nothing happens before."""


class State(msgspec.Struct, gc=False):
    """One execution. Only `machine.apply` and `machine.decide` change it."""

    plan: Plan
    execution_id: str = ""
    seed: int = 0
    started_at: int = 0
    depth: int = 0
    trigger: int = ROOT
    input: Items = []
    frames: dict[tuple[int, tuple[int, ...]], Frame] = {}
    runs: dict[RunKey, RunState] = {}
    ready: deque[RunKey] = msgspec.field(default_factory=deque)
    timers: list[tuple[int, int, RunKey, str]] = []
    """A heap of (due, token, run, kind); an entry whose token the run no longer holds is stale."""
    tokens: int = 0
    signals: dict[str, list[RunKey]] = {}
    """Runs that wait for a signal, oldest first."""
    mailbox: dict[str, list[tuple[Json, str]]] = {}
    """Signals that came before anyone waited for them: (payload, sender)."""
    outputs: dict[RunKey, Outputs] = {}
    """Outputs of runs that some expression names."""
    results: dict[int, Outputs] = {}
    """What the last nodes of the root scope, and any responding node, delivered."""
    undo: list[tuple[int, tuple[int, ...], Items]] = []
    """Completed nodes that know their undo: (undo node, path, output), oldest first."""
    reuse: dict[tuple[int, tuple[int, ...], int], Outcome] = {}
    """Outcomes taken over from an earlier execution, by (node, path, turn)."""
    overrides: dict[str, Items] = {}
    draining: set[str] = set()
    """Children that were asked to cancel and have not ended; the execution waits for them."""
    failure: Failure | None = None
    canceling: bool = False
    paused: bool = False
    undoing: bool = False
    closed: bool = False
    """Nothing is left to run."""
    status: str = ""
    """Empty until the execution has ended, then `SUCCESS`, `ERROR` or `CANCELED`."""
    abort: list[RunKey] = []
    start: list[StartChild] = []
    tasks: list[TaskChange] = []
    """Tasks that were opened, answered or closed; the driver takes them out and stores them together with the events
    that it stores next: both or neither."""
    changes: list[Change] = []
    """What happened to runs since the driver last looked; it may clear this at will."""
    trace: str = ""
    """For the driver, which handed it in."""

    @property
    def output(self) -> Items:
        """The execution's result: what a responding node gave, or else what its last nodes delivered."""
        for index in reversed(self.plan.responders):
            if index in self.results:
                return flat(self.results[index])
        return [item for index in self.plan.leaves if index in self.results for item in flat(self.results[index])]

    def address(self, key: RunKey) -> str:
        """How people write the run `key`."""
        return address(self.plan.nodes[key[0]].id, key[1])

    def lookup(self, name: str, path: tuple[int, ...]) -> Outputs | None:
        """What the node called `name` delivered, as a run at `path` sees it: the innermost frame around it first."""
        index = self.plan.by_name.get(name)
        if index is None:
            return None
        for depth in range(len(path), -1, -1):
            if (found := self.outputs.get((index, path[:depth]))) is not None:
                return found
        return None
