"""The local runtime's promises, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clock import ManualClock
from tests.engine.rig import AnyParameters
from tests.runtime.engine import World, engine, records
from workflow_engine.engine import machine
from workflow_engine.engine.events import (
    CancelRequested,
    ExecutionEnded,
    NodeSucceeded,
    OutcomeResolved,
    SignalReceived,
    TimerFired,
)
from workflow_engine.engine.shape import Effect
from workflow_engine.models.store import ExecutionFilter, Status, StoreUnavailable
from workflow_engine.nodes.spec import Call, Node, Result, emit
from workflow_engine.runtime import live
from workflow_engine.runtime.blobs import FolderBlobs
from workflow_engine.runtime.contract import RuntimeFailure, Start
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.runtime.sleepers import RING_AGAIN


def chain(*nodes: dict[str, Any] | str, **more: Any) -> dict[str, Any]:
    """A manual trigger and then one node after the other; a name alone is an idempotent step."""
    made = [{"id": node, "type": "action.work"} if isinstance(node, str) else node for node in nodes]
    path = " -> ".join(["start", *(node["id"] for node in made)])
    return {"nodes": [{"id": "start", "type": "trigger.manual"}, *made], "connections": [path], **more}


CHARGE = {"id": "charge", "type": "action.charge"}
SIGNAL = {"id": "wait", "type": "flow.wait", "parameters": {"signal": "go"}}


def asleep(duration: str) -> dict[str, Any]:
    return {"id": f"sleep{duration}", "type": "flow.wait", "parameters": {"duration": duration}}


class TestCrashes:
    async def test_what_was_stored_is_not_run_again_and_the_rest_is(self, database_url: str) -> None:
        world = World()
        world.gate("b")
        async with engine(database_url, world) as first:
            id = await first.start(chain("a", "b", "c"))
            await world.reached("b")
        world.gates.clear()
        async with engine(database_url, world) as second:
            ended = await second.end(id)
        assert ended.status == "SUCCESS"
        assert records(ended.output) == [{"a": True, "b": True, "c": True}]
        assert world.done == [f"{id}:a", f"{id}:b", f"{id}:b", f"{id}:c"]

    async def test_an_effect_with_unknown_outcome_waits_for_a_person(self, database_url: str) -> None:
        world = World()
        world.gate("charge")
        async with engine(database_url, world) as first:
            id = await first.start(chain(CHARGE, "b"))
            await world.reached("charge")
        world.gates.clear()
        async with engine(database_url, world) as second:
            await second.quiet()
            assert world.done == [f"{id}:charge"]
            resolved = OutcomeResolved(at=0, node="charge", decision="succeeded", outputs={"main": []})
            assert await second.runtime.send(id, resolved)
            assert (await second.end(id)).status == "SUCCESS"
        assert world.done.count(f"{id}:charge") == 1

    async def test_what_can_not_be_written_down_fails_the_node_and_hangs_nobody(self, database_url: str) -> None:
        class Strange(Node[AnyParameters]):
            """Gives what is no JSON."""

            type = "action.strange"
            summary = "Gives what is no JSON."
            effect = Effect.AT_MOST_ONCE

            async def run(self, call: Call[AnyParameters]) -> Result:
                return emit({"made": object()})

        registry = World().registry()
        registry.add(Strange())
        async with engine(database_url, World(), registry=registry) as one:
            ended = await one.end(await one.start(chain({"id": "odd", "type": "action.strange"})))
        assert ended.failure
        assert (ended.failure.reason, ended.failure.node) == ("NODE_CRASHED", "odd")
        assert "can not be stored" in ended.failure.message

    async def test_a_timer_survives_and_fires_late_rather_than_never(self, database_url: str) -> None:
        world, clock = World(), ManualClock()
        async with engine(database_url, world, clock) as first:
            id = await first.start(chain({"id": "wait", "type": "flow.wait", "parameters": {"duration": "1h"}}, "a"))
            await first.quiet()
            assert (await first.row(id)).status is Status.WAITING
        clock.advance(7_200_000)
        async with engine(database_url, world, clock) as second:
            await second.advance(1)
            assert (await second.end(id)).status == "SUCCESS"

    async def test_sleepers_take_no_memory_and_each_wakes_at_its_own_time(self, database_url: str) -> None:
        world = World()
        async with engine(database_url, world) as running:
            hours = [3, 1, 2, 1]
            ids = [await running.start(chain(asleep(f"{each}h"), f"after{each}")) for each in hours]
            await running.quiet()
            assert running.runtime._live == {}
            for hour in (1, 2, 3):
                await running.advance(3_600_000)
                for id, each in zip(ids, hours, strict=True):
                    if each == hour:
                        assert (await running.end(id)).status == "SUCCESS"
                assert len(world.done) == sum(each <= hour for each in hours)
            assert running.clock.next_alarm() is None

    async def test_one_jump_of_the_clock_wakes_page_after_page(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("workflow_engine.runtime.sleepers.AT_ONCE", 2)
        async with engine(database_url, World()) as running:
            ids = [await running.start(chain(asleep(f"{1 + n // 3}m"), asleep("30s"), "a")) for n in range(9)]
            await running.advance(600_000)
            await running.advance(30_000)
            assert [(await running.end(id)).status for id in ids] == ["SUCCESS"] * 9

    async def test_a_clock_that_is_set_back_keeps_nobody_asleep(self, database_url: str) -> None:
        world, clock = World(), ManualClock()
        async with engine(database_url, world, clock) as running:
            early = await running.start(chain(asleep("1h"), "a"))
            await running.advance(3_600_000)
            await running.end(early)
            clock._now -= 3_600_000
            late = await running.start(chain(asleep("10m"), "a"))
            await running.advance(600_000)
            assert (await running.end(late)).status == "SUCCESS"

    async def test_a_mistake_delays_timers_and_does_not_end_them(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with engine(database_url, World()) as running:
            id = await running.start(chain(asleep("1h"), "a"))
            await running.quiet()
            monkeypatch.setattr(running.store, "due", lambda *_: 1 / 0)
            await running.advance(3_600_000)
            await running.quiet()
            monkeypatch.undo()
            assert (await running.row(id)).status is Status.WAITING
            await running.advance(RING_AGAIN)
            assert (await running.end(id)).status == "SUCCESS"

    async def test_who_was_woken_before_its_time_is_left_alone_then(self, database_url: str) -> None:
        wait = {"id": "wait", "type": "flow.wait", "parameters": {"signal": "go", "timeout": "1h"}}
        async with engine(database_url, World()) as running:
            id = await running.start(chain(wait, SIGNAL | {"id": "second"}, "a"))
            await running.quiet()
            await running.runtime.send(id, SignalReceived(at=0, name="go"))
            await running.advance(3_600_000)
            await running.quiet()
            assert not any(isinstance(event, TimerFired) for event in await running.events(id))
            await running.runtime.send(id, SignalReceived(at=0, name="go"))
            assert (await running.end(id)).status == "SUCCESS"

    async def test_a_child_that_ended_while_its_parent_was_away_is_noticed(self, database_url: str) -> None:
        world = World()
        parent = chain({"id": "sub", "type": "flow.subworkflow", "parameters": {"workflow_id": "child"}}, "after")
        async with engine(database_url, world) as first:
            await first.publish("child", chain(SIGNAL))
            id = await first.start(parent)
            await first.quiet()
        async with engine(database_url, world) as second:
            children = second.store.executions(ExecutionFilter(workflow_id="child"), limit=10)
            await second.runtime.send(children[0].id, SignalReceived(at=0, name="go"))
            ended = await second.end(id)
        assert (ended.status, len(children)) == ("SUCCESS", 1)


class TestFamilies:
    async def test_children_run_once_for_each_item_and_results_keep_their_order(self, database_url: str) -> None:
        world = World()
        async with engine(database_url, world) as running:
            await running.publish("child", chain("x"))
            sub = {"workflow_id": "child", "mode": "per_item"}
            id = await running.start(
                chain({"id": "sub", "type": "flow.subworkflow", "parameters": sub}),
                {"n": 1},
                {"n": 2},
                {"n": 3},
            )
            ended = await running.end(id)
        assert records(ended.output) == [{"n": n, "x": True} for n in (1, 2, 3)]

    async def test_a_failing_child_fails_its_parent_after_a_wait(self, database_url: str) -> None:
        world = World(failures={"x": 9})
        async with engine(database_url, world) as running:
            await running.publish("child", chain(SIGNAL, "x"))
            id = await running.start(
                chain({"id": "sub", "type": "flow.subworkflow", "parameters": {"workflow_id": "child"}})
            )
            await running.quiet()
            child = running.store.executions(ExecutionFilter(workflow_id="child"), limit=1)[0]
            await running.runtime.send(child.id, SignalReceived(at=0, name="go"))
            ended = await running.end(id)
        assert ended.status == "ERROR"
        assert ended.failure is not None
        assert ended.failure.cause is not None
        assert (ended.failure.reason, ended.failure.cause.reason) == ("SUBWORKFLOW_FAILED", "BROKEN")

    async def test_cancelling_a_parent_cancels_its_children_first(self, database_url: str) -> None:
        async with engine(database_url, World()) as running:
            await running.publish("child", chain(SIGNAL))
            id = await running.start(
                chain({"id": "sub", "type": "flow.subworkflow", "parameters": {"workflow_id": "child"}})
            )
            await running.quiet()
            await running.runtime.send(id, CancelRequested(at=0))
            assert (await running.end(id)).status == "CANCELED"
            child = running.store.executions(ExecutionFilter(workflow_id="child"), limit=1)[0]
            assert child.status is Status.CANCELED

    async def test_a_missing_child_workflow_fails_the_node_and_says_so(self, database_url: str) -> None:
        async with engine(database_url, World()) as running:
            id = await running.start(
                chain({"id": "sub", "type": "flow.subworkflow", "parameters": {"workflow_id": "nobody"}})
            )
            ended = await running.end(id)
        assert ended.failure is not None
        assert "'nobody'" in ended.failure.message

    async def test_a_failure_starts_the_error_workflow_with_what_went_wrong(self, database_url: str) -> None:
        world = World(failures={"x": 9})
        async with engine(database_url, world) as running:
            await running.publish("on_error", chain("report"))
            id = await running.start(chain("x", settings={"error_workflow_id": "on_error"}))
            assert (await running.end(id)).status == "ERROR"
            handler = running.store.executions(ExecutionFilter(workflow_id="on_error"), limit=10)
            assert len(handler) == 1
            ended = await running.end(handler[0].id)
        assert ended.output[0].json["error"]["reason"] == "BROKEN"
        assert ended.output[0].json["execution"]["id"] == id


class TestTime:
    async def test_a_retry_waits_its_interval_by_the_clock(self, database_url: str) -> None:
        world = World(failures={"a": 2})
        retry = {"max_attempts": 3, "initial_interval": "10s"}
        async with engine(database_url, world) as running:
            id = await running.start(chain({"id": "a", "type": "action.work", "retry": retry}))
            await running.advance(9_999)
            await running.quiet()
            assert len(world.done) == 1
            await running.advance(1)
            await running.advance(20_000)
            assert (await running.end(id)).status == "SUCCESS"
        assert len(world.done) == 3

    async def test_an_execution_that_takes_too_long_fails(self, database_url: str) -> None:
        world = World()
        world.gate("a")
        async with engine(database_url, world) as running:
            id = await running.start(chain("a", settings={"timeout": "60s"}))
            await world.reached("a")
            running.clock.advance(60_000)
            ended = await running.end(id)
        assert ended.failure is not None
        assert ended.failure.reason == "EXECUTION_TIMEOUT"


class TestLimits:
    async def test_slots_are_given_on_in_order_and_survive_a_restart(self, database_url: str) -> None:
        world = World()
        drawing = chain(SIGNAL, settings={"max_concurrent_executions": 2})
        async with engine(database_url, world) as first:
            ids = [await first.start(drawing) for _ in range(5)]
            await first.quiet()
            assert [(await first.row(id)).status for id in ids] == [Status.WAITING] * 2 + [Status.NEW] * 3
        async with engine(database_url, world) as second:
            for id in ids:
                await second.quiet()
                open_now = [each for each in ids if (await second.row(each)).status is Status.WAITING]
                assert len(open_now) <= 2
                await second.runtime.send(id, SignalReceived(at=0, name="go"))
                assert (await second.end(id)).status == "SUCCESS"

    async def test_a_full_queue_refuses_and_says_why(self, database_url: str) -> None:
        drawing = chain(SIGNAL, settings={"max_concurrent_executions": 1})
        async with engine(database_url, World(), queue_limit=1) as running:
            await running.start(drawing)
            await running.start(drawing)
            with pytest.raises(RuntimeFailure) as refused:
                await running.start(drawing)
        assert refused.value.reason == "QUEUE_FULL"

    async def test_a_cancelled_place_in_the_queue_is_given_back(self, database_url: str) -> None:
        drawing = chain(SIGNAL, settings={"max_concurrent_executions": 1})
        async with engine(database_url, World()) as running:
            first, second, third = [await running.start(drawing) for _ in range(3)]
            await running.runtime.send(second, CancelRequested(at=0))
            assert (await running.end(second)).status == "CANCELED"
            await running.runtime.send(first, SignalReceived(at=0, name="go"))
            await running.end(first)
            await running.runtime.send(third, SignalReceived(at=0, name="go"))
            assert (await running.end(third)).status == "SUCCESS"

    async def test_a_waiting_execution_leaves_memory_and_comes_back(self, database_url: str) -> None:
        async with engine(database_url, World()) as running:
            ids = [await running.start(chain(SIGNAL, "a")) for _ in range(20)]
            await running.quiet()
            assert running.runtime._live == {}
            await asyncio.gather(*(running.runtime.send(id, SignalReceived(at=0, name="go")) for id in ids))
            assert {(await running.end(id)).status for id in ids} == {"SUCCESS"}


class TestTheJournal:
    async def test_a_large_event_lies_in_the_blob_store(self, database_url: str, tmp_path: Path) -> None:
        blobs, text = FolderBlobs(tmp_path), "x" * 1_000_000
        async with engine(database_url, World(), blobs=blobs) as first:
            id = await first.start(chain(SIGNAL, "a"), {"text": text})
            await first.quiet()
            pk = (await first.row(id)).pk
            assert sum(len(data) for _, data in first.store.read_events(pk, 1, 100)) < 1_000
        async with engine(database_url, World(), blobs=blobs) as second:
            await second.runtime.send(id, SignalReceived(at=0, name="go"))
            assert records((await second.end(id)).output)[0]["text"] == text
            assert [seq async for seq, _ in second.runtime.watch(id)] == list(range(1, 8))

    async def test_a_blob_store_that_is_full_refuses_the_start(self, database_url: str, tmp_path: Path) -> None:
        (tmp_path / "full").write_text("no folder")
        async with engine(database_url, World(), blobs=FolderBlobs(tmp_path / "full")) as running:
            with pytest.raises(StoreUnavailable, match="blob store"):
                await running.start(chain("a"), {"text": "x" * 1_000_000})
            assert running.runtime._live == {}
            assert (await running.end(await running.start(chain("a"), {}))).status == "SUCCESS"

    async def test_a_start_that_is_refused_leaves_no_child_behind(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        call = {"id": "sub", "type": "flow.subworkflow", "parameters": {"workflow_id": "child"}}

        def refuse(_: Any, done: Callable[[Exception], None]) -> None:
            monkeypatch.undo()
            asyncio.get_running_loop().call_soon(done, StoreUnavailable("the database is restarting"))

        async with engine(database_url, World()) as running:
            await running.publish("child", chain("a") | {"settings": {"max_concurrent_executions": 1}})
            await running.save(chain(call))
            monkeypatch.setattr(running.store, "submit", refuse)
            with pytest.raises(StoreUnavailable):
                await running.start(chain(call))
            # The child that was never born does not hold the only slot.
            assert (await running.end(await running.start(chain(call)))).status == "SUCCESS"
            await running.quiet()
            assert running.runtime._live == {}

    async def test_one_start_under_one_key_whoever_comes_first(self, database_url: str) -> None:
        async with engine(database_url, World()) as running:
            digest = await running.save(chain("a"))
            start = Start("wf", digest, idempotency_key="k", request_digest="r")
            ids = await asyncio.gather(*(running.runtime.start(start) for _ in range(10)))
        assert len(set(ids)) == 1

    async def test_every_journal_ends_once_and_nothing_follows(self, database_url: str) -> None:
        world = World(failures={"a": 1})
        async with engine(database_url, world) as running:
            id = await running.start(chain("a", "b"))
            await running.end(id)
            events = await running.events(id)
        assert isinstance(events[-1], ExecutionEnded)
        assert sum(isinstance(event, ExecutionEnded) for event in events) == 1
        assert [event.node for event in events if isinstance(event, NodeSucceeded)] == ["start"]

    async def test_watchers_see_the_past_and_then_the_present(self, database_url: str) -> None:
        async with engine(database_url, World()) as running:
            id = await running.start(chain(SIGNAL, "a"))
            seen = []
            async for seq, event in running.runtime.watch(id):
                seen.append(seq)
                if seq == 3:
                    await running.runtime.send(id, SignalReceived(at=0, name="go"))
                ended = isinstance(event, ExecutionEnded)
            assert ended
        assert seen == list(range(1, len(seen) + 1))

    async def test_who_watches_while_a_commit_is_under_way_misses_nothing(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with engine(database_url, World()) as running:
            id = await running.start(chain(SIGNAL, "a"))
            stored = len(await running.events(id))
            submit, held = running.store.submit, asyncio.Queue[Any]()
            monkeypatch.setattr(running.store, "submit", lambda *submission: held.put_nowait(submission))
            sending = asyncio.create_task(running.runtime.send(id, SignalReceived(at=0, name="go")))
            under_way = await held.get()
            watching = running.runtime.watch(id)
            seen = [(await anext(watching))[0] for _ in range(stored)]
            following = asyncio.ensure_future(anext(watching))
            for _ in range(3):
                assert len(await running.events(id)) == stored
            monkeypatch.setattr(running.store, "submit", submit)
            submit(*under_way)
            async with asyncio.timeout(10):
                rest = [await following, *[each async for each in watching]]
            await sending
        assert isinstance(rest[-1][1], ExecutionEnded)
        seen += [seq for seq, _ in rest]
        assert seen == list(range(1, len(seen) + 1))


class TestLongRuns:
    async def test_a_long_run_comes_back_from_its_snapshot(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live, "SNAPSHOT_EVENTS", 20)
        drawing = {
            "nodes": [
                {"id": "start", "type": "trigger.manual"},
                {"id": "loop", "type": "flow.loop", "parameters": {"mode": "times", "times": 30}},
                SIGNAL,
                {"id": "a", "type": "action.work"},
            ],
            "connections": ["start -> loop", "loop.body -> wait -> a -> loop.return"],
        }
        world = World()
        async with engine(database_url, world) as first:
            id = await first.start(drawing)
            for _ in range(15):
                await first.runtime.send(id, SignalReceived(at=0, name="go"))
                await first.quiet()
            pk = (await first.row(id)).pk
            seen = first.store.snapshot(pk)
            assert seen is not None
            assert seen[0] >= 40
        async with engine(database_url, world) as second:
            for _ in range(15):
                await second.runtime.send(id, SignalReceived(at=0, name="go"))
                await second.quiet()
            assert (await second.end(id)).status == "SUCCESS"
            assert second.store.snapshot(pk) is None
            assert len(world.done) == len(set(world.done)) == 30
            plan = await Definitions(second.store, world.registry()).plan((await second.row(id)).digest)
            assert machine.replay(plan, await second.events(id)).status == "SUCCESS"
