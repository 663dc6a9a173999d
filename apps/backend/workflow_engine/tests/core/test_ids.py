"""Ids sort by the time they were made."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workflow_engine.core.ids import new_id

TIMES = st.integers(min_value=0, max_value=2**49)
ENTROPY = st.binary(min_size=10, max_size=10)


def test_an_id_names_its_kind() -> None:
    assert new_id("exec", 0, bytes(10)) == "exec_00000000000000000000000000"
    # The ULID specification's example.
    entropy = bytes.fromhex("d6764c61efb99302bd5b")
    assert new_id("wf", 1_469_922_850_259, entropy) == "wf_01arz3ndektsv4rrffq69g5fav"


@given(TIMES, TIMES, ENTROPY, ENTROPY)
def test_ids_sort_by_time_whatever_chance_adds(first: int, second: int, one: bytes, other: bytes) -> None:
    if first < second:
        assert new_id("exec", first, one) < new_id("exec", second, other)


@given(TIMES, ENTROPY, ENTROPY)
def test_ids_of_one_millisecond_differ_by_chance(at: int, one: bytes, other: bytes) -> None:
    assert (new_id("exec", at, one) == new_id("exec", at, other)) == (one == other)
