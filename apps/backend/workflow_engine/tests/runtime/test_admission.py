"""Who may run, and who is next."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runtime.engine import Engine, World, engine
from tests.runtime.test_local import SIGNAL, chain
from workflow_engine.engine.events import SignalReceived
from workflow_engine.engine.plan import Limits
from workflow_engine.models.store import Status
from workflow_engine.runtime.admission import Admission, FairQueue
from workflow_engine.runtime.contract import RuntimeFailure


def drained(queue: FairQueue) -> list[int]:
    return [queue.pop() for _ in range(len(queue))]


class TestTheQueue:
    def test_users_take_turns(self) -> None:
        queue = FairQueue()
        for pk, user in enumerate("aaaaabbc"):
            queue.push(pk, user, 0)
        assert drained(queue) == [0, 5, 7, 1, 6, 2, 3, 4]

    def test_a_user_who_comes_late_has_no_claim_on_the_past(self) -> None:
        queue = FairQueue()
        for pk in range(4):
            queue.push(pk, "a", 0)
        assert [queue.pop(), queue.pop()] == [0, 1]
        for pk in (10, 11, 12):
            queue.push(pk, "b", 0)
        assert drained(queue) == [10, 2, 11, 3, 12]

    def test_priority_comes_before_fairness(self) -> None:
        queue = FairQueue()
        for pk, (user, priority) in enumerate([("a", 0), ("b", 0), ("a", 5), ("a", 5), ("c", -1)]):
            queue.push(pk, user, priority)
        assert drained(queue) == [2, 3, 0, 1, 4]

    def test_how_many_come_before_one(self) -> None:
        queue = FairQueue()
        for pk, user in enumerate("aab"):
            queue.push(pk, user, 0)
        assert [queue.ahead(pk) for pk in range(3)] == [0, 2, 1]

    def test_who_has_left_is_forgotten(self) -> None:
        queue = FairQueue()
        for pk in range(10_000):
            queue.push(pk, str(pk % 3), 0)
            if pk not in (3, 5):
                queue.remove(pk)
        assert len(queue._heap) < 200
        assert drained(queue) == [3, 5]


ACTION = st.tuples(st.sampled_from(["enter", "leave", "pass"]), st.integers(0, 9))


@given(st.lists(ACTION, max_size=60), st.integers(0, 3), st.integers(0, 3))
def test_no_slot_leaks_and_no_limit_is_passed(actions: list[tuple[str, int]], running: int, starts: int) -> None:
    admission, limits, now = Admission(), Limits(running, starts, 100), 0
    inside, waiting, begun = set[int](), set[int](), list[int]()
    for action, pk in actions:
        if action == "enter" and pk not in inside | waiting:
            if admission.enter(pk, "g", limits, user=str(pk % 3), priority=pk % 2, now=now):
                inside.add(pk)
                begun.append(now)
            else:
                waiting.add(pk)
        elif action == "leave":
            admission.leave(pk)
            inside.discard(pk)
            waiting.discard(pk)
        else:
            now += 30
        for entered in admission.next("g", now):
            waiting.remove(entered)
            inside.add(entered)
            begun.append(now)
        assert not running or len(inside) <= running
        assert not starts or sum(at > now - 100 for at in begun) <= starts
        assert admission.queued == len(waiting)
        # Whoever waits has a reason: no slot, or not yet.
        assert not waiting or (running and len(inside) == running) or (admission.opens_at("g", now) or 0) > now
    for pk in inside | waiting:
        admission.leave(pk)
    assert list(admission.next("g", now + 1_000)) == []
    assert admission._groups == {}


class TestAClockThatIsSet:
    def test_back_does_not_close_a_rate_until_it_gets_there_again(self) -> None:
        admission, limits, noon = Admission(), Limits(0, 1, 1_000), 10_000_000
        assert admission.enter(1, "g", limits, user="", priority=0, now=noon)
        assert not admission.enter(2, "g", limits, user="", priority=0, now=noon)
        assert list(admission.next("g", noon - 7_200_000)) == [2]

    def test_back_while_the_server_was_down_does_not_either(self) -> None:
        admission, limits, noon = Admission(), Limits(0, 1, 1_000), 10_000_000
        admission.take(1, "g", limits, noon)
        assert admission.enter(2, "g", limits, user="", priority=0, now=noon - 7_200_000)


async def statuses(running: Engine, ids: list[str]) -> list[Status]:
    await running.quiet()
    return [(await running.row(id)).status for id in ids]


def limited(**settings: Any) -> dict[str, Any]:
    return chain(SIGNAL, settings=settings)


class TestTheRuntime:
    async def test_a_limit_counts_for_each_value_of_the_key(self, database_url: str) -> None:
        drawing = limited(max_concurrent_executions=1, concurrency_key="{{ json.customer }}")
        async with engine(database_url, World()) as first:
            ids = [await first.start(drawing, {"customer": name}) for name in "aabb"]
            assert await statuses(first, ids) == [Status.WAITING, Status.NEW, Status.WAITING, Status.NEW]
        async with engine(database_url, World()) as second:
            await second.runtime.send(ids[2], SignalReceived(at=0, name="go"))
            await second.end(ids[2])
            assert await statuses(second, ids) == [Status.WAITING, Status.NEW, Status.SUCCESS, Status.WAITING]

    async def test_an_input_without_the_key_is_refused_and_leaves_nothing(self, database_url: str) -> None:
        drawing = limited(max_concurrent_executions=1, concurrency_key="{{ json.customer }}")
        async with engine(database_url, World()) as running:
            with pytest.raises(RuntimeFailure, match="concurrency_key"):
                await running.start(drawing, {"else": 1})
            assert running.runtime._live == {}
            assert running.store.busy_executions(0, 10) == []

    async def test_a_rate_lets_the_rest_in_when_its_time_comes(self, database_url: str) -> None:
        drawing = limited(rate_limit={"max_starts": 2, "per": "10s"})
        async with engine(database_url, World()) as running:
            ids = [await running.start(drawing) for _ in range(5)]
            assert await statuses(running, ids) == [Status.WAITING] * 2 + [Status.NEW] * 3
            turn = running.runtime.turn(ids[4])
            assert turn is not None
            assert (turn.ahead, turn.starts_at) == (2, running.clock.now_ms() + 10_000)
            await running.advance(10_000)
            assert await statuses(running, ids) == [Status.WAITING] * 4 + [Status.NEW]
            await running.advance(10_000)
            assert await statuses(running, ids) == [Status.WAITING] * 5

    async def test_a_rate_is_kept_over_a_restart(self, database_url: str) -> None:
        drawing = limited(rate_limit={"max_starts": 1, "per": "10s"})
        async with engine(database_url, World()) as first:
            ids = [await first.start(drawing) for _ in range(2)]
            await first.quiet()
        async with engine(database_url, World()) as second:
            assert await statuses(second, ids) == [Status.WAITING, Status.NEW]
            await second.advance(10_000)
            assert await statuses(second, ids) == [Status.WAITING, Status.WAITING]
