"""What a commit says to the database, in as few statements and round trips as each kind of database allows.

Every statement costs more than its rows. In SQLite each lets go of Python's lock and has to get it back from a busy
event loop; to PostgreSQL each is a message. So events, which are most of what is written, go many at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection

from workflow_engine.models.execution import WorkflowExecution
from workflow_engine.models.task import Task
from workflow_engine.models.trigger import TriggerEvent
from workflow_engine.models.writes import ExecutionRow, SaveTask, Snapshot, TriggerEventRow

SUMMARY = 1_000
"""Characters of a failure that the row keeps; the journal has all of it."""
AT_ONCE = (64, 32, 16, 8, 4, 2, 1)
"""Events in one statement to SQLite: any number is a sum of these, so that few statements have to be prepared."""

Event = tuple[int, int, bytes]
"""The execution's pk, the event's number, its bytes."""


def _insert(table: str, columns: Sequence[str], mark: str, rows: int = 1) -> str:
    marks = f"({', '.join([mark] * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([marks] * rows)}"  # noqa: S608 (our names)


def _update(table: str, columns: Sequence[str], mark: str) -> str:
    """The last of `columns` is the key."""
    sets = ", ".join(f"{column} = {mark}" for column in columns[:-1])
    return f"UPDATE {table} SET {sets} WHERE {columns[-1]} = {mark}"  # noqa: S608 (our names)


EVENT = ("execution_pk", "seq", "data")
COLUMNS = tuple(column.name for column in WorkflowExecution.__table__.columns)
CHANGING = ("status", "started_at", "ended_at", "wake_at", "failure_summary", "pk")
TASK = tuple(column.name for column in Task.__table__.columns)
NOTICE = ("task_id", "number", "due_at", "tries", "error")
TASK_CHANGES = "status = excluded.status, closed_at = excluded.closed_at, data = excluded.data"
TRIGGER_EVENT = tuple(column.name for column in TriggerEvent.__table__.columns)
DECIDED = ("decided_at", "decision", "execution_id", "detail", "payload", "pk")
_inserted, _changed = attrgetter(*COLUMNS), attrgetter(*CHANGING)
_delivered, _decided = attrgetter(*TRIGGER_EVENT), attrgetter(*DECIDED)


class Script:
    """The statements, on SQLite."""

    mark = "?"

    def __init__(self) -> None:
        mark = self.mark
        self._insert = _insert("workflow_execution", COLUMNS, mark)
        self._update = _update("workflow_execution", CHANGING, mark)
        self._forget = f"DELETE FROM execution_snapshot WHERE execution_pk = {mark}"  # noqa: S608
        self._snapshot = _insert("execution_snapshot", EVENT, mark)
        again = " ON CONFLICT (digest, execution_pk) DO UPDATE SET released_at = NULL"
        self._refer = _insert("blob_reference", ("digest", "execution_pk"), mark) + again
        self._task = f"{_insert('task', TASK, mark)} ON CONFLICT (id) DO UPDATE SET {TASK_CHANGES}"
        unless_there = "ON CONFLICT DO NOTHING"
        self._assignee = f"{_insert('task_assignee', ('task_id', 'user_id', 'since'), mark)} {unless_there}"
        self._notice = f"{_insert('task_notice', NOTICE, mark)} {unless_there}"
        self._call_off = f"UPDATE task_notice SET due_at = NULL WHERE task_id = {mark}"  # noqa: S608
        self._decide = _update("trigger_event", DECIDED, mark)
        self._move = _update("workflow_trigger", ("cursor", "id"), mark)

    def together(self, connection: Connection) -> AbstractContextManager[Any]:
        """Statements in this context may be sent without waiting for the answers to those before."""
        return nullcontext()

    def insert(self, cursor: Any, rows: Sequence[ExecutionRow]) -> None:
        cursor.executemany(self._insert, [_storable(_inserted(row), row, COLUMNS) for row in rows])

    def update(self, cursor: Any, rows: Sequence[ExecutionRow]) -> None:
        cursor.executemany(self._update, [_storable(_changed(row), row, CHANGING) for row in rows])

    def append(self, cursor: Any, events: Sequence[Event]) -> None:
        at = 0
        for size, statement in _APPENDS:
            while len(events) - at >= size:
                cursor.execute(statement, [value for event in events[at : at + size] for value in event])
                at += size

    def refer(self, cursor: Any, references: Sequence[tuple[str, int]]) -> None:
        """Notes that an execution, named second, holds a blob."""
        cursor.executemany(self._refer, references)

    def snapshot(self, cursor: Any, snapshots: Sequence[Snapshot]) -> None:
        cursor.executemany(self._forget, [(each.pk,) for each in snapshots])
        kept = [(each.pk, each.seq, each.data) for each in snapshots if each.data is not None]
        if kept:
            cursor.executemany(self._snapshot, kept)

    def save_tasks(self, cursor: Any, tasks: Sequence[SaveTask]) -> None:
        cursor.executemany(self._task, [task.row for task in tasks])
        for statement, rows in (
            (self._assignee, [row for task in tasks for row in task.assignees]),
            (self._notice, [row for task in tasks for row in task.notices]),
            (self._call_off, [(task.closed,) for task in tasks if task.closed]),
        ):
            if rows:
                cursor.executemany(statement, rows)

    def deliver(self, cursor: Any, rows: Sequence[TriggerEventRow]) -> None:
        at = 0
        for size, statement in _DELIVERIES:
            while len(rows) - at >= size:
                cursor.execute(statement, [value for row in rows[at : at + size] for value in _delivered(row)])
                at += size

    def decide(self, cursor: Any, rows: Sequence[TriggerEventRow]) -> None:
        cursor.executemany(self._decide, [_decided(row) for row in rows])

    def move(self, cursor: Any, cursors: dict[str, str]) -> None:
        cursor.executemany(self._move, [(moved, id) for id, moved in cursors.items()])


_APPENDS = [(size, _insert("execution_event", EVENT, Script.mark, size)) for size in AT_ONCE]
_DELIVERIES = [(size, _insert("trigger_event", TRIGGER_EVENT, Script.mark, size)) for size in AT_ONCE]


class PostgresScript(Script):
    """The statements, on PostgreSQL: all are sent at once, and a column of events travels as one array."""

    mark = "%s"
    _append = (
        "INSERT INTO execution_event (execution_pk, seq, data) "
        "SELECT * FROM unnest(%b::bigint[], %b::integer[], %b::bytea[])"
    )
    _deliver = _insert("trigger_event", TRIGGER_EVENT, mark)

    def together(self, connection: Connection) -> AbstractContextManager[Any]:
        driver: Any = connection.connection.driver_connection
        pipeline: AbstractContextManager[Any] = driver.pipeline()
        return pipeline

    def deliver(self, cursor: Any, rows: Sequence[TriggerEventRow]) -> None:
        cursor.executemany(self._deliver, [_delivered(row) for row in rows])

    def append(self, cursor: Any, events: Sequence[Event]) -> None:
        cursor.execute(self._append, [list(column) for column in zip(*events, strict=True)])


def _storable(values: tuple[Any, ...], row: ExecutionRow, columns: Sequence[str]) -> tuple[Any, ...]:
    if not row.failure_summary:
        return values
    short = summary(row.failure_summary)
    return tuple(short if name == "failure_summary" else value for name, value in zip(columns, values, strict=True))


def summary(failure: str) -> str:
    """As much of a failure as its row keeps. Nodes write failures, and PostgreSQL takes no NUL in a text."""
    return failure[:SUMMARY].replace("\0", "\ufffd").encode(errors="replace").decode()
