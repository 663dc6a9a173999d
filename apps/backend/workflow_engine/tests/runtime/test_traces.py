"""One trace for an execution and its children, a span for each attempt, on every runtime."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.collector import Collector, collector
from tests.core.test_tracing import CALLER
from tests.runtime.engine import World
from tests.runtime.lives import Place, life
from tests.runtime.test_contract import place, until_status  # noqa: F401 (a fixture)
from tests.runtime.test_local import SIGNAL, chain
from workflow_engine.core import spans
from workflow_engine.core.tracing import kept, of_execution, parse
from workflow_engine.engine.events import SignalReceived
from workflow_engine.models.store import Status


@pytest.fixture
async def collected(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    async with collector() as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        tracing = spans.begin()
        assert tracing is not None
        yield made
        await tracing.close()


RETRY = {"max_attempts": 3, "initial_interval": "0.05s"}


async def test_an_execution_is_one_trace(place: Place, collected: Collector) -> None:  # noqa: F811
    world = World()
    world.failures["a"] = 1
    drawing = chain(
        {"id": "a", "type": "action.work", "retry": RETRY},
        {"id": "more", "type": "flow.subworkflow", "parameters": {"workflow_id": "child"}},
    )
    async with life(place, world.registry()) as engine:
        await engine.publish("child", chain("deep"))
        again = of_execution("exec_before", "")
        id = await engine.start(drawing, {"secret": "hunter2"}, trace=kept(CALLER, again))
        assert (await engine.end(id)).status == "SUCCESS"
        await collected.until(lambda: len(collected.named("execution")) == 2)

    caller = parse(CALLER)
    assert caller is not None
    ours, childs = sorted(collected.named("execution"), key=lambda each: each.parent != f"{caller.span_id:016x}")
    assert {each.trace for each in collected.spans.values()} == {f"{caller.trace_id:032x}"}
    assert ours.parent == f"{caller.span_id:016x}"
    assert ours.links == (f"{again.span_id:016x}",)
    assert ours.attributes["workflow_engine.execution.id"] == id
    assert ours.attributes["workflow_engine.status"] == "SUCCESS"
    assert childs.parent == ours.id

    failed, repaired = sorted(collected.of("a"), key=lambda each: each.attributes["workflow_engine.attempt"])
    assert (failed.error, failed.attributes["error.type"]) == ("BROKEN", "BROKEN")
    assert failed.attributes["workflow_engine.outcome"] == "failed"
    assert (repaired.error, repaired.links) == ("", (failed.id,))
    assert {failed.parent, repaired.parent} == {ours.id}
    [deep] = collected.of("deep")
    assert deep.parent == childs.id
    assert deep.attributes["workflow_engine.node.type"] == "action.work"
    # A node that waited for its child is two spans: up to the wait, and on from it.
    assert {each.attributes["workflow_engine.outcome"] for each in collected.of("more")} == {"suspended", "succeeded"}
    assert b"hunter2" not in collected.raw
    assert b"is broken" not in collected.raw


async def test_the_trace_goes_on_after_a_restart(place: Place, collected: Collector) -> None:  # noqa: F811
    world = World()
    async with life(place, world.registry()) as engine:
        id = await engine.start(chain("a", SIGNAL, "b"), trace=kept(CALLER))
        await until_status(engine, id, Status.WAITING)
    async with life(place, world.registry()) as engine:
        await engine.runtime.send(id, SignalReceived(at=0, name="go"))
        await engine.end(id)
        await collected.until(lambda: collected.named("execution"))
    [execution] = collected.named("execution")
    assert [each.parent for node in ("a", "b") for each in collected.of(node)] == [execution.id] * 2
    assert {each.trace for each in collected.spans.values()} == {CALLER[3:35]}


async def test_who_samples_nothing_is_told_nothing(sqlite_url: str, tmp_path: Path, collected: Collector) -> None:
    """A caller that says "not sampled" is believed, as the standard sampler does."""
    async with life(Place(sqlite_url, tmp_path), World().registry()) as engine:
        id = await engine.start(chain("a"), trace=kept(CALLER[:-1] + "0"))
        await engine.end(id)
        id = await engine.start(chain("b"))
        await engine.end(id)
        await collected.until(lambda: collected.named("execution"))
    assert not collected.of("a")
    assert collected.of("b")
