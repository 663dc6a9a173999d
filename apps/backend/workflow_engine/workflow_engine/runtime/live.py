"""An execution in memory: its state, and what of it is not stored yet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from workflow_engine.core.clock import Alarm
from workflow_engine.engine import machine, snapshot
from workflow_engine.engine.events import AnyEvent, encode
from workflow_engine.engine.state import Perform, RunKey, StartChild, State, address
from workflow_engine.models.tasks import saving
from workflow_engine.models.writes import ExecutionRow, SaveTask, Snapshot, Status, Write
from workflow_engine.runtime.journal import LARGE, status_of

T = TypeVar("T")

SNAPSHOT_EVENTS = 500
"""Events after which a state is worth a snapshot."""
SNAPSHOT_BYTES = 64
"""Bytes of the last snapshot for which one more event must have come: a large state is written less often."""


@dataclass(slots=True, eq=False)
class Live:
    """An execution in memory."""

    row: ExecutionRow
    state: State
    seq: int = 0
    """The last event given a place in the journal."""
    snapshot_seq: int = 0
    """How many events are in its newest snapshot; 0 when it has none."""
    snapshot_size: int = 0
    buffer: list[bytes] = field(default_factory=list[bytes])
    """Applied, not stored."""
    has_large: bool = False
    """An event in the buffer is too large for the journal."""
    children: list[StartChild] = field(default_factory=list[StartChild])
    """To be stored together with the buffer."""
    along: Sequence[Write] = ()
    """To be stored together with its row, while that is not stored."""
    held: list[Perform] = field(default_factory=list[Perform])
    """Effects that wait for the commit of everything before them."""
    tasks: dict[RunKey, asyncio.Task[None]] = field(default_factory=dict[RunKey, "asyncio.Task[None]"])
    asked_to_cancel: set[str] = field(default_factory=set[str])
    is_new: bool = False
    """Its row is not stored yet."""
    committing: bool = False
    admitted: bool = True
    on_stored: list[asyncio.Future[None]] = field(default_factory=list["asyncio.Future[None]"])
    wake_at: int | None = None
    alarm: Alarm | None = None
    """Rings at `alarm_at`."""
    alarm_at: int | None = None
    yielding: bool = False
    gave_up: bool = False
    """It was ended because the database does not take what it came to."""

    # what happened

    def take_in(self, event: AnyEvent) -> None:
        """Applies what must be stored. Raises what `encode` does, and then nothing has happened."""
        data = encode(event)
        machine.apply(self.state, event)
        self.record(data)

    def record(self, data: bytes) -> None:
        """Takes an event that has been applied on its way to the journal."""
        self.seq += 1
        self.buffer.append(data)
        self.has_large |= len(data) > LARGE
        self.state.changes.clear()

    # how it stands

    def status(self) -> Status:
        at_work = bool(self.tasks or self.held or self.yielding)
        return status_of(self.state, admitted=self.admitted, at_work=at_work)

    def may_act(self) -> bool:
        """Whether an attempt is under way, or one that must not be in doubt waits for room."""
        return bool(self.tasks or machine.unknown_outcomes(self.state))

    def when_stored(self) -> asyncio.Future[None]:
        """Done when what has happened so far is stored."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_stored.append(future)
        return future

    # what is stored beside its events

    def task_changes(self, now: int) -> list[SaveTask]:
        """What people see of the tasks that the leaving events are about."""
        if not self.state.tasks:
            return []
        changes, self.state.tasks = self.state.tasks, []
        return [saving(self.row, each, address(each.node, each.path), now) for each in changes]

    def snapshot(self) -> list[Write]:
        """What keeps a long run from being replayed from its first event."""
        if self.state.status:
            return [Snapshot(self.row.pk, self.seq, None)] if self.snapshot_seq else []
        if self.seq - self.snapshot_seq < max(SNAPSHOT_EVENTS, self.snapshot_size // SNAPSHOT_BYTES):
            return []
        data = snapshot.dump(self.state)
        self.snapshot_seq, self.snapshot_size = self.seq, len(data)
        return [Snapshot(self.row.pk, self.seq, data)]


def answer(waiters: Iterable[asyncio.Future[T]], answer: T | Exception) -> None:
    """Gives `answer` to all who still wait for it."""
    for waiter in waiters:
        if waiter.done():
            continue
        if isinstance(answer, Exception):
            waiter.set_exception(answer)
        else:
            waiter.set_result(answer)
