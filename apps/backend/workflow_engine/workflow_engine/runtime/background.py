"""Work beside whoever asked for it, which comes to its end in spite of a database that is out of reach for a while."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from workflow_engine.core.logging import get_logger
from workflow_engine.models.store import StoreUnavailable

log = get_logger(__name__)
T = TypeVar("T")

DELAYS = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Seconds between tries of what the database refused; the last one repeats."""


def delay(tries: int) -> float:
    """Seconds to wait after so many tries and one more."""
    return DELAYS[min(tries, len(DELAYS) - 1)]


async def insist(
    work: Callable[[], Awaitable[T]],
    until: type[Exception] | tuple[type[Exception], ...] = StoreUnavailable,
) -> T:
    """Tries until `until` does not stand in the way: what has to follow from a stored event must follow."""
    for tries in itertools.count():
        try:
            return await work()
        except until as error:
            log.error("delayed", error=str(error), tries=tries + 1, seconds=delay(tries))
            await asyncio.sleep(delay(tries))
    raise AssertionError("unreachable")


class Background:
    """Tasks that somebody has to hold, until they are done or the process ends."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        self._hold(asyncio.ensure_future(work)).add_done_callback(_failed)

    def do(self, work: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> None:
        """Spawns `work`, which is tried until the database is there."""
        self.spawn(insist(partial(work, *arguments)))

    async def see_through(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, which comes to its end even if its caller goes away.

        A caller whose deadline has passed asks again, with the same key; the first start must not be in doubt then.
        """
        task = self._hold(asyncio.ensure_future(work))
        # Whoever waits is told how it failed; nobody may.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _hold(self, task: asyncio.Task[T]) -> asyncio.Task[T]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _failed(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("background_failed", exc_info=error)
