"""From one kind of value to another, and which kind it is."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from typing import Any

from workflow_engine.engine.expressions.functions.common import built, shown, utf8
from workflow_engine.engine.expressions.functions.table import function
from workflow_engine.engine.expressions.functions.times import span_text
from workflow_engine.engine.expressions.values import (
    Kind,
    Run,
    Trouble,
    Uint,
    double_text,
    integer,
    kind,
    moment,
    named,
    unsigned,
)


@function(
    "int(number) -> int",
    "int(bool) -> int",
    "int(text) -> int",
    "int(time) -> int",
    example="int('42') == 42 && int(2.9) == 2",
    standard=True,
)
def to_int(run: Run, value: Any) -> int:
    """A whole number from a double (cut off), a text, a bool (1 or 0), or a time (seconds since 1970)."""
    if isinstance(value, str):
        if not re.fullmatch(r"[+-]?[0-9]{1,19}", value):
            raise Trouble(f"{shown(value)} is no whole number", "such as '42'; for decimals: double(text)")
        return integer(int(value))
    if isinstance(value, datetime):
        return math.floor(value.timestamp())
    if isinstance(value, float) and not math.isfinite(value):
        raise Trouble(f"{double_text(value)} is no whole number")
    return integer(int(value))


@function("uint(number) -> uint", "uint(text) -> uint", example="uint(42) == 42u", standard=True)
def to_uint(run: Run, value: Any) -> Uint:
    """An unsigned whole number."""
    if isinstance(value, str):
        if not re.fullmatch(r"\+?[0-9]{1,20}", value):
            raise Trouble(f"{shown(value)} is no unsigned whole number")
        return unsigned(int(value))
    if isinstance(value, float) and not math.isfinite(value):
        raise Trouble(f"{double_text(value)} is no whole number")
    return unsigned(int(value))


@function("double(number) -> number", "double(text) -> number", example="double('2.5') == 2.5", standard=True)
def to_double(run: Run, value: Any) -> float:
    """A number with decimals, from a number or a text."""
    if not isinstance(value, str):
        return float(value)
    if not re.fullmatch(
        r"[+-]?(?:[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?|NaN|Inf(?:inity)?)",
        value[:400],
    ):
        raise Trouble(f"{shown(value)} is no number", "such as '2.5', with a point and without thousands separators")
    return float(value[:400])


@function(
    "string(any) -> text",
    example="string(1.5) + string(true) == '1.5true'",
    standard=True,
)
def to_string(run: Run, value: Any) -> str:
    """As text. Lists and maps: toJson(value)."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(int(value))
        case float():
            return double_text(value)
        case bytes():
            return utf8(built(run, value, len(value)))
        case datetime():
            return moment(value)
        case timedelta():
            return span_text(value)
    raise Trouble(f"string does not take {named(value)}", "write toJson(value)")


@function("bytes(text) -> bytes", "bytes(bytes) -> bytes", example="bytes('ab') == b'ab'", standard=True)
def to_bytes(run: Run, value: Any) -> bytes:
    """The UTF-8 bytes of a text."""
    return built(run, value, 4 * len(value)).encode() if isinstance(value, str) else value


@function("bool(bool) -> bool", "bool(text) -> bool", example="bool('true')", standard=True)
def to_bool(run: Run, value: Any) -> bool:
    """From 'true' or 'false', 't' or 'f', '1' or '0'."""
    if isinstance(value, bool):
        return value
    known = {"true": True, "True": True, "TRUE": True, "t": True, "1": True}
    known |= {"false": False, "False": False, "FALSE": False, "f": False, "0": False}
    if value not in known:
        raise Trouble(f"{shown(value)} is neither true nor false")
    return known[value]


@function("dyn(any) -> any", example="dyn(1) == 1", standard=True)
def dyn(run: Run, value: Any) -> Any:
    """The same value, with its type left open until the run."""
    return value


@function("type(any) -> type", example="type(1.5) == double", standard=True)
def type_of(run: Run, value: Any) -> Kind:
    """Its type, to compare with int, double, string, bool, list, map, null_type."""
    return kind(value)
