"""A deploy on Temporal, as docs/upgrading.md says it: what runs stays with its build, the rest goes to the new one,
and gates go over to it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from tests.runtime.engine import Engine, World
from tests.runtime.lives import Place, new_queue
from tests.runtime.test_gate_histories import entered
from tests.runtime.test_local import SIGNAL, chain
from tests.runtime.test_temporal_restarts import GO, suspended, waiting
from tests.temporal_server import TEMPORAL, temporal_server
from workflow_engine.core.clock import SystemClock
from workflow_engine.models.store import Store
from workflow_engine.runtime.blobs import FolderBlobs
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.runtime.temporal import TemporalRuntime, worker
from workflow_engine.runtime.temporal.wire import converter
from workflow_engine.runtime.temporal.worker import DEPLOYMENT

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def temporal_address() -> Iterator[str]:
    """A server for each test: a new build must serve all queues that the current one does, of whatever test."""
    with temporal_server() as address:
        yield address


@asynccontextmanager
async def release(place: Place, build_id: str, world: World) -> AsyncIterator[Engine]:
    """A server and a worker of one build, once it is the current one."""
    store, clock, blobs = Store.open(place.url), SystemClock(), FolderBlobs(place.folder)
    store.share()
    client = await Client.connect(place.temporal, data_converter=converter(blobs))
    definitions, queue = Definitions(store, world.registry()), place.task_queue
    runtime = TemporalRuntime(client, store, definitions, clock, entropy=os.urandom, blobs=blobs, task_queue=queue)
    running = worker(
        client,
        store,
        definitions,
        clock,
        services=lambda context: context,
        blobs=blobs,
        task_queue=queue,
        build_id=build_id,
        grace=0,
    )
    async with running:
        await runtime.open()
        await make_current(place.temporal, build_id)
        try:
            yield Engine(store, runtime, clock)  # type: ignore[arg-type]
        finally:
            await runtime.close(grace=0)
    await asyncio.to_thread(store.close)


async def make_current(address: str, build_id: str) -> None:
    """The command of the docs. It is refused until the build's worker has come to Temporal."""
    said = ["--deployment-name", DEPLOYMENT, "--build-id", build_id, "--yes", "--address", address]
    async with asyncio.timeout(30):
        while True:
            command = await asyncio.create_subprocess_exec(
                TEMPORAL, "worker", "deployment", "set-current-version", *said, stdout=-3, stderr=-3
            )
            if await command.wait() == 0:
                return


async def test_what_runs_stays_with_its_build_and_what_is_new_goes_to_the_new_one(
    postgres_url: str, temporal_address: str, tmp_path: Path
) -> None:
    old, new = World(), World()
    place = Place(postgres_url, tmp_path / "blobs", temporal_address, new_queue())
    async with release(place, "1", old) as before:
        runs = await waiting(before)
        async with release(place, "2", new) as after:
            fresh = await after.start(chain("first"))
            assert (await after.end(fresh)).status == "SUCCESS"
            # Told through the new server, carried out by the old worker.
            assert await after.runtime.send(runs, GO)
            assert (await after.end(runs)).status == "SUCCESS"
    assert new.done == [f"{fresh}:first"]
    assert old.done == [f"{runs}:first", f"{runs}:last"]


async def test_a_gate_goes_over_to_the_new_build_with_all_who_are_in_it(
    postgres_url: str, temporal_address: str, tmp_path: Path
) -> None:
    world = World()
    place = Place(postgres_url, tmp_path / "blobs", temporal_address, new_queue())
    one = chain("first", SIGNAL, settings={"max_concurrent_executions": 1, "concurrency_key": place.task_queue})
    gate = (await Client.connect(temporal_address)).get_workflow_handle(f"gate wf\0{place.task_queue}")
    async with AsyncExitStack() as stack:
        async with release(place, "1", world) as before:
            holds = await before.start(one)
            await suspended(before, holds)
            run = (await gate.describe()).run_id
            after = await stack.enter_async_context(release(place, "2", world))
            behind = await after.start(one)
            await entered(gate, 2)
            assert await after.runtime.send(holds, GO)
            assert (await after.end(holds)).status == "SUCCESS"
            await suspended(after, behind)
        # Nobody is left of the first build. The gate was never empty, so it is the one that began there.
        last = await after.start(one)
        await entered(gate, 3)
        for id in (behind, last):
            await suspended(after, id)
            assert await after.runtime.send(id, GO)
            assert (await after.end(id)).status == "SUCCESS"
    builds = [
        event.workflow_task_completed_event_attributes.deployment_version.build_id
        async for event in gate.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
    assert (builds[0], builds[-1], (await gate.describe()).run_id) == ("1", "2", run)
