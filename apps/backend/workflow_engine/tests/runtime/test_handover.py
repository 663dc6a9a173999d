"""An execution is accepted by PostgreSQL and carried out by Temporal; a server may die in between."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.engine import Engine, World
from tests.runtime.lives import Place, life, new_queue
from tests.runtime.test_local import chain
from workflow_engine.models.store import Status
from workflow_engine.runtime.contract import Start
from workflow_engine.runtime.temporal import TemporalRuntime


@pytest.fixture
def place(postgres_url: str, temporal_address: str, tmp_path: Path) -> Place:
    return Place(postgres_url, tmp_path / "blobs", temporal_address, new_queue())


def dies_before_it_hands_over(runtime: Any) -> None:
    async def give(begins: Any) -> None:
        """Nobody is left to do it."""

    runtime._handing_over.give = give


async def accepted(engine: Engine, key: str) -> str:
    """An execution that is stored and that nobody has told Temporal of."""
    digest = await engine.save(chain("a"))
    return await engine.runtime.start(Start("wf", digest, idempotency_key=key))


async def test_who_hears_of_a_death_hands_over_at_once(place: Place) -> None:
    world = World()
    async with life(place, world.registry()) as dying, life(place, world.registry()) as other:
        dies_before_it_hands_over(dying.runtime)
        ids = [await accepted(dying, key) for key in "123"]
        assert {(await other.row(id)).status for id in ids} == {Status.NEW}
        assert isinstance(other.runtime, TemporalRuntime)
        other.runtime.look_now()
        for id in ids:
            assert (await asyncio.wait_for(other.end(id), 20)).status == "SUCCESS"
    assert sorted(world.done) == sorted(f"{id}:a" for id in ids)


async def test_who_asks_again_need_not_wait_until_somebody_looks(place: Place) -> None:
    world = World()
    async with life(place, world.registry()) as dying, life(place, world.registry()) as other:
        dies_before_it_hands_over(dying.runtime)
        id = await accepted(dying, "k")
        assert await accepted(other, "k") == id
        assert (await asyncio.wait_for(other.end(id), 20)).status == "SUCCESS"
    assert world.done == [f"{id}:a"]


async def test_one_that_this_release_can_not_run_keeps_no_other_from_running(place: Place) -> None:
    world = World()
    async with life(place, world.registry()) as dying, life(place, world.registry()) as other:
        dies_before_it_hands_over(dying.runtime)
        strange, plain = await accepted(dying, "1"), await accepted(dying, "2")
        row = await other.row(strange)
        row.digest = "of another release"
        given = other.runtime._handing_over._give_late  # type: ignore[attr-defined]

        async def give_late(late: Any) -> None:
            await given(row if late.id == strange else late)

        other.runtime._handing_over._give_late = give_late  # type: ignore[attr-defined]
        other.runtime.look_now()  # type: ignore[attr-defined]
        assert (await asyncio.wait_for(other.end(plain), 20)).status == "SUCCESS"
        assert (await other.row(strange)).status is Status.NEW
