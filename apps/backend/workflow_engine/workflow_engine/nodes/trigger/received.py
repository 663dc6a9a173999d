"""What a message from a broker is as an item."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import Any

from workflow_engine.engine.items import Item
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.nodes.trigger.base import Json, Source
from workflow_engine.utils import json


async def item_of(source: Source, data: bytes, *, media_type: str = "", **about: Json) -> Item:
    """The item of a message: `value` is its JSON, or its text; what is neither is the file `data`."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        if source.context.blobs is None:
            raise NodeFailure("BLOBS_MISSING", "this server keeps no files, and the message is one") from None
        ref = await source.context.blobs.write(data, media_type or "application/octet-stream", "message")
        return Item({**about, "value": None}, {"data": ref})
    return Item({**about, "value": _value(text)})


def _value(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return text


def digest(*parts: bytes | str) -> str:
    """Tells a message from another one."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()[:20]


class LastStored:
    """The messages that were stored last, for brokers whose messages have no id of their own.

    A message is stored together with this, and then acknowledged. So after a crash, or a connection that broke, only
    those can come again that the broker had sent without having heard of them, and it says that they come again.
    """

    def __init__(self, cursor: Any, most: int) -> None:
        """`most`: how many the broker sends before the first of them is acknowledged."""
        known = cursor.get("stored", []) if isinstance(cursor, dict) else []
        self._known: deque[str] = deque(known, maxlen=most)

    def is_stored(self, digest: str, *, comes_again: bool) -> bool:
        return comes_again and digest in self._known

    def cursor(self, digest: str) -> dict[str, Json]:
        """What to store with the message."""
        self._known.append(digest)
        return {"stored": list(self._known)}
