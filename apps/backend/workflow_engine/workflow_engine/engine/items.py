"""What flows along connections, and what goes wrong: items, binary references, failures."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import msgspec

# These records are made by the million and can be in no cycle, so that the garbage collector need not look (gc=False).
Json: TypeAlias = Any
"""A JSON value: None, bool, int (64 bits), float, str, list or dict with string keys."""


BLOB = b"sha256:"
"""How the id of a blob begins, wherever one is stored."""
_BLOB = re.compile(rb"sha256:([0-9a-f]{64})")


def blob_digests(data: bytes) -> set[str]:
    """The digests of all blobs that stored bytes name."""
    return {digest.decode() for digest in _BLOB.findall(data)}


class BinaryRef(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A reference to bytes in the blob store; the bytes themselves never travel with an item."""

    id: str
    """`sha256:<hex>` of the content."""
    size: int
    """Bytes."""
    media_type: str = "application/octet-stream"
    file_name: str = ""


class Item(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One record on a connection."""

    json: dict[str, Json] = {}
    binary: dict[str, BinaryRef] = {}
    sources: tuple[int, ...] = ()
    """Lineage: positions of the input items that made this one, counted over all inputs of the run in port order."""


Items: TypeAlias = list[Item]
Outputs: TypeAlias = dict[str, list[Item]]
"""Items by output port. A port that is absent is dead; a port with an empty list lives and delivers nothing."""


def flat(ports: Outputs) -> Items:
    """The items of all ports, one port after the other; it may be the port's own list, so leave it as it is."""
    if len(ports) == 1:
        return next(iter(ports.values()))
    return [item for items in ports.values() for item in items]


class Failure(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Why an attempt, a node or an execution failed, in words for the person who must act."""

    reason: str
    """A stable UPPER_SNAKE code, e.g. `TIMEOUT`; retry policies name it."""
    message: str
    node: str = ""
    """The node id; empty when the execution as a whole failed."""
    field: str = ""
    """The parameter at fault, e.g. `headers[0].value`; empty when it is none."""
    hint: str = ""
    """What to do about it."""
    retryable: bool = False
    retry_after: int = 0
    """Milliseconds that the peer asked us to wait before the next attempt; 0 when it did not say."""
    details: dict[str, Json] = {}
    cause: Failure | None = None

    def as_json(self) -> dict[str, Json]:
        """The form that error ports, error workflows and expressions see."""
        shown: dict[str, Json] = {"reason": self.reason, "message": self.message, "node": self.node}
        if self.field:
            shown["field"] = self.field
        if self.hint:
            shown["hint"] = self.hint
        if self.details:
            shown["details"] = self.details
        if self.cause:
            shown["cause"] = self.cause.as_json()
        return shown
