"""What the store does not take, and that nobody keeps a slot for it; on each kind of database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.runtime.engine import Engine, World, engine
from tests.runtime.test_local import SIGNAL, asleep, chain
from workflow_engine.engine.events import (
    CancelRequested,
    ChildEnded,
    ExecutionEnded,
    PauseRequested,
    ResumeRequested,
    SignalReceived,
    decode,
)
from workflow_engine.engine.items import Item
from workflow_engine.models.store import Append, ExecutionFilter, Status, StoreUnavailable, WriteRefused
from workflow_engine.nodes.spec import Call, Emit, Result
from workflow_engine.runtime.contract import RuntimeFailure, Start

UNSTORABLE = {"an object": object(), "a huge number": 2**70, "half a character": "\ud800", "itself": []}
UNSTORABLE["itself"].append(UNSTORABLE["itself"])  # type: ignore[attr-defined]
ONE = {"settings": {"max_concurrent_executions": 1}}


def ends(write: Append) -> bool:
    return any(isinstance(decode(data), ExecutionEnded) for data in write.events)


def giving(running: Engine, value: Any) -> None:
    """From now on every step gives `value`."""

    async def run(self: object, call: Call[Any]) -> Result:
        return Emit({"main": [Item({"value": value})]})

    kind = running.runtime._definitions.catalogue.find("action.work", 1)
    type(kind).run = run  # type: ignore[union-attr,method-assign]


def refusing(running: Engine, monkeypatch: pytest.MonkeyPatch, what: Callable[[Append], bool]) -> list[Append]:
    """The database refuses commits with an `Append` that `what` picks; returns those that it refused."""
    submit, refused = running.store.submit, list[Append]()

    def picky(writes: Any, done: Callable[[Exception | None], None]) -> None:
        found = [write for write in writes if isinstance(write, Append) and what(write)]
        if not found:
            submit(writes, done)
            return
        refused.extend(found)
        asyncio.get_running_loop().call_soon(done, WriteRefused("it can not hold this text"))

    monkeypatch.setattr(running.store, "submit", picky)
    return refused


def nobody_holds_anything(running: Engine) -> bool:
    runtime = running.runtime
    held = [group.holding for group in runtime._admission._groups.values() if group.holding]
    return not (held or runtime._in_flight or runtime._backlog or runtime._live or runtime._admission.queued)


class TestUnstorableOutcomes:
    @pytest.mark.parametrize("what", UNSTORABLE)
    async def test_an_attempt_that_gives_what_is_no_json_has_failed(self, sqlite_url: str, what: str) -> None:
        async with engine(sqlite_url, World()) as running:
            giving(running, UNSTORABLE[what])
            id = await running.start(chain("a", **ONE))
            ended = await running.end(id)
            assert (ended.status, ended.failure and ended.failure.reason) == ("ERROR", "NODE_CRASHED")
            assert "can not be stored as JSON" in (ended.failure.message if ended.failure else "")
            await running.quiet()
            assert nobody_holds_anything(running)

    async def test_an_input_that_is_no_json_starts_nothing(self, sqlite_url: str) -> None:
        async with engine(sqlite_url, World()) as running:
            digest = await running.save(chain("a", **ONE))
            with pytest.raises(RuntimeFailure, match="can not be stored as JSON"):
                await running.runtime.start(Start("wf", digest, input=[Item({"n": 2**70})]))
            fine = Start("wf", digest, input=[Item({"n": 1})])
            with pytest.raises(RuntimeFailure):
                await running.runtime.start_all([fine, Start("wf", digest, input=[Item({"n": object()})])])
            assert nobody_holds_anything(running)
            assert (await running.end(await running.runtime.start(fine))).status == "SUCCESS"


class TestRefusedCommits:
    async def test_it_ends_with_the_reason_instead_of_standing_still(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with engine(database_url, World()) as running:
            id = await running.start(chain("a", "b", **ONE))
            refused = refusing(running, monkeypatch, lambda write: write.first == 3 and not ends(write))
            ended = await running.end(id)
            assert refused
            assert (ended.status, ended.failure and ended.failure.reason) == ("ERROR", "NOT_STORABLE")
            assert "it can not hold this text" in (ended.failure.message if ended.failure else "")
            await running.quiet()
            assert nobody_holds_anything(running)
            monkeypatch.undo()
            assert (await running.end(await running.start(chain("a", **ONE)))).status == "SUCCESS"

    async def test_whoever_waits_for_the_commit_is_told(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with engine(database_url, World()) as running:
            id = await running.start(chain(SIGNAL, "a"))
            await running.quiet()
            refusing(running, monkeypatch, lambda write: write.first == 4 and not ends(write))
            with pytest.raises(WriteRefused):
                await running.runtime.send(id, SignalReceived(at=0, name="go"))
            assert (await running.end(id)).status == "ERROR"

    async def test_a_child_goes_with_its_parent(self, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        sub = {"id": "sub", "type": "flow.subworkflow", "parameters": {"workflow_id": "child"}}
        async with engine(database_url, World()) as running:
            await running.publish("child", chain(SIGNAL))
            id = await running.start(chain(sub, "a"))
            await running.quiet()
            [child] = running.store.executions(ExecutionFilter(workflow_id="child"), limit=10)
            refusing(running, monkeypatch, lambda write: write.pk != child.pk and not ends(write))
            with pytest.raises(WriteRefused):
                await running.runtime.send(id, SignalReceived(at=0, name="other"))
            assert (await running.end(id)).status == "ERROR"
            assert (await running.end(child.id)).status == "CANCELED"

    async def test_what_the_database_never_takes_is_tried_once_more_and_no_more(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with engine(database_url, World()) as running:
            id = await running.start(chain(SIGNAL, **ONE))
            await running.quiet()
            pk = (await running.row(id)).pk
            refused = refusing(running, monkeypatch, lambda write: write.pk == pk)
            with pytest.raises(WriteRefused):
                await running.runtime.send(id, SignalReceived(at=0, name="go"))
            await running.quiet()
            assert len(refused) == 2
            assert nobody_holds_anything(running)
        async with engine(database_url, World()) as again:
            await again.runtime.send(id, SignalReceived(at=0, name="go"))
            assert (await again.end(id)).status == "SUCCESS"

    async def test_a_failure_of_any_text_can_be_stored(self, database_url: str) -> None:
        world = World()
        async with engine(database_url, world) as running:

            async def run(self: object, call: Call[Any]) -> Result:
                raise ValueError("nul \0 and half \ud800 of a character")

            kind = running.runtime._definitions.catalogue.find("action.work", 1)
            type(kind).run = run  # type: ignore[union-attr,method-assign]
            id = await running.start(chain("a"))
            assert (await running.end(id)).status == "ERROR"
            assert (await running.row(id)).status is Status.ERROR


class TestCallersThatGoAway:
    @pytest.mark.parametrize("batch", [False, True])
    async def test_who_asks_again_after_its_deadline_is_given_the_same_execution(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch, batch: bool
    ) -> None:
        """The first start is still being stored when its caller gives up and sends it again."""
        async with engine(database_url, World()) as running:
            digest = await running.save(chain("a"))
            start = Start("wf", digest, idempotency_key="k", request_digest="1")

            async def ask() -> str:
                return (await running.runtime.start_all([start]))[0] if batch else await running.runtime.start(start)

            submit, held = running.store.submit, list[Any]()
            reached = asyncio.Event()

            def hold(*submission: Any) -> None:
                held.append(submission)
                reached.set()

            monkeypatch.setattr(running.store, "submit", hold)
            first = asyncio.ensure_future(ask())
            await reached.wait()
            first.cancel()
            await asyncio.wait([first])
            assert running.runtime._keys, "whoever comes next has to wait"
            again = asyncio.ensure_future(ask())
            await asyncio.sleep(0)
            monkeypatch.setattr(running.store, "submit", submit)
            for submission in held:
                submit(*submission)
            assert (await running.end(await again)).status == "SUCCESS"
            assert running.store.count_executions(ExecutionFilter()) == 1


class TestSlots:
    async def test_an_attempt_that_is_stopped_before_it_begins_gives_its_room_back(
        self, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with engine(sqlite_url, World(), max_attempts_in_flight=1) as running:
            launch = running.runtime._launch

            def launch_and_cancel(live: Any, tasks: Any) -> None:
                launch(live, tasks)
                running.runtime._feed(live, CancelRequested(at=0))

            monkeypatch.setattr(running.runtime, "_launch", launch_and_cancel)
            first = await running.start(chain("a"))
            assert (await running.end(first)).status == "CANCELED"
            monkeypatch.undo()
            assert running.runtime._in_flight == 0
            assert (await running.end(await running.start(chain("a")))).status == "SUCCESS"

    async def test_an_attempt_that_waited_for_room_does_not_outlive_its_execution_in_memory(
        self, sqlite_url: str
    ) -> None:
        world = World()
        gate = world.gate("slow")
        async with engine(sqlite_url, world, max_attempts_in_flight=1) as running:
            slow = await running.start(chain("slow"))
            await world.reached("slow")
            other = await running.start(chain("quick"))
            await running.runtime.send(other, PauseRequested(at=0))
            await asyncio.sleep(0)
            gate.set()
            await running.end(slow)
            await running.runtime.send(other, ResumeRequested(at=0))
            assert (await running.end(other)).status == "SUCCESS"
            assert sum(key.startswith(f"{other}:quick") for key in world.done) == 1

    async def test_a_turn_that_nobody_can_take_any_more_goes_to_the_next(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with engine(database_url, World()) as running:
            first = await running.start(chain(SIGNAL, **ONE))
            await running.quiet()
            second = await running.start(chain("a", **ONE))
            third = await running.start(chain("a", **ONE))
            wake, pk = running.runtime._wake, (await running.row(second)).pk

            async def broken(wanted: int) -> Any:
                if wanted == pk:
                    raise RuntimeFailure("INVALID_WORKFLOW", "this release can not run it")
                return await wake(wanted)

            monkeypatch.setattr(running.runtime, "_wake", broken)
            await running.runtime.send(first, SignalReceived(at=0, name="go"))
            assert (await running.end(third)).status == "SUCCESS"

    @pytest.mark.parametrize("reason", ["store", "caller"])
    async def test_a_batch_that_is_not_stored_leaves_nobody_behind(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch, reason: str
    ) -> None:
        sub = {"id": "sub", "type": "flow.subworkflow", "parameters": {"workflow_id": "child"}}
        async with engine(database_url, World()) as running:
            await running.publish("child", chain(SIGNAL, **ONE))
            digest = await running.save(chain(sub, **ONE))
            starts = [Start("wf", digest)] * 3
            if reason == "store":

                def refuse(_: Any, done: Callable[[Exception], None]) -> None:
                    asyncio.get_running_loop().call_soon(done, StoreUnavailable("the disk is full"))

                monkeypatch.setattr(running.store, "submit", refuse)
                with pytest.raises(StoreUnavailable):
                    await running.runtime.start_all(starts)
            else:
                bearing = asyncio.Event()

                async def never(*_: Any) -> None:
                    bearing.set()
                    await asyncio.Event().wait()

                monkeypatch.setattr(running.runtime, "_bear", never)
                batch = asyncio.ensure_future(running.runtime.start_all(starts))
                await bearing.wait()
                batch.cancel()
                await asyncio.wait([batch])
            monkeypatch.undo()
            assert nobody_holds_anything(running)

    async def test_a_batch_bears_the_children_that_it_asks_for(self, database_url: str) -> None:
        sub = {"id": "sub", "type": "flow.subworkflow", "parameters": {"workflow_id": "child"}}
        async with engine(database_url, World()) as running:
            await running.publish("child", chain("x"))
            digest = await running.save(chain(sub, asleep("1s")))
            large = [Item({"text": "x" * 300_000})]
            ids = await running.runtime.start_all([Start("wf", digest), Start("wf", digest, input=large)])
            await running.quiet()
            for id in ids:
                assert any(isinstance(event, ChildEnded) for event in await running.events(id))
            await running.advance(1_000)
            assert [(await running.end(id)).status for id in ids] == ["SUCCESS"] * 2
