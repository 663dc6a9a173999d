"""What expressions compute with: CEL values as plain Python ones, what goes wrong with them, and how much is too much.

null, bool, int, double, string, bytes, list and map are Python's own; a timestamp is an aware datetime, a duration a
timedelta. Input is never copied: a list of a thousand references to one large item costs a thousand references. That is
also why the size of a result is measured with every reference counted as a copy, before anyone writes it out.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

MOST_STEPS: Final = 300_000
"""Work that resolving one template may do; 0.1 to 0.2 microseconds each on the reference machine."""
MOST_ROOM: Final = 8_000_000
"""Characters that resolving one template may build; an element of a list counts as ELEMENT."""
ELEMENT: Final = 16
ENTRY: Final = 64

LEAST_INT, MOST_INT, MOST_UINT = -(2**63), 2**63 - 1, 2**64 - 1


class Trouble(Exception):
    """An expression can not be evaluated; `&&`, `||` and default() may still make something of it."""

    def __init__(self, message: str = "", hint: str = "", *, is_absent: bool = False) -> None:
        super().__init__(message)
        self.message, self.hint, self.is_absent = message, hint, is_absent
        self.offset = -1
        """Character in the expression; -1 until the call that failed has said where it stands."""


class Absent(Trouble):
    """A key that a map does not have. It is described only when someone reads it: default() throws away many."""

    def __init__(self, key: Any, value: Any) -> None:
        super().__init__(is_absent=True)
        self.key, self.value = key, value


class Exhausted(Exception):
    """The budget is spent. Nothing in an expression can catch this."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class Run:
    """One resolving of a template: what is in scope, the loop variables, and what is left of the budget."""

    __slots__ = ("_nodes", "patterns", "room", "scope", "slots", "steps")

    def __init__(self, scope: Any) -> None:
        self.scope = scope
        self.slots: list[Any] = []
        self.steps, self.room = MOST_STEPS, MOST_ROOM
        self.patterns: set[str] = set()
        """Regular expressions that this run has paid for."""
        self._nodes: dict[str, Any] = {}

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise Exhausted(
                f"the expression takes more than {MOST_STEPS} steps",
                "narrow the data first: a filter, split or aggregate node before this one",
            )

    def build(self, room: int) -> None:
        self.room -= room
        if self.room < 0:
            raise Exhausted(
                f"the expression builds more than {MOST_ROOM} characters",
                "build less at once: split the items, or prepare the value in a node of its own",
            )

    def node(self, name: str) -> Any:
        """What another node delivered; None when nothing. Asked for once."""
        if name not in self._nodes:
            self._nodes[name] = self.scope.node(name)
        return self._nodes[name]


class Uint(int):
    """CEL's unsigned integer: only `1u` and uint() make one; JSON never does."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A type as a value: what type() returns."""

    name: str


@dataclass(frozen=True, slots=True)
class Maybe:
    """An optional: `json.?key`."""

    is_present: bool
    value: Any = None


NOTHING = Maybe(False)
NUMBERS = frozenset({int, float, Uint})

_KINDS: dict[type, str] = {
    type(None): "null_type",
    bool: "bool",
    int: "int",
    Uint: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    list: "list",
    dict: "map",
    datetime: "google.protobuf.Timestamp",
    timedelta: "google.protobuf.Duration",
    Kind: "type",
    Maybe: "optional_type",
}


def kind(value: Any) -> Kind:
    """CEL's type of a value."""
    return Kind(_KINDS.get(type(value), "map"))


def named(value: Any) -> str:
    """The kind of a value, for a sentence."""
    name = kind(value).name
    return {"null_type": "null", "optional_type": "optional"}.get(name, name.rpartition(".")[2].lower())


def integer(value: int) -> int:
    """An int result within 64 bits."""
    if LEAST_INT <= value <= MOST_INT:
        return value
    raise Trouble("the result does not fit into 64 bits", "convert with double(...) where precision does not matter")


def unsigned(value: int) -> Uint:
    if 0 <= value <= MOST_UINT:
        return Uint(value)
    raise Trouble("the result does not fit into an unsigned 64-bit integer")


def equal(run: Run, left: Any, right: Any) -> bool:
    """CEL's equality: numbers by value, everything else only within its kind."""
    mine, theirs = type(left), type(right)
    if mine is theirs:
        if mine is str or mine is bytes:
            if len(left) != len(right):
                return False
            run.spend(len(left) >> 8)
        elif mine is list:
            run.spend(2 * len(left) + 1)
            return len(left) == len(right) and all(
                equal(run, one, other) for one, other in zip(left, right, strict=True)
            )
        elif mine is dict:
            run.spend(2 * len(left) + 1)
            return len(left) == len(right) and all(
                key in right and equal(run, value, right[key]) for key, value in left.items()
            )
        elif mine is Maybe:
            return left.is_present == right.is_present and equal(run, left.value, right.value)
        return bool(left == right)
    if mine in NUMBERS and theirs in NUMBERS:
        return bool(left == right)
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return equal(run, dict(left), dict(right))
    return False


def member(run: Run, value: Any, collection: Any) -> bool:
    """`value in collection`."""
    if isinstance(collection, list):
        run.spend(len(collection))
        return any(equal(run, value, each) for each in collection)
    if isinstance(collection, Mapping):
        return is_key(value) and value in collection
    raise Trouble(f"'in' looks into a list or a map, not into {named(collection)}", "for texts: text.contains(part)")


def is_key(value: Any) -> bool:
    """Whether a map may have it as a key. Not a bool: Python would take true for 1."""
    return type(value) in (str, int, float, Uint)


def elements(value: Any) -> list[Any]:
    """What a loop runs over: a list's elements or a map's keys."""
    if type(value) is list:
        return value
    if isinstance(value, Mapping):
        return list(value)
    raise Trouble(
        f"a loop runs over a list or a map, not over {named(value)}",
        "where it may be absent: default(value, []).map(...)",
    )


def moment(value: datetime) -> str:
    """ISO 8601 in UTC; the fraction only when there is one."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def double_text(value: float) -> str:
    """A double as CEL's string() writes it."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(text := repr(value), text)


def dump(run: Run, value: Any) -> str:
    """Compact JSON. The room is taken before it is written."""
    return json.dumps(plain(run, value), ensure_ascii=False, separators=(",", ":"))


def text_of(run: Run, value: Any) -> str:
    """How a value looks inside text: strings as they are, everything else as compact JSON."""
    if type(value) is not str:
        return dump(run, value)
    run.build(len(value))
    return value


def plain(run: Run, value: Any) -> Any:
    """A result as JSON: times as ISO 8601, durations in seconds, bytes in base64, types by name.

    Returns parts of the input themselves rather than copies. Takes the room that the value would fill when written out,
    every shared part counted each time.
    """
    result, size = _plain(run, value, {})
    run.build(size)
    return result


_Seen = dict[int, tuple[Any, int, Any]]
"""By id: the JSON form, its size, and the value itself, so that no other can get its id."""


def _plain(run: Run, value: Any, seen: _Seen) -> tuple[Any, int]:
    kind = type(value)
    if kind is str:
        return value, len(value) + 2
    if kind is int or kind is bool or value is None:
        return value, 8
    if kind is float:
        if not math.isfinite(value):
            raise Trouble(f"the result is {double_text(value)}, which JSON can not hold", "check the divisor first")
        return value, 8
    if kind is dict or kind is list:
        known = seen.get(id(value))
        if known is None:
            run.spend(2 * len(value) + 2)
            found = _plain_map(run, value, seen) if kind is dict else _plain_list(run, value, seen)
            known = seen[id(value)] = (*found, value)
        return known[0], known[1]
    match value:
        case Uint():
            return int(value), 8
        case datetime():
            return moment(value), 32
        case timedelta():
            return value.total_seconds(), 8
        case bytes():
            return b64encode(value).decode(), len(value) * 4 // 3
        case Kind():
            return value.name, len(value.name)
        case Maybe():
            raise Trouble("the result is an optional", "end it with .orValue(...)")
        case Mapping():
            return _plain(run, dict(value), seen)
    raise Trouble(f"the result holds a {kind.__name__}, which is not JSON")


def _plain_list(run: Run, value: list[Any], seen: _Seen) -> tuple[Any, int]:
    converted, size, same = [], ELEMENT, True
    for each in value:
        one, more = _plain(run, each, seen)
        same = same and one is each
        size += more + 1
        converted.append(one)
    return (value if same else converted), size


def _plain_map(run: Run, value: dict[Any, Any], seen: _Seen) -> tuple[Any, int]:
    converted, size, same = {}, ENTRY, True
    for key, each in value.items():
        one, more = _plain(run, each, seen)
        name = key if type(key) is str else double_text(key) if type(key) is float else str(int(key))
        same = same and one is each and name is key
        size += more + len(name) + 4
        converted[name] = one
    return (value if same else converted), size
