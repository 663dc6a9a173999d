"""JSON values compared: one order and one identity for sorting, grouping, joining and rules."""

from __future__ import annotations

from typing import Any, TypeAlias

from workflow_engine.engine.items import Json

Key: TypeAlias = tuple[Any, ...]

_KINDS = {bool: 0, int: 1, float: 1, str: 2, list: 3, dict: 4, type(None): 5}
_NAMES = ("true/false", "a number", "text", "a list", "an object", "null")


def key(value: Json) -> Key:
    """A hashable stand-in: equal for equal JSON values, ordered for any two.

    1 equals 1.0, but not true and not "1". Booleans come before numbers, then text, lists, objects, null. Within
    objects the order of the members does not matter.
    """
    match value:
        case list():
            return (3, tuple(key(each) for each in value))
        case dict():
            return (4, tuple((name, key(value[name])) for name in sorted(value)))
        case None:
            return (5,)
        case _:
            return (_KINDS[type(value)], value)


def same(left: Json, right: Json) -> bool:
    """Whether two JSON values are equal."""
    return key(left) == key(right)


def kind(value: Json) -> str:
    """What a value is, for messages: `a number`, `text`, ..."""
    return _NAMES[_KINDS[type(value)]]


def is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
