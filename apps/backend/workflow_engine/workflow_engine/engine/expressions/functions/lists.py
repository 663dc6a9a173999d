"""Lists and maps."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from workflow_engine.engine.expressions.functions.common import built, filled, listed
from workflow_engine.engine.expressions.functions.table import function
from workflow_engine.engine.expressions.operators import add, divide
from workflow_engine.engine.expressions.values import (
    ELEMENT,
    ENTRY,
    NUMBERS,
    Run,
    Trouble,
    Uint,
    dump,
    kind,
    named,
    plain,
)


@function(
    "size(text) -> int",
    "size(list) -> int",
    "size(map) -> int",
    "size(bytes) -> int",
    "text.size() -> int",
    "list.size() -> int",
    "map.size() -> int",
    "bytes.size() -> int",
    example="size([1, 2]) == 2 && 'abc'.size() == 3",
    standard=True,
)
def size(run: Run, value: Any) -> int:
    """Characters, elements, keys or bytes."""
    return len(value)


@function("list.first() -> any", example="[1, 2].first() == 1")
def first(run: Run, values: list[Any]) -> Any:
    """The first element."""
    return filled(values)[0]


@function("list.last() -> any", example="[1, 2].last() == 2")
def last(run: Run, values: list[Any]) -> Any:
    """The last element."""
    return filled(values)[-1]


@function(
    "list.slice(int) -> list",
    "list.slice(int, int) -> list",
    "text.slice(int) -> text",
    "text.slice(int, int) -> text",
    example="[1, 2, 3].slice(1, 3) == [2, 3] && 'abc'.slice(1) == 'bc'",
)
def cut(run: Run, values: list[Any] | str, start: int, end: int | None = None) -> list[Any] | str:
    """From an element or character up to, not including, another; what lies outside is cut off."""
    if isinstance(values, str):
        built(run, values, len(values))
        return values[max(start, 0) : None if end is None else max(end, 0)]
    return listed(run, values)[max(start, 0) : None if end is None else max(end, 0)]


@function("list.reverse() -> list", example="[1, 2].reverse() == [2, 1]")
def reverse(run: Run, values: list[Any]) -> list[Any]:
    """Back to front."""
    return listed(run, values)[::-1]


@function("list.flatten() -> list", example="[[1], [2, 3], 4].flatten() == [1, 2, 3, 4]")
def flatten(run: Run, values: list[Any]) -> list[Any]:
    """Lists inside it opened, one level."""
    flat: list[Any] = []
    for each in values:
        opened = each if type(each) is list else [each]
        listed(run, opened)
        run.spend(1)
        flat.extend(opened)
    return flat


@function("list.distinct() -> list", example="[1, 2.0, 1].distinct() == [1, 2.0]")
def distinct(run: Run, values: list[Any]) -> list[Any]:
    """Each value once, where it came first."""
    listed(run, values)
    seen: set[Any] = set()
    kept: list[Any] = []
    for each in values:
        run.spend(5)
        # A bool is not the number that Python takes it for; 1 and 1.0 are one number in CEL.
        mark = (type(each) is bool, each) if type(each) in (*NUMBERS, bool, str) else _mark(run, each)
        if mark not in seen:
            seen.add(mark)
            kept.append(each)
    return kept


@function("list.sort() -> list", example="[3, 1, 2].sort() == [1, 2, 3]")
def sort(run: Run, values: list[Any]) -> list[Any]:
    """In ascending order: null, false, true, numbers, texts, times; lists and maps by their JSON."""
    return _sorted(run, values, [_order(run, each) for each in listed(run, values)])


@function("list.sortBy(text) -> list", example="[{'n': 2}, {'n': 1}].sortBy('n')[0].n == 1")
def sort_by(run: Run, values: list[Any], key: str) -> list[Any]:
    """Maps in the order of one key; `a.b` is a key within a key. Where it is absent counts as null."""
    return _sorted(run, values, [_order(run, _at(run, each, key)) for each in listed(run, values)])


@function("list.pluck(text) -> list", example="[{'n': 2}, {'n': 1}].pluck('n') == [2, 1]")
def pluck(run: Run, values: list[Any], key: str) -> list[Any]:
    """One key of every map; `a.b` is a key within a key. Where it is absent stands null."""
    return [_at(run, each, key) for each in listed(run, values)]


@function("list.sum() -> any", example="[1, 2.5].sum() == 3.5")
def total(run: Run, values: list[Any]) -> Any:
    """All numbers added up; 0 for an empty list."""
    run.spend(3 * len(values))
    amount: Any = 0
    for each in values:
        if type(each) not in (int, float):
            raise Trouble(
                f"sum adds numbers, and there is {named(each)}", "convert first: list.map(x, double(x)).sum()"
            )
        amount = add(run, amount, each)
    return amount


@function("list.avg() -> any", example="[1, 2].avg() == 1.5")
def average(run: Run, values: list[Any]) -> Any:
    """The mean, a double."""
    return divide(run, float(total(run, filled(values))), len(values))


@function("list.min() -> any", example="[3, 1, 2].min() == 1")
def smallest(run: Run, values: list[Any]) -> Any:
    """The element that sort() puts first."""
    return sort(run, filled(values))[0]


@function("list.max() -> any", example="[3, 1, 2].max() == 3")
def largest(run: Run, values: list[Any]) -> Any:
    """The element that sort() puts last."""
    return sort(run, filled(values))[-1]


@function("range(int) -> list", "range(int, int) -> list", example="range(3) == [0, 1, 2] && range(2, 4) == [2, 3]")
def count(run: Run, start: int, end: int | None = None) -> list[int]:
    """Whole numbers from 0, or from the first, up to, not including, the last."""
    low, high = (0, start) if end is None else (start, end)
    run.spend(max(high - low, 0))
    run.build(2 * ELEMENT * max(high - low, 0))
    return list(range(low, high))


@function("map.keys() -> list", example="{'b': 1, 'a': 2}.keys() == ['a', 'b']")
def keys(run: Run, value: Mapping[Any, Any]) -> list[Any]:
    """Its keys, sorted."""
    return sort(run, list(value))


@function("map.values() -> list", example="{'b': 1, 'a': 2}.values() == [2, 1]")
def values_of(run: Run, value: Mapping[Any, Any]) -> list[Any]:
    """Its values, in the order of keys()."""
    return [value[key] for key in keys(run, value)]


@function("map.merge(map) -> map", example="{'a': 1, 'b': 1}.merge({'b': 2}) == {'a': 1, 'b': 2}")
def merge(run: Run, value: Mapping[Any, Any], other: Mapping[Any, Any]) -> dict[Any, Any]:
    """Both; where they share a key, the second one's value."""
    run.spend(len(value) + len(other))
    run.build((len(value) + len(other)) * ENTRY)
    return {**value, **other}


def _at(run: Run, value: Any, path: str) -> Any:
    for key in path.split(".") if len(path) <= 256 else [path]:
        run.spend(2)
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _mark(run: Run, value: Any) -> Any:
    return json.dumps(plain(run, value), sort_keys=True) if isinstance(value, list | Mapping) else (kind(value), value)


_RANKS = {bool: 1, int: 2, float: 2, Uint: 2, str: 3, datetime: 4, timedelta: 5, bytes: 6}


def _order(run: Run, value: Any) -> tuple[int, Any]:
    if value is None:
        return 0, 0
    rank = _RANKS.get(type(value))
    if rank is None:
        return 7, dump(run, value)
    if value != value:
        return 2, -math.inf
    return rank, value


def _sorted(run: Run, values: list[Any], orders: list[tuple[int, Any]]) -> list[Any]:
    longest = max((len(each) for rank, each in orders if rank in (3, 6, 7)), default=0)
    run.spend(len(values) * max(len(values).bit_length(), 1) * (1 + (longest >> 8)))
    return [values[position] for position in sorted(range(len(values)), key=orders.__getitem__)]
