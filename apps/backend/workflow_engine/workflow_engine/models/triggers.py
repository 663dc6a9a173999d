"""What is asked of the database about triggers. Reads block; call them through `asyncio.to_thread`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, exists, insert, or_, select, update
from sqlalchemy.orm import Session

from workflow_engine.models.execution import WorkflowExecution
from workflow_engine.models.store import KeyReused, NotFound, Stale, Store
from workflow_engine.models.trigger import Trigger, TriggerEvent, TriggerRoute
from workflow_engine.models.workflow import Idempotency, Workflow, WorkflowVersion
from workflow_engine.models.writes import Decision, Status, TriggerEventRow

Columns = dict[str, Any]
SCOPE = "trigger"
EVENT = TriggerEvent.__table__.columns
WAITS = (Decision.BUFFERED, Decision.RECEIVED)
"""What has still to start."""


class RouteTaken(Exception):
    """Another trigger is reached by this method and path already."""

    def __init__(self, route: str, node_id: str, workflow_id: str) -> None:
        super().__init__(f"{route} already belongs to workflow {workflow_id!r}")
        self.route, self.node_id, self.workflow_id = route, node_id, workflow_id
        """`node_id` is the one that asked for it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A trigger as it shall be stored, and the routes that lead to it."""

    columns: Columns
    routes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Live:
    """A trigger that may fire, and what it starts."""

    trigger: Trigger
    version: int
    digest: str
    user_id: str


# changing


def register(workflow_id: str, wanted: Sequence[Wanted], now: int) -> Callable[[Connection], None]:
    """A change that makes the node-made triggers of a workflow exactly `wanted`; none to take them all away.

    What was paused stays paused, and what had come so far goes on from there. Raises RouteTaken.
    """

    def change(connection: Connection) -> None:
        own = and_(Trigger.workflow_id == workflow_id, Trigger.node_id != "")
        old = {row.id: row.type for row in connection.execute(select(Trigger.id, Trigger.type).where(own))}
        if not old and not wanted:
            return
        gone = set(old) - {each.columns["id"] for each in wanted}
        # Another type on the same node is another trigger: where the old one stood means nothing to it.
        gone |= {each.columns["id"] for each in wanted if old.get(each.columns["id"], "") != each.columns["type"]}
        _forget(connection, gone & set(old), now)
        connection.execute(delete(TriggerRoute).where(TriggerRoute.trigger_id.in_(list(old))))
        for each in wanted:
            if each.columns["id"] in gone:
                connection.execute(insert(Trigger).values(**each.columns, resumed_at=now, created_at=now))
            else:
                changed = {**each.columns, "revision": Trigger.revision + 1}
                connection.execute(update(Trigger).where(Trigger.id == each.columns["id"]).values(**changed))
            _lead(connection, each)

    return change


def unregister(workflow_id: str, now: int) -> Callable[[Connection], None]:
    """A change that takes all triggers of a workflow away, also those made by hand."""

    def change(connection: Connection) -> None:
        query = select(Trigger.id).where(Trigger.workflow_id == workflow_id)
        _forget(connection, [row.id for row in connection.execute(query)], now)

    return change


async def create(store: Store, wanted: Wanted, now: int, *, key: str = "", digest: str = "") -> str:
    """Stores a trigger made by hand and returns its id, or the id that the same idempotency key made before.

    Raises KeyReused when the key came with another request, and RouteTaken.
    """
    id = str(wanted.columns["id"])

    def change(connection: Connection) -> str:
        if key:
            where = and_(Idempotency.scope == SCOPE, Idempotency.key == key)
            found = connection.execute(select(Idempotency.request_digest, Idempotency.result).where(where)).first()
            if found is not None:
                if found.request_digest != digest:
                    raise KeyReused(key)
                return str(found.result)
            made = {"scope": SCOPE, "key": key, "request_digest": digest, "result": id}
            connection.execute(insert(Idempotency).values(**made, created_at=now))
        connection.execute(insert(Trigger).values(**wanted.columns, resumed_at=now, created_at=now))
        _lead(connection, wanted)
        return id

    return await store.change(change)


async def edit(
    store: Store, id: str, columns: Columns, *, revision: int | None = None, routes: Sequence[str] | None = None
) -> None:
    """Replaces columns, and its routes unless that is None. Raises NotFound, Stale and RouteTaken."""

    def change(connection: Connection) -> None:
        current = connection.execute(select(Trigger.revision).where(Trigger.id == id)).scalar()
        if current is None:
            raise NotFound(id)
        if revision is not None and current != revision:
            raise Stale(current)
        connection.execute(update(Trigger).where(Trigger.id == id).values(**columns, revision=current + 1))
        if routes is not None:
            connection.execute(delete(TriggerRoute).where(TriggerRoute.trigger_id == id))
            _lead(connection, Wanted({"id": id, "node_id": ""}, tuple(routes)))

    await store.change(change)


async def remove(store: Store, id: str, now: int) -> None:
    """Raises NotFound."""

    def change(connection: Connection) -> None:
        if connection.execute(select(Trigger.id).where(Trigger.id == id)).scalar() is None:
            raise NotFound(id)
        _forget(connection, [id], now)

    await store.change(change)


def prune(before: int, limit: int) -> Callable[[Connection], int]:
    """A change that removes what was decided before a time, so many at most; returns how many. What waits stays."""

    def change(connection: Connection) -> int:
        # They were decided in about the order of their numbers, so that the first ones tell whether there are any.
        query = select(TriggerEvent.pk, TriggerEvent.decided_at).where(TriggerEvent.decision.not_in(WAITS))
        first = connection.execute(query.order_by(TriggerEvent.pk).limit(limit))
        pks = [row.pk for row in first if row.decided_at < before]
        connection.execute(delete(TriggerEvent).where(TriggerEvent.pk.in_(pks)))
        return len(pks)

    return change


def _forget(connection: Connection, ids: Iterable[str], now: int) -> None:
    """Takes triggers away. Their events stay; what waits for its turn will not get it."""
    gone = list(ids)
    connection.execute(delete(Trigger).where(Trigger.id.in_(gone)))
    connection.execute(delete(TriggerRoute).where(TriggerRoute.trigger_id.in_(gone)))
    waiting = and_(TriggerEvent.trigger_id.in_(gone), TriggerEvent.decision == Decision.BUFFERED)
    failed = {"decision": Decision.FAILED, "decided_at": now, "detail": "the trigger was removed before its turn"}
    connection.execute(update(TriggerEvent).where(waiting).values(**failed))


def _lead(connection: Connection, wanted: Wanted) -> None:
    for route in wanted.routes:
        taken = connection.execute(
            select(Trigger.workflow_id)
            .join(TriggerRoute, TriggerRoute.trigger_id == Trigger.id)
            .where(TriggerRoute.route == route)
        ).scalar()
        if taken is not None:
            raise RouteTaken(route, wanted.columns["node_id"], taken)
        connection.execute(insert(TriggerRoute).values(route=route, trigger_id=wanted.columns["id"]))


# reading


def live(store: Store, workflow_id: str = "") -> list[Live]:
    """The triggers of published workflows: those of one, or all."""
    query = (
        select(Trigger, WorkflowVersion.version, WorkflowVersion.digest, Workflow.user_id)
        .join(Workflow, Workflow.id == Trigger.workflow_id)
        .join(
            WorkflowVersion,
            and_(WorkflowVersion.workflow_id == Workflow.id, WorkflowVersion.version == Workflow.published_version),
        )
        .where(Workflow.deleted_at.is_(None), Workflow.active)
        .order_by(Trigger.created_at, Trigger.id)
    )
    if workflow_id:
        query = query.where(Trigger.workflow_id == workflow_id)
    with store.reading() as connection, Session(connection, expire_on_commit=False) as session:
        return [Live(*row) for row in session.execute(query)]


def get(store: Store, id: str) -> Trigger | None:
    with store.reading() as connection, Session(connection, expire_on_commit=False) as session:
        return session.get(Trigger, id)


def page(
    store: Store,
    *,
    workflow_id: str = "",
    owners: Collection[str] | None = None,
    limit: int,
    after: tuple[int, str] | None = None,
) -> list[Trigger]:
    """Newest first, of workflows of some owners unless None; `after` is the (created_at, id) of the last one seen."""
    query = select(Trigger).order_by(Trigger.created_at.desc(), Trigger.id.desc()).limit(limit)
    if workflow_id:
        query = query.where(Trigger.workflow_id == workflow_id)
    if owners is not None:
        theirs = exists().where(Workflow.id == Trigger.workflow_id, Workflow.user_id.in_(list(owners)))
        query = query.where(theirs)
    if after is not None:
        at, id = after
        query = query.where(or_(Trigger.created_at < at, and_(Trigger.created_at == at, Trigger.id < id)))
    with store.reading() as connection, Session(connection, expire_on_commit=False) as session:
        return list(session.scalars(query))


def running(store: Store, workflow_id: str = "") -> list[tuple[str, str]]:
    """(trigger, execution) of what triggers have started and has not ended, oldest first."""
    query = (
        select(WorkflowExecution.triggered_by, WorkflowExecution.id)
        .join(Trigger, Trigger.id == WorkflowExecution.triggered_by)
        .where(WorkflowExecution.status < Status.SUCCESS)
        .order_by(WorkflowExecution.pk)
    )
    if workflow_id:
        query = query.where(WorkflowExecution.workflow_id == workflow_id)
    with store.reading() as connection:
        return [(row[0], row[1]) for row in connection.execute(query)]


def waiting(store: Store, workflow_id: str = "") -> list[tuple[str, int, Decision]]:
    """(trigger, event, decision) of what has still to start, oldest first."""
    query = select(TriggerEvent.trigger_id, TriggerEvent.pk, TriggerEvent.decision).where(
        TriggerEvent.decision.in_(WAITS)
    )
    if workflow_id:
        query = query.join(Trigger, Trigger.id == TriggerEvent.trigger_id).where(Trigger.workflow_id == workflow_id)
    with store.reading() as connection:
        return [(row[0], row[1], Decision(row[2])) for row in connection.execute(query.order_by(TriggerEvent.pk))]


def failed(store: Store, workflow_id: str = "") -> list[tuple[str, str]]:
    """(trigger, execution) of failures since the trigger was resumed, of triggers that pause when one fails.

    They are paused already unless the process died in between.
    """
    query = (
        select(Trigger.id, WorkflowExecution.id)
        .join(WorkflowExecution, WorkflowExecution.triggered_by == Trigger.id)
        .where(
            Trigger.pause_on_failure,
            Trigger.paused.is_(False),
            WorkflowExecution.status == Status.ERROR,
            WorkflowExecution.ended_at >= Trigger.resumed_at,
        )
        .order_by(WorkflowExecution.pk)
    )
    if workflow_id:
        query = query.where(Trigger.workflow_id == workflow_id)
    with store.reading() as connection:
        return [(row[0], row[1]) for row in connection.execute(query)]


def event(store: Store, pk: int) -> TriggerEventRow | None:
    return _one(store, select(*EVENT).where(EVENT.pk == pk))


def event_by_delivery(store: Store, trigger_id: str, delivery_id: str) -> TriggerEventRow | None:
    return _one(store, select(*EVENT).where(EVENT.trigger_id == trigger_id, EVENT.delivery_id == delivery_id))


def events(store: Store, trigger_id: str, *, limit: int, before: int | None = None) -> list[TriggerEventRow]:
    """Newest first; `before` is the pk of the last one seen."""
    query = select(*EVENT).where(EVENT.trigger_id == trigger_id).order_by(EVENT.pk.desc()).limit(limit)
    if before is not None:
        query = query.where(EVENT.pk < before)
    with store.reading() as connection:
        return [_event(row._mapping) for row in connection.execute(query)]


def _one(store: Store, query: Select[Any]) -> TriggerEventRow | None:
    with store.reading() as connection:
        found = connection.execute(query).first()
    return _event(found._mapping) if found is not None else None


def _event(columns: Any) -> TriggerEventRow:
    row = TriggerEventRow(**columns)
    row.decision = Decision(row.decision)
    return row
