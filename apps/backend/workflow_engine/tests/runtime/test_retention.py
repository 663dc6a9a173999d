"""Ended executions go when their time has come, and blobs when nobody names them any more; on each kind of database."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.clock import ManualClock
from tests.runtime.engine import Engine, World, engine
from tests.runtime.test_local import SIGNAL, chain
from workflow_engine.engine.events import ExecutionEnded, SignalReceived
from workflow_engine.engine.items import BinaryRef, Item
from workflow_engine.models import retention as asked
from workflow_engine.models.store import ExecutionFilter, Store
from workflow_engine.runtime.blobs import FolderBlobs
from workflow_engine.runtime.contract import Start
from workflow_engine.runtime.retention import EVERY, GRACE, SWEEP_EVERY, Policy, Retention

HOUR, DAY = 3_600_000, 86_400_000


@asynccontextmanager
async def keeping(
    url: str, policy: Policy, *, world: World | None = None, blobs: FolderBlobs | None = None
) -> AsyncIterator[tuple[Engine, Retention]]:
    """An engine whose clock begins now, since files know no other, and its retention."""
    clock = ManualClock(time.time_ns() // 1_000_000)
    async with engine(url, world or World(), clock, blobs=blobs) as running:
        kept = Retention(running.store, clock, policy, runtime=running.runtime, blobs=blobs)
        yield running, kept
        await kept.close()


async def run(running: Engine, workflow_id: str = "wf", drawing: dict[str, Any] | None = None) -> str:
    """One execution from its start to its end."""
    digest = await running.save(drawing or chain("a"))
    id = await running.runtime.start(Start(workflow_id, digest))
    await running.end(id)
    await running.quiet()
    return id


async def ids(running: Engine, workflow_id: str = "") -> list[str]:
    """Oldest first."""
    rows = await asyncio.to_thread(running.store.executions, ExecutionFilter(workflow_id=workflow_id), limit=1_000)
    return [row.id for row in reversed(rows)]


def rows_of(store: Store, table: str) -> int:
    with store.reading() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


class TestExecutions:
    async def test_by_age_and_nothing_is_left_of_them(self, database_url: str) -> None:
        async with keeping(database_url, Policy(max_age=DAY)) as (running, kept):
            old = [await run(running) for _ in range(3)]
            await running.advance(DAY - 1)
            young = await run(running)
            assert await kept.prune() == 0
            await running.advance(2)
            assert await kept.prune() == len(old)
            assert await ids(running) == [young]
            assert rows_of(running.store, "execution_event") == len(await running.events(young))

    async def test_by_count_newest_first_each_workflow_by_itself(self, database_url: str) -> None:
        async with keeping(database_url, Policy(max_count=2)) as (running, kept):
            many = [await run(running, "many") for _ in range(5)]
            few = [await run(running, "few") for _ in range(2)]
            assert await kept.prune() == 3
            assert await ids(running, "many") == many[3:]
            assert await ids(running, "few") == few

    async def test_a_workflow_says_otherwise_than_the_server(self, database_url: str) -> None:
        async with keeping(database_url, Policy(max_age=DAY)) as (running, kept):
            await running.publish("for_ever", chain("a") | {"settings": {"retention": {"max_age": "0s"}}})
            await running.publish("an_hour", chain("a") | {"settings": {"retention": {"max_age": "3600s"}}})
            await running.publish("by_default", chain("a") | {"settings": {"retention": {"max_count": 10}}})
            for workflow_id in ("for_ever", "an_hour", "by_default"):
                await run(running, workflow_id)
            await running.advance(HOUR + 1)
            await kept.prune()
            assert (len(await ids(running, "an_hour")), len(await ids(running, "by_default"))) == (0, 1)
            await running.advance(DAY)
            await kept.prune()
            assert (len(await ids(running, "for_ever")), len(await ids(running, "by_default"))) == (1, 0)

    async def test_successes_go_and_failures_stay(self, database_url: str) -> None:
        async with keeping(database_url, Policy(), world=World(failures={"b": 1})) as (running, kept):
            await running.publish("brief", chain("a") | {"settings": {"retention": {"drop_successful": True}}})
            failed = await run(running, "brief", chain("b"))
            await run(running, "brief")
            assert await kept.prune() == 0, "whoever waits for the result must be able to read it"
            await running.advance(HOUR)
            assert await kept.prune() == 1
            assert await ids(running) == [failed]

    async def test_what_has_not_ended_stays_and_so_does_a_child_that_is_waited_for(self, database_url: str) -> None:
        drawing = chain(
            {"id": "sub", "type": "flow.subworkflow", "parameters": {"workflow_id": "child"}}, SIGNAL, "last"
        )
        async with keeping(database_url, Policy(max_age=1)) as (running, kept):
            await running.publish("child", chain("x"))
            parent = await running.start(drawing)
            await running.quiet()
            await running.advance(DAY)
            assert await kept.prune() == 0
            await running.runtime.send(parent, SignalReceived(at=0, name="go"))
            await running.end(parent)
            await running.advance(DAY)
            assert await kept.prune() == 2

    async def test_a_crash_between_the_two_steps_leaves_nothing_behind(self, database_url: str) -> None:
        clock = ManualClock()
        async with engine(database_url, World(), clock) as first:
            id = await run(first)
            pk = (await first.row(id)).pk
            await first.store.change(asked.remove([pk], clock.now_ms()))
            assert rows_of(first.store, "execution_event") > 0
        async with engine(database_url, World(), clock) as second:
            newer = await run(second)
            assert (await second.row(newer)).pk > pk, "no number is given twice"
            kept = Retention(second.store, clock, Policy(), runtime=second.runtime, blobs=None)
            await kept.prune()
            assert rows_of(second.store, "execution_event") == len(await second.events(newer))

    async def test_a_long_journal_goes_in_small_transactions(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(asked, "EVENTS_AT_ONCE", 5)
        async with keeping(database_url, Policy(max_age=1)) as (running, kept):
            await run(running, drawing=chain(*(f"s{n}" for n in range(20))))
            await run(running)
            await running.advance(1_000)
            steps = 0
            change = running.store.change

            async def counted(what: Callable[..., Any]) -> Any:
                nonlocal steps
                steps += what is asked.remove_events
                return await change(what)

            monkeypatch.setattr(running.store, "change", counted)
            assert await kept.prune() == 2
            assert steps >= 5
            assert rows_of(running.store, "execution_event") == 0

    async def test_a_watcher_of_what_was_removed_is_let_go(self, database_url: str) -> None:
        async with keeping(database_url, Policy(max_age=1)) as (running, kept):
            id = await run(running)
            seen = [event async for _, event in running.runtime.watch(id, from_seq=2)]
            assert isinstance(seen[-1], ExecutionEnded)
            assert [event async for event in running.runtime.watch(id, from_seq=1_000)] == []
            slow = running.runtime.watch(id)
            await anext(slow)
            await running.advance(1_000)
            await kept.prune()
            async with asyncio.timeout(10):
                assert [seq async for seq, _ in slow], "what it had read is still given to it"

    async def test_it_works_by_itself_and_goes_on_after_a_failure(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with keeping(database_url, Policy(max_age=HOUR)) as (running, kept):
            await run(running)
            with monkeypatch.context() as broken:
                broken.setattr(asked, "workflows_with_history", lambda _: 1 / 0)
                kept.open()
                await idle(kept)
            await running.advance(HOUR)
            await idle(kept)
            await running.advance(EVERY)
            await idle(kept)
            assert await ids(running) == []

    async def test_a_sqlite_file_gives_its_room_back(self, sqlite_url: str, tmp_path: Path) -> None:
        async with keeping(sqlite_url, Policy(max_age=HOUR)) as (running, kept):
            digest = await running.save(chain("a"))
            large = [Item({"text": "x" * 100_000})]
            for _ in range(50):
                await running.end(await running.runtime.start(Start("wf", digest, input=large)))
            await running.quiet()
            pages = _pages(running.store)
            await running.advance(HOUR + 1)
            await kept.prune()
            assert _pages(running.store) < pages / 2


async def idle(kept: Retention) -> None:
    assert kept._work is not None
    await kept._work


def _pages(store: Store) -> int:
    with store.reading() as connection:
        return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())


class TestBlobs:
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> FolderBlobs:
        return FolderBlobs(tmp_path / "blobs")

    @staticmethod
    async def run_with(running: Engine, ref: BinaryRef, drawing: dict[str, Any] | None = None) -> str:
        """Starts an execution whose input names a blob."""
        digest = await running.save(drawing or chain("a"))
        return await running.runtime.start(Start("wf", digest, input=[Item({}, {"file": ref})]))

    async def test_one_that_nobody_names_any_more_goes_after_a_day(self, database_url: str, blobs: FolderBlobs) -> None:
        async with keeping(database_url, Policy(max_age=HOUR), blobs=blobs) as (running, kept):
            kept._mark()
            ref = await blobs.write(b"picture", "image/png")
            await running.end(await self.run_with(running, ref))
            await running.advance(2 * DAY)
            assert await kept.sweep() == 0, "an execution that is kept names it"
            assert await kept.prune() == 1
            await running.advance(GRACE)
            assert await kept.sweep() == 0, "until just now it was in use"
            await running.advance(1)
            assert await kept.sweep() == 1
            assert not blobs.path(ref).exists()
            assert rows_of(running.store, "blob_reference") == 0

    async def test_equal_bytes_stay_as_long_as_one_execution_names_them(
        self, database_url: str, blobs: FolderBlobs
    ) -> None:
        async with keeping(database_url, Policy(max_age=HOUR), blobs=blobs) as (running, kept):
            kept._mark()
            ref = await blobs.write(b"picture", "image/png")
            await running.end(await self.run_with(running, ref))
            waiting = await self.run_with(running, ref, chain(SIGNAL))
            await running.quiet()
            for _ in range(3):
                await running.advance(2 * DAY)
                await kept.prune()
                assert await kept.sweep() == 0
            assert await ids(running) == [waiting]
            assert blobs.path(ref).exists()

    async def test_one_that_a_running_attempt_may_have_written_stays(
        self, database_url: str, blobs: FolderBlobs
    ) -> None:
        world = World()
        gate = world.gate("a")
        async with keeping(database_url, Policy(), world=world, blobs=blobs) as (running, kept):
            id = await running.start(chain("a"))
            await world.reached("a")
            ref = await blobs.write(b"of an attempt that takes days", "")
            kept._mark()
            for _ in range(5):
                running.clock.advance(2 * DAY)
                assert await kept.sweep() == 0
            gate.set()
            await running.end(id)
            await kept.sweep()
            await running.advance(2 * DAY)
            assert await kept.sweep() == 1
            assert not blobs.path(ref).exists()

    async def test_one_that_was_written_again_stays(self, tmp_path: Path, blobs: FolderBlobs) -> None:
        ref = await blobs.write(b"once", "")
        digest = ref.id.removeprefix("sha256:")
        os.utime(blobs.path(ref), (1_000, 1_000))
        found = [each async for page in blobs.written_between(0, 2_000_000) for each in page]
        assert found == [digest]
        await blobs.write(b"once", "")
        assert not await blobs.remove(digest, 2_000_000)
        assert [chunk async for chunk in blobs.read(ref)] == [b"once"]

    async def test_one_that_a_definition_names_stays(self, database_url: str, blobs: FolderBlobs) -> None:
        async with keeping(database_url, Policy(), blobs=blobs) as (running, kept):
            kept._mark()
            ref = await blobs.write(b"pinned", "image/png")
            pinned = {"outputs": {"main": {"items": [{"binary": {"file": {"id": ref.id}}}]}}}
            await running.publish("wf", chain({"id": "a", "type": "action.work", "pinned": pinned}))
            await running.advance(3 * DAY)
            assert await kept.sweep() == 0
            assert blobs.path(ref).exists()

    async def test_a_large_event_and_what_it_names_stay_and_go_together(
        self, database_url: str, blobs: FolderBlobs
    ) -> None:
        async with keeping(database_url, Policy(max_age=HOUR), blobs=blobs) as (running, kept):
            kept._mark()
            ref = await blobs.write(b"inner", "")
            digest = await running.save(chain("a"))
            item = Item({"text": "x" * 300_000}, {"file": ref})
            id = await running.runtime.start(Start("wf", digest, input=[item]))
            await running.end(id)
            await running.advance(2 * DAY)
            assert await kept.sweep() == 0
            await running.advance(1)
            await kept.prune()
            await running.advance(1)
            await kept.sweep()
            await running.advance(2 * DAY)
            assert await kept.sweep() >= 2
            assert not blobs.path(ref).exists()

    async def test_it_sweeps_by_itself(self, database_url: str, blobs: FolderBlobs) -> None:
        async with keeping(database_url, Policy(), blobs=blobs) as (running, kept):
            kept.open()
            await idle(kept)
            ref = await blobs.write(b"nobody's", "")
            for _ in range(2 + DAY // SWEEP_EVERY):
                await running.advance(SWEEP_EVERY)
                await idle(kept)
            assert not blobs.path(ref).exists()


async def test_a_clock_that_is_set_back_stops_no_clearing(sqlite_url: str) -> None:
    async with keeping(sqlite_url, Policy(max_count=1)) as (running, kept):
        kept.open()
        for _ in range(3):
            await run(running)
        for move, ms in ((running.clock.set_back, 30 * DAY), (running.clock.advance, EVERY)):
            assert kept._work is not None
            await kept._work
            move(ms)
        await kept._work
        assert len(await ids(running)) == 1
