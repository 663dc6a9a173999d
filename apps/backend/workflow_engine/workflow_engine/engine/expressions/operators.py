"""CEL's operators on plain values. Ints stay within 64 bits; an int beside a double counts as a double."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from workflow_engine.engine.expressions.values import (
    ELEMENT,
    NUMBERS,
    Run,
    Trouble,
    Uint,
    equal,
    integer,
    member,
    named,
    unsigned,
)

_ORDERED = frozenset({str, bytes, bool, datetime, timedelta})


def add(run: Run, left: Any, right: Any) -> Any:
    mine, theirs = type(left), type(right)
    if mine in NUMBERS and theirs in NUMBERS:
        return _number("+", left, right, left + right)
    if mine is theirs:
        if mine is str or mine is bytes:
            run.build(len(left) + len(right))
            run.spend((len(left) + len(right)) >> 8)
            return left + right
        if mine is list:
            run.build((len(left) + len(right)) * ELEMENT)
            run.spend((len(left) + len(right)) >> 4)
            return left + right
        if mine is timedelta:
            return left + right
    if (mine is datetime and theirs is timedelta) or (mine is timedelta and theirs is datetime):
        return left + right
    if mine is str or theirs is str:
        hint = "convert first: 'n = ' + string(json.n), or put the expression inside text: n = {{ json.n }}"
        raise Trouble(f"+ can not join {named(left)} and {named(right)}", hint)
    raise _unfit("+", left, right)


def subtract(run: Run, left: Any, right: Any) -> Any:
    mine, theirs = type(left), type(right)
    if mine in NUMBERS and theirs in NUMBERS:
        return _number("-", left, right, left - right)
    if (mine is datetime and theirs in (datetime, timedelta)) or mine is theirs is timedelta:
        return left - right
    raise _unfit("-", left, right)


def multiply(run: Run, left: Any, right: Any) -> Any:
    if type(left) in NUMBERS and type(right) in NUMBERS:
        return _number("*", left, right, left * right)
    raise _unfit("*", left, right)


def divide(run: Run, left: Any, right: Any) -> Any:
    """Between ints towards zero, as in CEL: 7 / 2 is 3."""
    mine, theirs = type(left), type(right)
    if mine not in NUMBERS or theirs not in NUMBERS:
        raise _unfit("/", left, right)
    if mine is not float and theirs is not float:
        if right == 0:
            raise Trouble("division by zero", "ask first: json.n == 0 ? 0 : total / json.n")
        quotient = abs(left) // abs(right)
        return _number("/", left, right, quotient if (left < 0) == (right < 0) else -quotient)
    dividend, divisor = float(left), float(right)
    if divisor:
        return dividend / divisor
    if dividend == 0 or math.isnan(dividend):
        return math.nan
    return math.copysign(math.inf, dividend) * math.copysign(1.0, divisor)


def modulo(run: Run, left: Any, right: Any) -> Any:
    """With the sign of the dividend, as in CEL."""
    if type(left) not in (int, Uint) or type(right) not in (int, Uint):
        raise _unfit("%", left, right)
    if right == 0:
        raise Trouble("division by zero", "ask first: json.n == 0 ? 0 : total % json.n")
    rest = abs(left) % abs(right)
    return _number("%", left, right, -rest if left < 0 else rest)


def negate(run: Run, value: Any) -> Any:
    if type(value) is int:
        return integer(-value)
    if type(value) is float:
        return -value
    if type(value) is timedelta:
        return -value
    raise Trouble(f"there is no negative of {named(value)}")


def invert(run: Run, value: Any) -> bool:
    if type(value) is bool:
        return not value
    hint = "compare instead: json.name == '', json.count == 0, json.value == null, !has(json.value)"
    raise Trouble(f"! needs true or false, not {named(value)}", hint)


def _number(sign: str, left: Any, right: Any, result: Any) -> Any:
    mine, theirs = type(left), type(right)
    if mine is float or theirs is float:
        if Uint in (mine, theirs):
            raise _unfit(sign, left, right)
        return result
    if mine is not theirs:
        raise _unfit(sign, left, right)
    return integer(result) if mine is int else unsigned(result)


def _compared(sign: str, test: Callable[[Any, Any], bool]) -> Callable[[Run, Any, Any], bool]:
    def compare(run: Run, left: Any, right: Any) -> bool:
        mine, theirs = type(left), type(right)
        if mine in NUMBERS and theirs in NUMBERS:
            return test(left, right)
        if mine is theirs and mine in _ORDERED:
            if mine is str or mine is bytes:
                run.spend(min(len(left), len(right)) >> 8)
            return test(left, right)
        raise _unfit(sign, left, right)

    return compare


def _unfit(sign: str, left: Any, right: Any) -> Trouble:
    if left is None or right is None:
        hint = "where it may be null or absent: default(json.a, 0)"
    elif str in (type(left), type(right)):
        hint = "convert first: double(json.text), int(json.text), timestamp(json.text)"
    elif any(isinstance(each, list | Mapping) for each in (left, right)):
        hint = "take an element or a key first: list[0], map.key, list.sum(), size(list)"
    else:
        hint = "convert one of them first"
    return Trouble(f"{sign} does not go between {named(left)} and {named(right)}", hint)


OPERATORS: dict[str, Callable[..., Any]] = {
    "_+_": add,
    "_-_": subtract,
    "_*_": multiply,
    "_/_": divide,
    "_%_": modulo,
    "-_": negate,
    "!_": invert,
    "_==_": equal,
    "_!=_": lambda run, left, right: not equal(run, left, right),
    "_<_": _compared("<", lambda left, right: bool(left < right)),
    "_<=_": _compared("<=", lambda left, right: bool(left <= right)),
    "_>_": _compared(">", lambda left, right: bool(left > right)),
    "_>=_": _compared(">=", lambda left, right: bool(left >= right)),
    "@in": member,
}
