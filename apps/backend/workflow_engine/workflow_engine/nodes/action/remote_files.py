"""Files on another machine: what action.ftp and action.ssh have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from workflow_engine.engine.items import Item
from workflow_engine.nodes.action.http.body import required
from workflow_engine.nodes.action.servers import Server
from workflow_engine.nodes.spec import Call, Effect, Json, NodeFailure, Result, emit

CHUNK = 256 << 10
MOST_FILES = 100_000


async def downloaded(call: Call[Any], path: str, chunks: AsyncIterator[bytes]) -> Result:
    """One item for a file, which comes in slot `data`."""
    name = path.rpartition("/")[2]
    ref = await required(call.context.blobs).write(chunks, "application/octet-stream", name)
    return emit(Item({"path": path, "file_name": name, "size": ref.size}, {"data": ref}))


def add(found: list[dict[str, Json]], entry: dict[str, Json], folder: str) -> None:
    """One more file of a folder. Raises NodeFailure TOO_MANY_ITEMS."""
    found.append(entry)
    if len(found) > MOST_FILES:
        raise NodeFailure(
            "TOO_MANY_ITEMS",
            f"{folder} holds more than {MOST_FILES:,} files",
            field="do.pattern",
            hint="name fewer of them with a pattern",
        )


def refused(path: str, why: str) -> NodeFailure:
    """The other machine does not do it."""
    return NodeFailure(
        "FILE_FAILED",
        f"{path}: {why}",
        field="do.path",
        hint="see how it is spelled, that its folder is there, and the user's rights",
    )


def broken(call: Call[Any], error: Exception, *, hint: str) -> NodeFailure:
    """The connection ended before the work did."""
    return NodeFailure(
        "CONNECTION_FAILED",
        f"the connection broke: {error}",
        hint=hint,
        retryable=call.node.shape.effect is Effect.IDEMPOTENT,
        details={"sent": True},
    )


def too_slow(call: Call[Any], server: Server, *, hint: str) -> NodeFailure:
    """The work took longer than the parameter `timeout_seconds`."""
    return NodeFailure(
        "TIMEOUT",
        f"{server.host} took longer than {call.parameters.timeout_seconds:g} s",
        field="timeout_seconds",
        hint=hint,
        retryable=call.node.shape.effect is Effect.IDEMPOTENT,
        details={"sent": True},
    )
