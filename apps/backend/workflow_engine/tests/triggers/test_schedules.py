"""Schedules in a running engine, on a clock that the test moves: clock changes, downtime, clocks that are set."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.clock import ManualClock
from tests.nodes.trigger.test_cron import ZONES, Oracle, every
from tests.runtime.engine import World
from tests.triggers.rig import Rig, rig
from workflow_engine.models.writes import Decision
from workflow_engine.nodes.trigger.base import CatchUp
from workflow_engine.nodes.trigger.times import Interval, jitter_of
from workflow_engine.triggers.registered import Registered
from workflow_engine.triggers.ticks import ON_TIME, due, passed

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
START = 1_750_000_000_000 - 1_750_000_000_000 % HOUR + 10 * MINUTE
"""Ten minutes past an hour."""


SOAK = bool(os.environ.get("SOAK"))
"""Takes minutes; see `make soak`."""


def drawing(type: str, **parameters: Any) -> dict[str, Any]:
    nodes: list[dict[str, Any]] = [
        {"id": "start", "type": type, "parameters": parameters},
        {"id": "work", "type": "action.work"},
    ]
    return {"nodes": nodes, "connections": ["start -> work"]}


def hourly(**parameters: Any) -> dict[str, Any]:
    return drawing("trigger.interval", every="1h", **parameters)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def only(life: Rig) -> Registered:
    [trigger] = life.triggers.registered.values()
    return trigger


def started(life: Rig) -> list[int]:
    """When each execution that was started was due."""
    return [event.at for event in life.events(only(life)) if event.decision is Decision.STARTED]


EXPRESSIONS = {"30 2 * * *": ({30}, {2}, False), "*/30 1-3 * * *": (every(30, 60), {1, 2, 3}, True)}


@pytest.mark.parametrize(("start", "end"), [("2026-03-27T12:00", "2026-03-31"), ("2026-10-23T12:00", "2026-10-27")])
async def test_through_clock_changes_it_fires_what_the_rules_say(database_url: str, start: str, end: str) -> None:
    oracle = Oracle("Europe/Berlin", range(2026, 2027))
    async with rig(database_url, clock=ManualClock(ms(start))) as life:
        for number, expression in enumerate(EXPRESSIONS):
            parameters = {"expression": expression, "timezone": "Europe/Berlin", "overlap": "allow"}
            await life.publish(f"wf{number}", drawing("trigger.cron", **parameters))
        await life.until(ms(end))
        for trigger in life.triggers.registered.values():
            minutes, hours, elapsed = EXPRESSIONS[trigger.parameters.expression]
            expected = [at * 1000 for at in oracle.times(minutes, hours, oracle.days(), elapsed=elapsed)]
            events = life.events(trigger)
            assert [event.at for event in events] == [at for at in expected if ms(start) < at <= ms(end)]
            assert {event.decision for event in events} == {Decision.STARTED}
            assert (await life.engine.row(events[-1].execution_id)).mode == 4


DOWN = {"an hour": HOUR, "a day": DAY, "a month": 30 * DAY}
CATCH_UP = {
    "none": {"catch_up_window": 0, "catch_up_limit": 0},
    "the last": {"catch_up_window": "1h", "catch_up_limit": 1},
    "several": {"catch_up_window": "5h", "catch_up_limit": 3},
    "all": {"catch_up_window": "31d", "catch_up_limit": 40},
}


@dataclass
class Expected:
    """What the rules say about a downtime, worked out by hand."""

    fire: list[int]
    skipped: int

    @classmethod
    def of(cls, down_at: int, up_at: int, window: int, limit: int) -> Expected:
        ticks = list(range(down_at - down_at % HOUR + HOUR, up_at + 1, HOUR))
        fire = [at for at in ticks if up_at - at <= ON_TIME]
        late = [at for at in ticks if ON_TIME < up_at - at <= window]
        fire = [*late[len(late) - min(limit, len(late)) :], *fire]
        return cls(fire, len(ticks) - len(fire))


@pytest.fixture
def databases(_sqlite_template: Path, tmp_path: Path) -> Iterator[str]:
    def fresh() -> Iterator[str]:
        for number in count():
            path = tmp_path / f"{number}.db"
            shutil.copy(_sqlite_template, path)
            yield f"sqlite:///{path}"

    return fresh()


AFTERWARDS = {
    # What an execution that runs for long leaves to the late ticks behind it: n of them are to fire.
    "skip": lambda n: ["SKIPPED_OVERLAP"] * n,
    "buffer_one": lambda n: ["BUFFERED"] * min(n, 1) + ["SKIPPED_OVERLAP"] * max(n - 1, 0),
    "buffer_all": lambda n: ["BUFFERED"] * n,
    "allow": lambda n: ["STARTED"] * n,
}


@pytest.mark.parametrize("policy", AFTERWARDS)
async def test_downtime_under_every_policy(databases: Iterator[str], policy: str) -> None:
    """Down for an hour, a day and a month, while an execution of before still runs, and with every catch-up."""
    for number, (down, ms_down) in enumerate(DOWN.items()):
        for name, catch_up in CATCH_UP.items():
            # In any run each downtime and each catch-up; all of both together in a soak.
            if not SOAK and list(CATCH_UP)[number + 1] != name and (name != "none" or number):
                continue
            case, url, world, clock = f"{down}, {name}", next(databases), World(), ManualClock(START)
            gate = world.gate("work")
            async with rig(url, world, clock) as life:
                [trigger] = await life.publish("wf", hourly(overlap=policy, **catch_up))
                await life.forward(HOUR)
                assert life.decisions(trigger) == ["STARTED"], case
                window, limit = trigger.row.catch_up_window, trigger.row.catch_up_limit
            down_at = clock.now_ms()
            clock.advance(ms_down)
            expected = Expected.of(down_at, clock.now_ms(), window, limit)
            async with rig(url, world, clock) as life:
                await life.until(clock.now_ms())
                events = life.events(only(life))[1:]
                skipped = [event for event in events if event.decision is Decision.SKIPPED_CATCH_UP]
                assert sum(event.count for event in skipped) == expected.skipped, case
                fired = [event for event in events if event not in skipped]
                assert [event.at for event in fired] == expected.fire, case
                assert [event.decision.name for event in fired] == AFTERWARDS[policy](len(expected.fire)), case
                # Skipped ones are records too, and leave no gap between the downtime and what fires.
                covered = [*(event.last_at for event in skipped), *expected.fire]
                assert max(covered) == clock.now_ms() - clock.now_ms() % HOUR, case
                gate.set()
                await life.quiet()
                while only(life).running:
                    await life.quiet()
                waited = [event for event in life.events(only(life)) if event.decision is Decision.BUFFERED]
                assert not waited, case
                assert len(world.done) == 2 + len(expected.fire) - sum(
                    event.decision is Decision.SKIPPED_OVERLAP for event in life.events(only(life))
                ), case


@pytest.mark.skipif(not SOAK, reason="takes minutes; make soak")
async def test_ten_years_in_five_zones_on_a_running_engine(sqlite_url: str) -> None:
    """Restarted every year, once in a while after a day's downtime, which is caught up."""
    years, clock, world = range(2025, 2035), ManualClock(ms("2025-01-01")), World()
    expression, parts = "30 2 * * *", ({30}, {2})
    for year in years:
        async with rig(sqlite_url, world, clock) as life:
            if year == years[0]:
                for number, name in enumerate(ZONES):
                    parameters = {"expression": expression, "timezone": name, "overlap": "allow"}
                    more = {"catch_up_window": "2d", "catch_up_limit": 9}
                    await life.publish(f"wf{number}", drawing("trigger.cron", **parameters, **more))
            await life.until(clock.now_ms())
            await life.until(ms(f"{year + 1}-01-01") - (year % 2) * DAY)
        clock.advance(ms(f"{year + 1}-01-01") - clock.now_ms())
    async with rig(sqlite_url, world, clock) as life:
        await life.until(clock.now_ms())
        for trigger in life.triggers.registered.values():
            oracle = Oracle(trigger.parameters.timezone, range(2024, 2036))
            expected = [at * 1000 for at in oracle.times(*parts, oracle.days(), elapsed=False)]
            events = life.events(trigger)
            assert [event.at for event in events] == [
                at for at in expected if ms("2025-01-01") < at <= ms("2035-01-01")
            ]
            assert {event.decision for event in events} == {Decision.STARTED}


@pytest.mark.parametrize("catch_up", CATCH_UP)
async def test_a_downtime_with_cancel_other_leaves_the_latest_running(databases: Iterator[str], catch_up: str) -> None:
    for down, ms_down in DOWN.items():
        url, world, clock = next(databases), World(), ManualClock(START)
        world.gate("work")
        async with rig(url, world, clock) as life:
            [trigger] = await life.publish("wf", hourly(overlap="cancel_other", **CATCH_UP[catch_up]))
            await life.forward(HOUR)
            window, limit = trigger.row.catch_up_window, trigger.row.catch_up_limit
        down_at = clock.now_ms()
        clock.advance(ms_down)
        expected = Expected.of(down_at, clock.now_ms(), window, limit)
        async with rig(url, world, clock) as life:
            await life.until(clock.now_ms())
            before, *events = life.events(only(life))
            skipped = [event for event in events if event.decision is Decision.SKIPPED_CATCH_UP]
            assert sum(event.count for event in skipped) == expected.skipped, down
            fired = [event for event in events if event not in skipped]
            assert [event.at for event in fired] == expected.fire, down
            *earlier, last = [before, *fired]
            assert last.decision is Decision.STARTED, down
            assert list(only(life).running) == [last.execution_id], down
            for event in earlier:
                if event.execution_id:
                    assert (await life.engine.end(event.execution_id)).status == "CANCELED", down


async def test_a_clock_that_is_set_fires_nothing_twice_and_does_not_stop(database_url: str) -> None:
    clock = ManualClock(START)
    async with rig(database_url, clock=clock) as life:
        await life.publish("wf", hourly(overlap="allow", catch_up_window="10h", catch_up_limit=2))
        await life.forward(3 * HOUR)
        assert len(started(life)) == 3

        # Five hours forward at once: two of the late ones start.
        clock._now += 5 * HOUR
        await life.forward(1 * MINUTE)
        assert len(started(life)) == 5
        # Seven hours back: what has fired does not fire again, what was skipped does.
        clock._now -= 7 * HOUR
        life.triggers._scheduler._ring()
        await life.forward(8 * HOUR)
        ats = started(life)
        assert len(ats) == len(set(ats))
        assert len(ats) == 5 + 3 + 1
        # A year forward and back: it goes on.
        clock._now += 365 * DAY
        await life.forward(MINUTE)
        count = len(started(life))
        clock._now -= 365 * DAY
        life.triggers._scheduler._ring()
        await life.forward(2 * HOUR)
        assert len(started(life)) == count + 2
    # And so does the next life, though the cursor stands a year ahead.
    async with rig(database_url, clock=clock) as life:
        await life.forward(2 * HOUR)
        assert len(started(life)) == count + 4


async def test_ticks_of_a_pause_are_one_record(database_url: str) -> None:
    clock = ManualClock(START)
    async with rig(database_url, clock=clock) as life:
        [trigger] = await life.publish("wf", hourly())
        await life.forward(2 * HOUR)
        await life.triggers.pause(trigger.id)
        await life.forward(50 * HOUR)
    async with rig(database_url, clock=clock) as life:
        await life.forward(50 * HOUR)
        await life.triggers.resume(only(life).id)
        await life.forward(2 * HOUR)
        events = life.events(only(life))
        assert [(event.decision.name, event.count) for event in events] == [
            ("STARTED", 1),
            ("STARTED", 1),
            ("SKIPPED_PAUSED", 100),
            ("STARTED", 1),
            ("STARTED", 1),
        ]


async def test_a_new_version_goes_on_where_the_old_one_stood(database_url: str) -> None:
    clock = ManualClock(START)
    async with rig(database_url, clock=clock) as life:
        await life.publish("wf", hourly())
        await life.forward(HOUR)
        await life.publish("wf", hourly(jitter="10m"))
        await life.forward(2 * HOUR + 11 * MINUTE)
        trigger = only(life)
        events = life.events(trigger)
        assert [event.at for event in events] == [START + (50 + 60 * n) * MINUTE for n in range(3)]
        late = [event.decided_at - event.at for event in events]
        assert late == [0, *(jitter_of(trigger.id, event.at, 10 * MINUTE) for event in events[1:])]
        await life.unpublish("wf")
        await life.forward(5 * HOUR)
        assert len(life.events(trigger)) == 3


async def test_a_full_queue_delays_a_tick_and_loses_none(sqlite_url: str) -> None:
    clock = ManualClock(START)
    async with rig(sqlite_url, clock=clock) as life:
        await life.publish("wf", hourly())
        life.engine.runtime._queue_limit = 0
        await life.forward(HOUR)
        assert started(life) == []
        life.engine.runtime._queue_limit = 100
        await life.forward(2_000)
        assert started(life) == [START + 50 * MINUTE]


async def test_thousands_of_schedules_have_one_timer(sqlite_url: str) -> None:
    clock = ManualClock(START)
    async with rig(sqlite_url, clock=clock) as life:
        for number in range(40):
            await life.publish(f"wf{number}", hourly(offset=f"{number}s"))
        waiting = [alarm for alarm in clock._alarms if not alarm.canceled]
        assert len(waiting) == 1
        await life.forward(HOUR)
        assert sum(len(life.events(trigger)) for trigger in life.triggers.registered.values()) == 40


def test_what_is_due_is_decided_without_a_clock() -> None:
    schedule, catch_up = Interval(HOUR), CatchUp(window=3 * HOUR, limit=2)
    base = 500_000 * HOUR
    decided = due(schedule, base, base + 10 * HOUR + 5_000, catch_up, lambda tick: 0)
    assert [(span.first - base, span.last - base, span.count) for span in decided.skipped] == [
        (HOUR, 7 * HOUR, 7),
    ]
    assert [tick - base for tick in decided.fire] == [8 * HOUR, 9 * HOUR, 10 * HOUR]
    assert decided.next == base + 11 * HOUR
    # Jitter belongs to a tick's time.
    decided = due(schedule, base, base + HOUR + 4_000, catch_up, lambda tick: 5_000)
    assert (decided.fire, decided.next) == ((), base + HOUR)
    span, following = passed(schedule, base, base + 90 * MINUTE, "why")
    assert span is not None
    assert (span.count, following) == (1, base + 2 * HOUR)
