"""Executions that have left memory until a time comes. One alarm is set for whoever is due first; when it rings, the
store says who that is, so that a sleeper takes no memory. Nothing polls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from workflow_engine.core.clock import Alarm, Clock
from workflow_engine.core.logging import get_logger
from workflow_engine.models.store import Store, StoreUnavailable
from workflow_engine.runtime.background import Background, insist

log = get_logger(__name__)

AT_ONCE = 500
"""Executions woken side by side when many are due."""
RING_AGAIN = 5_000
"""Milliseconds until those that could not be woken, because of a fault of ours, are tried again."""


class Sleepers:
    """`wake` takes the pk of an execution that is due, and may find that it has ended or is awake."""

    def __init__(
        self, store: Store, clock: Clock, background: Background, wake: Callable[[int], Coroutine[Any, Any, object]]
    ) -> None:
        self._store, self._clock, self._background, self._wake = store, clock, background, wake
        self._due: int | None = None
        """When the first of them has to be woken, as far as is known."""
        self._woken_until = 0
        """Who is due up to then has been woken."""
        self._alarm: Alarm | None = None
        """Rings when somebody is due."""
        self._is_waking = False
        self._closed = False

    def open(self) -> None:
        """Looks into the store for whoever is due, and when."""
        self._look_by(self._clock.now_ms())

    def close(self) -> None:
        self._closed = True
        if self._alarm is not None:
            self._alarm.cancel()

    def add(self, at: int) -> None:
        """Somebody, whose row in the store says so, is to be woken at `at`, which is not yet past."""
        # Earlier than where we are: the clock was set back.
        self._woken_until = min(self._woken_until, at - 1)
        self._look_by(at)

    def _look_by(self, at: int) -> None:
        if self._due is None or at < self._due:
            self._due = at
            self._arm()

    def _arm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._due is None or self._is_waking or self._closed:
            return
        if self._due <= self._clock.now_ms():
            self._is_waking = True
            self._background.spawn(self._wake_due())
        else:
            # It may ring too early, and then is set again.
            self._alarm = self._clock.call_at(self._due, self._arm)

    async def _wake_due(self) -> None:
        """Wakes all whose time has come, and sets the alarm for the next one."""
        now, since = self._clock.now_ms(), self._woken_until
        # Who goes to sleep from here on says itself when it has to be woken.
        self._due, self._woken_until = None, now
        try:
            following = await self._wake_between(since, now)
        except Exception:
            # A mistake of ours must delay timers, and not end them.
            log.exception("timers_delayed")
            self._woken_until, following = min(self._woken_until, since), now + RING_AGAIN
        self._is_waking = False
        if following is not None:
            self._due = min(following, self._due or following)
        self._arm()

    async def _wake_between(self, since: int, now: int) -> int | None:
        """Wakes those that are due behind `since` and up to `now`; returns when the next one is due."""
        after = (since + 1, 0)
        while page := await insist(partial(asyncio.to_thread, self._store.due, after, now, AT_ONCE)):
            after = page[-1]
            wakes = [self._wake(pk) for _, pk in page]
            for (_, pk), woken in zip(page, await asyncio.gather(*wakes, return_exceptions=True), strict=True):
                if isinstance(woken, StoreUnavailable):
                    # The others need not wait for a blob that is not to be had.
                    self._background.do(self._wake, pk)
                elif isinstance(woken, Exception):
                    log.error("not_woken", pk=pk, error=str(woken))
        return await insist(partial(asyncio.to_thread, self._store.next_due, now))
