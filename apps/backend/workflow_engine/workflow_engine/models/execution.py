"""Executions: the journal, which is the truth, and the row that makes them easy to find."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, SmallInteger, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from workflow_engine.models.database import Base

ROWID = BigInteger().with_variant(Integer, "sqlite")
"""64 bits everywhere; on SQLite the row's own number, which needs no index beside the table."""

OPEN = "status < 5"
"""Not ended; see Status. A query that says the same in the same words is answered from the index of these alone."""
BUSY = "status < 3"
"""New or running."""
FAILED = "status > 5"
"""Failed or canceled: few, one hopes, and asked for often."""
ENDED = "ended_at IS NOT NULL"
TIMED = "status = 3 AND wake_at IS NOT NULL"
"""Waits for a time, among other things perhaps."""


def _partial(name: str, condition: str, *columns: str) -> Index:
    return Index(name, *columns, sqlite_where=text(condition), postgresql_where=text(condition))


class WorkflowExecution(Base):
    """The projection of an execution's journal."""

    __tablename__ = "workflow_execution"
    __table_args__ = (
        Index("execution_by_workflow", "workflow_id", "pk"),
        Index("execution_by_user", "user_id", "pk"),
        Index("execution_by_parent", "parent_pk"),
        Index("execution_by_key", "workflow_id", "idempotency_key", unique=True),
        # Recovery reads only what has not ended, however much history there is, and of that only what is at work.
        _partial("execution_open", OPEN, "pk"),
        _partial("execution_busy", BUSY, "pk"),
        _partial("execution_failed", FAILED, "pk"),
        _partial("execution_failed_by_workflow", FAILED, "workflow_id", "pk"),
        _partial("execution_timed", TIMED, "wake_at", "pk"),
        _partial("execution_ended", ENDED, "workflow_id", "ended_at", "pk"),
    )

    pk: Mapped[int] = mapped_column(ROWID, primary_key=True, autoincrement=False)
    """Given by the process that owns the database, in order of creation."""
    id: Mapped[str] = mapped_column(String(128), unique=True)
    workflow_id: Mapped[str] = mapped_column(String(64))
    version: Mapped[int]
    digest: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[str] = mapped_column(String(255))
    mode: Mapped[int] = mapped_column(SmallInteger)
    status: Mapped[int] = mapped_column(SmallInteger)
    """Numbers of engine.v1.ExecutionStatus; 5 and above have ended."""
    triggered_by: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[int | None] = mapped_column(BigInteger)
    ended_at: Mapped[int | None] = mapped_column(BigInteger)
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    request_digest: Mapped[str] = mapped_column(String(64))
    parent_pk: Mapped[int | None] = mapped_column(BigInteger)
    parent_address: Mapped[str] = mapped_column(String(255))
    root_pk: Mapped[int | None] = mapped_column(BigInteger)
    retried_from: Mapped[str] = mapped_column(String(128))
    wake_at: Mapped[int | None] = mapped_column(BigInteger)
    failure_summary: Mapped[str] = mapped_column(Text)
    priority: Mapped[int] = mapped_column(SmallInteger)


class ExecutionEvent(Base):
    """One event of a journal, encoded by engine.events.

    Rows lie in the order of arrival, with an index to find an execution's own. A table that is ordered by execution
    (SQLite's WITHOUT ROWID) would give each execution that runs a page of its own to write at every commit.
    """

    __tablename__ = "execution_event"

    execution_pk: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class ExecutionSnapshot(Base):
    """The state that a long journal leads to up to `seq`, encoded by engine.snapshot. Can always be done without."""

    __tablename__ = "execution_snapshot"

    execution_pk: Mapped[int] = mapped_column(ROWID, primary_key=True, autoincrement=False)
    seq: Mapped[int]
    data: Mapped[bytes] = mapped_column(LargeBinary)


class PrunedExecution(Base):
    """An execution whose row is gone and whose events are about to go. The newest stays, so that no pk comes again."""

    __tablename__ = "execution_pruned"

    pk: Mapped[int] = mapped_column(ROWID, primary_key=True, autoincrement=False)


class BlobReference(Base):
    """That the journal of an execution names a blob."""

    __tablename__ = "blob_reference"
    __table_args__ = (Index("blob_reference_by_execution", "execution_pk"),)

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    execution_pk: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    released_at: Mapped[int | None] = mapped_column(BigInteger)
    """When the execution was removed."""


class BlobTracking(Base):
    """Since when references are written down, in one row: nobody knows who holds a blob from before."""

    __tablename__ = "blob_tracking"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    since: Mapped[int] = mapped_column(BigInteger)


class EngineOwner(Base):
    """Which process may write: one row, whose epoch grows with every takeover."""

    __tablename__ = "engine_owner"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(BigInteger)
    commits: Mapped[int] = mapped_column(BigInteger)
    """Counts the writer's commits, so that it can tell whether one came through when the answer was lost."""
    holder: Mapped[str] = mapped_column(String(255))
    since: Mapped[int] = mapped_column(BigInteger)
