"""What every runtime promises, on every runtime: the local one on both databases, and Temporal's."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.engine import stories
from tests.runtime.engine import World, records
from tests.runtime.lives import KINDS, Place, life, new_queue
from tests.runtime.stage import Play, Stage
from tests.runtime.test_local import CHARGE, SIGNAL, chain
from workflow_engine.engine.events import (
    CancelRequested,
    ExecutionEnded,
    OutcomeResolved,
    PauseRequested,
    ResumeRequested,
    SignalReceived,
    TaskAnswered,
)
from workflow_engine.engine.tasks import Answer
from workflow_engine.models import tasks
from workflow_engine.models.store import ExecutionFilter, Status
from workflow_engine.nodes.spec import Emit, NodeFailure
from workflow_engine.runtime.contract import RuntimeFailure, Start


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A runtime of each kind."""
    kind, _, database = request.param.partition("-")
    url = request.getfixturevalue(f"{database or 'postgres'}_url")
    if kind == "local":
        return Place(url, tmp_path / "blobs")
    return Place(url, tmp_path / "blobs", request.getfixturevalue("temporal_address"), new_queue())


NOT_FOR_A_RUNTIME = {
    "wcp35_cancelling_partial_join_for_multiple_instances": "its child takes its time to be cancelled; a real one ends",
    "steps_of_an_agent": "it crashes in the middle; TestLives does that for real",
}


async def test_every_scenario(place: Place) -> None:
    """All stories at once, on one runtime."""
    stage = Stage()
    paths = [path for path in stories.files() if path.stem not in NOT_FOR_A_RUNTIME]
    async with life(place, stage.registry()) as engine:
        plays = [Play(stage, engine, stories.read(path)).run() for path in paths]
        ends = await asyncio.gather(*plays, return_exceptions=True)
    failed = {path.stem: end for path, end in zip(paths, ends, strict=True) if end is not None}
    assert not failed, "\n".join(f"{name}: {error!r}" for name, error in failed.items())


class TestStarting:
    async def test_what_goes_in_comes_out(self, place: Place) -> None:
        async with life(place, World().registry()) as engine:
            id = await engine.start(chain("a", "b"), {"n": 1}, {"n": 2})
            ended = await engine.end(id)
        assert records(ended.output) == [{"n": 1, "a": True, "b": True}, {"n": 2, "a": True, "b": True}]

    async def test_one_key_starts_one_execution(self, place: Place) -> None:
        world = World()
        async with life(place, world.registry()) as engine:
            digest = await engine.save(chain("a"))
            start = Start("wf", digest, idempotency_key="k", request_digest="1")
            ids = await asyncio.gather(*(engine.runtime.start(start) for _ in range(5)))
            assert len(set(ids)) == 1
            await engine.end(ids[0])
            assert await engine.runtime.start(start) == ids[0]
            with pytest.raises(RuntimeFailure, match="another request"):
                await engine.runtime.start(Start("wf", digest, idempotency_key="k", request_digest="2"))
        assert world.done == [f"{ids[0]}:a"]

    async def test_many_are_started_together(self, place: Place) -> None:
        async with life(place, World().registry()) as engine:
            digest = await engine.save(chain("a"))
            ids = await engine.runtime.start_all([Start("wf", digest)] * 3)
            assert [(await engine.end(id)).status for id in ids] == ["SUCCESS"] * 3
        assert len(set(ids)) == 3

    async def test_a_batch_that_is_sent_again_starts_only_what_is_new(self, place: Place) -> None:
        def asked(key: str, digest: str = "1") -> Start:
            return Start("wf", definition, idempotency_key=key, request_digest=digest)

        async with life(place, World().registry()) as engine:
            definition = await engine.save(chain("a"))
            one = await engine.runtime.start(asked("one"))
            ids = await engine.runtime.start_all([asked("two"), asked("one"), asked("two"), asked(""), asked("")])
            assert ids[1] == one
            assert ids[2] == ids[0]
            assert len(set(ids)) == 4
            again = await engine.runtime.start_all([asked("three"), asked("two")])
            assert again[1] == ids[0]
            for batch in ([asked("four"), asked("four", "2")], [asked("five"), asked("one", "2")]):
                with pytest.raises(RuntimeFailure, match="another request"):
                    await engine.runtime.start_all(batch)
            assert [(await engine.end(id)).status for id in {*ids, *again}] == ["SUCCESS"] * 5


class TestTelling:
    async def test_a_signal_reaches_who_waits_for_it(self, place: Place) -> None:
        async with life(place, World().registry()) as engine:
            id = await engine.start(chain(SIGNAL, "a"))
            await until_status(engine, id, Status.WAITING)
            assert await engine.runtime.send(id, SignalReceived(at=0, name="go", payload={"x": 1}))
            assert (await engine.end(id)).status == "SUCCESS"
            with pytest.raises(RuntimeFailure, match="has ended"):
                await engine.runtime.send(id, SignalReceived(at=0, name="go"))

    async def test_nobody_can_be_told_who_does_not_exist(self, place: Place) -> None:
        async with life(place, World().registry()) as engine:
            with pytest.raises(RuntimeFailure, match="there is no execution"):
                await engine.runtime.send("exec_nobody", CancelRequested(at=0))

    async def test_pause_holds_and_resume_goes_on(self, place: Place) -> None:
        world = World()
        gate = world.gate("a")
        async with life(place, world.registry()) as engine:
            id = await engine.start(chain("a", "b"))
            await world.reached("a")
            assert await engine.runtime.send(id, PauseRequested(at=0))
            assert not await engine.runtime.send(id, PauseRequested(at=0)), "it is paused already"
            gate.set()
            await until_status(engine, id, Status.PAUSED)
            assert world.done == [f"{id}:a"]
            await engine.runtime.send(id, ResumeRequested(at=0))
            assert (await engine.end(id)).status == "SUCCESS"

    async def test_cancel_ends_what_runs_and_what_waits(self, place: Place) -> None:
        world = World()
        world.gate("a")
        async with life(place, world.registry()) as engine:
            running = await engine.start(chain("a", "b"))
            waiting = await engine.start(chain(SIGNAL))
            await world.reached("a")
            for id in (running, waiting):
                await engine.runtime.send(id, CancelRequested(at=0))
                assert (await engine.end(id)).status == "CANCELED"
                assert (await engine.row(id)).status is Status.CANCELED

    async def test_a_task_is_there_while_its_run_waits_and_is_answered_once(self, place: Place) -> None:
        approval = {"id": "ask", "type": "human.approval", "parameters": {"title": "Shall we?"}}
        drawing = {
            "nodes": [{"id": "start", "type": "trigger.manual"}, approval, {"id": "yes", "type": "flow.no_op"}],
            "connections": ["start -> ask", "ask.approved -> yes"],
        }
        async with life(place, World().registry()) as engine:
            id = await engine.start(drawing)
            await until_status(engine, id, Status.WAITING)
            [found] = tasks.page(engine.store, execution_id=id, limit=10)
            assert (found.status, found.task.title) == ("open", "Shall we?")
            answer = Answer(task=found.task.id, at=1, by="me", data={"approved": True}, files={}, via="rpc")
            answers = [TaskAnswered(at=1, node="ask", answer=answer)] * 2
            taken = await asyncio.gather(*(engine.runtime.send(id, each) for each in answers), return_exceptions=True)
            assert taken.count(True) == 1, taken
            assert (await engine.end(id)).status == "SUCCESS"
            [after] = tasks.page(engine.store, execution_id=id, limit=10)
        assert (after.status, [each.by for each in after.answers]) == ("answered", ["me"])


class TestTime:
    async def test_a_failed_attempt_is_made_again_after_its_interval(self, place: Place) -> None:
        world = World(failures={"a": 2})
        retry = {"max_attempts": 3, "initial_interval": "0.05s"}
        async with life(place, world.registry()) as engine:
            id = await engine.start(chain({"id": "a", "type": "action.work", "retry": retry}))
            assert (await engine.end(id)).status == "SUCCESS"
        assert world.done == [f"{id}:a"] * 3

    async def test_a_wait_ends_by_itself(self, place: Place) -> None:
        wait = {"id": "wait", "type": "flow.wait", "parameters": {"duration": "0.1s"}}
        async with life(place, World().registry()) as engine:
            id = await engine.start(chain(wait, "a"))
            assert (await engine.end(id)).status == "SUCCESS"

    async def test_an_attempt_that_takes_too_long_fails(self, place: Place) -> None:
        world = World()
        world.gate("a")
        async with life(place, world.registry()) as engine:
            id = await engine.start(chain({"id": "a", "type": "action.work", "timeout": "0.1s"}))
            ended = await engine.end(id)
        assert ended.failure is not None
        assert ended.failure.reason == "TIMEOUT"

    async def test_an_execution_that_takes_too_long_fails(self, place: Place) -> None:
        async with life(place, World().registry()) as engine:
            id = await engine.start(chain(SIGNAL, settings={"timeout": "0.3s"}))
            ended = await engine.end(id)
        assert ended.failure is not None
        assert ended.failure.reason == "EXECUTION_TIMEOUT"


class TestFamilies:
    async def test_children_run_once_for_each_item(self, place: Place) -> None:
        async with life(place, World().registry()) as engine:
            await engine.publish("child", chain("x"))
            sub = {"workflow_id": "child", "mode": "per_item"}
            node = {"id": "sub", "type": "flow.subworkflow", "parameters": sub}
            id = await engine.start(chain(node, "after"), {"n": 1}, {"n": 2})
            ended = await engine.end(id)
            children = engine.store.executions(ExecutionFilter(workflow_id="child"), limit=10)
            parent = await engine.row(id)
        assert records(ended.output) == [{"n": n, "x": True, "after": True} for n in (1, 2)]
        assert [child.parent_pk for child in children] == [parent.pk] * 2

    async def test_a_failing_child_fails_its_parent(self, place: Place) -> None:
        async with life(place, World(failures={"x": 9}).registry()) as engine:
            await engine.publish("child", chain("x"))
            sub = {"id": "sub", "type": "flow.subworkflow", "parameters": {"workflow_id": "child"}}
            ended = await engine.end(await engine.start(chain(sub)))
        assert ended.failure is not None
        assert ended.failure.cause is not None
        assert (ended.failure.reason, ended.failure.cause.reason) == ("SUBWORKFLOW_FAILED", "BROKEN")

    async def test_a_child_that_does_not_exist_fails_its_parent(self, place: Place) -> None:
        async with life(place, World().registry()) as engine:
            sub = {"id": "sub", "type": "flow.subworkflow", "parameters": {"workflow_id": "nobody"}}
            ended = await engine.end(await engine.start(chain(sub)))
        assert ended.failure is not None
        assert "'nobody'" in ended.failure.message

    async def test_cancelling_a_parent_cancels_its_children_first(self, place: Place) -> None:
        async with life(place, World().registry()) as engine:
            await engine.publish("child", chain(SIGNAL))
            sub = {"id": "sub", "type": "flow.subworkflow", "parameters": {"workflow_id": "child"}}
            id = await engine.start(chain(sub))
            await until_status(engine, id, Status.WAITING)
            await engine.runtime.send(id, CancelRequested(at=0))
            assert (await engine.end(id)).status == "CANCELED"
            [child] = engine.store.executions(ExecutionFilter(workflow_id="child"), limit=10)
        assert child.status is Status.CANCELED

    async def test_a_failure_starts_the_error_workflow(self, place: Place) -> None:
        async with life(place, World(failures={"x": 9}).registry()) as engine:
            await engine.publish("on_error", chain("report"))
            id = await engine.start(chain("x", settings={"error_workflow_id": "on_error"}))
            assert (await engine.end(id)).status == "ERROR"
            ended = await engine.end(f"{id}.error")
        assert ended.output[0].json["error"]["reason"] == "BROKEN"
        assert ended.output[0].json["execution"]["id"] == id


class TestLimits:
    async def test_one_at_a_time_in_order(self, place: Place) -> None:
        world = World()
        gate = world.gate("a")
        async with life(place, world.registry()) as engine:
            drawing = chain("a", settings={"max_concurrent_executions": 1})
            ids = [await engine.start(drawing) for _ in range(3)]
            await world.reached("a")
            assert world.done == [f"{ids[0]}:a"]
            assert [(await engine.row(id)).status for id in ids[1:]] == [Status.NEW] * 2
            # Who waits can be called off, and keeps nobody else out.
            await engine.runtime.send(ids[1], CancelRequested(at=0))
            assert (await engine.end(ids[1])).status == "CANCELED"
            gate.set()
            assert [(await engine.end(id)).status for id in (ids[0], ids[2])] == ["SUCCESS"] * 2
        assert world.done == [f"{ids[0]}:a", f"{ids[2]}:a"]


class TestTheJournal:
    async def test_watchers_see_the_past_and_then_the_present(self, place: Place) -> None:
        async with life(place, World().registry()) as engine:
            id = await engine.start(chain("a", SIGNAL))
            await until_status(engine, id, Status.WAITING)
            seen: list[tuple[int, Any]] = []
            told = False
            async for seq, event in engine.runtime.watch(id, 2):
                seen.append((seq, event))
                if not told and len(seen) == len(await engine.events(id)) - 1:
                    told = await engine.runtime.send(id, SignalReceived(at=0, name="go"))
            events = await engine.events(id)
        assert [seq for seq, _ in seen] == list(range(2, len(events) + 1))
        assert isinstance(seen[-1][1], ExecutionEnded)

    async def test_large_data_goes_through(self, place: Place) -> None:
        async with life(place, World().registry()) as engine:
            text = "x" * 3_000_000
            id = await engine.start(chain("a", "b"), {"text": text})
            ended = await engine.end(id)
        assert ended.output[0].json["text"] == text

    async def test_one_node_can_be_tried_without_a_trace(self, place: Place) -> None:
        async with life(place, World().registry()) as engine:
            plan = await engine.runtime._definitions.plan(await engine.save(chain("a", "b")))
            history = await engine.runtime.try_node(plan, "b", [], {})
            assert [record.status for record in history.runs.values()] == ["succeeded"]
            assert engine.store.executions(ExecutionFilter(), limit=1) == []


class TestLives:
    async def test_what_was_done_is_not_done_again_in_the_next_life(self, place: Place) -> None:
        world = World()
        world.gate("b")
        async with life(place, world.registry()) as first:
            id = await first.start(chain("a", "b", "c"))
            await world.reached("b")
        world.gates.clear()
        async with life(place, world.registry()) as second:
            assert (await second.end(id)).status == "SUCCESS"
        assert world.done == [f"{id}:a", f"{id}:b", f"{id}:b", f"{id}:c"]

    async def test_steps_are_kept_from_attempt_to_attempt_and_from_life_to_life(self, place: Place) -> None:
        retry = {"max_attempts": 2, "initial_interval": "0.05s"}
        drawing = chain({"id": "agent", "type": "action.task", "retry": retry})
        stage = Stage()
        async with life(place, stage.registry()) as first:
            id = await first.start(drawing)
            attempt = await stage.next()
            await attempt.call.steps.put("model:0", "look it up", {"tokens": 7})
            attempt.outcome.set_exception(NodeFailure("RATE_LIMITED", "slowly", retryable=True))
            again = await stage.next()
            assert again.call.steps.get("model:0") == "look it up"
            await again.call.steps.put("tool:0", "found")
        stage = Stage()
        async with life(place, stage.registry()) as second:
            last = await stage.next()
            assert [last.call.steps.get(step) for step in ("model:0", "tool:0")] == ["look it up", "found"]
            last.outcome.set_result(Emit({"main": []}))
            assert (await second.end(id)).status == "SUCCESS"

    async def test_an_effect_that_was_cut_off_waits_for_a_person(self, place: Place) -> None:
        world = World()
        world.gate("charge")
        async with life(place, world.registry()) as first:
            id = await first.start(chain(CHARGE, "b"))
            await world.reached("charge")
        world.gates.clear()
        async with life(place, world.registry()) as second:
            await until_status(second, id, Status.WAITING)
            resolved = OutcomeResolved(at=0, node="charge", decision="succeeded", by="me")
            assert await second.runtime.send(id, resolved)
            assert (await second.end(id)).status == "SUCCESS"
        assert world.done == [f"{id}:charge", *([f"{id}:b"] if f"{id}:b" in world.done else [])]


async def until_status(engine: Any, id: str, status: Status) -> None:
    """Returns when the execution's row says so; looks whenever its journal has grown."""
    async with asyncio.timeout(20):
        seq = 1
        while (await engine.row(id)).status is not status:
            async for number, _ in engine.runtime.watch(id, seq):
                seq = number + 1
                break
