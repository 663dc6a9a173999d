"""What both runtimes read of stored executions in the same way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from workflow_engine.core.clock import Clock
from workflow_engine.engine.history import History
from workflow_engine.engine.items import Items, Outputs
from workflow_engine.engine.plan import Plan
from workflow_engine.models.store import ExecutionRow, Store
from workflow_engine.nodes.context import Blobs, Context
from workflow_engine.runtime.contract import Ended, RuntimeFailure
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.runtime.journal import Watchers, read_ended
from workflow_engine.runtime.trial import try_node


class Stored:
    """The part of a runtime that drives nothing."""

    def __init__(
        self,
        store: Store,
        definitions: Definitions,
        clock: Clock,
        services: Callable[[Context], Context],
        blobs: Blobs | None,
    ) -> None:
        self._store, self._definitions, self._clock = store, definitions, clock
        self._services, self._blobs = services, blobs
        self._watchers = Watchers(store, blobs)

    async def ended(self, row: ExecutionRow) -> Ended:
        """How an execution that has ended did so."""
        return await read_ended(self._store, self._blobs, await self._definitions.plan(row.digest), row)

    async def try_node(
        self, plan: Plan, node: str, input: Items, outputs: Mapping[str, Outputs], user_id: str = ""
    ) -> History:
        """See Runtime.try_node."""
        return await try_node(plan, node, input, outputs, self._clock, self._services, user_id)

    async def _stored_row(self, execution_id: str) -> ExecutionRow:
        """Raises RuntimeFailure when there is no such execution."""
        row = await asyncio.to_thread(self._store.execution, execution_id)
        if row is None:
            raise RuntimeFailure("EXECUTION_NOT_FOUND", f"there is no execution {execution_id!r}")
        return row
