"""Closing executions whose Temporal history is gone: nothing runs them any more, so nothing in them can end them.

What is stored is all that is left. It says who waits for the execution, and for whom it waited; what is to be undone it
can not say for certain, because the last that was done may not have been stored. So nothing is undone, and the failure
says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from workflow_engine.core import metrics
from workflow_engine.core.logging import get_logger
from workflow_engine.engine import machine
from workflow_engine.engine.events import (
    AnyEvent,
    CancelRequested,
    ChildEnded,
    ExecutionEnded,
    ExecutionStarted,
    encode,
)
from workflow_engine.engine.items import Failure
from workflow_engine.engine.plan import Plan
from workflow_engine.engine.state import State, parse_address
from workflow_engine.engine.tasks import TaskChange
from workflow_engine.models.projection import Batch
from workflow_engine.models.store import ExecutionRow, Status, Store
from workflow_engine.nodes.context import Blobs
from workflow_engine.runtime.contract import Ended, RuntimeFailure
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.runtime.families import child_result, child_start, error_children, group_of
from workflow_engine.runtime.journal import read_events
from workflow_engine.runtime.temporal import names
from workflow_engine.runtime.temporal.activities import write
from workflow_engine.runtime.temporal.wire import Begin, beginning, dump_events

log = get_logger(__name__)
GONE = (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION)
"""How Temporal says that it runs no such workflow."""


class Lost:
    """Ends executions that Temporal does not know."""

    def __init__(
        self, client: Client, store: Store, blobs: Blobs, definitions: Definitions, entropy: Callable[[int], bytes]
    ) -> None:
        self._client, self._store, self._blobs = client, store, blobs
        self._definitions, self._entropy = definitions, entropy

    async def close(self, row: ExecutionRow, asked: CancelRequested) -> tuple[list[Begin], list[str]]:
        """Tells the execution's parent and its gate that it has ended, and stores that.

        Returns the error workflow's execution to hand over, where there is one, and the children to cancel.
        Raises RPCError when Temporal is away, or can not be the one that ran the execution.
        """
        # A namespace that is not there knows no execution either, and has lost none.
        namespace = DescribeNamespaceRequest(namespace=self._client.namespace)
        await self._client.workflow_service.describe_namespace(namespace)
        plan = await self._definitions.plan(row.digest)
        journal = await read_events(self._store, self._blobs, row.pk)
        state = machine.replay(plan, journal)
        owes = bool(state.undo) or state.undoing
        events: list[AnyEvent] = []
        tasks: list[tuple[int, int, TaskChange]] = []
        if machine.take(state, asked):
            events.append(asked)
            tasks = [(len(journal) + 1, asked.at, each) for each in state.tasks]
        failure = _failure(row.id, owes)
        ended = ExecutionEnded(at=asked.at, status="ERROR", failure=failure)
        machine.apply(state, ended)
        events.append(ended)
        row.status, row.ended_at, row.wake_at, row.failure_summary = Status.ERROR, asked.at, None, failure.message
        # Told twice they take it once, so they hear of it before that is stored: after a crash one cancels again.
        await self._tell_parent(row, state, failure)
        await self._leave_gate(row, plan, journal)
        batch = Batch(row, len(journal) + 1, [encode(each) for each in events], tasks)
        begins = await self._error_workflow(row, plan, state, ended)
        pks = await write(self._store, self._blobs, batch, *(Batch(each.row, 1, list(each.events)) for each in begins))
        for begin, pk in zip(begins, pks[1:], strict=True):
            begin.row.pk = pk
        metrics.ENDED.labels(row.status.name).inc()
        log.warning("lost_execution_closed", execution_id=row.id, by=asked.by)
        return begins, sorted(state.draining)

    async def _error_workflow(self, row: ExecutionRow, plan: Plan, state: State, ended: ExecutionEnded) -> list[Begin]:
        begins: list[Begin] = []
        for child in error_children(row, plan, ended):
            spec = child.spec
            try:
                digest, version = await self._definitions.resolve_for(row.user_id, spec.workflow_id, spec.version)
                definition = await asyncio.to_thread(self._store.definition, digest)
                assert definition is not None
                begin = beginning(
                    child_start(row, state, child, digest, version),
                    await self._definitions.plan(digest),
                    definition,
                    spec.id,
                    ended.at,
                    int.from_bytes(self._entropy(4), "big"),
                    parent=row,
                    depth=state.depth + 1,
                )
            except RuntimeFailure as refused:
                log.warning("error_workflow_not_started", execution_id=row.id, why=refused.message)
                continue
            begin.row.status = Status.NEW
            begins.append(begin)
        return begins

    async def _tell_parent(self, row: ExecutionRow, state: State, failure: Failure) -> None:
        if row.parent_pk is None or not row.parent_address:
            return
        parent = await asyncio.to_thread(self._store.execution_by_pk, row.parent_pk)
        if parent is None:
            return
        node, path = parse_address(row.parent_address)
        result = child_result(Ended(row.id, state.status, [], failure))
        told = ChildEnded(at=row.ended_at or 0, node=node, path=path, result=result)
        await self._signal(parent.id, names.EVENTS, dump_events([told]))

    async def _leave_gate(self, row: ExecutionRow, plan: Plan, journal: Sequence[AnyEvent]) -> None:
        started = journal[0]
        assert isinstance(started, ExecutionStarted)
        if group := group_of(plan, row.workflow_id, started.input):
            await self._signal(f"gate {group}", names.LEAVE, row.id.encode())

    async def _signal(self, workflow_id: str, signal: str, data: bytes) -> None:
        """Tells a workflow, if it is there still."""
        try:
            await self._client.get_workflow_handle(workflow_id).signal(signal, data)
        except RPCError as error:
            if error.status not in GONE:
                raise


def _failure(id: str, owes: bool) -> Failure:
    return Failure(
        "HISTORY_LOST",
        f"Temporal has lost the history of execution {id}: it was closed as it was last stored, and what it had done "
        "and was to undo has not been undone"
        if owes
        else f"Temporal has lost the history of execution {id}: it was closed as it was last stored",
        hint="ForkExecution from its last event goes on from what is stored; what it did last may not have been",
    )
