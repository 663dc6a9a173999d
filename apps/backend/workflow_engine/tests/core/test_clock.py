"""Clocks: the system's, and the one that tests move by hand."""

from __future__ import annotations

import asyncio
import time

from tests.clock import ManualClock
from workflow_engine.core.clock import LONGEST_SLEEP, SystemClock


async def test_the_system_clock_rings_in_the_running_loop() -> None:
    clock, rung = SystemClock(), asyncio.Event()

    clock.call_at(clock.now_ms() - 1, rung.set)

    async with asyncio.timeout(10):
        await rung.wait()
    assert abs(clock.now_ms() - time.time() * 1000) < 10_000


async def test_an_alarm_far_ahead_looks_again_often_enough_to_see_the_clock_set() -> None:
    loop, clock = asyncio.get_running_loop(), SystemClock()

    alarm = clock.call_at(clock.now_ms() + 10**9, lambda: None)

    assert isinstance(alarm, asyncio.TimerHandle)
    assert alarm.when() <= loop.time() + LONGEST_SLEEP
    alarm.cancel()


def test_time_moves_by_hand_and_alarms_ring_in_order_on_the_way() -> None:
    clock, rung = ManualClock(now=1_000), list[tuple[str, int]]()

    def ring(name: str) -> None:
        rung.append((name, clock.now_ms()))

    def first() -> None:
        ring("first")
        clock.call_at(1_015, lambda: ring("from first"))

    clock.call_at(1_020, lambda: ring("second"))
    clock.call_at(1_010, first)
    clock.call_at(1_012, lambda: ring("canceled")).cancel()
    clock.call_at(2_000, lambda: ring("later"))
    clock.advance(500)

    assert rung == [("first", 1_010), ("from first", 1_015), ("second", 1_020)]
    assert (clock.now_ms(), clock.next_alarm()) == (1_500, 2_000)
