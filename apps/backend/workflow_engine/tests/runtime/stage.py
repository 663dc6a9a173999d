"""Plays scenario files on a real runtime: the steps are real attempts that do what the story says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.engine import stories
from tests.engine.rig import AnyParameters, items, parse
from tests.engine.rig import records as plain
from tests.runtime.engine import Engine
from workflow_engine.engine.events import CancelRequested, PauseRequested, ResumeRequested, SignalReceived
from workflow_engine.engine.history import History
from workflow_engine.engine.shape import Effect, RunMode
from workflow_engine.engine.state import address
from workflow_engine.nodes.registry import Registry, installed
from workflow_engine.nodes.spec import Call, Emit, Node, NodeFailure, Result

CHILD = {"nodes": [{"id": "start", "type": "trigger.manual"}, {"id": "did"}], "connections": ["start -> did"]}
PATIENCE = 20
"""Seconds for something to happen."""


@dataclass(eq=False)
class Attempt:
    execution_id: str
    run: str
    call: Call[Any]
    outcome: asyncio.Future[Result]


class Stage:
    """The steps of the executions of many stories, each under way until its story ends it."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.watching: set[asyncio.Event] = set()
        self.published: set[str] = set()
        self.publishing = asyncio.Lock()

    def changed(self) -> None:
        for each in self.watching:
            each.set()

    async def next(self) -> Attempt:
        """The attempt that is under way, or the next one that will be."""
        changed = asyncio.Event()
        self.watching.add(changed)
        async with asyncio.timeout(PATIENCE):
            while True:
                for attempt in self.attempts:
                    if not attempt.outcome.done():
                        self.watching.remove(changed)
                        return attempt
                changed.clear()
                await changed.wait()

    def registry(self) -> Registry:
        stage, registry = self, Registry(installed())

        class Task(Node[AnyParameters]):
            type = "action.task"
            summary = "A step of a story."
            effect = Effect.IDEMPOTENT
            run_mode = RunMode.BATCH

            async def run(self, call: Call[AnyParameters]) -> Result:
                run = address(call.node.id, call.path)
                attempt = Attempt(call.context.execution_id, run, call, asyncio.get_running_loop().create_future())
                stage.attempts.append(attempt)
                stage.changed()
                try:
                    return await attempt.outcome
                finally:
                    stage.attempts.remove(attempt)
                    stage.changed()

        class Charge(Task):
            type = "action.charge"
            summary = "A step that must not be repeated."
            effect = Effect.AT_MOST_ONCE

        registry.add(Task())
        registry.add(Charge())
        return registry


class Play:
    """One story on one runtime."""

    def __init__(self, stage: Stage, engine: Engine, story: dict[str, Any]) -> None:
        self.stage, self.engine, self.story = stage, engine, story
        self.id = ""
        self.history: History | None = None
        self.seen = 0
        """How many events the history was made from."""

    async def run(self) -> None:
        nodes = self.story["workflow"]["nodes"]
        for child in {node["parameters"]["workflow_id"] for node in nodes if node.get("type") == "flow.subworkflow"}:
            async with self.stage.publishing:
                if child not in self.stage.published:
                    await self.engine.publish(child, CHILD)
                    self.stage.published.add(child)
        for number, step in enumerate(self.story["story"], 1):
            word, told = (step, None) if isinstance(step, str) else next(iter(step.items()))
            try:
                await self.step(word, told)
            except (AssertionError, TimeoutError) as error:
                seen = self.history.runs.values() if self.history else ()
                shown = {record.address: record.status for record in seen}
                raise AssertionError(f"step {number}, {word} {told}: {error}; {shown}") from error

    async def step(self, word: str, told: Any) -> None:
        now, send = self.engine.clock.now_ms(), self.engine.runtime.send
        match word:
            case "start":
                self.id = await self.engine.start(self.story["workflow"], *(told or [{}]))
            case "succeed":
                for run, outputs in stories._runs(told):
                    await self.succeed(run, outputs)
            case "fail":
                for run, how in stories._runs(told):
                    how = dict(how or {})
                    failure = NodeFailure(how.pop("reason", "BROKEN"), f"{run} is broken", **how)
                    await self.told((await self.attempt(run)).outcome.set_exception, failure)
            case "signal":
                told = told if isinstance(told, dict) else {"name": told}
                await send(self.id, SignalReceived(at=now, **told))
            case "child":
                await self.end_child(**(told or {}))
            case "cancel":
                await send(self.id, CancelRequested(at=now))
            case "pause":
                await send(self.id, PauseRequested(at=now))
            case "resume":
                await send(self.id, ResumeRequested(at=now))
            case _:
                await self.until(lambda: self.shows(word, told))

    async def succeed(self, run: str, outputs: Any) -> None:
        attempt = await self.attempt(run)
        if outputs is None:
            given = {"main": attempt.call.items}
        elif isinstance(outputs, dict):
            given = {port: items(each) for port, each in outputs.items()}
        else:
            given = {"main": items(outputs)}
        await self.told(attempt.outcome.set_result, Emit(given))

    async def told(self, settle: Callable[[Any], None], outcome: Any) -> None:
        """Ends an attempt, and returns when its outcome is in the journal."""
        before = len(await self.engine.events(self.id))
        settle(outcome)
        await self.until(lambda: self.seen > before)

    async def end_child(self, status: str = "SUCCESS", output: Any = ()) -> None:
        await self.until(lambda: bool(self.children()))
        child = self.children()[0]
        if status == "SUCCESS":
            child.outcome.set_result(Emit({"main": items(output)}))
        else:
            child.outcome.set_exception(NodeFailure("BROKEN", "the child is broken"))
        await self.until(lambda: child not in self.stage.attempts)

    async def attempt(self, run: str) -> Attempt:
        """The attempt of a run of ours that is under way."""
        await self.until(lambda: run in self.running())
        return next(each for each in self.stage.attempts if (each.execution_id, each.run) == (self.id, run))

    def running(self) -> list[str]:
        """Runs of ours under way, as far as anybody waits for them: one that was called off may not know it yet."""
        ours = {each.run for each in self.stage.attempts if each.execution_id == self.id and not each.outcome.done()}
        return sorted(run for run in ours if self.status_of(run) not in ("canceled", "succeeded", "failed"))

    def children(self) -> list[Attempt]:
        """Steps of children under way, in the order of the runs that wait for them."""
        ours = self.engine.store.execution(self.id)
        waited_for: dict[str, Attempt] = {}
        for each in self.stage.attempts:
            row = self.engine.store.execution(each.execution_id)
            if ours and row and row.parent_pk == ours.pk and not each.outcome.done():
                waited_for[row.parent_address or row.id] = each
        return [waited_for[address] for address in sorted(waited_for)]

    def status_of(self, run: str) -> str:
        assert self.history is not None
        node, path = parse(run)
        record = self.history.runs.get((self.history.state.plan.by_id[node], path))
        return record.status if record else ""

    def shows(self, word: str, told: Any) -> bool:
        history = self.history
        assert history is not None
        match word:
            case "running":
                return self.running() == sorted(told or [])
            case "status":
                return history.status == told
            case "output":
                return plain(history.state.output) == told
            case "runs":
                return {run: self.status_of(run) for run in told} == told
            case "input":
                return all(self.was_given(run, ports) for run, ports in told.items())
            case "children":
                return len(self.children()) == told
            case "failure":
                return history.state.failure is not None and history.state.failure.reason == told
            case _:
                raise AssertionError(f"there is no step {word!r}")

    def was_given(self, run: str, ports: Any) -> bool:
        assert self.history is not None
        node, path = parse(run)
        record = self.history.runs.get((self.history.state.plan.by_id[node], path))
        expected = ports if isinstance(ports, dict) else {"main": ports}
        return record is not None and {port: plain(record.inputs.get(port, [])) for port in expected} == expected

    async def until(self, condition: Callable[[], bool]) -> None:
        """Returns when the condition holds; looks whenever an attempt came or went, or the journal has grown."""
        changed = asyncio.Event()
        self.stage.watching.add(changed)
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    changed.clear()
                    events = await self.engine.events(self.id)
                    plan = await self.engine.runtime._definitions.plan((await self.engine.row(self.id)).digest)
                    self.history, self.seen = History.of(plan, events), len(events)
                    if condition():
                        return
                    more = asyncio.ensure_future(self._more(len(events) + 1, changed))
                    await changed.wait()
                    more.cancel()
                    await asyncio.gather(more, return_exceptions=True)
        finally:
            self.stage.watching.remove(changed)

    async def _more(self, seq: int, changed: asyncio.Event) -> None:
        async for _ in self.engine.runtime.watch(self.id, seq):
            changed.set()
            return
