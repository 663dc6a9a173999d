"""What polling triggers fetch, and what they remember of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.nodes.trigger.base import Json, Source

MOST = 32 << 20
"""Bytes of what is fetched."""


@dataclass(frozen=True, slots=True)
class Fetched:
    body: bytes | None
    """None: nothing has changed since the last time."""
    headers: dict[str, str]
    validators: dict[str, Json]
    """To ask the next time whether something has; keep them in the cursor."""


async def fetch(source: Source, url: str, cursor: dict[str, Json]) -> Fetched:
    """GETs `url` unless it is as it was. Raises NodeFailure."""
    if source.context.http is None:
        raise NodeFailure("CONNECTION_FAILED", "this server gives triggers no way to the network")
    headers = {"accept": "*/*", "user-agent": "workflow-engine"}
    if etag := cursor.get("etag"):
        headers["if-none-match"] = str(etag)
    if modified := cursor.get("modified"):
        headers["if-modified-since"] = str(modified)
    response = await source.context.http.request("GET", url, headers=headers)
    try:
        if response.status == 304:
            return Fetched(None, response.headers, {})
        if response.status != 200:
            raise NodeFailure(
                "HTTP_STATUS",
                f"{url} answered {response.status}",
                field="url",
                hint="see the address and who may read it",
            )
        body = await response.read()
    finally:
        await response.close()
    told = {"etag": response.headers.get("etag"), "modified": response.headers.get("last-modified")}
    return Fetched(body, response.headers, {name: value for name, value in told.items() if value})


class Seen:
    """Ids that have been seen, the newest last; as many as `most` are remembered."""

    def __init__(self, cursor: Any, most: int) -> None:
        known: Iterable[str] = cursor.get("seen", []) if isinstance(cursor, dict) else []
        self._seen = dict.fromkeys(known)
        self._most = most

    def is_new(self, id: str) -> bool:
        """Whether it is new; from now on it is not."""
        is_new = id not in self._seen
        self._seen.pop(id, None)
        self._seen[id] = None
        return is_new

    def cursor(self) -> dict[str, Json]:
        return {"seen": list(self._seen)[-self._most :]}
