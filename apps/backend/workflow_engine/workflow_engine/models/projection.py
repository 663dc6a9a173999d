"""An execution's row and journal as many processes write them: idempotent, and never backwards.

The author of an execution (a Temporal workflow) may have its words written twice, by another worker and late. Rows have
keys, so a second time changes nothing; and the row only follows events that are the newest.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from workflow_engine.engine.items import blob_digests
from workflow_engine.engine.state import address
from workflow_engine.engine.tasks import TaskChange
from workflow_engine.models.execution import BlobReference, ExecutionEvent, WorkflowExecution
from workflow_engine.models.notices import notify
from workflow_engine.models.script import CHANGING, PostgresScript, summary
from workflow_engine.models.store import ExecutionRow, Store, Write, WriteRefused
from workflow_engine.models.tasks import saving

CHANNEL = "workflow_engine_journal"
"""PostgreSQL notifies here, with the pk, whenever a journal has grown."""
ROW = WorkflowExecution.__table__.columns
SCRIPT = PostgresScript()


class Batch(msgspec.Struct):
    """Events of one execution from number `first` on, and its row after them."""

    row: ExecutionRow
    first: int
    events: list[bytes]
    tasks: list[tuple[int, int, TaskChange]] = []
    """What became of tasks: (number of the event that made it so, when, how they stand)."""

    @property
    def last(self) -> int:
        return self.first + len(self.events) - 1


def proposed_pk(id: str, created_at: int) -> int:
    """A key that sorts by time and needs nobody's consent: 41 bits of milliseconds, 22 of the id's hash."""
    digest = hashlib.blake2b(id.encode(), digest_size=4).digest()
    return (created_at << 22) | (int.from_bytes(digest, "big") & 0x3FFFFF)


async def project(store: Store, batches: Sequence[Batch], along: Sequence[Write] = ()) -> list[int]:
    """Stores what is not stored yet and what goes along, all of it or nothing; returns the executions' pks."""
    return await store.change(
        lambda connection: [_project(connection, batch) for batch in batches], alone=False, along=along
    )


def _project(connection: Connection, batch: Batch) -> int:
    row = batch.row
    pk = _pk(connection, row) if batch.first == 1 else row.pk
    stored = connection.execute(select(func.max(ExecutionEvent.seq)).where(ExecutionEvent.execution_pk == pk)).scalar()
    if batch.events:
        connection.execute(
            upsert(ExecutionEvent).on_conflict_do_nothing(),
            [{"execution_pk": pk, "seq": seq, "data": data} for seq, data in enumerate(batch.events, batch.first)],
        )
        if named := {digest for data in batch.events for digest in blob_digests(data)}:
            connection.execute(
                upsert(BlobReference).on_conflict_do_nothing(),
                [{"execution_pk": pk, "digest": digest} for digest in named],
            )
    if stored is None or stored <= batch.last:
        values = _values(row)
        changing = {name: values[name] for name in CHANGING if name != "pk"}
        connection.execute(update(WorkflowExecution).where(ROW.pk == pk).values(changing))
    # A task is written with its event, and never again: its notices may have been sent since.
    fresh = [(at, change) for seq, at, change in batch.tasks if seq > (stored or 0)]
    if fresh:
        known = msgspec.structs.replace(row, pk=pk)
        saves = [saving(known, change, address(change.node, change.path), at) for at, change in fresh]
        SCRIPT.save_tasks(connection.connection.cursor(), saves)
    notify(connection, CHANNEL, str(pk))
    return pk


def _pk(connection: Connection, row: ExecutionRow) -> int:
    """The pk of an execution; a row is made when there is none. Raises WriteRefused for a key that is taken."""
    values = _values(row)
    for pk in itertools.count(row.pk):
        known = connection.execute(select(ROW.pk).where(ROW.id == row.id)).scalar()
        if known is not None:
            return int(known)
        made = connection.execute(
            upsert(WorkflowExecution).values(**values | {"pk": pk}).on_conflict_do_nothing().returning(ROW.pk)
        ).scalar()
        if made is not None:
            return int(made)
        # Two executions of one millisecond may have proposed the same pk; then the next one is tried.
        if connection.execute(select(ROW.id).where(ROW.pk == pk)).scalar() is None:
            raise WriteRefused(f"the idempotency key {row.idempotency_key!r} belongs to another execution")
    raise AssertionError("unreachable")


def _values(row: ExecutionRow) -> dict[str, Any]:
    return msgspec.structs.asdict(row) | {"failure_summary": summary(row.failure_summary)}
