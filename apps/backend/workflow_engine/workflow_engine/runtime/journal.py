"""Journals as the runtime and the services read them: whole events, wherever their bytes lie.

An event above a bound would make every commit that it is part of slow, for everyone in that commit. Its bytes go to the
blob store first, and the journal's row holds only their digest.
"""

from __future__ import annotations

import asyncio

from workflow_engine.engine.events import AnyEvent, decode
from workflow_engine.engine.items import BLOB, BinaryRef, blob_digests
from workflow_engine.models.store import Store, StoreUnavailable
from workflow_engine.nodes.context import Blobs

LARGE = 256 * 1024
"""Bytes of an event that lies in the journal itself."""
ELSEWHERE = b"\xb1"
"""The first byte of a row whose event is a blob. The blob's id follows, then, each behind a space, the ids of the blobs
that the event names: whoever asks which blobs are in use need not read them."""
MEDIA_TYPE = "application/vnd.msgpack"
PAGE = 10_000


async def lay_aside(blobs: Blobs, data: bytes) -> bytes:
    """Stores a large event as a blob; returns what its row shall hold. Raises OSError."""
    ref = await blobs.write(data, MEDIA_TYPE)
    return ELSEWHERE + b" ".join([ref.id.encode(), *(BLOB + each.encode() for each in sorted(blob_digests(data)))])


async def read_events(store: Store, blobs: Blobs | None, pk: int, from_seq: int = 1) -> list[AnyEvent]:
    """All events of a journal from number `from_seq` on."""
    events: list[AnyEvent] = []
    while True:
        page = await read_page(store, blobs, pk, from_seq + len(events))
        events += [event for _, event in page]
        if len(page) < PAGE:
            return events


async def read_page(
    store: Store, blobs: Blobs | None, pk: int, from_seq: int, limit: int = PAGE
) -> list[tuple[int, AnyEvent]]:
    """The next events of a journal with their numbers; none behind its end."""
    rows = await asyncio.to_thread(store.read_events, pk, from_seq, limit)
    return [(seq, decode(await whole(blobs, data))) for seq, data in rows]


async def whole(blobs: Blobs | None, data: bytes) -> bytes:
    """What was stored as `data`, wherever its bytes lie. Raises StoreUnavailable when they can not be read now."""
    if data[:1] != ELSEWHERE:
        return data
    assert blobs is not None, "a journal with blobs is read without the blob store"
    try:
        return await read_blob(blobs, data[1:].partition(b" ")[0].decode())
    except OSError as error:
        raise StoreUnavailable(f"the blob store does not give an event: {error}") from error


async def read_blob(blobs: Blobs, id: str) -> bytes:
    """All bytes of a blob."""
    return b"".join([chunk async for chunk in blobs.read(BinaryRef(id, 0, MEDIA_TYPE, ""))])
