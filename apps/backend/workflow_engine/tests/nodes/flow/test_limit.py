from typing import Any

import pytest

from tests.nodes.harness import failure, problems, records, run_node


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [0]),
        ({"count": 3}, [0, 1, 2]),
        ({"count": 2, "offset": 3}, [3, 4]),
        ({"count": 9, "offset": 3}, [3, 4]),
        ({"count": 2, "keep": "last"}, [3, 4]),
        ({"count": 2, "keep": "last", "offset": 1}, [2, 3]),
        ({"count": 9, "keep": "last", "offset": 2}, [0, 1, 2]),
        ({"count": 2, "keep": "last", "offset": 9}, []),
        ({"count": 2, "offset": 9}, []),
        ({"count": 0}, []),
        ({"count": "{{ size(items) - 1 }}"}, [0, 1, 2, 3]),
    ],
)
async def test_some_of_five(parameters: dict[str, Any], expected: list[int]) -> None:
    found = records(await run_node("flow.limit", parameters, [{"n": n} for n in range(5)]))
    assert [json["n"] for json in found] == expected


@pytest.mark.parametrize("keep", ["first", "last"])
async def test_no_items(keep: str) -> None:
    assert records(await run_node("flow.limit", {"count": 2, "keep": keep}, [])) == []


async def test_a_count_that_is_none_fails() -> None:
    failed = failure(await run_node("flow.limit", {"count": "{{ json.n }}"}, [{"n": -1}]))
    assert (failed.reason, failed.field) == ("INVALID_PARAMETER", "count")


def test_a_negative_offset_is_refused() -> None:
    assert "offset" in problems("flow.limit", {"offset": -1})[0]
