"""What waits for people: the projection of the tasks that journals tell of, and the messages about them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, LargeBinary, SmallInteger, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from workflow_engine.models.database import Base

PENDING = "due_at IS NOT NULL"


class Task(Base):
    """A task, stored in the very transaction of the event that opened, answered or closed it."""

    __tablename__ = "task"
    __table_args__ = (
        Index("task_by_status", "status", "created_at", "id"),
        Index("task_by_execution", "execution_pk"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    execution_pk: Mapped[int] = mapped_column(BigInteger)
    execution_id: Mapped[str] = mapped_column(String(128))
    workflow_id: Mapped[str] = mapped_column(String(64))
    node: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(255))
    """The run that waits."""
    status: Mapped[int] = mapped_column(SmallInteger)
    """Numbers of engine.v1.TaskStatus."""
    created_at: Mapped[int] = mapped_column(BigInteger)
    """Epoch milliseconds, like every time in the database."""
    closed_at: Mapped[int | None] = mapped_column(BigInteger)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    """The task and its answers, encoded by models.tasks."""


class TaskAssignee(Base):
    """Who may answer a task; nobody is listed where anyone may."""

    __tablename__ = "task_assignee"
    __table_args__ = (Index("task_by_assignee", "user_id", "task_id"),)

    task_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    since: Mapped[int] = mapped_column(BigInteger)
    """From when on."""


class TaskNotice(Base):
    """A message about a task: to be sent when it is due, if the task is still open."""

    __tablename__ = "task_notice"
    __table_args__ = (Index("task_notice_due", "due_at", sqlite_where=text(PENDING), postgresql_where=text(PENDING)),)

    task_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Its place among the task's notices."""
    due_at: Mapped[int | None] = mapped_column(BigInteger)
    """When to send it, or try again; nothing is left to do when it is NULL."""
    sent_at: Mapped[int | None] = mapped_column(BigInteger)
    tries: Mapped[int]
    error: Mapped[str] = mapped_column(Text)
    """Why the last try failed."""
