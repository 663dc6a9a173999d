"""Idempotency keys: the same request makes one execution, however often and from wherever it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from workflow_engine.models.writes import ExecutionRow
from workflow_engine.runtime.contract import RuntimeFailure, Start

Key = tuple[str, str]
"""A workflow and an idempotency key."""


class Keys:
    """One start at a time under a key: who looked before the first was stored would start a second."""

    def __init__(self) -> None:
        self._starting: dict[Key, asyncio.Future[None]] = {}

    def __len__(self) -> int:
        return len(self._starting)

    @asynccontextmanager
    async def alone(self, keys: set[Key]) -> AsyncIterator[None]:
        taken: list[Key] = []
        turn = asyncio.get_running_loop().create_future()
        try:
            # In order, so that two batches never wait for each other.
            for key in sorted(keys):
                while (another := self._starting.get(key)) is not None:
                    await asyncio.wait([another])
                self._starting[key] = turn
                taken.append(key)
            yield
        finally:
            for key in taken:
                del self._starting[key]
            turn.set_result(None)


def same_request(start: Start, row: ExecutionRow) -> str:
    """The execution that the idempotency key of `start` made before. Raises RuntimeFailure for another request."""
    if row.request_digest != start.request_digest:
        raise _reused(start)
    return row.id


def _reused(start: Start) -> RuntimeFailure:
    return RuntimeFailure(
        "IDEMPOTENCY_KEY_REUSED",
        f"the idempotency key {start.idempotency_key!r} was used for another request to this workflow",
    )


def unknown_starts(starts: Sequence[Start], known: Mapping[Key, ExecutionRow]) -> tuple[list[Start], list[int | str]]:
    """Those of a batch that are to be started, and for each of the batch its place among them, or the execution that
    its idempotency key made before. Raises RuntimeFailure for another request under the same key.
    """
    fresh: list[Start] = []
    places: list[int | str] = []
    by_key: dict[Key, int] = {}
    for start in starts:
        key = (start.workflow_id, start.idempotency_key)
        if key in known:
            places.append(same_request(start, known[key]))
            continue
        place = by_key.get(key, len(fresh)) if start.idempotency_key else len(fresh)
        if place == len(fresh):
            fresh.append(start)
            by_key[key] = place
        elif fresh[place].request_digest != start.request_digest:
            raise _reused(start)
        places.append(place)
    return fresh, places
