"""Temporal itself goes away and comes back: with its database, and with all history lost."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from tests.runtime.engine import Engine, World
from tests.runtime.lives import Place, life, new_queue
from tests.runtime.test_local import SIGNAL, chain
from tests.serving import free_port
from tests.temporal_server import temporal_server
from workflow_engine.engine.events import CancelRequested, ExecutionEnded, NodeSuspended, SignalReceived
from workflow_engine.models.store import ExecutionFilter, Status
from workflow_engine.runtime.blobs import FolderBlobs
from workflow_engine.runtime.contract import RuntimeFailure, Start
from workflow_engine.runtime.temporal import TemporalRuntime

pytestmark = pytest.mark.timeout(120)
GO = SignalReceived(at=0, name="go")


class Server:
    """A Temporal server that is stopped and started again at the same address."""

    def __init__(self) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"

    async def start(self, folder: Path | None) -> None:
        """With what was kept in `folder`; without one it knows nothing."""
        running = temporal_server(folder, self.port)
        await asyncio.to_thread(running.__enter__)
        self._stop = lambda: running.__exit__(None, None, None)

    async def stop(self) -> None:
        await asyncio.to_thread(self._stop)


@pytest_asyncio.fixture
async def temporal() -> AsyncIterator[Server]:
    server = Server()
    yield server
    await server.stop()


async def waiting(engine: Engine) -> str:
    """An execution that waits for a signal."""
    id = await engine.start(chain("first", SIGNAL, "last"))
    await suspended(engine, id)
    return id


async def suspended(engine: Engine, id: str) -> None:
    """Returns when one of its nodes waits."""
    async with asyncio.timeout(20):
        async for _, event in engine.runtime.watch(id):
            if isinstance(event, NodeSuspended):
                return


async def test_with_its_database_everything_goes_on(postgres_url: str, tmp_path: Path, temporal: Server) -> None:
    world = World()
    world.gate("slow")
    await temporal.start(tmp_path)
    place = Place(postgres_url, tmp_path / "blobs", temporal.address, new_queue())
    async with life(place, world.registry()) as engine:
        waits, works = await waiting(engine), await engine.start(chain("slow", "after"))
        await world.reached("slow")
        await temporal.stop()
        # What comes meanwhile is accepted, and an attempt that is under way comes to its end.
        accepted = asyncio.create_task(engine.start(chain("new")))
        world.gate("slow").set()
        await temporal.start(tmp_path)
        await engine.runtime.send(waits, GO)
        ends = [await engine.end(id) for id in (waits, works, await accepted)]
    assert {end.status for end in ends} == {"SUCCESS"}
    assert sorted(key.rpartition(":")[2] for key in world.done) == ["after", "first", "last", "new", "slow"]


async def test_without_it_no_execution_is_lost_in_silence(postgres_url: str, tmp_path: Path, temporal: Server) -> None:
    world = World()
    await temporal.start(None)
    place = Place(postgres_url, tmp_path / "blobs", temporal.address, new_queue())
    async with life(place, world.registry()) as engine:
        waits = await waiting(engine)
        await temporal.stop()
        accepted = asyncio.create_task(engine.start(chain("new")))
        await temporal.start(None)
        # PostgreSQL knows who was accepted, and who has not ended, which nobody may take for an end.
        assert (await engine.end(await accepted)).status == "SUCCESS"
        with pytest.raises(RuntimeFailure, match="ForkExecution goes on from what is stored") as lost:
            await engine.runtime.send(waits, GO)
        assert lost.value.reason == "HISTORY_LOST"
        assert (await engine.row(waits)).status is Status.WAITING
        assert len(await engine.events(waits)) >= 4


class TestClosingWhatIsLost:
    """Temporal no longer runs it, whether it has lost everything or this one alone."""

    async def test_it_ends_as_lost_and_says_that_nothing_was_undone(
        self, postgres_url: str, tmp_path: Path, temporal: Server
    ) -> None:
        world = World()
        await temporal.start(None)
        place = Place(postgres_url, tmp_path / "blobs", temporal.address, new_queue())
        drawing = chain({"id": "a", "type": "action.work", "undo_node": "undo"}, SIGNAL)
        drawing["nodes"].append({"id": "undo", "type": "action.work"})
        async with life(place, world.registry()) as engine:
            owes, plain = await engine.start(drawing), await engine.start(chain(SIGNAL))
            for id in (owes, plain):
                await suspended(engine, id)
            await temporal.stop()
            await temporal.start(None)
            for id in (owes, plain):
                assert await engine.runtime.send(id, CancelRequested(at=engine.clock.now_ms(), by="ann"))
                ended = await engine.end(id)
                assert ended.failure is not None
                assert (ended.status, ended.failure.reason) == ("ERROR", "HISTORY_LOST")
                assert "ForkExecution" in ended.failure.hint
                assert ("has not been undone" in ended.failure.message) == (id == owes)
                row = await engine.row(id)
                assert (row.status, row.failure_summary) == (Status.ERROR, ended.failure.message)
                assert row.ended_at is not None
                *_, asked, end = await engine.events(id)
                assert (asked.by, type(end)) == ("ann", ExecutionEnded)  # type: ignore[union-attr]
                with pytest.raises(RuntimeFailure, match="has ended"):
                    await engine.runtime.send(id, CancelRequested(at=0))
        assert f"{owes}:undo" not in world.done

    async def test_who_waited_for_it_goes_on(self, postgres_url: str, tmp_path: Path, temporal_address: str) -> None:
        place = Place(postgres_url, tmp_path / "blobs", temporal_address, new_queue())
        client = await Client.connect(temporal_address)
        sub = {"id": "sub", "type": "flow.subworkflow", "parameters": {"workflow_id": "middle"}}
        world = World()
        async with life(place, world.registry()) as engine:
            limits = {"max_concurrent_executions": 1, "concurrency_key": place.task_queue}
            await engine.publish("leaf", chain("x", SIGNAL))
            await engine.publish("sorry", chain("said"))
            inner = sub | {"parameters": {"workflow_id": "leaf"}}
            await engine.publish("middle", chain(inner, settings=limits | {"error_workflow_id": "sorry"}))
            top = await engine.start(chain(sub))
            await world.reached("x")
            middle = await child_of(engine, top)
            leaf = await child_of(engine, middle)
            digest = (await engine.row(middle)).digest
            behind = await engine.runtime.start(Start("middle", digest))
            await client.get_workflow_handle(middle).terminate()
            assert await engine.runtime.send(middle, CancelRequested(at=engine.clock.now_ms()))
            ended = await engine.end(top)
            assert ended.status == "ERROR"
            assert (await engine.end(leaf)).status == "CANCELED"
            await suspended(engine, behind)
            assert (await engine.end(f"{middle}.error")).status == "SUCCESS"
            await engine.runtime.send(behind, CancelRequested(at=0))

    async def test_the_wrong_namespace_has_lost_nothing(
        self, postgres_url: str, tmp_path: Path, temporal_address: str
    ) -> None:
        place = Place(postgres_url, tmp_path / "blobs", temporal_address, new_queue())
        async with life(place, World().registry()) as engine:
            id = await engine.start(chain(SIGNAL))
            await suspended(engine, id)
            elsewhere = await Client.connect(temporal_address, namespace="nowhere")
            runtime = TemporalRuntime(
                elsewhere,
                engine.store,
                engine.runtime._definitions,
                engine.clock,
                entropy=os.urandom,
                blobs=FolderBlobs(place.folder),
            )
            with pytest.raises(RuntimeFailure, match="TEMPORAL_NAMESPACE"):
                await runtime.send(id, CancelRequested(at=0))
            assert (await engine.row(id)).status is Status.WAITING
            await engine.runtime.send(id, GO)
            assert (await engine.end(id)).status == "SUCCESS"


async def child_of(engine: Engine, id: str) -> str:
    pk = (await engine.row(id)).pk
    [child] = [row.id for row in engine.store.executions(ExecutionFilter(), limit=10) if row.parent_pk == pk]
    return child
