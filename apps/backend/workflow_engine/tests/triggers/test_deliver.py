"""One delivery, one decision, one execution; on each kind of database."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.runtime.engine import World, records
from tests.triggers.rig import Rig, rig
from workflow_engine.engine.items import Item
from workflow_engine.models import triggers as stored
from workflow_engine.models.writes import Decision
from workflow_engine.nodes.registry import Registry
from workflow_engine.nodes.trigger.base import Trigger, TriggerParameters
from workflow_engine.triggers import deliver
from workflow_engine.triggers.registered import Registered


class Bell(Trigger[TriggerParameters]):
    """Rings when a test says so."""

    type = "trigger.bell"
    summary = "Rings when a test says so."


def registry(world: World) -> Registry:
    found = world.registry()
    found.add(Bell())
    return found


def drawing(**parameters: Any) -> dict[str, Any]:
    nodes: list[dict[str, Any]] = [
        {"id": "bell", "type": "trigger.bell", "parameters": parameters},
        {"id": "work", "type": "action.work"},
    ]
    return {"nodes": nodes, "connections": ["bell -> work"]}


async def publish(rig: Rig, **parameters: Any) -> Registered:
    [trigger] = await rig.publish("wf", drawing(**parameters))
    return trigger


async def test_a_delivery_starts_one_execution_with_its_items(database_url: str) -> None:
    world = World()
    async with rig(database_url, world, registry=registry(world)) as life:
        bell = await publish(life)

        event = await life.deliver(bell, {"n": 1}, delivery_id="d1")

        assert event.decision is Decision.STARTED
        ended = await life.engine.end(event.execution_id)
        assert records(ended.output) == [{"n": 1, "work": True}]
        row = await life.engine.row(event.execution_id)
        assert (row.mode, row.triggered_by, row.version, row.user_id) == (2, bell.id, 1, "ada")
        assert [event.execution_id] == [each.execution_id for each in life.events(bell)]


async def test_the_same_delivery_again_starts_nothing(database_url: str) -> None:
    world = World()
    async with rig(database_url, world, registry=registry(world)) as life:
        bell = await publish(life)

        first, *again = await asyncio.gather(*(life.deliver(bell, {"n": n}, delivery_id="d1") for n in range(3)))

        assert first.decision is Decision.STARTED
        assert {(each.decision, each.execution_id) for each in again} == {(Decision.DUPLICATE, first.execution_id)}
        await life.engine.end(first.execution_id)
    async with rig(database_url, world, registry=registry(world)) as life:
        [bell] = life.triggers.registered.values()
        assert (await life.deliver(bell, {"n": 9}, delivery_id="d1")).decision is Decision.DUPLICATE
        assert len(world.done) == 1


async def test_a_condition_lets_through_what_it_holds_for(database_url: str) -> None:
    world = World()
    async with rig(database_url, world, registry=registry(world)) as life:
        bell = await publish(life, condition="json.n > 1")

        assert (await life.deliver(bell, {"n": 1})).decision is Decision.SKIPPED_CONDITION
        assert (await life.deliver(bell, {"n": 2})).decision is Decision.STARTED
        odd = await life.deliver(bell, {"m": 2})
        assert odd.decision is Decision.FAILED
        assert "does not fit" in odd.detail
        assert await life.triggers.deliveries.payload(life.events(bell)[0]) == [Item({"n": 1})]


async def test_paused_it_starts_nothing_and_says_so(database_url: str) -> None:
    world = World()
    async with rig(database_url, world, registry=registry(world)) as life:
        bell = await publish(life)
        await life.triggers.pause(bell.id)

        assert (await life.deliver(bell, {}, delivery_id="d1")).decision is Decision.SKIPPED_PAUSED
        assert (await life.deliver(bell, {}, by_hand=True)).decision is Decision.STARTED
        await life.triggers.resume(bell.id)
        assert (await life.deliver(bell, {}, delivery_id="d1")).decision is Decision.STARTED


POLICIES = {
    "skip": (["STARTED", "SKIPPED_OVERLAP", "SKIPPED_OVERLAP"], 1),
    "buffer_one": (["STARTED", "STARTED", "SKIPPED_OVERLAP"], 2),
    "buffer_all": (["STARTED", "STARTED", "STARTED"], 3),
    "allow": (["STARTED", "STARTED", "STARTED"], 3),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("crash", [False, True], ids=["", "crash"])
async def test_what_comes_while_an_execution_runs(database_url: str, policy: str, crash: bool) -> None:
    expected, started = POLICIES[policy]
    world = World()
    gate = world.gate("work")

    async def finish(life: Rig) -> None:
        [bell] = life.triggers.registered.values()
        gate.set()
        await life.quiet()
        for execution_id in [event.execution_id for event in life.events(bell) if event.execution_id]:
            await life.engine.end(execution_id)
            await life.quiet()
        assert life.decisions(bell) == expected
        assert sum(bool(event.execution_id) for event in life.events(bell)) == started
        if policy != "allow":
            assert not bell.running
        assert not bell.buffered

    async with rig(database_url, world, registry=registry(world)) as life:
        bell = await publish(life, overlap=policy)
        for n in range(3):
            await life.deliver(bell, {"n": n}, delivery_id=f"d{n}")
        if not crash:
            await finish(life)
    if crash:
        async with rig(database_url, world, registry=registry(world)) as life:
            await finish(life)


async def test_a_later_one_takes_the_place_of_what_runs_and_of_what_waits(database_url: str) -> None:
    world = World()
    world.gate("work")
    async with rig(database_url, world, registry=registry(world)) as life:
        bell = await publish(life, overlap="cancel_other")
        delivered = [await life.deliver(bell, {"n": n}) for n in range(5)]
        await life.quiet()

        events = life.events(bell)
        *earlier, last = events
        assert last.decision is Decision.STARTED
        assert list(bell.running) == [last.execution_id]
        for event in earlier:
            if event.execution_id:
                assert (await life.engine.end(event.execution_id)).status == "CANCELED"
            else:
                assert event.decision is Decision.SKIPPED_OVERLAP
        assert [event.pk for event in events] == [event.pk for event in delivered]


@pytest.mark.parametrize("crash", [False, True], ids=["", "crash"])
async def test_it_pauses_itself_when_an_execution_fails(database_url: str, crash: bool) -> None:
    world = World(failures={"work": 1})
    async with rig(database_url, world, registry=registry(world)) as life:
        bell = await publish(life, pause_on_failure=True, overlap="buffer_all")
        if crash:
            # As if the process had died between the failure and what follows from it.
            life.triggers.deliveries.follow = lambda *_: None  # type: ignore[method-assign]
            life.triggers.deliveries._until_end = _nothing  # type: ignore[method-assign]
        first = await life.deliver(bell, {})
        assert (await life.engine.end(first.execution_id)).status == "ERROR"
        if not crash:
            await life.quiet()
            assert bell.row.paused
            assert (await life.deliver(bell, {})).decision is Decision.SKIPPED_PAUSED
    async with rig(database_url, world, registry=registry(world)) as life:
        [bell] = life.triggers.registered.values()
        assert bell.row.paused
        assert first.execution_id in life.triggers.problem(bell.id)
        life.clock.advance(1_000)
        await life.triggers.resume(bell.id)
        assert not bell.row.paused
        assert (await life.deliver(bell, {})).decision is Decision.STARTED
    async with rig(database_url, world, registry=registry(world)) as life:
        [bell] = life.triggers.registered.values()
        assert not bell.row.paused, "the failure before it was resumed is forgiven"


async def _nothing(*_: Any) -> None:
    pass


async def test_a_trigger_lives_as_long_as_its_workflow_is_published(database_url: str) -> None:
    world = World()
    async with rig(database_url, world, registry=registry(world)) as life:
        bell = await publish(life, overlap="buffer_all")
        world.gate("work")
        running = await life.deliver(bell, {})
        waiting = await life.deliver(bell, {})
        assert waiting.decision is Decision.BUFFERED

        again = await publish(life, overlap="buffer_all", condition="true")
        assert again is bell
        assert bell.version == 2
        assert len(bell.buffered) == 1

        await life.unpublish("wf")
        assert not life.triggers.registered
        assert life.events(bell)[1].decision is Decision.FAILED
        assert "removed" in life.events(bell)[1].detail
        world.gates["work"].set()
        assert (await life.engine.end(running.execution_id)).status == "SUCCESS"

        back = await publish(life)
        assert back.id == bell.id, "the same node has the same trigger"


async def test_large_deliveries_are_kept_too(database_url: str) -> None:
    world = World()
    async with rig(database_url, world, registry=registry(world)) as life:
        bell = await publish(life, overlap="skip")
        gate = world.gate("work")
        await life.deliver(bell, {})
        skipped = await life.deliver(bell, {"text": "x" * 1_000})
        assert skipped.decision is Decision.SKIPPED_OVERLAP
        assert await life.triggers.deliveries.payload(life.events(bell)[-1]) == [Item({"text": "x" * 1_000})]
        gate.set()


async def test_an_execution_that_can_not_be_stored_leaves_no_event(database_url: str) -> None:
    """They are one transaction."""
    world = World()
    async with rig(database_url, world, registry=registry(world)) as life:
        bell = await publish(life)
        first = await life.deliver(bell, {}, delivery_id="d1")
        # The id is known to the database alone.
        twice = await life.deliver(bell, {}, delivery_id="d1", is_new=True)
        assert (twice.decision, twice.execution_id) == (Decision.DUPLICATE, first.execution_id)
        assert len(world.done) == 1


async def test_a_burst_is_acknowledged_when_it_is_stored_and_starts_in_order(database_url: str) -> None:
    world = World()
    async with rig(database_url, world, registry=registry(world)) as life:
        bell = await publish(life)
        deliveries = life.triggers.deliveries

        events = await asyncio.gather(*(deliveries.accept(bell, [Item({"n": n})]) for n in range(100)))

        assert {event.decision for event in events} == {Decision.STARTED, Decision.RECEIVED}
        await life.quiet()
        for event in events:
            assert records((await life.engine.end(event.execution_id)).output)[0]["work"]
        assert life.decisions(bell) == ["STARTED"] * 100
        assert all(event.payload is None for event in life.events(bell)), "what came is in the journals now"
        received = [event.execution_id for event in events if event.decision is Decision.RECEIVED]
        pks = [(await life.engine.row(id)).pk for id in received]
        assert pks == sorted(pks)
        assert len(world.done) == 100


async def test_what_was_received_starts_in_the_next_life(database_url: str) -> None:
    world = World()
    async with rig(database_url, world, registry=registry(world)) as life:
        bell = await publish(life)
        life.triggers.deliveries.intake._start = _never
        events = await asyncio.gather(*(life.triggers.deliveries.accept(bell, [Item({"n": n})]) for n in range(20)))
        received = [event for event in events if event.decision is Decision.RECEIVED]
        assert len(received) == 12
        assert life.decisions(bell).count("RECEIVED") == 12
    async with rig(database_url, world, registry=registry(world)) as life:
        [bell] = life.triggers.registered.values()
        await life.quiet()
        for event in received:
            await life.engine.end(event.execution_id)
        assert life.decisions(bell) == ["STARTED"] * 20
        assert len(world.done) == 20


async def test_one_that_can_not_start_keeps_no_other_from_it(sqlite_url: str) -> None:
    world = World()
    limited = {**drawing(), "settings": {"max_concurrent_executions": 1000, "concurrency_key": "{{ json.who }}"}}
    async with rig(sqlite_url, world, registry=registry(world)) as life:
        [bell] = await life.publish("wf", limited)
        items = [{"who": "ada"} if n != 15 else {"n": n} for n in range(20)]
        events = await asyncio.gather(*(life.triggers.deliveries.accept(bell, [Item(item)]) for item in items))
        await life.quiet()
        assert sorted(life.decisions(bell)) == ["FAILED"] + ["STARTED"] * 19
        [failed] = [event for event in life.events(bell) if event.decision is Decision.FAILED]
        assert failed.pk == events[15].pk
        assert "concurrency_key" in failed.detail
        assert await life.triggers.deliveries.payload(failed) == [Item({"n": 15})]


async def _never(batch: Any) -> None:
    await asyncio.Event().wait()


async def test_old_records_go_and_what_waits_stays(database_url: str) -> None:
    world = World()
    async with rig(database_url, world, registry=registry(world)) as life:
        bell = await publish(life, overlap="buffer_all")
        gate = world.gate("work")
        for n in range(3):
            await life.deliver(bell, {"n": n}, delivery_id=f"d{n}")
        life.clock.advance(1_000)
        now = life.clock.now_ms()
        assert await life.engine.store.change(stored.prune(now, 1)) == 1
        assert await life.engine.store.change(stored.prune(now, 1)) == 0
        assert life.decisions(bell) == ["BUFFERED", "BUFFERED"]
        gate.set()
        await life.quiet()
        while bell.running or bell.buffered:
            await life.quiet()
        assert life.decisions(bell) == ["STARTED", "STARTED"]


class TestWhoDeliversGoesAway:
    """In the middle of the commit: what becomes true all the same is not forgotten."""

    @staticmethod
    async def deliver_and_go(life: Rig, bell: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
        submit, held = life.engine.store.submit, asyncio.Queue[Any]()
        monkeypatch.setattr(life.engine.store, "submit", lambda *submission: held.put_nowait(submission))
        delivering = asyncio.create_task(life.deliver(bell, {}))
        under_way = await held.get()
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
        monkeypatch.setattr(life.engine.store, "submit", submit)
        submit(*under_way)

    async def test_what_it_started_runs_and_is_not_overlapped(
        self, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = World()
        gate = world.gate("work")
        async with rig(sqlite_url, world, registry=registry(world)) as life:
            bell = await publish(life, overlap="skip")
            await self.deliver_and_go(life, bell, monkeypatch)
            assert (await life.deliver(bell, {})).decision is Decision.SKIPPED_OVERLAP
            gate.set()
            await life.quiet()
            assert life.decisions(bell) == ["STARTED", "SKIPPED_OVERLAP"]

    async def test_what_was_buffered_has_its_turn(self, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World()
        gate = world.gate("work")
        async with rig(sqlite_url, world, registry=registry(world)) as life:
            bell = await publish(life, overlap="buffer_all")
            await life.deliver(bell, {})
            await self.deliver_and_go(life, bell, monkeypatch)
            gate.set()
            await life.quiet()
            assert life.decisions(bell) == ["STARTED", "STARTED"]
            assert len(world.done) == 2

    async def test_what_was_received_starts(self, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World()
        async with rig(sqlite_url, world, registry=registry(world)) as life:
            bell = await publish(life)
            deliveries = life.triggers.deliveries
            monkeypatch.setattr(deliver, "BUSY", 0)
            monkeypatch.setattr(life, "deliver", lambda bell, _: deliveries.accept(bell, [Item({})]))
            await self.deliver_and_go(life, bell, monkeypatch)
            # The writer keeps the order.
            await deliveries.save(bell, "1")
            await life.quiet()
            assert life.decisions(bell) == ["STARTED"]
