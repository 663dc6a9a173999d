"""A trigger in memory: what it is, what it starts, and what it has under way."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from workflow_engine.engine.expressions import Template
from workflow_engine.models.trigger import Trigger as Row
from workflow_engine.models.triggers import Live
from workflow_engine.nodes.trigger.base import Overlap, Trigger, TriggerParameters, compiled
from workflow_engine.triggers.overlap import OVERLAP

MODES = {"trigger": 2, "webhook": 3, "schedule": 4}
"""Numbers of engine.v1.ExecutionMode."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class Registered:
    """A trigger of a published workflow."""

    row: Row
    kind: Trigger[TriggerParameters]
    parameters: Any
    """The kind's own parameters, checked."""
    version: int
    digest: str
    """The published version, whose executions it starts."""
    user_id: str
    cursor: str
    """JSON, as it will be stored at the latest."""
    running: dict[str, None] = field(default_factory=dict[str, None])
    """Executions that it has started and that have not ended, in order; empty where nobody needs to know."""
    buffered: deque[int] = field(default_factory=deque[int])
    """Events that wait for them, oldest first."""
    storing: set[int] = field(default_factory=set[int])
    """Those of them that are not stored yet."""
    deciding: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the ticks of a schedule are decided."""
    gone: bool = False
    """It is not registered any more."""
    draining: bool = False
    """Somebody starts what was buffered already."""
    condition: Template | None = None
    routes: list[str] = field(default_factory=list[str])
    """Under which the HTTP edge finds it."""
    problem: str = ""
    """Why its source does not listen right now."""

    @classmethod
    def of(cls, live: Live, kind: Trigger[TriggerParameters]) -> Registered:
        """Raises ValueError when this release does not take its parameters."""
        row = live.trigger
        return cls(
            row=row,
            kind=kind,
            parameters=kind.parameters.model_validate(row.parameters),
            version=live.version,
            digest=live.digest,
            user_id=live.user_id,
            cursor=row.cursor,
        )

    def renew(self, fresh: Registered, *, inherits: bool = False) -> None:
        """Becomes what has been stored anew; what is under way stays, and how far it has come.

        It `inherits` when another process has moved it: then what is stored says how far it has come.
        """
        if inherits or fresh.row.type != self.row.type:
            self.cursor = fresh.cursor
        self.row, self.kind, self.parameters = fresh.row, fresh.kind, fresh.parameters
        self.version, self.digest, self.user_id = fresh.version, fresh.digest, fresh.user_id
        self.condition, self.problem = None, ""

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def mode(self) -> int:
        return MODES[self.kind.mode]

    @property
    def overlap(self) -> Overlap:
        return OVERLAP[self.row.overlap]

    @property
    def follows(self) -> bool:
        """It has to know when its executions end."""
        return self.overlap != "allow" or self.row.pause_on_failure

    @property
    def takes_all(self) -> bool:
        """Whatever comes starts an execution, whatever else runs."""
        return not (self.follows or self.row.condition or self.row.paused)

    @property
    def may_go_on(self) -> bool:
        """What waits longest may start now."""
        return (
            bool(self.buffered)
            and self.buffered[0] not in self.storing
            and not (self.running or self.row.paused or self.gone)
        )

    def test(self) -> Template | None:
        """Its condition, made ready the first time; None when there is none. Raises ExpressionErrors."""
        if self.condition is None and self.row.condition:
            self.condition = compiled(self.row.condition)
        return self.condition
