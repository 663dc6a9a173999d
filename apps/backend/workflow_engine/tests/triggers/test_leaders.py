"""Several servers share a database: one leads, and when it dies another goes on where it stopped."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from tests.runtime.engine import World
from tests.triggers.rig import Rig, rig
from tests.triggers.test_schedules import drawing
from workflow_engine.models.notices import Leadership, Notices
from workflow_engine.models.writes import Decision
from workflow_engine.triggers.manager import Triggers

SECOND = 1_000


@asynccontextmanager
async def another(life: Rig) -> AsyncIterator[Triggers]:
    """The triggers of a server beside the one of `life`, which leads."""
    runtime = life.engine.runtime
    other = Triggers(
        life.engine.store, runtime, runtime._definitions, life.registry, life.clock, entropy=os.urandom, leads=False
    )
    await other.open()
    try:
        yield other
    finally:
        await other.close()


async def take_over(life: Rig, other: Triggers) -> None:
    """The leader dies; nothing it has in memory is left."""
    await life.triggers.close()
    life.triggers = other
    await other.lead()


async def test_a_new_leader_skips_ticks_while_what_the_dead_one_started_still_runs(database_url: str) -> None:
    world = World()
    gate = world.gate("work")
    async with rig(database_url, world) as life, another(life) as other:
        [trigger] = await life.publish("wf", drawing("trigger.interval", every="1s"))
        await other.heard("wf")
        await life.forward(3 * SECOND)
        await take_over(life, other)
        await life.forward(2 * SECOND)
        assert life.decisions(trigger) == ["STARTED", *["SKIPPED_OVERLAP"] * 4]
        gate.set()
        await life.forward(2 * SECOND)
        assert life.decisions(trigger)[5:] == ["STARTED"] * 2
        assert len({event.at for event in life.events(trigger)}) == 7, "a tick was decided twice"


async def test_a_tick_that_the_dead_leader_stored_at_the_last_moment_is_known(database_url: str) -> None:
    world = World()
    world.gate("work")
    async with rig(database_url, world) as life, another(life) as other:
        [trigger] = await life.publish("wf", drawing("trigger.interval", every="1s"))
        await life.forward(2 * SECOND)
        await take_over(life, other)
        # Its last transaction came through after the new one had read how far it had come.
        [inherited] = other.registered.values()
        last = life.events(trigger)[-1].at
        inherited.cursor = str(last - SECOND)
        other._scheduler.add(inherited)
        await life.forward(2 * SECOND)
        assert life.decisions(trigger) == ["STARTED", "SKIPPED_OVERLAP", "DUPLICATE", *["SKIPPED_OVERLAP"] * 2]


async def test_a_leader_goes_on_from_where_another_server_has_moved_a_schedule(database_url: str) -> None:
    async with rig(database_url) as life, another(life) as other:
        [trigger] = await life.publish("wf", drawing("trigger.interval", every="1s"))
        await other.heard("wf")
        await life.forward(2 * SECOND)
        await life.triggers.pause(trigger.id)
        await life.forward(5 * SECOND)
        await other.resume(trigger.id)
        await life.triggers.heard("wf")
        await life.forward(2 * SECOND)
        [paused] = [event for event in life.events(trigger) if event.decision is Decision.SKIPPED_PAUSED]
        assert paused.count == 5
        assert life.decisions(trigger) == ["STARTED"] * 2 + ["SKIPPED_PAUSED"] + ["STARTED"] * 2


async def test_what_goes_wrong_with_a_tick_does_not_end_its_schedule(sqlite_url: str) -> None:
    async with rig(sqlite_url) as life:
        [trigger] = await life.publish("wf", drawing("trigger.interval", every="1s", overlap="allow"))
        deliver, broken = life.triggers.deliveries.deliver, [True]

        async def breaks(*given: Any, **more: Any) -> Any:
            if broken and broken.pop():
                raise ZeroDivisionError("a mistake of ours")
            return await deliver(*given, **more)

        life.triggers.deliveries.deliver = breaks  # type: ignore[method-assign]
        await life.forward(3 * SECOND)
        assert life.decisions(trigger) == ["STARTED"] * 3


async def test_who_fails_to_take_the_lead_tries_again(postgres_url: str) -> None:
    told: list[str] = []
    leads = asyncio.Event()

    async def lead() -> None:
        told.append("lead")
        if len(told) == 1:
            raise RuntimeError("the triggers can not be read right now")
        leads.set()

    async def follow() -> None:
        told.append("follow")

    leadership = Leadership(make_url(postgres_url), lead, follow)
    leadership.open()
    await asyncio.wait_for(leads.wait(), 20)
    await leadership.close()
    assert told == ["lead", "follow", "lead", "follow"]


async def test_who_only_listens_finds_out_that_the_server_is_gone(postgres_url: str) -> None:
    made: dict[str, str] = {}

    class Listening(Notices):
        async def _use(self, connection: psycopg.AsyncConnection) -> None:
            made.update(connection.info.get_parameters())
            await super()._use(connection)

    listening = Listening(make_url(postgres_url), {})
    await asyncio.wait_for(listening.open(), 20)
    await listening.close()
    assert made["keepalives_idle"] == "10"
