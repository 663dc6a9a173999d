from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from workflow_engine.nodes.flow.values import key, same

JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=8))
def test_any_values_can_be_sorted_and_hashed(values: list[Any]) -> None:
    keys = sorted(key(value) for value in values)
    assert len(set(keys)) <= len(keys)


@given(JSON, JSON)
def test_what_is_the_same_is_the_same_both_ways(left: Any, right: Any) -> None:
    assert same(left, left)
    assert same(left, right) == same(right, left)
    if same(left, right):
        assert hash(key(left)) == hash(key(right))


def test_numbers_are_numbers_but_never_true_or_text() -> None:
    assert same(1, 1.0)
    assert not same(1, True)
    assert not same(0, False)
    assert not same(1, "1")
    assert not same([1], [True])
    assert same({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert sorted([{}, [], "a", 2, True, None, 1.5, False], key=key) == [False, True, 1.5, 2, "a", [], {}, None]
