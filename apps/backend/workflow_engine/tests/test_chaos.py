"""Ten kills under load, on both databases together; `make chaos` makes it two hundred."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.chaos import chaos


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("kind", "kills"), [("sqlite", 6), ("postgres", 4)])
async def test_nothing_acknowledged_is_lost_and_nothing_recorded_is_repeated(
    kind: str, kills: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = str(request.getfixturevalue(f"{kind}_url"))
    report = await chaos(url, tmp_path, kills=kills, pace=(0.1, 0.6))
    assert report.faults == []
    assert report.kills == kills
    assert len(report.acknowledged) > kills
