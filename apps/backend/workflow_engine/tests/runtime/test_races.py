"""What happens between two moments that usually lie close together: nobody is forgotten, and nothing runs by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.clock import ManualClock
from tests.runtime.engine import World, engine
from tests.runtime.test_local import CHARGE, SIGNAL, asleep, chain
from workflow_engine.engine.events import (
    CancelRequested,
    NodeSuspended,
    PauseRequested,
    ResumeRequested,
    SignalReceived,
)
from workflow_engine.models.store import ExecutionFilter, OwnershipLost, Status, StoreUnavailable
from workflow_engine.runtime import local
from workflow_engine.runtime.blobs import FolderBlobs

LARGE = {"text": "x" * 1_000_000}


async def test_a_deadline_rings_although_an_attempt_from_the_last_life_is_under_way(sqlite_url: str) -> None:
    world, clock = World(), ManualClock()
    world.gate("a")
    async with engine(sqlite_url, world, clock) as first:
        id = await first.start(chain("a", settings={"timeout": "60s"}))
        await world.reached("a")
    world.arrived.clear()
    async with engine(sqlite_url, world, clock) as second:
        await world.reached("a")
        second.clock.advance(60_000)
        ended = await second.end(id)
    assert ended.failure is not None
    assert ended.failure.reason == "EXECUTION_TIMEOUT"


class TestABlobStoreThatIsAway:
    async def test_the_timers_of_others_go_on(self, sqlite_url: str, tmp_path: Path) -> None:
        folder = tmp_path / "blobs"
        async with engine(sqlite_url, World(), blobs=FolderBlobs(folder)) as running:
            large = await running.start(chain(asleep("1h"), "a"), LARGE)
            small = await running.start(chain(asleep("1h"), asleep("2h"), "a"))
            await running.quiet()
            away = folder.rename(tmp_path / "away")
            running.clock.advance(3_600_000)
            naps = 0
            async with asyncio.timeout(10):
                async for _, event in running.runtime.watch(small):
                    naps += isinstance(event, NodeSuspended)
                    if naps == 2:
                        break
            running.clock.advance(7_200_000)
            assert (await running.end(small)).status == "SUCCESS"
            away.rename(folder)
            assert (await running.end(large)).status == "SUCCESS"

    async def test_a_server_starts_and_takes_up_the_rest(self, sqlite_url: str, tmp_path: Path) -> None:
        world, folder = World(), tmp_path / "blobs"
        world.gate("a")
        async with engine(sqlite_url, world, blobs=FolderBlobs(folder)) as first:
            large, small = await first.start(chain("a"), LARGE), await first.start(chain("a"))
            await world.reached("a")
        world.gates.clear()
        away = folder.rename(tmp_path / "away")
        async with engine(sqlite_url, world, blobs=FolderBlobs(folder)) as second:
            assert (await second.end(small)).status == "SUCCESS"
            away.rename(folder)
            assert (await second.end(large)).status == "SUCCESS"


async def test_a_child_that_is_called_off_before_its_birth_is_not_born(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, may_go_on, told = asyncio.Event(), asyncio.Event(), asyncio.Event()
    async with engine(database_url, World()) as running:
        resolve, tell = running.runtime._definitions.resolve_for, running.runtime._tell_parent

        async def slowly(*wanted: Any) -> tuple[str, int]:
            asked.set()
            await may_go_on.wait()
            return await resolve(*wanted)

        async def telling(*news: Any) -> None:
            await tell(*news)
            told.set()

        monkeypatch.setattr(running.runtime._definitions, "resolve_for", slowly)
        monkeypatch.setattr(running.runtime, "_tell_parent", telling)
        await running.publish("child", chain("a"))
        parent = chain({"id": "sub", "type": "flow.subworkflow", "parameters": {"workflow_id": "child"}})
        starting = asyncio.create_task(running.start(parent, execution_id="parent"))
        await asked.wait()
        canceling = asyncio.create_task(running.runtime.send("parent", CancelRequested(at=0)))
        async with asyncio.timeout(10):
            await told.wait()
        may_go_on.set()
        await asyncio.gather(starting, canceling)
        assert (await running.end("parent")).status == "CANCELED"
        await running.quiet()
        assert running.store.executions(ExecutionFilter(workflow_id="child"), limit=10) == []


async def test_a_limit_that_is_raised_lets_in_who_waits(sqlite_url: str) -> None:
    async with engine(sqlite_url, World()) as running:
        ids = [await running.start(chain(SIGNAL, settings={"max_concurrent_executions": 1})) for _ in range(3)]
        ids.append(await running.start(chain(SIGNAL, settings={"max_concurrent_executions": 3})))
        await running.quiet()
        assert [(await running.row(id)).status for id in ids] == [Status.WAITING] * 3 + [Status.NEW]
        await running.runtime.send(ids[0], SignalReceived(at=0, name="go"))
        await running.quiet()
        assert (await running.row(ids[3])).status is Status.WAITING


async def test_an_effect_that_had_no_room_before_a_pause_has_not_happened(sqlite_url: str) -> None:
    world = World()
    world.gate("a")
    async with engine(sqlite_url, world, max_attempts_in_flight=1) as running:
        busy = await running.start(chain("a"))
        await world.reached("a")
        id = await running.start(chain(CHARGE, "b"))
        await running.runtime.send(id, PauseRequested(at=0))
        world.gates["a"].set()
        await running.end(busy)
        await world.reached("charge")
        await running.runtime.send(id, ResumeRequested(at=0))
        assert (await running.end(id)).status == "SUCCESS"
    assert world.done.count(f"{id}:charge") == 1


@pytest.mark.parametrize("error", [StoreUnavailable, OwnershipLost])
async def test_closing_does_not_wait_for_a_database_that_is_gone(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    monkeypatch.setattr(local, "LAST_COMMITS", 0.1)
    world = World()
    world.gate("a")
    async with engine(sqlite_url, world) as running:
        await running.start(chain("a", "b"))
        await world.reached("a")
        loop, submitted = asyncio.get_running_loop(), asyncio.Event()

        def submit(_: Any, done: Any) -> None:
            submitted.set()
            loop.call_soon(done, error("it is gone"))

        monkeypatch.setattr(running.store, "submit", submit)
        closing = asyncio.create_task(running.runtime.close(grace=5))
        world.gates["a"].set()
        await submitted.wait()
        async with asyncio.timeout(5):
            await closing
