"""Paths into an item's JSON: `customer.name`, `lines[0].price`, `["a.key.with.dots"].x`.

Reading gives MISSING where nothing is. Writing copies what lies on the way: items are shared between branches and
never change.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, Field

from workflow_engine.engine.items import Json
from workflow_engine.nodes.flow.values import kind
from workflow_engine.nodes.spec import NodeFailure


class Missing(Enum):
    MISSING = "missing"


MISSING: Final = Missing.MISSING
"""Nothing is there; unlike null, which is a value."""

_STEP = re.compile(r'(?:^|\.)([^.\[\]"]+)|\[(\d{1,9})\]|(?:^|\.)?\["((?:[^"\\]|\\.)+)"\]')


@lru_cache(maxsize=4096)
def steps(path: str) -> tuple[str | int, ...]:
    """The members and positions that `path` names. Raises ValueError for what is no path."""
    found: list[str | int] = []
    at = 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            raise ValueError(
                f'{path!r} is no path, see character {at}: write a.b, a[0].b, or ["a.b"] where a name has dots'
            )
        name, index, quoted = step.groups()
        found.append(int(index) if index else name or re.sub(r"\\(.)", r"\1", quoted))
        at = step.end()
    if not found or isinstance(found[0], int):
        raise ValueError(f"{path!r} is no path: it must begin with the name of a field")
    return tuple(found)


def _checked(path: str) -> str:
    if "{{" not in path:
        steps(path)
    return path


Path: TypeAlias = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_checked)]
"""A parameter that names a place in an item."""


def get(json: Json, path: str) -> Json | Missing:
    """The value at `path`, or MISSING."""
    at: Any = json
    for step in steps(path):
        match at, step:
            case dict(), str() if step in at:
                at = at[step]
            case list(), int() if step < len(at):
                at = at[step]
            case _:
                return MISSING
    return at


def put(json: dict[str, Json], path: str, value: Json, *, field: str = "") -> dict[str, Json]:
    """A copy of `json` with `value` at `path`; objects that are missing on the way are made.

    Raises NodeFailure, naming the parameter `field`, where the way is barred by a value of another kind.
    """
    written = _put(json, steps(path), 0, value, path, field)
    assert isinstance(written, dict)
    return written


def _put(at: Json, way: tuple[str | int, ...], depth: int, value: Json, path: str, field: str) -> Json:
    if depth == len(way):
        return value
    match at, way[depth]:
        case ((dict() | None | Missing.MISSING), str(name)):
            inner: Any = at if isinstance(at, dict) else {}
            return {**inner, name: _put(inner.get(name, MISSING), way, depth + 1, value, path, field)}
        case ((list() | None | Missing.MISSING), int(index)):
            row: list[Any] = at if isinstance(at, list) else []
            if index > len(row):
                raise NodeFailure(
                    "INVALID_PATH",
                    f"{path}: position {index} is past the end of a list of {len(row)}",
                    field=field,
                    hint="positions count from 0; the position after the last one appends",
                )
            below = row[index] if index < len(row) else MISSING
            return [*row[:index], _put(below, way, depth + 1, value, path, field), *row[index + 1 :]]
        case found, step:
            wants = "an object" if isinstance(step, str) else "a list"
            raise NodeFailure(
                "INVALID_PATH",
                f"{path}: {step!r} needs {wants}, but there is {kind(found)}",
                field=field,
                hint="write to another path, or replace the value in the way first",
            )


def drop(json: dict[str, Json], path: str) -> dict[str, Json]:
    """A copy of `json` without what is at `path`; `json` itself when nothing is there."""
    if get(json, path) is MISSING:
        return json
    left = _drop(json, steps(path), 0)
    assert isinstance(left, dict)
    return left


def _drop(at: Any, way: tuple[str | int, ...], depth: int) -> Json:
    last = depth == len(way) - 1
    step = way[depth]
    if isinstance(at, dict):
        if last:
            return {name: each for name, each in at.items() if name != step}
        return {**at, step: _drop(at[step], way, depth + 1)}
    index = int(step)
    kept = [] if last else [_drop(at[index], way, depth + 1)]
    return [*at[:index], *kept, *at[index + 1 :]]


def only(json: dict[str, Json], paths: list[str]) -> dict[str, Json]:
    """Just what is at `paths`, each at its place. A position in a list keeps the list as far as it is needed."""
    kept: dict[str, Json] = {}
    for path in paths:
        way = steps(path)
        # A lone element of a list has no place of its own, so the list is kept from its name on.
        whole = next((depth for depth, step in enumerate(way) if isinstance(step, int)), len(way))
        value = _at(json, way[:whole])
        if value is not MISSING and get(json, path) is not MISSING:
            merged = _put(kept, way[:whole], 0, value, path, "")
            assert isinstance(merged, dict)
            kept = merged
    return kept


def _at(json: Json, way: tuple[str | int, ...]) -> Json | Missing:
    at: Any = json
    for step in way:
        at = at.get(step, MISSING) if isinstance(at, dict) else MISSING
    return at


def last_name(path: str) -> str:
    """The innermost field that `path` names."""
    return next(step for step in reversed(steps(path)) if isinstance(step, str))
