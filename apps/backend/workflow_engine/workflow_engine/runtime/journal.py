"""Journals as the runtime and the services read them: whole events, wherever their bytes lie.

An event above a bound would make every commit that it is part of slow, for everyone in that commit. Its bytes go to the
blob store first, and the journal's row holds only their digest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from workflow_engine.engine import machine
from workflow_engine.engine.events import AnyEvent, ExecutionEnded, decode
from workflow_engine.engine.history import is_waiting
from workflow_engine.engine.items import BLOB, BinaryRef, blob_digests
from workflow_engine.engine.plan import Plan
from workflow_engine.engine.state import State
from workflow_engine.models.store import ExecutionRow, Status, Store, StoreUnavailable
from workflow_engine.nodes.context import Blobs
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.runtime.contract import Ended

LARGE = 256 * 1024
"""Bytes of an event that lies in the journal itself."""
ELSEWHERE = b"\xb1"
"""The first byte of a row whose event is a blob. The blob's id follows, then, each behind a space, the ids of the blobs
that the event names: whoever asks which blobs are in use need not read them."""
MEDIA_TYPE = "application/vnd.msgpack"
PAGE = 10_000
STATUS = {"SUCCESS": Status.SUCCESS, "ERROR": Status.ERROR, "CANCELED": Status.CANCELED}


async def lay_aside(blobs: Blobs, data: bytes) -> bytes:
    """Stores a large event as a blob; returns what its row shall hold. Raises OSError."""
    ref = await blobs.write(data, MEDIA_TYPE)
    return ELSEWHERE + b" ".join([ref.id.encode(), *(BLOB + each.encode() for each in sorted(blob_digests(data)))])


async def read_journal(store: Store, blobs: Blobs | None, id: str) -> tuple[ExecutionRow, list[AnyEvent]] | None:
    """An execution and all events of its journal."""
    if (found := await asyncio.to_thread(store.journal, id, PAGE)) is None:
        return None
    row, page = found
    events = [event for _, event in await _decoded(blobs, page)]
    if len(page) == PAGE:
        events += await read_events(store, blobs, row.pk, PAGE + 1)
    return row, events


async def read_events(store: Store, blobs: Blobs | None, pk: int, from_seq: int = 1) -> list[AnyEvent]:
    """All events of a journal from number `from_seq` on."""
    events: list[AnyEvent] = []
    while True:
        page = await read_page(store, blobs, pk, from_seq + len(events))
        events += [event for _, event in page]
        if len(page) < PAGE:
            return events


async def read_ended(store: Store, blobs: Blobs | None, plan: Plan, row: ExecutionRow) -> Ended:
    """How an execution that has ended did so."""
    state = machine.replay(plan, await read_events(store, blobs, row.pk))
    return Ended(row.id, state.status, state.output, state.failure)


def status_of(state: State, *, admitted: bool, at_work: bool) -> Status:
    """What people are shown of an execution; `at_work` when an attempt is under way, or about to be."""
    if state.status:
        return STATUS[state.status]
    if not admitted:
        return Status.NEW
    if state.paused:
        return Status.PAUSED
    return Status.RUNNING if at_work or not is_waiting(state) else Status.WAITING


class Watchers:
    """Those who follow journals. They are only told that there is more, and read it: so they can miss nothing, and a
    slow one holds nothing.
    """

    def __init__(self, store: Store, blobs: Blobs | None) -> None:
        self._store, self._blobs = store, blobs
        self._waiting: dict[int, list[asyncio.Event]] = {}
        self._closing = False

    def tell(self, pk: int) -> None:
        """More of this journal is stored."""
        for grown in self._waiting.get(pk, ()):
            grown.set()

    def tell_all(self) -> None:
        """More of any of them may be."""
        for pk in self._waiting:
            self.tell(pk)

    def dismiss(self, pk: int) -> None:
        """There will never be more of this one: it was removed."""
        for grown in self._waiting.pop(pk, ()):
            grown.set()

    def close(self) -> None:
        self._closing = True
        self.tell_all()

    async def follow(
        self, row: ExecutionRow, from_seq: int, is_stored: Callable[[], bool] = lambda: True
    ) -> AsyncIterator[tuple[int, AnyEvent]]:
        """Events from number `from_seq` on as they are stored, up to the end; `is_stored` when what `row` tells is."""
        grown = asyncio.Event()
        watchers = self._waiting.setdefault(row.pk, [])
        watchers.append(grown)
        try:
            seq = max(from_seq, 1) - 1
            # Retention may take away what a slow watcher has not seen.
            while not self._closing and self._waiting.get(row.pk) is watchers:
                grown.clear()
                is_over = row.status >= Status.SUCCESS and is_stored()
                while page := await read_page(self._store, self._blobs, row.pk, seq + 1, 1_000):
                    for seq, event in page:
                        yield seq, event
                        if isinstance(event, ExecutionEnded):
                            return
                if is_over:
                    return
                await grown.wait()
        finally:
            watchers.remove(grown)
            if not watchers and self._waiting.get(row.pk) is watchers:
                del self._waiting[row.pk]


async def read_page(
    store: Store, blobs: Blobs | None, pk: int, from_seq: int, limit: int = PAGE
) -> list[tuple[int, AnyEvent]]:
    """The next events of a journal with their numbers; none behind its end."""
    return await _decoded(blobs, await asyncio.to_thread(store.read_events, pk, from_seq, limit))


async def _decoded(blobs: Blobs | None, rows: Sequence[tuple[int, bytes]]) -> list[tuple[int, AnyEvent]]:
    return [(seq, decode(await whole(blobs, data))) for seq, data in rows]


async def whole(blobs: Blobs | None, data: bytes) -> bytes:
    """What was stored as `data`, wherever its bytes lie. Raises StoreUnavailable when they can not be read now."""
    if data[:1] != ELSEWHERE:
        return data
    assert blobs is not None, "a journal with blobs is read without the blob store"
    try:
        return await read_blob(blobs, data[1:].partition(b" ")[0].decode())
    except (OSError, NodeFailure) as error:
        # Missing is what a folder that is not mounted looks like as well.
        raise StoreUnavailable(f"the blob store does not give an event: {error}") from error


async def read_blob(blobs: Blobs, id: str) -> bytes:
    """All bytes of a blob."""
    return b"".join([chunk async for chunk in blobs.read(BinaryRef(id, 0, MEDIA_TYPE, ""))])
