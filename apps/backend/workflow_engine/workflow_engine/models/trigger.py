"""Triggers at rest: what starts executions, where it is reached, and what became of everything that came."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Index, LargeBinary, SmallInteger, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from workflow_engine.models.database import Base
from workflow_engine.models.execution import ROWID

WAITING = "decision IN (7, 9)"
"""Has still to start; see Decision."""


class Trigger(Base):
    """What starts a workflow by itself: made from a trigger node when its workflow was published, or by hand."""

    __tablename__ = "workflow_trigger"
    __table_args__ = (
        Index("trigger_by_workflow", "workflow_id"),
        Index("trigger_by_creation", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Made from the workflow and the node, so that a node has the same trigger in every version."""
    workflow_id: Mapped[str] = mapped_column(String(64))
    node_id: Mapped[str] = mapped_column(String(64))
    """Empty for one made by hand."""
    type: Mapped[str] = mapped_column(String(128))
    type_version: Mapped[int]
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON)
    credentials: Mapped[dict[str, str]] = mapped_column(JSON)
    """Credential ids by slot."""
    timezone: Mapped[str] = mapped_column(String(64))
    """Of the workflow."""
    paused: Mapped[bool] = mapped_column(default=False)
    problem: Mapped[str] = mapped_column(Text, default="")
    """Why it paused itself; empty when it did not."""
    overlap: Mapped[int] = mapped_column(SmallInteger)
    """Numbers of engine.v1.OverlapPolicy; never unspecified."""
    catch_up_window: Mapped[int] = mapped_column(BigInteger)
    """Milliseconds that a tick may be late."""
    catch_up_limit: Mapped[int]
    pause_on_failure: Mapped[bool]
    condition: Mapped[str] = mapped_column(Text)
    cursor: Mapped[str] = mapped_column(Text, default="")
    """JSON. How far it has come: a schedule's last tick, a source's last position; empty at first."""
    revision: Mapped[int] = mapped_column(BigInteger, default=1)
    """Counts the changes; its etag."""
    created_at: Mapped[int] = mapped_column(BigInteger)
    resumed_at: Mapped[int] = mapped_column(BigInteger)
    """Since when it fires; failures before it are forgiven."""


class TriggerRoute(Base):
    """A method and path of the HTTP edge that belongs to a trigger, so that no two have the same."""

    __tablename__ = "trigger_route"
    __table_args__ = (Index("route_by_trigger", "trigger_id"),)

    route: Mapped[str] = mapped_column(String(700), primary_key=True)
    """For example `POST /webhooks/orders/:`; every parameter is a bare colon."""
    trigger_id: Mapped[str] = mapped_column(String(64))


class TriggerEvent(Base):
    """One tick, delivery or message, and what became of it."""

    __tablename__ = "trigger_event"
    __table_args__ = (
        Index("event_by_trigger", "trigger_id", "pk"),
        # A delivery starts one execution, however often it comes.
        Index("event_by_delivery", "trigger_id", "delivery_id", unique=True),
        Index("event_waiting", "pk", sqlite_where=text(WAITING), postgresql_where=text(WAITING)),
    )

    pk: Mapped[int] = mapped_column(ROWID, primary_key=True, autoincrement=False)
    """Given by the process that owns the database, in order of arrival."""
    trigger_id: Mapped[str] = mapped_column(String(64))
    delivery_id: Mapped[str | None] = mapped_column(String(255))
    """What makes it the same delivery when it comes again; none for what may come again, and for repetitions."""
    at: Mapped[int] = mapped_column(BigInteger)
    """When it was due or came."""
    last_at: Mapped[int] = mapped_column(BigInteger)
    """When the last one was due that this record stands for."""
    count: Mapped[int] = mapped_column(BigInteger)
    """How many ticks this record stands for: a downtime's skipped ticks are one record."""
    decided_at: Mapped[int] = mapped_column(BigInteger)
    decision: Mapped[int] = mapped_column(SmallInteger)
    """Numbers of engine.v1.TriggerDecision."""
    execution_id: Mapped[str] = mapped_column(String(128))
    """The one it has started, or will."""
    detail: Mapped[str] = mapped_column(Text)
    payload: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Its items, unless it started an execution: then they are in that one's journal."""
