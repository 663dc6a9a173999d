"""Optionals: values that may be absent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from workflow_engine.engine.expressions.functions.table import function
from workflow_engine.engine.expressions.values import NOTHING, Maybe, Run, Trouble


@function("optional.of(any) -> maybe", example="optional.of(1).hasValue()", standard=True)
def present(run: Run, value: Any) -> Maybe:
    """An optional that holds a value."""
    return Maybe(True, value)


@function("optional.none() -> maybe", example="!optional.none().hasValue()", standard=True)
def nothing(run: Run) -> Maybe:
    """An optional that holds none."""
    return NOTHING


@function("optional.ofNonZeroValue(any) -> maybe", example="!optional.ofNonZeroValue('').hasValue()", standard=True)
def non_zero(run: Run, value: Any) -> Maybe:
    """An optional that holds the value unless it is empty, 0, false or null."""
    return Maybe(True, value) if value or isinstance(value, datetime) else NOTHING


@function("maybe.hasValue() -> bool", example="{'a': 1}.?a.hasValue()", standard=True)
def has_value(run: Run, maybe: Maybe) -> bool:
    """Whether it holds a value."""
    return maybe.is_present


@function("maybe.value() -> any", example="{'a': 1}.?a.value() == 1", standard=True)
def value_in(run: Run, maybe: Maybe) -> Any:
    """What it holds."""
    if not maybe.is_present:
        raise Trouble("the optional holds no value", "write .orValue(...)", is_absent=True)
    return maybe.value


@function("maybe.or(maybe) -> maybe", example="{}.?a.or(optional.of(2)).value() == 2", standard=True)
def either(run: Run, maybe: Maybe, other: Maybe) -> Maybe:
    """The first of the two that holds a value."""
    return maybe if maybe.is_present else other


@function("maybe.orValue(any) -> any", example="{}.?a.orValue(2) == 2", standard=True)
def or_value(run: Run, maybe: Maybe, other: Any) -> Any:
    """What it holds, or else this."""
    return maybe.value if maybe.is_present else other
