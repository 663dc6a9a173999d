"""A few blows of each kind under load; `make chaos` makes it hundreds."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.chaos import Load, Report, chaos, deliveries
from benchmarks.chaos.blows import FillDisk, JumpClock, Kill, NoSmallDisk, RestartDatabase, small_disk
from benchmarks.chaos.database import database
from tests.forked_server import write_offset

PACE = (0.1, 0.5)
FEW = Load(callers=6, pause=0.1)

pytestmark = pytest.mark.timeout(300)


def nothing_is_wrong(report: Report, blows: int) -> None:
    assert report.faults == []
    assert report.blows == blows
    assert len(report.acknowledged) > blows


@pytest.mark.parametrize(("kind", "kills"), [("sqlite", 6), ("postgres", 4)])
async def test_nothing_acknowledged_is_lost_and_nothing_recorded_is_repeated(
    kind: str, kills: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = str(request.getfixturevalue(f"{kind}_url"))
    nothing_is_wrong(await chaos(url, tmp_path, Kill(PACE), kills, load=FEW), kills)


async def test_a_disk_may_be_full_for_a_while(tmp_path: Path) -> None:
    try:
        with small_disk(tmp_path / "small") as small:
            url = f"sqlite:///{small / 'chaos.db'}"
            report = await chaos(url, tmp_path, FillDisk(small, PACE), 4, data=small, load=FEW)
    except NoSmallDisk as reason:
        pytest.skip(str(reason))
    nothing_is_wrong(report, 4)
    assert report.refused > 0, "nobody noticed that the disk was full"


async def test_a_database_may_die_and_come_back(tmp_path: Path) -> None:
    with database() as there:
        report = await chaos(there.url, tmp_path, RestartDatabase(there, PACE), 4, load=FEW)
    nothing_is_wrong(report, 4)
    assert report.left == 0, "a server gave up instead of waiting for its database"


async def test_a_clock_may_be_set_forward_and_back(tmp_path: Path) -> None:
    offset = tmp_path / "offset"
    write_offset(offset, 0)
    url = f"sqlite:///{tmp_path / 'chaos.db'}"
    nothing_is_wrong(await chaos(url, tmp_path, JumpClock(offset, 6, PACE), 6, offset=offset, load=FEW), 6)


async def test_replicas_and_workers_on_temporal_may_be_killed(
    postgres_url: str, temporal_address: str, tmp_path: Path
) -> None:
    few = Load(callers=4, pause=0.5)
    report = await chaos(postgres_url, tmp_path, Kill((0.5, 2)), 5, temporal=temporal_address, load=few)
    assert report.faults == []
    assert len(report.acknowledged) > 5
    assert report.left == 0, "a replica or a worker gave up"


@pytest.mark.parametrize(("kind", "kills", "standby"), [("sqlite", 6, False), ("postgres", 4, True)])
async def test_a_delivery_starts_one_execution_wherever_the_server_dies(
    kind: str, kills: int, standby: bool, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = str(request.getfixturevalue(f"{kind}_url"))
    report = await deliveries.strike(url, tmp_path, kills, standby=standby, callers=4)
    assert report.faults == []
    assert report.kills.total() == kills
    assert report.ticks
    assert len(report.named) > kills
    assert report.calls_again, "nobody noticed that the server was gone"
