"""What JSON from outside is read as, and what is refused, the same on every Python."""

from __future__ import annotations

import pytest

from workflow_engine.utils.json import DEEPEST, loads


def nested(levels: int) -> str:
    return '[{}, {"in": ' * (levels // 2) + "[" * (levels % 2) + "]" * (levels % 2) + "}]" * (levels // 2)


def test_what_is_deep_is_read_and_what_is_too_deep_is_refused() -> None:
    assert loads(nested(DEEPEST - 1)) is not None
    for levels in (DEEPEST + 1, 901, 2_001, 100_001):
        with pytest.raises(ValueError, match="nested more than 200 levels"):
            loads(nested(levels))


def test_many_values_beside_each_other_are_not_deep() -> None:
    assert len(loads("[" + "[],{}," * 10_000 + "1]")) == 20_001


@pytest.mark.parametrize("text", ["", "nan", "NaN", "[1,]", "1e999", '"\\ud800"', b'"\xff"', "{} {}"])
def test_what_is_no_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (whatever the words)
        loads(text)


def test_integers_beyond_64_bits_arrive_as_text() -> None:
    assert loads("[9223372036854775807, 9223372036854775808]") == [2**63 - 1, "9223372036854775808"]
