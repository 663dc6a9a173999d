"""The journal: every fact about an execution that can not be computed from the facts before it.

Routing, joins, skipped paths, the opening and closing of loop iterations follow from these events, so they are not
stored. An event is written as one version byte and a MessagePack array, tagged with a short letter code;
a tag or a field's place is never given a new meaning. New fields go at the end, with a default.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from workflow_engine.engine.items import Failure, Item, Json, Outputs
from workflow_engine.engine.tasks import Answer, Task

FORMAT = b"\x01"
"""The version of the encoding; the first byte of every stored event."""


class Event(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """The common head: when the driver saw it, in epoch milliseconds."""

    at: int


class RunEvent(Event, frozen=True, array_like=True, kw_only=True, gc=False):
    """A fact about one run: a node, in one iteration of each scope around it."""

    node: str
    path: tuple[int, ...] = ()


class ChildSpec(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """An execution that a node asks for."""

    id: str
    """The child's execution id; derived from the parent's, so that asking twice starts it once."""
    workflow_id: str
    version: int = 0
    """0 for the published version."""
    input: list[Item] = []


class ChildResult(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """How a child execution ended."""

    id: str
    status: str
    """`SUCCESS`, `ERROR` or `CANCELED`."""
    output: list[Item] = []
    failure: Failure | None = None


class AttemptStarted(RunEvent, frozen=True, array_like=True, tag="as", kw_only=True, gc=False):
    """The intent to perform an at-most-once effect; stored before the effect."""

    attempt: int
    turn: int = 0


class ItemSucceeded(RunEvent, frozen=True, array_like=True, tag="is", kw_only=True, gc=False):
    """One item of a per-item run is done and will not be performed again by a later attempt."""

    attempt: int
    index: int
    outputs: Outputs


class StepSucceeded(RunEvent, frozen=True, array_like=True, tag="st", kw_only=True, gc=False):
    """A run that takes many steps, such as an agent's, has done one that no later attempt shall do again."""

    attempt: int
    key: str
    """The step's name, given by the node's code; a step of the same name is not stored twice."""
    value: Json = None
    """What the step gave; handed back to the code after a crash, a retry or a wait."""
    usage: dict[str, Json] = {}
    """What it consumed, e.g. tokens."""


class NodeSucceeded(RunEvent, frozen=True, array_like=True, tag="ns", kw_only=True, gc=False):
    """A run has its outputs."""

    attempt: int
    started_at: int
    outputs: Outputs
    source: str = ""
    """Empty when performed; `pinned`, `disabled` or `reused`."""
    spawned: list[ChildSpec] = []
    """Executions started along with this event that nobody waits for."""
    turn: int = 0
    usage: dict[str, Json] = {}
    """What the attempt consumed, e.g. tokens."""
    response: dict[str, Json] = {}
    """What the node says, beside its items, to a caller who waits for them: `status` and `headers` of HTTP."""


class AttemptFailed(RunEvent, frozen=True, array_like=True, tag="af", kw_only=True, gc=False):
    """An attempt failed; whether it is retried follows from the node's policy."""

    attempt: int
    started_at: int
    failure: Failure


class NodeSuspended(RunEvent, frozen=True, array_like=True, tag="nw", kw_only=True, gc=False):
    """A run waits: for a time, a signal, its children, or whichever comes first."""

    attempt: int
    started_at: int
    until: int | None = None
    """Epoch milliseconds."""
    signal: str | None = None
    """The name of the signal that wakes it."""
    children: list[ChildSpec] = []
    detail: str = ""
    """What it waits for, in words."""
    data: dict[str, Json] = {}
    """What the node wants back when it resumes, e.g. the form it asked for."""
    tasks: list[Task] = []
    """What it asks of people; it goes on when all of them are decided."""


class TaskAnswered(RunEvent, frozen=True, array_like=True, tag="ta", kw_only=True):
    """A person answered a task of a waiting run."""

    answer: Answer


class NodeIterated(RunEvent, frozen=True, array_like=True, tag="ni", kw_only=True, gc=False):
    """A loop opened iteration `turn` with these items."""

    turn: int
    items: list[Item]


class NodeExpanded(RunEvent, frozen=True, array_like=True, tag="nx", kw_only=True, gc=False):
    """A map opened one branch for each batch."""

    batches: list[list[Item]]
    concurrency: int
    on_failure: str
    """`stop`, `collect` or `drop`."""
    keep_order: bool = True
    turn: int = 0


Outcome: TypeAlias = NodeSucceeded | NodeIterated | NodeExpanded
"""What a run's turn may be taken over as."""


class ExecutionStarted(Event, frozen=True, array_like=True, tag="es", kw_only=True, gc=False):
    """The first event of every execution."""

    execution_id: str
    seed: int
    """Drawn by the driver; retry jitter derives from it."""
    input: list[Item] = []
    trigger: str = ""
    """The trigger node that fired; empty to start at the manual trigger or every entry node."""
    reuse: list[Outcome] = []
    """Outcomes taken over from an earlier execution; each stands in for performing its run's turn."""
    depth: int = 0
    """How many executions stand above this one."""
    overrides: dict[str, list[Item]] = {}
    """Edited input by node id, for a fork."""
    only: str = ""
    """Run just this node, on `input` (testing one node)."""
    trace: str = ""
    """Where its trace goes on from, as the driver writes it."""


class TimerFired(RunEvent, frozen=True, array_like=True, tag="tf", kw_only=True, gc=False):
    """A deadline has passed; an empty node stands for the whole execution."""

    kind: str
    """`retry`, `wait` or `deadline`."""
    token: int


class SignalReceived(Event, frozen=True, array_like=True, tag="sg", kw_only=True, gc=False):
    """Someone outside sent a named message; it wakes the oldest run that waits for it, or is kept until one does."""

    name: str
    payload: Json = None
    sender: str = ""
    node: str = ""
    """Only a run of this node, when set."""
    path: tuple[int, ...] | None = None


class ChildEnded(RunEvent, frozen=True, array_like=True, tag="ce", kw_only=True, gc=False):
    """A child that this run waits for has ended."""

    result: ChildResult


class OutcomeUnknown(RunEvent, frozen=True, array_like=True, tag="ou", kw_only=True, gc=False):
    """The process died between the intent and the result of an at-most-once effect."""

    attempt: int


class OutcomeResolved(RunEvent, frozen=True, array_like=True, tag="or", kw_only=True, gc=False):
    """A person said what became of an unknown outcome."""

    decision: str
    """`succeeded` (with outputs), `failed` or `retry`."""
    outputs: Outputs = {}
    by: str = ""


class CancelRequested(Event, frozen=True, array_like=True, tag="cr", kw_only=True, gc=False):
    reason: str = ""
    by: str = ""


class PauseRequested(Event, frozen=True, array_like=True, tag="pr", kw_only=True, gc=False):
    by: str = ""


class ResumeRequested(Event, frozen=True, array_like=True, tag="rr", kw_only=True, gc=False):
    by: str = ""


class ExecutionEnded(Event, frozen=True, array_like=True, tag="ee", kw_only=True, gc=False):
    """The last event of every execution."""

    status: str
    """`SUCCESS`, `ERROR` or `CANCELED`."""
    failure: Failure | None = None


AnyEvent: TypeAlias = (
    ExecutionStarted
    | AttemptStarted
    | ItemSucceeded
    | StepSucceeded
    | NodeSucceeded
    | AttemptFailed
    | NodeSuspended
    | TaskAnswered
    | NodeIterated
    | NodeExpanded
    | TimerFired
    | SignalReceived
    | ChildEnded
    | OutcomeUnknown
    | OutcomeResolved
    | CancelRequested
    | PauseRequested
    | ResumeRequested
    | ExecutionEnded
)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[AnyEvent] = msgspec.msgpack.Decoder(AnyEvent)


class UnknownFormat(ValueError):
    """A stored event was written by a newer release."""


def encode(event: AnyEvent) -> bytes:
    """The stored form of `event`."""
    return FORMAT + _encoder.encode(event)


def decode(data: bytes) -> AnyEvent:
    """The event that `encode` wrote. Raises UnknownFormat for a version this release does not know."""
    if data[:1] != FORMAT:
        raise UnknownFormat(f"event format {data[:1].hex()} is newer than this release: upgrade before you read it")
    return _decoder.decode(memoryview(data)[1:])
