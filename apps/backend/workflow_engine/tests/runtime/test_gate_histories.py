"""A gate goes over to a new build in the middle of its history, so every release must replay what earlier ones did.

`gates/` holds the histories of gates of releases, each played by `played`. When `gate.py` gets a new way to go, add the
history that takes it (`(await played(...)).to_json()`), and keep the old ones.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.worker import Replayer

from tests.runtime.engine import World
from tests.runtime.lives import Place, life, new_queue
from tests.runtime.test_local import SIGNAL, chain
from tests.runtime.test_temporal_restarts import GO, suspended
from workflow_engine.runtime.temporal import gate, names
from workflow_engine.runtime.temporal.gate import GateWorkflow

pytestmark = pytest.mark.timeout(120)
HISTORIES = sorted((Path(__file__).parent / "gates").glob("*.json"))


async def played(place: Place) -> WorkflowHistory:
    """What a gate goes through: four come, one at a time; one is ended by force while it waits, one inside."""
    client = await Client.connect(place.temporal)
    limits = {"max_concurrent_executions": 1, "concurrency_key": place.task_queue}
    keeper = client.get_workflow_handle(f"gate wf\0{place.task_queue}")
    async with life(place, World().registry()) as engine:
        ids: list[str] = []
        for count in range(1, 5):
            ids.append(await engine.start(chain(SIGNAL, settings=limits)))
            if count == 1:
                await suspended(engine, ids[0])
            await entered(keeper, count)
        await client.get_workflow_handle(ids[1]).terminate()
        await engine.runtime.send(ids[0], GO)
        await suspended(engine, ids[2])
        await client.get_workflow_handle(ids[2]).terminate()
        await suspended(engine, ids[3])
        await engine.runtime.send(ids[3], GO)
        await keeper.result()
    return await keeper.fetch_history()


async def entered(gate: WorkflowHandle[object, object], count: int) -> None:
    """Returns when so many have come to the gate."""
    async with asyncio.timeout(20):
        async for event in gate.fetch_history_events(wait_new_event=True):
            count -= event.workflow_execution_signaled_event_attributes.signal_name == names.ENTER
            if not count:
                return


async def replay(history: WorkflowHistory) -> None:
    await Replayer(workflows=[GateWorkflow]).replay_workflow(history)


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_what_gates_of_earlier_releases_did_is_replayed(path: Path) -> None:
    asyncio.run(replay(WorkflowHistory.from_json("gate", path.read_text())))


async def test_what_a_gate_does_today_is_replayed(
    postgres_url: str, temporal_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "CHECK", timedelta(seconds=1))
    await replay(await played(Place(postgres_url, tmp_path / "blobs", temporal_address, new_queue())))


def test_there_are_histories() -> None:
    assert HISTORIES
