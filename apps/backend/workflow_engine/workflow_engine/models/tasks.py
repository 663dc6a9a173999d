"""What is asked of the database about tasks. Reads block; call them through `asyncio.to_thread`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, exists, func, or_, select, update

from workflow_engine.engine.tasks import ANSWERED, CANCELED, EXPIRED, OPEN, Answer, Task, TaskChange
from workflow_engine.models.execution import WorkflowExecution
from workflow_engine.models.store import Store
from workflow_engine.models.task import Task as Row
from workflow_engine.models.task import TaskAssignee, TaskNotice
from workflow_engine.models.writes import ExecutionRow, SaveTask

STATUSES = {OPEN: 1, ANSWERED: 2, EXPIRED: 3, CANCELED: 4}
"""Numbers of engine.v1.TaskStatus."""
_NAMES = {number: name for name, number in STATUSES.items()}


class _Stored(msgspec.Struct, array_like=True):
    task: Task
    answers: tuple[Answer, ...]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stored)


class NoticeState(msgspec.Struct, frozen=True):
    """What became of a notice."""

    number: int
    due_at: int | None
    sent_at: int | None
    tries: int
    error: str


class FoundTask(msgspec.Struct, frozen=True):
    """A task as it is stored."""

    task: Task
    answers: tuple[Answer, ...]
    status: str
    execution_id: str
    workflow_id: str
    node: str
    address: str
    created_at: int
    closed_at: int | None


def saving(execution: ExecutionRow, change: TaskChange, address: str, now: int) -> SaveTask:
    """The write that makes the table say what the journal does."""
    task = change.task
    is_open = change.status == OPEN
    return SaveTask(
        row=(
            task.id,
            execution.pk,
            execution.id,
            execution.workflow_id,
            change.node,
            address,
            STATUSES[change.status],
            now,
            None if is_open else now,
            _encoder.encode(_Stored(task, change.answers)),
        ),
        assignees=[(task.id, each.user, each.since) for each in task.assignees] if is_open else [],
        notices=[(task.id, number, notice.at, 0, "") for number, notice in enumerate(task.notices)] if is_open else [],
        closed=None if is_open else task.id,
    )


def get(store: Store, id: str) -> FoundTask | None:
    with store.reading() as connection:
        row = connection.execute(select(*Row.__table__.columns).where(Row.id == id)).first()
    return _found(row) if row is not None else None


def page(
    store: Store,
    *,
    user_id: str = "",
    now: int = 0,
    statuses: Sequence[str] = (),
    execution_id: str = "",
    workflow_id: str = "",
    owners: Collection[str] | None = None,
    names: Collection[str] = (),
    limit: int,
    after: tuple[int, str] | None = None,
) -> list[FoundTask]:
    """Oldest first; `after` is the (created_at, id) of the last one seen.

    With `user_id`, those that this person may answer at `now`: they are assigned to it, or it is for anyone. With
    `owners`, those of their executions, and those that somebody of these `names` is assigned to.
    """
    query = select(*Row.__table__.columns).order_by(Row.created_at, Row.id).limit(limit)
    if statuses:
        query = query.where(Row.status.in_([STATUSES[each] for each in statuses]))
    if execution_id:
        query = query.where(Row.execution_id == execution_id)
    if workflow_id:
        query = query.where(Row.workflow_id == workflow_id)
    if user_id:
        of_task = TaskAssignee.task_id == Row.id
        own = exists().where(of_task, TaskAssignee.user_id == user_id, TaskAssignee.since <= now)
        query = query.where(or_(own, ~exists().where(of_task)))
    if owners is not None:
        run = exists().where(WorkflowExecution.pk == Row.execution_pk, WorkflowExecution.user_id.in_(list(owners)))
        mine = exists().where(TaskAssignee.task_id == Row.id, TaskAssignee.user_id.in_(list(names)))
        query = query.where(or_(run, mine))
    if after is not None:
        at, id = after
        query = query.where(or_(Row.created_at > at, and_(Row.created_at == at, Row.id > id)))
    with store.reading() as connection:
        return [_found(row) for row in connection.execute(query)]


def notices(store: Store, task_id: str) -> list[NoticeState]:
    """What became of each notice of a task."""
    query = select(TaskNotice).where(TaskNotice.task_id == task_id).order_by(TaskNotice.number)
    columns = TaskNotice.__table__.columns
    query = query.with_only_columns(columns.number, columns.due_at, columns.sent_at, columns.tries, columns.error)
    with store.reading() as connection:
        return [NoticeState(*row) for row in connection.execute(query)]


async def claim(store: Store, now: int, until: int, limit: int) -> list[tuple[str, int, int]]:
    """Notices to send: (task, number, tries so far), the longest due first.

    They are not due for anybody else before `until`; so several processes may send, and what one of them died over is
    sent by another.
    """

    def change(connection: Connection) -> list[tuple[str, int, int]]:
        query = (
            select(TaskNotice.task_id, TaskNotice.number, TaskNotice.tries)
            .where(TaskNotice.due_at <= now)
            .order_by(TaskNotice.due_at)
            .limit(limit)
        )
        claimed: list[tuple[str, int, int]] = []
        for row in connection.execute(query).all():
            mine = and_(TaskNotice.task_id == row.task_id, TaskNotice.number == row.number, TaskNotice.due_at <= now)
            if connection.execute(update(TaskNotice).where(mine).values(due_at=until)).rowcount:
                claimed.append((row.task_id, row.number, row.tries))
        return claimed

    return await store.change(change)


def next_due(store: Store) -> int | None:
    """When the next notice is due."""
    with store.reading() as connection:
        return connection.execute(select(func.min(TaskNotice.due_at)).where(TaskNotice.due_at.is_not(None))).scalar()


async def tried(
    store: Store, task_id: str, number: int, *, again_at: int | None, sent_at: int | None, error: str
) -> None:
    """Stores what became of a try to send a notice. One that was called off meanwhile stays so."""

    def change(connection: Connection) -> None:
        which = and_(TaskNotice.task_id == task_id, TaskNotice.number == number)
        values: dict[str, Any] = {"tries": TaskNotice.tries + 1, "sent_at": sent_at, "error": error.replace("\0", "")}
        connection.execute(update(TaskNotice).where(which).values(**values))
        connection.execute(update(TaskNotice).where(which, TaskNotice.due_at.is_not(None)).values(due_at=again_at))

    await store.change(change)


def _found(row: Any) -> FoundTask:
    stored = _decoder.decode(row.data)
    return FoundTask(
        task=stored.task,
        answers=stored.answers,
        status=_NAMES[row.status],
        execution_id=row.execution_id,
        workflow_id=row.workflow_id,
        node=row.node,
        address=row.address,
        created_at=row.created_at,
        closed_at=row.closed_at,
    )
