"""What can be asked of the writer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Connection


class Status(IntEnum):
    """Numbers of engine.v1.ExecutionStatus."""

    NEW = 1
    RUNNING = 2
    WAITING = 3
    PAUSED = 4
    SUCCESS = 5
    ERROR = 6
    CANCELED = 7


class StoreUnavailable(Exception):
    """The database did not take a commit: it is full, or out of reach. Nothing of the commit is stored."""


class WriteRefused(Exception):
    """The database will never take this write: a key that exists, a value that it can not hold.

    Nothing of its submission is stored; the others of the same commit are.
    """


class OwnershipLost(Exception):
    """Another process has taken over the database; this one must not write any more."""


class ExecutionRow(msgspec.Struct):
    """A row of workflow_execution. Times are epoch milliseconds."""

    pk: int
    id: str
    workflow_id: str
    version: int
    digest: str
    user_id: str
    mode: int
    status: Status
    triggered_by: str
    created_at: int
    started_at: int | None = None
    ended_at: int | None = None
    idempotency_key: str | None = None
    request_digest: str = ""
    parent_pk: int | None = None
    parent_address: str = ""
    root_pk: int | None = None
    retried_from: str = ""
    wake_at: int | None = None
    failure_summary: str = ""
    priority: int = 0


class InsertExecution(msgspec.Struct):
    """A new execution."""

    row: ExecutionRow


class Append(msgspec.Struct):
    """Events of one execution, numbered from `first`, and its row after them (None: it has not changed)."""

    pk: int
    first: int
    events: list[bytes]
    row: ExecutionRow | None = None


class Snapshot(msgspec.Struct):
    """The state of an execution after event `seq`; it replaces the one before. None: it is not needed any more."""

    pk: int
    seq: int
    data: bytes | None


class SaveTask(msgspec.Struct):
    """A task as an event of its execution leaves it. Made by models.tasks; submit it with that event."""

    row: tuple[Any, ...]
    """A row of `task`, which replaces the one that is there."""
    assignees: list[tuple[str, str, int]]
    """Rows of `task_assignee`."""
    notices: list[tuple[str, int, int, int, str]]
    """What to send: (task, number, due at, tries, error)."""
    closed: str | None
    """A task whose notices are called off."""


class Decision(IntEnum):
    """Numbers of engine.v1.TriggerDecision: what became of a tick, delivery or message."""

    STARTED = 1
    SKIPPED_OVERLAP = 2
    SKIPPED_PAUSED = 3
    SKIPPED_CATCH_UP = 4
    SKIPPED_CONDITION = 5
    DUPLICATE = 6
    BUFFERED = 7
    FAILED = 8
    RECEIVED = 9


class TriggerEventRow(msgspec.Struct):
    """A row of trigger_event. Times are epoch milliseconds."""

    pk: int
    trigger_id: str
    delivery_id: str | None
    at: int
    last_at: int
    count: int
    decided_at: int
    decision: Decision
    execution_id: str = ""
    detail: str = ""
    payload: bytes | None = None


class InsertTriggerEvent(msgspec.Struct):
    """What became of a delivery."""

    row: TriggerEventRow


class DecideTriggerEvent(msgspec.Struct):
    """What became at last of a delivery that waited."""

    row: TriggerEventRow


class MoveCursor(msgspec.Struct):
    """How far a trigger has come."""

    trigger_id: str
    cursor: str
    """JSON."""


class Run(msgspec.Struct):
    """Any other change. It runs in a savepoint, so that its failure undoes nothing but itself."""

    change: Callable[[Connection], Any]
    succeed: Callable[[Any], None]
    fail: Callable[[Exception], None]
    alone: bool = True
    """Nobody else changes anything from its first look to its commit, also where many processes write."""


Write: TypeAlias = (
    InsertExecution | Append | Snapshot | SaveTask | InsertTriggerEvent | DecideTriggerEvent | MoveCursor | Run
)
Done: TypeAlias = Callable[[Exception | None], None]
Writes: TypeAlias = Sequence[Write]
