"""Numbers."""

from __future__ import annotations

import math
from typing import Any

from workflow_engine.engine.expressions.functions.common import filled
from workflow_engine.engine.expressions.functions.table import function
from workflow_engine.engine.expressions.values import NUMBERS, Run, Trouble, double_text, integer, named


@function("round(number) -> any", "round(number, int) -> any", example="round(2.5) == 3 && round(1.256, 2) == 1.26")
def round_to(run: Run, value: Any, digits: int | None = None) -> Any:
    """The nearest whole number, an int; or the nearest double with so many decimals. A half goes away from zero."""
    if type(value) is not float:
        return value
    if not math.isfinite(value):
        raise Trouble(f"{double_text(value)} can not be rounded")
    places = max(-15, min(digits or 0, 15))
    shifted = abs(value) * 10.0**places
    # 1.005 * 100 is 100.49999999999999: what one wrote decides, not the last bit.
    nearest = math.floor(float(f"{shifted:.15g}") + 0.5) if shifted < 1e15 else shifted
    result = math.copysign(nearest / 10.0**places, value)
    return result if digits is not None else integer(int(result))


@function(
    "math.@max(list) -> any",
    "math.@max(number) -> any",
    "math.@max(number, number) -> any",
    example="math.greatest(1, 2.5) == 2.5",
    standard=True,
)
def greatest(run: Run, *values: Any) -> Any:
    """The largest of the numbers."""
    return _extreme(run, values[0] if isinstance(values[0], list) else [*values], 1)


@function(
    "math.@min(list) -> any",
    "math.@min(number) -> any",
    "math.@min(number, number) -> any",
    example="math.least(1, 2.5) == 1",
    standard=True,
)
def least(run: Run, *values: Any) -> Any:
    """The smallest of the numbers."""
    return _extreme(run, values[0] if isinstance(values[0], list) else [*values], -1)


@function("math.ceil(number) -> number", example="math.ceil(1.2) == 2.0", standard=True)
def ceil(run: Run, value: float) -> float:
    """Up to a whole number, a double."""
    return float(math.ceil(value)) if math.isfinite(value) else value


@function("math.floor(number) -> number", example="math.floor(1.8) == 1.0", standard=True)
def floor(run: Run, value: float) -> float:
    """Down to a whole number, a double."""
    return float(math.floor(value)) if math.isfinite(value) else value


@function("math.round(number) -> number", example="math.round(-1.5) == -2.0", standard=True)
def round_half(run: Run, value: float) -> float:
    """The nearest whole number, a double; a half goes away from zero."""
    if not math.isfinite(value) or abs(value) >= 2**52:
        return float(value)
    whole = math.trunc(value)
    return math.copysign(abs(whole) + (abs(value - whole) >= 0.5), value)


@function("math.trunc(number) -> number", example="math.trunc(-1.8) == -1.0", standard=True)
def trunc(run: Run, value: float) -> float:
    """Without its decimals, a double."""
    return float(math.trunc(value)) if math.isfinite(value) else value


@function("math.abs(number) -> number", example="math.abs(-2) == 2", standard=True)
def absolute(run: Run, value: Any) -> Any:
    """Without its sign."""
    return abs(value) if type(value) is float else type(value)(integer(abs(value))) if type(value) is int else value


@function("math.sign(number) -> number", example="math.sign(-2.5) == -1.0", standard=True)
def sign(run: Run, value: Any) -> Any:
    """-1, 0 or 1, of the same kind."""
    return value if value != value else type(value)((value > 0) - (value < 0))


@function("math.sqrt(number) -> number", example="math.sqrt(9) == 3.0", standard=True)
def root(run: Run, value: float) -> float:
    """The square root, a double."""
    return math.sqrt(value) if value >= 0 else math.nan


@function("math.isNaN(number) -> bool", example="math.isNaN(0.0 / 0.0)", standard=True)
def is_nan(run: Run, value: float) -> bool:
    """Whether it is no number."""
    return math.isnan(value)


@function("math.isInf(number) -> bool", example="math.isInf(1.0 / 0.0)", standard=True)
def is_inf(run: Run, value: float) -> bool:
    """Whether it is infinite."""
    return math.isinf(value)


@function("math.isFinite(number) -> bool", example="math.isFinite(1.5)", standard=True)
def is_finite(run: Run, value: float) -> bool:
    """Whether it is neither infinite nor no number."""
    return math.isfinite(value)


def _extreme(run: Run, values: list[Any], wanted: int) -> Any:
    run.spend(len(values))
    best = filled(values)[0]
    for each in values:
        if type(each) not in NUMBERS:
            raise Trouble(f"this compares numbers, and there is {named(each)}")
        if (each > best) - (each < best) == wanted:
            best = each
    return best
