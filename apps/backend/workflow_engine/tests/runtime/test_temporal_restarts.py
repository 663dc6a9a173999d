"""Temporal itself goes away and comes back: with its database, and with all history lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.runtime.engine import Engine, World
from tests.runtime.lives import Place, life, new_queue
from tests.runtime.test_local import SIGNAL, chain
from tests.serving import free_port
from tests.temporal_server import temporal_server
from workflow_engine.engine.events import NodeSuspended, SignalReceived
from workflow_engine.models.store import Status
from workflow_engine.runtime.contract import RuntimeFailure

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
