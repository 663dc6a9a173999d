"""What every runtime promises to the services, whatever drives the machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from workflow_engine.engine.events import AnyEvent, Outcome
from workflow_engine.engine.history import History
from workflow_engine.engine.items import Failure, Item, Items, Outputs
from workflow_engine.engine.plan import Plan
from workflow_engine.models.writes import Write


@dataclass(frozen=True, slots=True)
class Start:
    """What an execution starts from."""

    workflow_id: str
    digest: str
    """Which definition; it is stored already."""
    version: int = 0
    """The published version, 0 for the draft."""
    user_id: str = ""
    mode: int = 1
    triggered_by: str = ""
    input: Items = field(default_factory=list[Item])
    trigger: str = ""
    idempotency_key: str = ""
    request_digest: str = ""
    """Tells a repeated request from another one under the same idempotency key."""
    priority: int = 0
    retried_from: str = ""
    reuse: list[Outcome] = field(default_factory=list[Outcome])
    overrides: dict[str, Items] = field(default_factory=dict[str, Items])
    only: str = ""
    execution_id: str = ""
    """The new execution's id, for a caller that has to know it beforehand; one is made up when it is empty."""
    depth: int = 0
    """How many executions stand above it, where it is nobody's child and yet of another's making."""
    trace: str = ""
    """Where its trace goes on from; see core.tracing.kept."""
    along: Sequence[Write] = ()
    """What else becomes true with the start, and is stored in the same transaction."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How an execution ended."""

    execution_id: str
    status: str
    output: Items
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class Turn:
    """Why an execution has not started."""

    ahead: int
    """How many of its group come before it."""
    starts_at: int | None
    """When the rate limit lets the next of its group start, in epoch milliseconds; None: when another one ends."""


class RuntimeFailure(Exception):
    """A request that the runtime refuses. `reason` is an ErrorReason of the contract."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Busy(RuntimeFailure):
    """A refusal of what may be taken a moment later; nothing of it is stored."""


class Runtime(Protocol):
    """Every method that changes something returns after the change is stored."""

    async def open(self) -> None:
        """Takes up every execution that has not ended."""
        ...

    async def close(self, grace: float = 10.0) -> None:
        """Stops taking work, lets attempts in flight finish for `grace` seconds, and stores what they gave."""
        ...

    async def start(self, start: Start) -> str:
        """Returns the execution id; the same one for the same idempotency key. Raises RuntimeFailure."""
        ...

    async def start_all(self, starts: Sequence[Start]) -> list[str]:
        """Starts all of them in one transaction, or none; returns their ids, as `start` does. Raises RuntimeFailure."""
        ...

    async def send(self, execution_id: str, event: AnyEvent) -> bool:
        """Gives a signal, cancel, pause, resume or resolution to an execution.

        Returns False when it means nothing to the execution in its present state. Raises RuntimeFailure when there is
        no such execution, or it has ended.
        """
        ...

    async def wait(self, execution_id: str, timeout: float | None = None) -> Ended | None:
        """How the execution ended; None when it has not within `timeout` seconds."""
        ...

    def running(self, execution_id: str) -> set[str]:
        """Addresses of runs whose attempt is under way; empty where the runtime can not tell."""
        ...

    def turn(self, execution_id: str) -> Turn | None:
        """Why an execution has not been let in yet; None when it has, or the runtime can not tell."""
        ...

    async def try_node(
        self, plan: Plan, node: str, input: Items, outputs: Mapping[str, Outputs], user_id: str = ""
    ) -> History:
        """Runs one node on `input`, storing no execution, on behalf of `user_id`.

        `outputs` stand for what other nodes, by name, delivered.
        """
        ...

    def watch(self, execution_id: str, from_seq: int = 1) -> AsyncIterator[tuple[int, AnyEvent]]:
        """Stored events from `from_seq` on, then new ones as they are stored, until the execution has ended."""
        ...
