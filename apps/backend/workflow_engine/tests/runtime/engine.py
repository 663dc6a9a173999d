"""A local runtime under a test's control: its clock stands still, and its effects do what the test says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.clock import ManualClock
from tests.engine.rig import AnyParameters, items, workflow
from workflow_engine.engine.events import AnyEvent
from workflow_engine.engine.items import Items
from workflow_engine.engine.shape import Effect
from workflow_engine.models.store import ExecutionRow, Status, Store
from workflow_engine.nodes.registry import Registry, installed
from workflow_engine.nodes.spec import Call, Emit, Node, NodeFailure, Result
from workflow_engine.runtime.contract import Ended, Start
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.runtime.journal import read_events
from workflow_engine.runtime.local import LocalRuntime
from workflow_engine.services.backend import canonical


@dataclass
class World:
    """What effects happen in, and what it remembers of them. It outlives the runtimes that die in a test."""

    done: list[str] = field(default_factory=list[str])
    """Idempotency keys in the order in which effects happened."""
    failures: dict[str, int] = field(default_factory=dict[str, int])
    """How often a node still fails, by id."""
    gates: dict[str, asyncio.Event] = field(default_factory=dict[str, asyncio.Event])
    """Nodes that do not finish before their gate opens."""
    arrived: dict[str, asyncio.Event] = field(default_factory=dict[str, asyncio.Event])

    def gate(self, node: str) -> asyncio.Event:
        return self.gates.setdefault(node, asyncio.Event())

    async def reached(self, node: str) -> None:
        """Returns when an attempt of the node is under way."""
        await asyncio.wait_for(self.arrived.setdefault(node, asyncio.Event()).wait(), 10)

    def registry(self) -> Registry:
        registry = Registry(installed())
        world = self

        class Work(Node[AnyParameters]):
            """Adds its own id to each item."""

            type = "action.work"
            summary = "Does what the test says."
            effect = Effect.IDEMPOTENT

            async def run(self, call: Call[AnyParameters]) -> Result:
                id = call.node.id
                world.done.append(call.idempotency_key)
                world.arrived.setdefault(id, asyncio.Event()).set()
                if id in world.gates:
                    await world.gates[id].wait()
                if world.failures.get(id, 0):
                    world.failures[id] -= 1
                    raise NodeFailure("BROKEN", f"{id} is broken", retryable=True)
                return Emit({"main": items([{**call.item.json, id: True}])})

        class Charge(Work):
            """The same, but never to be repeated."""

            type = "action.charge"
            summary = "Does what the test says, at most once."
            effect = Effect.AT_MOST_ONCE

        registry.add(Work())
        registry.add(Charge())
        return registry


@dataclass
class Engine:
    """One life of a process."""

    store: Store
    runtime: LocalRuntime
    clock: ManualClock

    async def save(self, drawing: dict[str, Any]) -> str:
        """Stores a definition; returns its digest."""
        return await self.store.keep_definition(canonical(workflow(drawing)))

    async def publish(self, id: str, drawing: dict[str, Any]) -> None:
        """Creates and publishes a workflow."""
        draft = canonical(workflow({**drawing, "id": id}))
        now = self.clock.now_ms()
        row = {"id": id, "name": id, "description": "", "user_id": "", "draft": draft, "draft_revision": 1}
        row |= {"published_version": 0, "active": False, "created_at": now, "updated_at": now}
        await self.store.create_workflow(row)
        await self.store.publish(id, draft, revision=1, message="", by="", now=now)

    async def start(self, drawing: dict[str, Any], *records: dict[str, Any], **fields: Any) -> str:
        digest = await self.save(drawing)
        return await self.runtime.start(Start("wf", digest, input=items(records or [{}]), **fields))

    async def end(self, id: str) -> Ended:
        ended = await self.runtime.wait(id, 40)
        assert ended is not None, f"{id} has not ended"
        return ended

    async def row(self, id: str) -> ExecutionRow:
        row = await asyncio.to_thread(self.store.execution, id)
        assert row is not None
        return row

    async def events(self, id: str) -> list[AnyEvent]:
        pk = (await self.row(id)).pk
        return await read_events(self.store, self.runtime._blobs, pk)

    async def quiet(self) -> None:
        """Returns when everything in memory is stored and nothing runs: the moment before a clock moves."""
        still = 0
        # What is scheduled for the loop's next pass shows only after that pass.
        while still < 3:
            still = 0 if self._busy() else still + 1
            await asyncio.sleep(0)

    def _busy(self) -> bool:
        runtime = self.runtime
        return bool(runtime._background) or any(
            live.committing or live.tasks or live.buffer or live.row.status is Status.RUNNING
            for live in runtime._live.values()
        )

    async def advance(self, ms: int) -> None:
        """Moves the clock."""
        await self.quiet()
        self.clock.advance(ms)


@asynccontextmanager
async def engine(
    url: str, world: World, clock: ManualClock | None = None, registry: Registry | None = None, **options: Any
) -> AsyncIterator[Engine]:
    """A process. Leaving it stops it at once, without a word to what runs: the next one finds what was
    stored.
    """
    clock = clock or ManualClock()
    store = Store.open(url)
    await asyncio.to_thread(store.acquire_ownership)
    definitions = Definitions(store, registry or world.registry())
    runtime = LocalRuntime(store, definitions, clock, entropy=os.urandom, **options)
    await runtime.open()
    try:
        yield Engine(store, runtime, clock)
    finally:
        await runtime.close(grace=0)
        await asyncio.to_thread(store.close)


def records(items: Items) -> list[dict[str, Any]]:
    return [item.json for item in items]
