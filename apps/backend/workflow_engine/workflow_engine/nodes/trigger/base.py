"""What a trigger node type is: a node that hands on the items that an execution starts with, and says what starts it.

There are four ways, one base class each:

- `ScheduleTrigger`: `schedule(parameters, timezone)` gives its times;
- `HttpTrigger`: `routes(parameters, trigger_id)` names what it answers at the HTTP edge, whose room in `api/` calls
  `Triggers.deliver`;
- `ListenTrigger`: `async def listen(source)` runs for as long as the trigger is registered and calls `source.emit`;
- `PollTrigger`: `async def poll(source)` looks once, from `source.cursor` on, every `interval(parameters)`.

A node type holds no state: what it must remember is its cursor, which is stored in the same transaction as the delivery
that it is given with. Acknowledge a message to its broker after `emit` has returned, never before: then it is stored,
and it starts one execution however often it comes under the same delivery id.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from workflow_engine.engine.expressions import ExpressionErrors, Template, compile_template
from workflow_engine.engine.items import Item, Items, Json
from workflow_engine.engine.plan import ParameterProblem
from workflow_engine.engine.shape import RunMode
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.spec import Call, Emit, Field, Node, NodeFailure, Parameters

Overlap = Literal["skip", "buffer_one", "buffer_all", "cancel_other", "allow"]
Mode = Literal["trigger", "webhook", "schedule"]


class TriggerParameters(Parameters):
    """What every trigger can be told."""

    condition: str = Field(default="", max_length=10_000)
    """CEL over what came, such as `json.body.kind == 'order'`: it starts nothing when this is false."""
    overlap: Overlap | None = None
    """What happens while an execution that it started still runs. `skip`: nothing, and a record says so. `buffer_one`:
    one waits, further ones are skipped. `buffer_all`: all wait, one runs after the other. `cancel_other`: the earlier
    one is cancelled, the new one starts when that has ended. `allow`: they run side by side. By default `skip` for
    schedules and `allow` for everything else."""
    pause_on_failure: bool = False
    """The trigger pauses itself when an execution that it started fails."""


P = TypeVar("P", bound=TriggerParameters)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of something that a source gave to `emit`."""

    decision: str
    """A TriggerDecision without its prefix, for example `STARTED` or `DUPLICATE`."""
    execution_id: str = ""


class Emitting(Protocol):
    async def __call__(
        self, items: Items, *, delivery_id: str = "", at: int | None = None, cursor: Json | None = None
    ) -> Delivered: ...


@dataclass(slots=True)
class Source:
    """A registered trigger, as its node type sees it while it listens or looks."""

    trigger_id: str
    workflow_id: str
    node_id: str
    parameters: Any
    """The node type's own parameters, checked."""
    credentials: dict[str, str]
    """Credential ids by slot."""
    context: Context
    """`context.http`, `.blobs`, `.credentials` and so on, as a node has them."""
    cursor: Json
    """What was last stored with `emit` or `save`; None at first."""
    emit: Emitting
    """Stores a delivery, decides it and starts its execution; returns when all of that is committed.

    `delivery_id` makes it the same delivery when it comes again (255 characters at most, else it is hashed); empty for
    one that never does. `at`: when it happened, epoch milliseconds, now by default. `cursor` is stored with it. Raises
    StoreUnavailable, or RuntimeFailure when too much waits already: then nothing is stored, and the listener fails and
    is started again.
    """
    save: Callable[[Json], Awaitable[None]]
    """Stores the cursor alone."""
    listens: Callable[[], None] = lambda: None
    """To be called once it listens: what went wrong before is over."""

    async def credential(self, slot: str) -> dict[str, Any] | None:
        """The fields of the credential in a slot; None when none is chosen. Raises NodeFailure."""
        id = self.credentials.get(slot)
        if not id:
            return None
        assert self.context.credentials is not None
        return await self.context.credentials.get(id)


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that a poll came across."""

    items: Items
    delivery_id: str = ""
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Polled:
    """What a poll came across, oldest first, and where the next one goes on."""

    found: Sequence[Found] = ()
    cursor: Json = None


class Schedule(Protocol):
    """Times at which something is due."""

    def ticks(self, after: int) -> Iterator[int]:
        """All later than `after`, in order; epoch milliseconds."""
        ...


@dataclass(frozen=True, slots=True)
class CatchUp:
    """What happens to ticks that could not fire in time, because the server was down or its clock was set."""

    window: int = 3_600_000
    """Milliseconds that a tick may be late."""
    limit: int = 1
    """How many late ones fire at most, the latest first chosen."""


class Trigger(Node[P]):
    """Base of every trigger node type but trigger.manual. Its run hands on the items that came."""

    run_mode = RunMode.BATCH
    inputs = ()
    is_trigger = True
    mode: ClassVar[Mode] = "trigger"
    """What ExecutionMode its executions have."""
    default_overlap: ClassVar[Overlap] = "allow"
    literals = frozenset({"condition"})

    def run(self, call: Call[P]) -> Emit:
        return Emit({"main": call.items or [Item()]})

    def check(self, parameters: dict[str, Any]) -> Sequence[ParameterProblem]:
        problems = list(super().check(parameters))
        condition = parameters.get("condition")
        if isinstance(condition, str):
            try:
                compiled(condition)
            except ExpressionErrors as failed:
                first = failed.errors[0]
                problems.append(ParameterProblem("condition", first.message, first.hint, "INVALID_EXPRESSION"))
        return problems


class ScheduleTrigger(Trigger[P]):
    """Starts executions at times that are known beforehand."""

    mode = "schedule"
    default_overlap = "skip"

    @abstractmethod
    def schedule(self, parameters: P, timezone: str) -> Schedule:
        """Its times, without jitter; `timezone` is the workflow's. Raises NodeFailure."""

    def jitter(self, parameters: P) -> int:
        """Milliseconds that a tick may start later, chosen by the tick itself."""
        return 0

    def catch_up(self, parameters: P) -> CatchUp:
        return CatchUp()


class HttpTrigger(Trigger[P]):
    """Starts executions when it is called at the HTTP edge."""

    @abstractmethod
    def routes(self, parameters: P, trigger_id: str) -> list[str]:
        """For example `POST /webhooks/orders/:id`; a path segment that starts with a colon is a parameter.

        The trigger's id makes a path that nobody can guess. Publishing refuses a route that another trigger has.
        """


class ListenTrigger(Trigger[P]):
    """Starts executions by what it hears from somewhere."""

    @abstractmethod
    async def listen(self, source: Source) -> None:
        """Runs until it is cancelled. When it returns or raises it is started again, after a pause that grows."""


class PollTrigger(Trigger[P]):
    """Starts executions by what it finds when it looks, from time to time."""

    @abstractmethod
    def interval(self, parameters: P) -> int:
        """Milliseconds between looks."""

    @abstractmethod
    async def poll(self, source: Source) -> Polled:
        """Looks once. The first time `source.cursor` is None: most types then remember what there is and find nothing.

        What it finds is delivered in order, and then its cursor is stored; so after a crash it may find the same
        again, which its delivery ids tell. Raises NodeFailure.
        """


def compiled(condition: str) -> Template:
    """A condition made ready. `{{ }}` around it may be left out. Raises ExpressionErrors."""
    bare = condition.strip()
    return compile_template(bare if "{{" in bare else f"{{{{ {bare} }}}}", field="condition")


__all__ = [
    "Call",
    "CatchUp",
    "Delivered",
    "Field",
    "Found",
    "HttpTrigger",
    "Item",
    "Items",
    "Json",
    "ListenTrigger",
    "NodeFailure",
    "PollTrigger",
    "Polled",
    "Schedule",
    "ScheduleTrigger",
    "Source",
    "Trigger",
    "TriggerParameters",
]
