"""Who may run now, and who is next.

A workflow may bound how many of its executions run at once (for each value of a key, if it names one) and how many
start within a time. Executions beyond that queue. The queue is by priority, and fair within a priority: users take
turns, so that one who starts a thousand at once delays the others by one place and not by a thousand.

Slots are sets of who holds them, and a slot is given back by naming its holder, so none can leak.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from workflow_engine.engine.plan import Limits
from workflow_engine.runtime.contract import Turn

SLACK = 100
"""Entries of those who have left that a queue may hold, beside as many as of those who wait."""


class FairQueue:
    """Waiting ones by priority, then users in turn, then age."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, int]] = []
        """(-priority, round, place of arrival, pk); an entry that `_entries` does not name is gone."""
        self._entries: dict[int, tuple[int, int, int, int]] = {}
        self._last_round: dict[tuple[int, str], int] = {}
        """The round of each user's newest entry, by priority."""
        self._round: dict[int, int] = {}
        """The round that each priority has come to."""
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, pk: int) -> bool:
        return pk in self._entries

    def push(self, pk: int, user: str, priority: int) -> None:
        """Nothing happens when it is in the queue already."""
        if pk in self._entries:
            return
        now = self._round.get(priority, 0)
        turn = max(now, self._last_round.get((priority, user), -1) + 1)
        self._last_round[priority, user] = turn
        self._arrivals += 1
        self._entries[pk] = entry = (-priority, turn, self._arrivals, pk)
        heapq.heappush(self._heap, entry)

    def pop(self) -> int:
        """Takes out the next one. Raises IndexError when there is none."""
        while True:
            entry = heapq.heappop(self._heap)
            if self._entries.get(entry[3]) == entry:
                break
        del self._entries[entry[3]]
        self._round[-entry[0]] = entry[1]
        if not self._entries:
            # Nobody waits, so nobody has a claim from before.
            self._heap.clear()
            self._last_round.clear()
            self._round.clear()
        return entry[3]

    def remove(self, pk: int) -> bool:
        """Takes out `pk`, wherever it stands; False when it is not here."""
        found = self._entries.pop(pk, None) is not None
        if len(self._heap) > 2 * len(self._entries) + SLACK:
            self._heap = sorted(self._entries.values())
        return found

    def ahead(self, pk: int) -> int:
        """How many come before `pk`."""
        mine = self._entries[pk]
        return sum(entry < mine for entry in self._entries.values())


@dataclass(slots=True)
class _Group:
    limits: Limits
    holding: set[int] = field(default_factory=set[int])
    recent: deque[int] = field(default_factory=deque[int])
    """When the last ones started, oldest first."""
    queue: FairQueue = field(default_factory=FairQueue)

    def opens_at(self, now: int) -> int | None:
        """When the next one may start: `now`, later because of the rate, or None: not before another one ends."""
        limits = self.limits
        if limits.running and len(self.holding) >= limits.running:
            return None
        if limits.starts:
            # One that has yet to come was counted before the clock was set back: nobody knows how long ago.
            while self.recent and not now - limits.per < self.recent[0] <= now:
                self.recent.popleft()
            if len(self.recent) >= limits.starts:
                return self.recent[0] + limits.per
        return now

    def take(self, pk: int, now: int) -> None:
        self.holding.add(pk)
        if self.limits.starts:
            self.recent.append(now)

    def is_idle(self, now: int) -> bool:
        """Whether nothing would be forgotten with it."""
        recently = self.recent and now - self.limits.per < self.recent[-1] <= now
        return not (self.holding or recently or len(self.queue))


class Admission:
    """Executions by group: a workflow, or one value of its key."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._group_of: dict[int, str] = {}
        """Where each execution holds a slot or waits for one."""
        self.queued = 0
        self._sweep_at = 1_000

    def enter(self, pk: int, group: str, limits: Limits, *, user: str, priority: int, now: int) -> bool:
        """Takes a slot, or a place in the queue."""
        found = self._found(group, limits, now)
        self._group_of[pk] = group
        if not len(found.queue) and found.opens_at(now) == now:
            found.take(pk, now)
            return True
        if pk not in found.queue:
            found.queue.push(pk, user, priority)
            self.queued += 1
        return False

    def take(self, pk: int, group: str, limits: Limits, started_at: int) -> None:
        """Takes a slot that was held before a restart, whatever the limits say now."""
        self._group_of[pk] = group
        self._found(group, limits, started_at).take(pk, started_at)

    def leave(self, pk: int) -> str | None:
        """Gives back what `pk` holds; returns its group, whose next ones may enter."""
        group = self._group_of.pop(pk, None)
        if group is None:
            return None
        found = self._groups[group]
        found.holding.discard(pk)
        self.queued -= found.queue.remove(pk)
        return group

    def next(self, group: str, now: int) -> Iterator[int]:
        """Those who enter the group now, one after the other."""
        found = self._groups.get(group)
        while found and len(found.queue) and found.opens_at(now) == now:
            pk = found.queue.pop()
            self.queued -= 1
            found.take(pk, now)
            yield pk
        if found and found.is_idle(now):
            del self._groups[group]

    def opens_at(self, group: str, now: int) -> int | None:
        """When the rate lets the next one that waits start; None when nobody waits for that."""
        found = self._groups.get(group)
        return found.opens_at(now) if found and len(found.queue) else None

    def turn(self, pk: int, now: int) -> Turn | None:
        """Why `pk` waits; None when it does not."""
        found = self._groups.get(self._group_of.get(pk, ""))
        if found is None or pk not in found.queue:
            return None
        return Turn(found.queue.ahead(pk), found.opens_at(now))

    def _found(self, group: str, limits: Limits, now: int) -> _Group:
        found = self._groups.get(group)
        if found is None:
            if len(self._groups) >= self._sweep_at:
                # A rate outlives the executions it counted, and a key may have any number of values.
                self._groups = {name: each for name, each in self._groups.items() if not each.is_idle(now)}
                self._sweep_at = max(1_000, 2 * len(self._groups))
            found = self._groups[group] = _Group(limits)
        found.limits = limits
        return found
