"""What retention asks of the database. Reads block; call them through `asyncio.to_thread`; changes are for
`Store.change`.

An execution is removed in two steps, so that no transaction is large. First its row goes, and with it everything that
people see; its pk is written down. Then its events go, some thousand in a transaction. After a crash the second step
goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    Connection,
    LargeBinary,
    Select,
    String,
    Table,
    Text,
    and_,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import aliased

from workflow_engine.engine.items import BLOB, blob_digests
from workflow_engine.models.database import Base
from workflow_engine.models.execution import (
    BlobReference,
    BlobTracking,
    ExecutionEvent,
    ExecutionSnapshot,
    PrunedExecution,
    WorkflowExecution,
)
from workflow_engine.models.store import Store
from workflow_engine.models.task import Task, TaskAssignee, TaskNotice
from workflow_engine.models.workflow import Workflow, WorkflowDefinition, WorkflowVersion
from workflow_engine.models.writes import Status

ROW = WorkflowExecution.__table__.columns
EVENTS_AT_ONCE = 2_000
"""Events removed in one transaction."""
PRUNED_AT_ONCE = 200
"""Executions whose events are removed in one transaction."""
_Parent = aliased(WorkflowExecution)
_AWAITED = exists().where(_Parent.pk == ROW.parent_pk, _Parent.status < Status.SUCCESS)
"""Its parent has not ended, and may still have to be told of it after a crash."""
_JOURNALS: set[str] = {
    each.__tablename__ for each in (ExecutionEvent, ExecutionSnapshot, WorkflowExecution, BlobReference)
}
"""Tables whose blobs are noted as references, or that name none."""


def workflows_with_history(store: Store) -> list[str]:
    """Ids of all workflows that have executions; found by leaps, however many those are."""
    found: list[str] = []
    with store.reading() as connection:
        query = select(func.min(ROW.workflow_id))
        while (id := connection.execute(query).scalar()) is not None:
            found.append(id)
            query = select(func.min(ROW.workflow_id)).where(ROW.workflow_id > id)
    return found


def settings_of(store: Store, workflow_id: str) -> bytes | None:
    """The definition whose settings count: the live version's, else the draft; None when there is no such workflow."""
    live = and_(
        WorkflowVersion.workflow_id == Workflow.id,
        WorkflowVersion.version == Workflow.published_version,
    )
    query = (
        select(WorkflowDefinition.data, Workflow.draft)
        .select_from(Workflow)
        .outerjoin(WorkflowVersion, live)
        .outerjoin(WorkflowDefinition, WorkflowDefinition.digest == WorkflowVersion.digest)
        .where(Workflow.id == workflow_id)
    )
    with store.reading() as connection:
        row = connection.execute(query).first()
    return (row[0] if row[0] is not None else row[1]) if row is not None else None


def _removable(workflow_id: str) -> Select[Any]:
    return select(ROW.pk).where(ROW.workflow_id == workflow_id, ROW.ended_at.is_not(None), not_(_AWAITED))


def ended_before(store: Store, workflow_id: str, before: int, limit: int, *, successful: bool = False) -> Sequence[int]:
    """Executions of a workflow that ended before a time (epoch milliseconds), oldest first."""
    query = _removable(workflow_id).where(ROW.ended_at < before)
    if successful:
        query = query.where(ROW.status == Status.SUCCESS)
    with store.reading() as connection:
        return connection.execute(query.order_by(ROW.ended_at, ROW.pk).limit(limit)).scalars().all()


def ended_beyond(store: Store, workflow_id: str, kept: int, limit: int) -> Sequence[int]:
    """Executions of a workflow that ended before its newest `kept` ones, oldest first."""
    key = tuple_(ROW.ended_at, ROW.pk)
    ended = select(ROW.ended_at, ROW.pk).where(ROW.workflow_id == workflow_id, ROW.ended_at.is_not(None))
    with store.reading() as connection:
        newest = connection.execute(ended.order_by(ROW.ended_at.desc(), ROW.pk.desc()).offset(kept).limit(1)).first()
        if newest is None:
            return []
        query = _removable(workflow_id).where(key <= tuple_(literal(newest[0]), literal(newest[1])))
        return connection.execute(query.order_by(ROW.ended_at, ROW.pk).limit(limit)).scalars().all()


def remove(pks: Collection[int], now: int) -> Callable[[Connection], list[int]]:
    """A change that takes those of these executions that have ended out of everyone's sight; returns which."""

    def change(connection: Connection) -> list[int]:
        gone = list(connection.execute(select(ROW.pk).where(ROW.pk.in_(pks), ROW.ended_at.is_not(None))).scalars())
        if gone:
            connection.execute(delete(WorkflowExecution).where(ROW.pk.in_(gone)))
            tasks = select(Task.id).where(Task.execution_pk.in_(gone))
            for part in (TaskAssignee, TaskNotice):
                connection.execute(delete(part).where(part.task_id.in_(tasks)))
            connection.execute(delete(Task).where(Task.execution_pk.in_(gone)))
            connection.execute(delete(ExecutionSnapshot).where(ExecutionSnapshot.execution_pk.in_(gone)))
            connection.execute(
                update(BlobReference).where(BlobReference.execution_pk.in_(gone)).values(released_at=now)
            )
            connection.execute(insert(PrunedExecution), [{"pk": pk} for pk in gone])
        return gone

    return change


def remove_events(connection: Connection) -> bool:
    """A change that removes some events of executions that are gone; False when none are left."""
    last = select(func.max(ExecutionEvent.seq)).where(ExecutionEvent.execution_pk == PrunedExecution.pk)
    query = select(PrunedExecution.pk, last.scalar_subquery()).order_by(PrunedExecution.pk).limit(PRUNED_AT_ONCE)
    pruned = connection.execute(query).all()
    done: list[int] = []
    room = EVENTS_AT_ONCE
    for pk, events in pruned:
        room -= events or 0
        if room < 0 and not done:
            # A long journal by itself, from its end on, so that `events` always says what is left.
            longest = and_(ExecutionEvent.execution_pk == pk, ExecutionEvent.seq > events - EVENTS_AT_ONCE)
            connection.execute(delete(ExecutionEvent).where(longest))
        if room < 0:
            break
        done.append(pk)
    if done:
        connection.execute(delete(ExecutionEvent).where(ExecutionEvent.execution_pk.in_(done)))
        newest = select(func.max(PrunedExecution.pk)).scalar_subquery()
        connection.execute(delete(PrunedExecution).where(PrunedExecution.pk.in_(done), PrunedExecution.pk < newest))
    return room < 0 or len(pruned) == PRUNED_AT_ONCE


# blobs


def tracked_since(store: Store) -> int:
    """Since when (epoch milliseconds) references to blobs are noted."""
    with store.reading() as connection:
        return connection.execute(select(BlobTracking.since)).scalar_one()


def referenced(store: Store, digests: Collection[str], released_since: int) -> set[str]:
    """Which of these blobs some execution holds, or held at a time that is not long enough ago."""
    held = or_(BlobReference.released_at.is_(None), BlobReference.released_at >= released_since)
    query = select(BlobReference.digest).where(BlobReference.digest.in_(digests), held).distinct()
    with store.reading() as connection:
        return set(connection.execute(query).scalars())


def forget_released(before: int, limit: int) -> Callable[[Connection], int]:
    """A change that drops notes of executions that went long ago; returns how many it dropped."""

    def change(connection: Connection) -> int:
        key = tuple_(BlobReference.digest, BlobReference.execution_pk)
        some = select(BlobReference.digest, BlobReference.execution_pk).where(BlobReference.released_at < before)
        return connection.execute(delete(BlobReference).where(key.in_(some.limit(limit)))).rowcount

    return change


def named_elsewhere(store: Store) -> set[str]:
    """Blobs that anything but a journal names: a draft, a definition with pinned outputs, a kept delivery, a memory."""
    found: set[str] = set()
    with store.reading() as connection:
        for table in Base.metadata.sorted_tables:
            if table.name not in _JOURNALS:
                found |= _named_in(connection, table)
    return found


def _named_in(connection: Connection, table: Table) -> set[str]:
    is_sqlite = connection.dialect.name == "sqlite"
    found: set[str] = set()
    for column in table.columns:
        # What is bytes on one kind of database may be numbers on the other.
        kind = column.type.dialect_impl(connection.dialect)
        if isinstance(kind, ARRAY):
            continue
        if isinstance(column.type, LargeBinary):
            names = func.instr(column, BLOB) > 0 if is_sqlite else func.encode(column, "escape").contains(BLOB.decode())
        elif isinstance(column.type, JSON | Text):
            names = cast(column, String).contains(BLOB.decode())
        else:
            continue
        for value in connection.execute(
            select(cast(column, String) if isinstance(column.type, JSON) else column).where(names)
        ).scalars():
            found |= blob_digests(value.encode() if isinstance(value, str) else value)
    return found


# room


def give_back(pages: int, above: float) -> Callable[[Connection], bool]:
    """A change that gives up to `pages` free pages of a SQLite file back to the disk, while the free ones are more than
    a share `above` of it; False when there is nothing to do. PostgreSQL sees to this itself.
    """

    def change(connection: Connection) -> bool:
        if connection.dialect.name != "sqlite":
            return False
        free, all = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar() or 0 for name in ("freelist_count", "page_count")
        )
        if free < pages or free <= all * above:
            return False
        cursor = connection.connection.cursor()
        for _ in range(pages):
            # It takes a step for each page, and Python's sqlite3 stops after the first.
            cursor.execute("PRAGMA incremental_vacuum(1)")
        cursor.close()
        left = connection.exec_driver_sql("PRAGMA freelist_count").scalar() or 0
        return bool(left < free)

    return change
