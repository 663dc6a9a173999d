"""Retention: ended executions go when their time has come, and then the blobs that nobody names any more.

A blob may be written long before the event that names it is stored, by an attempt that takes hours; and it may have
been there already, since equal bytes are stored once. So a blob goes only if nothing names it, nothing has for a day,
it has not been written for a day, and every attempt that was under way when it was last written has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from workflow_engine.core.clock import Alarm, Clock
from workflow_engine.core.logging import get_logger
from workflow_engine.models import retention, triggers
from workflow_engine.models.store import Store
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.runtime.blobs import BlobStore
from workflow_engine.runtime.local import LocalRuntime

log = get_logger(__name__)

EVERY = 5 * 60_000
"""Milliseconds between looks for executions whose time has come."""
SWEEP_EVERY = 6 * 3_600_000
"""Milliseconds between looks for blobs that nobody names."""
GRACE = 24 * 3_600_000
"""Milliseconds for which an unnamed blob stays."""
SUCCESS_STAYS = 60_000
"""Milliseconds for which a successful execution stays that shall not be kept: somebody may be reading its result."""
AT_ONCE = 50
"""Executions, or blobs, in one step."""
EVENTS = 1_000
"""Records of deliveries in one step."""
PAGES, FREE = 500, 0.2
"""Free pages of a SQLite file that are given back in one step, when they are more than this share of the file."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is kept. Zero means all."""

    max_age: int = 0
    """Milliseconds from the end."""
    max_count: int = 0
    drop_successful: bool = False

    def of(self, definition: bytes | None) -> Policy:
        """The policy of a workflow; this is the server's."""
        settings = pb.Workflow.FromString(definition).settings if definition else pb.WorkflowSettings()
        if not settings.HasField("retention"):
            return self
        own = settings.retention
        max_age = own.max_age.ToMilliseconds() if own.HasField("max_age") else self.max_age
        return Policy(max_age, own.max_count or self.max_count, own.drop_successful)


class Retention:
    """Works in the background from `open` to `close`."""

    def __init__(
        self, store: Store, clock: Clock, default: Policy, *, runtime: LocalRuntime | None, blobs: BlobStore | None
    ) -> None:
        self._store, self._clock, self._default = store, clock, default
        self._runtime, self._blobs = runtime, blobs
        self._alarm: Alarm | None = None
        self._work: asyncio.Task[None] | None = None
        self._next_prune = self._next_sweep = 0
        self._marked_at = self._settled = 0
        self._marked: set[asyncio.Task[Any]] = set()
        """Attempts that were under way at `_marked_at`. All that were at `_settled` have ended."""

    def open(self) -> None:
        self._mark()
        self._next_prune = self._clock.now_ms()
        self._next_sweep = self._next_prune + SWEEP_EVERY
        self._ring()

    async def close(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        if self._work is not None:
            self._work.cancel()
            with suppress(asyncio.CancelledError):
                await self._work

    def _ring(self) -> None:
        self._alarm = None
        self._work = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        now = self._clock.now_ms()
        # The clock may have been set back.
        self._next_prune = min(self._next_prune, now + EVERY)
        self._next_sweep = min(self._next_sweep, now + SWEEP_EVERY)
        # Whatever goes wrong, a full disk most likely, it must be tried again.
        if now >= self._next_prune:
            self._next_prune = now + EVERY
            await self._attempt(self.prune)
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_EVERY
            await self._attempt(self.sweep)
        self._alarm = self._clock.call_at(min(self._next_prune, self._next_sweep), self._ring)

    @staticmethod
    async def _attempt(work: Callable[[], Any]) -> None:
        try:
            await work()
        except Exception as error:
            log.error("retention_failed", work=work.__name__, error=str(error))

    # executions

    async def prune(self) -> int:
        """Removes the executions whose time has come; returns how many."""
        removed = 0
        # A crash may have come between an execution and its events.
        await self._remove_events()
        for workflow_id in await asyncio.to_thread(retention.workflows_with_history, self._store):
            definition = await asyncio.to_thread(retention.settings_of, self._store, workflow_id)
            for find in self._too_many(self._default.of(definition), workflow_id):
                while pks := await asyncio.to_thread(find, AT_ONCE):
                    gone = await self._store.change(retention.remove(pks, self._clock.now_ms()))
                    await self._remove_events()
                    if self._runtime is not None:
                        self._runtime.removed(gone)
                    removed += len(gone)
        if self._default.max_age:
            # A delivery is known as long as its record is there: that is how long a repetition is found out.
            while await self._store.change(triggers.prune(self._clock.now_ms() - self._default.max_age, EVENTS)):
                pass
        while await self._store.change(retention.give_back(PAGES, FREE)):
            pass
        if removed:
            log.info("executions_removed", count=removed)
        return removed

    def _too_many(self, policy: Policy, workflow_id: str) -> list[Callable[[int], Sequence[int]]]:
        now, store = self._clock.now_ms(), self._store
        found: list[Callable[[int], Sequence[int]]] = []
        if policy.drop_successful:
            found.append(partial(retention.ended_before, store, workflow_id, now - SUCCESS_STAYS, successful=True))
        if policy.max_age:
            found.append(partial(retention.ended_before, store, workflow_id, now - policy.max_age))
        if policy.max_count:
            found.append(partial(retention.ended_beyond, store, workflow_id, policy.max_count))
        return found

    async def _remove_events(self) -> None:
        while await self._store.change(retention.remove_events):
            pass

    # blobs

    def _mark(self) -> None:
        self._marked_at = self._clock.now_ms()
        self._marked = self._runtime.attempts() if self._runtime is not None else set()

    async def sweep(self) -> int:
        """Removes the blobs that nobody needs; returns how many."""
        if self._blobs is None:
            return 0
        if all(attempt.done() for attempt in self._marked):
            self._settled = self._marked_at
            self._mark()
        before = min(self._clock.now_ms() - GRACE, self._settled)
        since = await asyncio.to_thread(retention.tracked_since, self._store)
        named = await asyncio.to_thread(retention.named_elsewhere, self._store)
        removed = 0
        async for page in self._blobs.written_between(since, before):
            for start in range(0, len(page), AT_ONCE):
                some = set(page[start : start + AT_ONCE]) - named
                some -= await asyncio.to_thread(retention.referenced, self._store, some, before)
                for digest in some:
                    removed += await self._blobs.remove(digest, before)
        while await self._store.change(retention.forget_released(before, retention.EVENTS_AT_ONCE)):
            pass
        if removed:
            log.info("blobs_removed", count=removed)
        return removed
