"""trigger.interval: equal spans of elapsed time."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import Any

import pytest

from tests.nodes.harness import problems, records, run_node
from workflow_engine.nodes.trigger.times import Interval


def test_its_ticks_do_not_depend_on_when_one_looks() -> None:
    interval = Interval(90_000, 5_000)
    ticks = list(islice(interval.ticks(1_750_000_000_000), 50))
    assert all(tick % 90_000 == 5_000 for tick in ticks)
    assert {later - earlier for earlier, later in pairwise(ticks)} == {90_000}
    for tick in ticks[:-1]:
        assert next(interval.ticks(tick)) == tick + 90_000
        assert next(interval.ticks(tick - 1)) == tick


@pytest.mark.parametrize("parameters", [{}, {"every": "0.5s"}, {"every": "1h", "offset": "1h"}, {"every": "soon"}])
def test_what_is_refused(parameters: dict[str, Any]) -> None:
    assert problems("trigger.interval", parameters)


async def test_its_run_hands_on_what_came() -> None:
    assert records(await run_node("trigger.interval", {"every": "15m"}, [{"n": 1}])) == [{"n": 1}]
