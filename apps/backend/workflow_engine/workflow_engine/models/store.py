"""All that is asked of the database.

Reads are plain calls that take a connection from a pool; call them through `asyncio.to_thread`. Writes go
through the one writer and return when they are committed.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    Engine,
    Integer,
    Select,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session, aliased

from workflow_engine.models.database import connect
from workflow_engine.models.execution import (
    BUSY,
    FAILED,
    OPEN,
    TIMED,
    ExecutionEvent,
    ExecutionSnapshot,
    PrunedExecution,
    WorkflowExecution,
)
from workflow_engine.models.ownership import Ownership
from workflow_engine.models.shared import SharedAccess
from workflow_engine.models.trigger import TriggerEvent
from workflow_engine.models.witness import present
from workflow_engine.models.workflow import Idempotency, Workflow, WorkflowDefinition, WorkflowVersion
from workflow_engine.models.writer import Writer, unavailable
from workflow_engine.models.writes import (
    Append,
    Done,
    ExecutionRow,
    InsertExecution,
    OwnershipLost,
    Run,
    SaveTask,
    Snapshot,
    Status,
    StoreUnavailable,
    Write,
    WriteRefused,
    Writes,
)

T = TypeVar("T")
SALT = 22
"""Bits that tell keys of different processes apart, beside 41 of milliseconds."""
ROW = WorkflowExecution.__table__.columns
# What nearly every call asks is put together once: that takes longer than SQLite takes to answer it.
_EXECUTION = select(*ROW).where(ROW.id == bindparam("id"))
_EVENTS = (
    select(ExecutionEvent.seq, ExecutionEvent.data)
    .where(ExecutionEvent.execution_pk == bindparam("pk"), ExecutionEvent.seq >= bindparam("from_seq"))
    .order_by(ExecutionEvent.seq)
    .limit(bindparam("limit", type_=Integer))
)
_WORKFLOW = select(*Workflow.__table__.columns).where(Workflow.id == bindparam("id"), Workflow.deleted_at.is_(None))
COUNTED = 10_000
"""Executions that are counted at most."""
Also = Callable[[Connection], None]


def _nothing(connection: Connection) -> None:
    """Changes nothing along with a change."""


class NotFound(Exception):
    """There is no such row."""


class Stale(Exception):
    """The row has changed since the caller read it."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"it is at revision {revision} by now")
        self.revision = revision


class KeyReused(Exception):
    """The idempotency key belongs to another request."""


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Which executions to list."""

    workflow_id: str = ""
    user_id: str = ""
    statuses: tuple[int, ...] = ()
    since: int | None = None
    until: int | None = None
    owners: frozenset[str] | None = None
    """Of these owners only; None for everybody."""

    def where(self, query: Select[Any]) -> Select[Any]:
        if self.workflow_id:
            query = query.where(ROW.workflow_id == self.workflow_id)
        if self.user_id:
            query = query.where(ROW.user_id == self.user_id)
        if self.owners is not None:
            query = query.where(ROW.user_id.in_(self.owners))
        if self.statuses:
            query = query.where(ROW.status.in_(self.statuses))
            # In the words of an index that has only these, where there is one.
            for words, fits in (
                (FAILED, min(self.statuses) > 5),
                (BUSY, max(self.statuses) < 3),
                (OPEN, max(self.statuses) < 5),
            ):
                if fits:
                    query = query.where(text(words))
                    break
        if self.since is not None:
            query = query.where(ROW.created_at >= self.since)
        if self.until is not None:
            query = query.where(ROW.created_at < self.until)
        return query


@dataclass(frozen=True, slots=True)
class WorkflowFilter:
    """Which workflows to list."""

    user_id: str = ""
    query: str = ""
    active_only: bool = False
    owners: frozenset[str] | None = None
    """Of these owners only; None for everybody."""

    def where(self, query: Select[Any]) -> Select[Any]:
        query = query.where(Workflow.deleted_at.is_(None))
        if self.user_id:
            query = query.where(Workflow.user_id == self.user_id)
        if self.owners is not None:
            query = query.where(Workflow.user_id.in_(self.owners))
        if self.active_only:
            query = query.where(Workflow.active)
        if self.query:
            wanted = "%" + self.query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
            query = query.where(
                or_(Workflow.name.ilike(wanted, escape="\\"), Workflow.description.ilike(wanted, escape="\\"))
            )
        return query


class Store:
    """One database. `open` it, `acquire_ownership`, then write."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ownership = Ownership(engine)
        self._writer: Writer | None = None
        self._next_pk = 1
        self._next_event_pk = 1
        self._salt: int | None = None
        """Set where many processes write."""

    @classmethod
    def open(cls, url: str, *, echo: bool = False) -> Store:
        return cls(connect(url, echo=echo))

    def acquire_ownership(
        self,
        *,
        wait: bool = True,
        on_wait: Callable[[], None] | None = None,
        on_lost: Callable[[], None] | None = None,
    ) -> bool:
        """Becomes the one process that writes; see Ownership.acquire.

        `on_lost` is called once, in the writer's thread, when another process has taken over: time to stop.
        """
        if not self._ownership.acquire(wait=wait, on_wait=on_wait):
            return False
        with self._reading() as connection:
            given = (connection.execute(select(func.max(pk))).scalar() or 0 for pk in (ROW.pk, PrunedExecution.pk))
            self._next_pk = max(given) + 1
            self._next_event_pk = (connection.execute(select(func.max(TriggerEvent.pk))).scalar() or 0) + 1
        self._writer = Writer(self._engine.dialect.name, self._ownership, on_lost)
        return True

    def share(self) -> None:
        """Writes beside other processes instead of owning the database; see models.shared."""
        self._writer = Writer(self._engine.dialect.name, SharedAccess(self._engine))
        self._salt = secrets.randbits(SALT)

    def give_up(self) -> None:
        """Makes an `acquire_ownership` that waits in another thread return False."""
        self._ownership.give_up()

    def close(self) -> None:
        """Stores what was submitted, then lets the next process take over."""
        if self._writer is not None:
            self._writer.close()
        self._ownership.release()
        self._engine.dispose()

    @property
    def description(self) -> str:
        """The database for logs, without its password."""
        return self._engine.url.render_as_string(hide_password=True)

    @property
    def url(self) -> URL:
        return self._engine.url

    # writing

    def submit(self, writes: Writes, done: Done) -> None:
        """See Writer.submit."""
        if self._writer is None:
            raise RuntimeError("acquire_ownership comes before writing")
        self._writer.submit(writes, done)

    async def change(self, change: Callable[[Connection], T], *, alone: bool = True, along: Sequence[Write] = ()) -> T:
        """Carries out `change` in the writer, with what goes `along`; returns its result once it is committed.

        One that is not `alone` bears that other processes change the same at the same time. One that makes something
        gives its id: the witness of the call, where there is one, tells it (see models.witness).
        """

        def carry_out(change: Callable[[Connection], Any]) -> asyncio.Future[Any]:
            return self._change(change, alone, along)

        witness = present.get()
        return await (carry_out(change) if witness is None else witness.see(change, carry_out))

    def _change(self, change: Callable[[Connection], T], alone: bool, along: Sequence[Write]) -> asyncio.Future[T]:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def done(failure: Exception | None) -> None:
            if failure is not None and not future.done():
                future.set_exception(failure)

        def succeed(result: T) -> None:
            if not future.done():
                future.set_result(result)

        self.submit([*along, Run(change, succeed, done, alone)], done)
        return future

    def next_execution_pk(self) -> int:
        pk, self._next_pk = self._next_pk, self._next_pk + 1
        return pk

    def next_trigger_event_pk(self) -> int:
        if self._salt is not None:
            # Nobody counts for all: time sorts, and the salt keeps those apart who write at the same time.
            self._next_event_pk = max(self._next_event_pk, (time.time_ns() // 1_000_000 << SALT) | self._salt)
        pk, self._next_event_pk = self._next_event_pk, self._next_event_pk + 1
        return pk

    async def create_workflow(self, row: dict[str, Any], *, key: str = "", digest: str = "") -> str:
        """Stores a workflow and returns its id, or the id that the same key made before. Raises KeyReused."""

        def change(connection: Connection) -> str:
            if key:
                where = and_(Idempotency.scope == "workflow", Idempotency.key == key)
                found = connection.execute(select(Idempotency.request_digest, Idempotency.result).where(where)).first()
                if found is not None:
                    if found.request_digest != digest:
                        raise KeyReused(key)
                    return str(found.result)
                connection.execute(
                    insert(Idempotency).values(
                        scope="workflow",
                        key=key,
                        request_digest=digest,
                        result=row["id"],
                        created_at=row["created_at"],
                    )
                )
            connection.execute(insert(Workflow).values(**row))
            return str(row["id"])

        return await self.change(change)

    async def update_workflow(self, id: str, values: dict[str, Any], revision: int | None) -> int:
        """Replaces columns of a draft and returns its new revision.

        Raises NotFound, and Stale unless the draft is at `revision`; None overwrites whatever is there.
        """

        def change(connection: Connection) -> int:
            current = self._lock_workflow(connection, id, revision)
            connection.execute(update(Workflow).where(Workflow.id == id).values(draft_revision=current + 1, **values))
            return current + 1

        return await self.change(change)

    async def delete_workflow(self, id: str, now: int, revision: int | None, also: Also = _nothing) -> None:
        """Raises NotFound, and Stale unless at `revision`. `also` is part of the same transaction."""

        def change(connection: Connection) -> None:
            self._lock_workflow(connection, id, revision)
            connection.execute(update(Workflow).where(Workflow.id == id).values(deleted_at=now, active=False))
            also(connection)

        await self.change(change)

    async def set_active(
        self, id: str, active: bool, published_version: int | None = None, also: Also = _nothing
    ) -> None:
        """Raises NotFound. `also` is part of the same transaction."""

        def change(connection: Connection) -> None:
            self._lock_workflow(connection, id, None)
            values: dict[str, Any] = {"active": active}
            if published_version is not None:
                values["published_version"] = published_version
            connection.execute(update(Workflow).where(Workflow.id == id).values(**values))
            also(connection)

        await self.change(change)

    async def publish(
        self, id: str, definition: bytes, *, revision: int, message: str, by: str, now: int, also: Also = _nothing
    ) -> tuple[int, str]:
        """Makes `definition` the next version and the live one; returns its number and digest.

        `also` is part of the same transaction; what it raises undoes all of it.
        """
        digest = digest_of(definition)

        def change(connection: Connection) -> tuple[int, str]:
            self._lock_workflow(connection, id, revision)
            latest = connection.execute(
                select(func.max(WorkflowVersion.version)).where(WorkflowVersion.workflow_id == id)
            ).scalar()
            version = (latest or 0) + 1
            _keep_definition(connection, digest, definition)
            connection.execute(
                insert(WorkflowVersion).values(
                    workflow_id=id,
                    version=version,
                    digest=digest,
                    message=message,
                    published_by=by,
                    published_at=now,
                )
            )
            connection.execute(update(Workflow).where(Workflow.id == id).values(published_version=version, active=True))
            also(connection)
            return version, digest

        return await self.change(change)

    async def keep_definition(self, definition: bytes) -> str:
        """Stores a definition, unless it is there, and returns its digest."""
        digest = digest_of(definition)
        if await asyncio.to_thread(self.definition, digest) is None:
            await self.change(lambda connection: _keep_definition(connection, digest, definition))
        return digest

    @staticmethod
    def _lock_workflow(connection: Connection, id: str, revision: int | None) -> int:
        current = connection.execute(
            select(Workflow.draft_revision).where(Workflow.id == id, Workflow.deleted_at.is_(None))
        ).scalar()
        if current is None:
            raise NotFound(id)
        if revision is not None and current != revision:
            raise Stale(current)
        return current

    # reading

    def workflow(self, id: str) -> Workflow | None:
        with self._reading() as connection:
            found = connection.execute(_WORKFLOW, {"id": id}).first()
            return Workflow(**found._mapping) if found is not None else None

    def workflows(
        self, wanted: WorkflowFilter, *, limit: int, offset: int = 0, after: tuple[int, str] | None = None
    ) -> list[Workflow]:
        """Latest change first, all for a negative limit; `after` is the (updated_at, id) of the last one seen."""
        query = wanted.where(select(Workflow)).order_by(Workflow.updated_at.desc(), Workflow.id.desc())
        if after is not None:
            at, id = after
            query = query.where(or_(Workflow.updated_at < at, and_(Workflow.updated_at == at, Workflow.id < id)))
        if limit >= 0:
            query = query.limit(limit).offset(offset)
        with self._reading() as connection, Session(connection, expire_on_commit=False) as session:
            return list(session.scalars(query))

    def count_workflows(self, wanted: WorkflowFilter) -> int:
        with self._reading() as connection:
            return connection.execute(wanted.where(select(func.count()).select_from(Workflow))).scalar() or 0

    def versions(self, id: str, *, limit: int, offset: int = 0) -> list[WorkflowVersion]:
        """Newest first."""
        query = (
            select(WorkflowVersion)
            .where(WorkflowVersion.workflow_id == id)
            .order_by(WorkflowVersion.version.desc())
            .limit(limit)
            .offset(offset)
        )
        with self._reading() as connection, Session(connection, expire_on_commit=False) as session:
            return list(session.scalars(query))

    def version(self, id: str, version: int) -> WorkflowVersion | None:
        with self._reading() as connection, Session(connection, expire_on_commit=False) as session:
            return session.get(WorkflowVersion, (id, version))

    def published(self, id: str, version: int = 0) -> tuple[str, int] | None:
        """The digest and number of a version, 0 for the live one; None when there is none."""
        with self._reading() as connection, Session(connection) as session:
            if not version:
                workflow = session.get(Workflow, id)
                if workflow is None or workflow.deleted_at is not None or not workflow.published_version:
                    return None
                version = workflow.published_version
            found = session.get(WorkflowVersion, (id, version))
            return (found.digest, version) if found is not None else None

    def definition(self, digest: str) -> bytes | None:
        with self._reading() as connection:
            query = select(WorkflowDefinition.data).where(WorkflowDefinition.digest == digest)
            return connection.execute(query).scalar()

    def execution(self, id: str) -> ExecutionRow | None:
        with self._reading() as connection:
            return _execution(connection, id)

    def journal(self, id: str, limit: int) -> tuple[ExecutionRow, Sequence[tuple[int, bytes]]] | None:
        """An execution and the first events of its journal, which are at least as new."""
        with self._reading() as connection:
            row = _execution(connection, id)
            return (row, _events(connection, row.pk, 1, limit)) if row is not None else None

    def execution_by_pk(self, pk: int) -> ExecutionRow | None:
        return self._one(ROW.pk == pk)

    def execution_by_key(self, workflow_id: str, key: str) -> ExecutionRow | None:
        return self._one(and_(ROW.workflow_id == workflow_id, ROW.idempotency_key == key))

    def executions_by_key(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], ExecutionRow]:
        """The executions of these workflows and idempotency keys, where there are any."""
        return {key: row for key in keys if (row := self.execution_by_key(*key)) is not None}

    def executions(
        self, wanted: ExecutionFilter, *, limit: int, offset: int = 0, before: int | None = None
    ) -> list[ExecutionRow]:
        """Newest first; `before` is the pk of the last one seen."""
        end = 2**63 - 1 if before is None else before
        query = select(*ROW).limit(limit).offset(offset)
        if wanted.workflow_id and self._engine.dialect.name == "postgresql":
            # Its planner would rather walk everyone's executions, hoping to meet enough of this workflow's on the way.
            key = tuple_(ROW.workflow_id, ROW.pk)
            query = query.where(key >= (wanted.workflow_id, 0), key < (wanted.workflow_id, end))
            query = replace(wanted, workflow_id="").where(query)
            return self._rows(query.order_by(ROW.workflow_id.desc(), ROW.pk.desc()))
        return self._rows(wanted.where(query).where(ROW.pk < end).order_by(ROW.pk.desc()))

    def count_executions(self, wanted: ExecutionFilter, most: int = COUNTED) -> int:
        """How many there are, but never more than `most`: counting a million takes as long as reading them."""
        with self._reading() as connection:
            some = wanted.where(select(ROW.pk).select_from(WorkflowExecution)).limit(most).subquery()
            query = select(func.count()).select_from(some)
            return connection.execute(query).scalar() or 0

    def busy_executions(self, after: int, limit: int) -> list[ExecutionRow]:
        """Those that neither wait nor have ended, oldest first, from the one behind pk `after` on."""
        return self._rows(select(*ROW).where(text(BUSY), ROW.pk > after).order_by(ROW.pk).limit(limit))

    def executions_asleep(self, digest: str, after: int, limit: int) -> list[ExecutionRow]:
        """Those of a definition that wait or are paused, oldest first, from the one behind pk `after` on."""
        query = select(*ROW).where(text(OPEN), ROW.status >= Status.WAITING, ROW.digest == digest, ROW.pk > after)
        return self._rows(query.order_by(ROW.pk).limit(limit))

    def digests_asleep(self) -> list[str]:
        """The definitions of all executions that wait or are paused."""
        query = select(ROW.digest).where(text(OPEN), ROW.status >= Status.WAITING).distinct()
        with self._reading() as connection:
            return list(connection.execute(query).scalars())

    def due(self, start: tuple[int, int], until: int, limit: int) -> list[tuple[int, int]]:
        """Who waits for a time, as (epoch milliseconds, pk): those behind `start` and up to `until`, soonest first."""
        key = tuple_(ROW.wake_at, ROW.pk)
        query = select(ROW.wake_at, ROW.pk).where(text(TIMED), ROW.wake_at <= until, key > start)
        with self._reading() as connection:
            return [(row.wake_at, row.pk) for row in connection.execute(query.order_by(*key).limit(limit))]

    def next_due(self, after: int) -> int | None:
        """The first time behind `after` that an execution waits for."""
        query = select(ROW.wake_at).where(text(TIMED), ROW.wake_at > after).order_by(ROW.wake_at).limit(1)
        with self._reading() as connection:
            return connection.execute(query).scalar()

    def ended_children_of_open(self) -> list[ExecutionRow]:
        """Executions that have ended while the one that waits for them has not."""
        # From the parents to their children: however many have ended, only those of the open ones are looked at.
        parent = aliased(WorkflowExecution)
        open_ones = select(parent.pk).where(text(OPEN))
        return self._rows(
            select(*ROW).where(ROW.parent_pk.in_(open_ones), ROW.status >= Status.SUCCESS, ROW.parent_address != "")
        )

    def read_events(self, pk: int, from_seq: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """Events of a journal in order, numbered from 1."""
        with self._reading() as connection:
            return _events(connection, pk, from_seq, limit)

    def new_executions(self, since: int, before: int, after: int, limit: int) -> list[ExecutionRow]:
        """Executions that were accepted between two times and that nobody has taken up, oldest first, from the one
        behind pk `after` on. Only where many processes write: their pks begin with the time."""
        waiting = and_(text(BUSY), ROW.status == Status.NEW, ROW.created_at < before)
        return self._rows(select(*ROW).where(waiting, ROW.pk > max(after, since << SALT)).order_by(ROW.pk).limit(limit))

    def last_seq(self, pk: int) -> int:
        """The number of a journal's newest event; 0 when there is none."""
        with self._reading() as connection:
            query = select(func.max(ExecutionEvent.seq)).where(ExecutionEvent.execution_pk == pk)
            return connection.execute(query).scalar() or 0

    def snapshot(self, pk: int) -> tuple[int, bytes] | None:
        """The newest snapshot of an execution: how many events are in it, and the state after them."""
        query = select(ExecutionSnapshot.seq, ExecutionSnapshot.data).where(ExecutionSnapshot.execution_pk == pk)
        with self._reading() as connection:
            found = connection.execute(query).first()
        return (found.seq, found.data) if found is not None else None

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection for the reads that other files of this room define. Raises StoreUnavailable."""
        return self._reading()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """A connection from the pool. Raises StoreUnavailable when the database can not be reached."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except (OperationalError, InterfaceError) as error:
            raise unavailable(error) from error

    def _one(self, where: Any) -> ExecutionRow | None:
        rows = self._rows(select(*ROW).where(where))
        return rows[0] if rows else None

    def _rows(self, query: Select[Any]) -> list[ExecutionRow]:
        with self._reading() as connection:
            return [_row(row._mapping) for row in connection.execute(query)]


def _row(columns: Any) -> ExecutionRow:
    row = ExecutionRow(**columns)
    row.status = Status(row.status)
    return row


def _execution(connection: Connection, id: str) -> ExecutionRow | None:
    found = connection.execute(_EXECUTION, {"id": id}).first()
    return _row(found._mapping) if found is not None else None


def _events(connection: Connection, pk: int, from_seq: int, limit: int) -> Sequence[tuple[int, bytes]]:
    rows = connection.execute(_EVENTS, {"pk": pk, "from_seq": from_seq, "limit": limit})
    return [(seq, data) for seq, data in rows]


def _keep_definition(connection: Connection, digest: str, definition: bytes) -> None:
    known = connection.execute(select(WorkflowDefinition.digest).where(WorkflowDefinition.digest == digest)).first()
    if known is None:
        connection.execute(insert(WorkflowDefinition).values(digest=digest, data=definition))


def digest_of(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


__all__ = [
    "Append",
    "ExecutionFilter",
    "ExecutionRow",
    "InsertExecution",
    "KeyReused",
    "NotFound",
    "OwnershipLost",
    "SaveTask",
    "Snapshot",
    "Stale",
    "Status",
    "Store",
    "StoreUnavailable",
    "WorkflowFilter",
    "Write",
    "WriteRefused",
    "digest_of",
]
