"""Workflows at rest: drafts, published versions, and the definitions that executions run."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from workflow_engine.models.database import Base


class Workflow(Base):
    """A workflow and its draft."""

    __tablename__ = "workflow"
    __table_args__ = (
        Index("workflow_by_change", "updated_at", "id"),
        Index("workflow_by_user", "user_id", "updated_at"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(Text)
    user_id: Mapped[str] = mapped_column(String(255))
    draft: Mapped[bytes] = mapped_column(LargeBinary)
    """The whole engine.v1.Workflow, serialized."""
    draft_revision: Mapped[int] = mapped_column(BigInteger)
    """Counts the changes; its etag."""
    published_version: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[int] = mapped_column(BigInteger)
    """Epoch milliseconds, like every time in the database."""
    updated_at: Mapped[int] = mapped_column(BigInteger)
    deleted_at: Mapped[int | None] = mapped_column(BigInteger)


class WorkflowDefinition(Base):
    """A definition by the digest of its content; never changes."""

    __tablename__ = "workflow_definition"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class WorkflowVersion(Base):
    """A published version; never changes."""

    __tablename__ = "workflow_version"

    workflow_id: Mapped[str] = mapped_column(ForeignKey("workflow.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("workflow_definition.digest"))
    message: Mapped[str] = mapped_column(Text)
    published_by: Mapped[str] = mapped_column(String(255))
    published_at: Mapped[int] = mapped_column(BigInteger)


class Idempotency(Base):
    """What a mutation answered, by the key that its caller gave it."""

    __tablename__ = "idempotency"

    scope: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_digest: Mapped[str] = mapped_column(String(64))
    result: Mapped[str] = mapped_column(String(128))
    """The id of what was made."""
    created_at: Mapped[int] = mapped_column(BigInteger)
