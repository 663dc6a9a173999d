"""What crosses between workflow, activities and clients, as MessagePack: names, types, and how large things travel.

A field is only ever added at the end, with a default: histories of running executions hold what was written before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, TypeVar

import msgspec
import temporalio.converter
from temporalio.api.common.v1 import Payload

from workflow_engine.engine.events import AnyEvent, ExecutionStarted, decode, encode
from workflow_engine.engine.items import Outputs
from workflow_engine.engine.plan import Limits, Plan
from workflow_engine.engine.state import Work
from workflow_engine.models.projection import Batch, proposed_pk
from workflow_engine.models.writes import ExecutionRow
from workflow_engine.nodes.context import Blobs
from workflow_engine.runtime.contract import Start
from workflow_engine.runtime.families import birth, group_of, queue_up
from workflow_engine.runtime.journal import read_blob

T = TypeVar("T")
LARGE = 128 * 1024
"""Bytes of a payload that Temporal carries itself; it refuses two MiB, and a history of fifty."""


class Begin(msgspec.Struct, array_like=True):
    """The argument of an execution's workflow: a new execution, or one that goes on under a new history."""

    row: ExecutionRow
    definition: bytes
    """Whole, because a workflow may read nothing."""
    events: list[bytes]
    """Not stored yet, from number `first` on; the first of a new execution is its ExecutionStarted."""
    first: int = 1
    state: bytes | None = None
    """A snapshot with everything in it, when it goes on."""
    parent: str = ""
    """The execution that waits for this one."""
    group: str = ""
    """Whose limits it comes under; empty when there are none."""
    limits: tuple[int, int, int] = (0, 0, 0)
    admitted: bool = True


class Seen(msgspec.Struct, array_like=True):
    """What one run delivered, for the expressions that name it."""

    node: int
    path: tuple[int, ...]
    outputs: Outputs


class Attempt(msgspec.Struct, array_like=True):
    """One attempt of a node, for an activity."""

    digest: str
    execution_id: str
    workflow_id: str
    started_at: int
    depth: int
    node: int
    path: tuple[int, ...]
    work: Work
    seen: list[Seen]
    journal: Batch | None = None
    """To be stored on the way: it saves a round of its own."""
    user_id: str = ""
    trace: str = ""


class Attempted(msgspec.Struct, array_like=True):
    """What an attempt gave."""

    event: bytes
    stored: int = 0
    """The number of the newest event that is stored; 0 when nothing was to be stored."""
    pk: int = 0


class Published(msgspec.Struct, array_like=True):
    """A definition that a child runs, or why there is none."""

    digest: str = ""
    version: int = 0
    definition: bytes = b""
    reason: str = ""
    message: str = ""


class Enter(msgspec.Struct, array_like=True):
    """Asks a gate for a slot."""

    execution_id: str
    user: str
    priority: int
    limits: tuple[int, int, int]


def beginning(
    start: Start,
    plan: Plan,
    definition: bytes,
    id: str,
    now: int,
    seed: int,
    *,
    parent: ExecutionRow | None = None,
    parent_address: str = "",
    depth: int = 0,
) -> Begin:
    """A new execution. Raises RuntimeFailure when its input does not fit the workflow's concurrency_key."""
    pk = proposed_pk(id, now)
    row, started = birth(start, id, pk, now, seed, parent=parent, parent_address=parent_address, depth=depth)
    begin = again(row, plan, definition, started)
    if not begin.admitted:
        queue_up(row)
    return begin


def again(row: ExecutionRow, plan: Plan, definition: bytes, started: ExecutionStarted) -> Begin:
    """The same from what is stored of an execution that nobody has taken up."""
    group = group_of(plan, row.workflow_id, started.input)
    limits = (plan.limits.running, plan.limits.starts, plan.limits.per)
    return Begin(row, definition, [encode(started)], group=group, limits=limits, admitted=not group)


class Codec(Generic[T]):
    """Bytes to and from one type."""

    def __init__(self, type: type[T]) -> None:
        self._decoder = msgspec.msgpack.Decoder(type)
        self._encoder = msgspec.msgpack.Encoder()

    def dump(self, value: T) -> bytes:
        return self._encoder.encode(value)

    def load(self, data: bytes) -> T:
        return self._decoder.decode(data)


BEGIN = Codec(Begin)
ATTEMPT, ATTEMPTED = Codec(Attempt), Codec(Attempted)
BATCH, PUBLISHED, ENTER = Codec(Batch), Codec(Published), Codec(Enter)
EVENTS = Codec(list[bytes])


def limits_of(numbers: tuple[int, int, int]) -> Limits:
    return Limits(*numbers)


def dump_events(events: Sequence[AnyEvent]) -> bytes:
    return EVENTS.dump([encode(event) for event in events])


def load_events(data: bytes) -> list[AnyEvent]:
    return [decode(each) for each in EVENTS.load(data)]


class BlobCodec(temporalio.converter.PayloadCodec):
    """Payloads above a bound lie in the blob store, which every worker and replica reads; Temporal carries their id."""

    ENCODING = b"binary/workflow-engine-blob"

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [await self._lay_aside(each) if each.ByteSize() > LARGE else each for each in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            await self._fetch(each) if each.metadata.get("encoding") == self.ENCODING else each for each in payloads
        ]

    async def _lay_aside(self, payload: Payload) -> Payload:
        ref = await self._blobs.write(payload.SerializeToString(), "application/x-protobuf")
        return Payload(metadata={"encoding": self.ENCODING}, data=ref.id.encode())

    async def _fetch(self, payload: Payload) -> Payload:
        return Payload.FromString(await read_blob(self._blobs, payload.data.decode()))


def converter(blobs: Blobs) -> temporalio.converter.DataConverter:
    return replace(temporalio.converter.default(), payload_codec=BlobCodec(blobs))
