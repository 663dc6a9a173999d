"""The table of functions: signatures, and what is said when none of them fits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from workflow_engine.engine.expressions.values import NUMBERS, Maybe, Run, Trouble, Uint, named

F = TypeVar("F", bound=Callable[..., Any])

_FITS: dict[str, Callable[[Any], bool]] = {
    "any": lambda value: True,
    "bool": lambda value: type(value) is bool,
    "bytes": lambda value: type(value) is bytes,
    "duration": lambda value: type(value) is timedelta,
    "int": lambda value: type(value) is int or (type(value) is float and value.is_integer()),
    "list": lambda value: type(value) is list,
    "map": lambda value: isinstance(value, Mapping),
    "maybe": lambda value: type(value) is Maybe,
    "number": lambda value: type(value) in NUMBERS,
    "text": lambda value: type(value) is str,
    "time": lambda value: type(value) is datetime,
    "uint": lambda value: type(value) is Uint,
}


@dataclass(frozen=True, slots=True)
class Signature:
    """One way to call a function. For a member the first kind stands before the dot."""

    text: str
    name: str
    is_member: bool
    kinds: tuple[str, ...]
    result: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function with all its signatures."""

    signatures: tuple[Signature, ...]
    implementation: Callable[..., Any]
    example: str
    summary: str
    is_standard: bool
    builds: bool = field(init=False)

    def __post_init__(self) -> None:
        makes = any(each.result in ("any", "list", "map", "maybe") for each in self.signatures)
        object.__setattr__(self, "builds", makes)

    @property
    def name(self) -> str:
        return self.signatures[0].name

    def call(self, run: Run, arguments: list[Any]) -> Any:
        """Raises Trouble."""
        for signature in self.signatures:
            kinds = signature.kinds
            if len(kinds) == len(arguments) and all(map(_fits, kinds, arguments)):
                break
        else:
            raise self._unfit(arguments)
        try:
            return self.implementation(
                run,
                *(int(value) if wanted == "int" else value for wanted, value in zip(kinds, arguments, strict=True)),
            )
        except (ValueError, OverflowError) as error:
            raise Trouble(f"{self.name}: {error}") from None

    def _unfit(self, arguments: list[Any]) -> Trouble:
        given = ", ".join(map(named, arguments))
        hint = "write " + " or ".join(each.text for each in self.signatures)
        if None in arguments:
            hint += "; where a value may be null or absent: default(json.a, value)"
        return Trouble(f"{self.name} does not take ({given})", hint, is_absent=False)


def _fits(wanted: str, value: Any) -> bool:
    return _FITS[wanted](value)


TABLE: list[Function] = []
_SIGNATURE = re.compile(r"(?:(?P<target>[a-z]+)\.)?(?P<name>[\w.@]+)\((?P<kinds>[a-z, ]*)\) -> (?P<result>[a-z]+)")
_NAMESPACES = ("base64", "math", "optional")


def function(*signatures: str, example: str, standard: bool = False) -> Callable[[F], F]:
    """Puts an implementation into the table; its docstring is its summary."""

    def register(implementation: F) -> F:
        read = tuple(map(_signature, signatures))
        summary = (implementation.__doc__ or "").strip()
        TABLE.append(Function(read, implementation, example, summary, standard))
        return implementation

    return register


def _signature(text: str) -> Signature:
    match = _SIGNATURE.fullmatch(text)
    assert match is not None, text
    kinds = tuple(filter(None, match["kinds"].split(", ")))
    target, name = match["target"], match["name"]
    if target in _NAMESPACES:
        return Signature(text, f"{target}.{name}", False, kinds, match["result"])
    return Signature(text, name, target is not None, (target, *kinds) if target else kinds, match["result"])
