"""Executions to store, and awaiting that they are."""

from __future__ import annotations

import asyncio
from typing import Any

from workflow_engine.models.store import Append, ExecutionRow, InsertExecution, Status, Store, Write


def execution(store: Store, **columns: Any) -> ExecutionRow:
    """A new execution of workflow `wf_1` that runs."""
    pk = store.next_execution_pk()
    made: dict[str, Any] = {
        "pk": pk,
        "id": f"exec_{pk}",
        "workflow_id": "wf_1",
        "version": 1,
        "digest": "d" * 64,
        "user_id": "ada",
        "mode": 1,
        "status": Status.RUNNING,
        "triggered_by": "ada",
        "created_at": 1_000 + pk,
    }
    return ExecutionRow(**(made | columns))


def birth(row: ExecutionRow, *events: bytes) -> list[Write]:
    return [InsertExecution(row), Append(row.pk, 1, list(events) or [b"started"])]


def submit(store: Store, writes: list[Write]) -> asyncio.Future[None]:
    """Submits at once; the future is done when the writes are stored."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def done(failure: Exception | None) -> None:
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)

    store.submit(writes, done)
    return future
