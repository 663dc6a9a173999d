"""JSON text to plain values and back, losing nothing: integers beyond 64 bits arrive as decimal strings."""

from __future__ import annotations

import codecs
import re
from json import detect_encoding
from typing import Any

import msgspec

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

DEEPEST = 200
"""Levels of a value that comes from outside. Somewhere beyond that whatever walks it falls, ours or a library's; where
that is depends on the Python."""
_LONG_NUMBER = re.compile(rb"[0-9]{19}")


def loads(data: bytes | str) -> Any:
    """The value that `data` says. Of members with the same name the last one wins.

    Raises ValueError for what is no JSON: NaN, infinities, numbers out of range, lone surrogates, bad UTF-8; and for
    what is nested more than `DEEPEST` levels deep.
    """
    if isinstance(data, str):
        data = data.encode()
    elif (encoding := detect_encoding(data)) != "utf-8":
        data = data.decode(encoding).encode()
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        value = msgspec.json.decode(data)
    except RecursionError:
        raise _too_deep() from None
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None
    # Walking the value costs more than reading it; many levels and long numbers are rare.
    if data.count(b"[") + data.count(b"{") > DEEPEST:
        refuse_deep(value)
    return _exact(value) if _LONG_NUMBER.search(data) else value


def refuse_deep(value: Any) -> None:
    """Raises ValueError for a value that is nested more than `DEEPEST` levels deep."""
    floor, depth = [value], 0
    while floor := [each for each in floor if isinstance(each, dict | list)]:
        if (depth := depth + 1) > DEEPEST:
            raise _too_deep()
        floor = [each for level in floor for each in (level.values() if isinstance(level, dict) else level)]


def _too_deep() -> ValueError:
    return ValueError(f"it is nested more than {DEEPEST} levels deep")


def dumps(value: Any, *, sort: bool = False) -> bytes:
    """Compact UTF-8, with names in order when `sort` is set.

    Raises ValueError for a float that JSON can not say, TypeError for what is no JSON value.
    """
    _refuse_non_finite(value)
    return msgspec.json.encode(value, order="sorted" if sort else None)


def _exact(value: Any) -> Any:
    match value:
        case bool():
            return value
        case int():
            return value if INT64_MIN <= value <= INT64_MAX else str(value)
        case list():
            return [_exact(each) for each in value]
        case dict():
            return {key: _exact(each) for key, each in value.items()}
        case _:
            return value


def _refuse_non_finite(value: Any) -> None:
    # msgspec writes them as null, which is a quiet lie.
    match value:
        case float():
            if value != value or value in (float("inf"), float("-inf")):
                raise ValueError(f"{value} is no JSON number")
        case list() | tuple():
            for each in value:
                _refuse_non_finite(each)
        case dict():
            for each in value.values():
                _refuse_non_finite(each)
