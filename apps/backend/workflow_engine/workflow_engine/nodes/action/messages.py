"""What a message carries."""

from __future__ import annotations

from typing import Any

from workflow_engine.nodes.action.http.body import stored
from workflow_engine.nodes.action.servers import Server
from workflow_engine.nodes.spec import Call, Effect, Json, NodeFailure, Parameters
from workflow_engine.utils import json

MAX_BYTES = 64 << 20
"""Largest message; it is held in memory."""


class Message(Parameters):
    value: Json = None
    """What is sent: text as it is, anything else as JSON."""
    binary: str | None = None
    """Send the bytes of this binary slot instead."""
    idempotent: bool = False
    """Sending it twice does no harm, because receivers deduplicate; otherwise it is sent at most once."""


def effect(parameters: dict[str, Any]) -> Effect:
    """A message may be sent again only where that is known to do no harm."""
    return Effect.IDEMPOTENT if parameters.get("idempotent") is True else Effect.AT_MOST_ONCE


def written(value: Json) -> bytes:
    """Text as it is, anything else as JSON."""
    return value.encode() if isinstance(value, str) else json.dumps(value)


async def payload(call: Call[Any], message: Message) -> bytes:
    """The message's bytes. Raises NodeFailure TOO_LARGE, BINARY_MISSING."""
    if message.binary is None:
        return written(message.value)
    ref, blobs = stored(call.item, message.binary, call.context.blobs, "binary")
    if ref.size > MAX_BYTES:
        raise NodeFailure(
            "TOO_LARGE",
            f"{ref.file_name or 'the file'} has {ref.size:,} bytes; a message has at most {MAX_BYTES:,}",
            field="binary",
            hint="store it somewhere and send its address",
        )
    return b"".join([chunk async for chunk in blobs.read(ref)])


def refused(why: str, hint: str, *, field: str = "") -> NodeFailure:
    """The failure of a message that the broker did not take."""
    return NodeFailure("PUBLISH_FAILED", why, field=field, hint=hint, details={"sent": False})


def broken(server: Server, error: BaseException, *, again: bool) -> NodeFailure:
    """The failure of a message of which nobody knows whether it arrived; `again`: it may be sent once more."""
    return NodeFailure(
        "CONNECTION_FAILED",
        f"the connection to {server.host} broke before the message was confirmed: {error or type(error).__name__}",
        hint="it may have arrived; " + ("it may be sent again" if again else "look there before you send it again"),
        retryable=again,
        details={"host": server.host, "sent": True},
    )


def timed_out(server: Server, seconds: float, again: bool) -> NodeFailure:
    return NodeFailure(
        "TIMEOUT",
        f"{server.host} did not confirm the message within {seconds:g} s",
        hint="raise timeout_seconds; the message may have arrived",
        retryable=again,
        details={"host": server.host, "sent": True},
    )
