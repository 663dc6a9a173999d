"""What the parameters of several flow nodes have in common: which must be there, which must be literal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString

from pydantic_core import PydanticCustomError

from workflow_engine.engine.plan import ParameterProblem


def wrong(message: LiteralString, **details: Any) -> PydanticCustomError:
    """An error about which parameters were given. Expressions can not change it, so it is reported at save."""
    return PydanticCustomError("parameters", message, details)


def given(data: Any, name: str) -> bool:
    """Whether raw parameters hold something under `name`."""
    return isinstance(data, Mapping) and data.get(name) not in (None, "", [])


def needs(data: Any, mode: str, *names: str) -> None:
    """Raises unless everything that `mode` needs is there."""
    for name in names:
        if not given(data, name):
            raise wrong("mode {mode} needs {name}", mode=mode, name=name)


def literal(parameters: Mapping[str, Any], *names: str) -> list[ParameterProblem]:
    """Problems for those of `names` (`cases[].output` looks into a list) that hold an expression: they decide the
    node's ports, which must be known before anything runs."""
    return [
        ParameterProblem(
            place,
            f"{place} decides the node's ports, so it can not be an expression",
            "write the value itself; to choose at run time, let a flow.switch choose between nodes",
            "EXPRESSION_NOT_ALLOWED",
        )
        for name in names
        for place, value in _places(parameters, name, "")
        if isinstance(value, str) and "{{" in value
    ]


def _places(at: Any, name: str, prefix: str) -> list[tuple[str, Any]]:
    head, _, rest = name.partition("[]")
    if head:
        if not isinstance(at, Mapping) or head not in at:
            return []
        at, prefix = at[head], f"{prefix}.{head}" if prefix else head
    if "[]" not in name:
        return [(prefix, at)]
    if not isinstance(at, list):
        return []
    tail = rest.removeprefix(".")
    return [
        found
        for index, each in enumerate(at)
        for found in (_places(each, tail, f"{prefix}[{index}]") if tail else [(f"{prefix}[{index}]", each)])
    ]


def whole(value: Any, default: int, low: int, high: int) -> int:
    """`value` when raw parameters hold a usable integer there, else `default`; for `shape`, which never raises."""
    usable = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    return value if usable else default
