"""Functions that expressions have beyond CEL's own. Each bounds what it builds, because CEL itself would not."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cel_expr_python import cel

MOST_TEXT = 1_000_000
"""Characters that one call may build."""
MOST_ELEMENTS = 100_000
"""Elements that one call may build."""

T = cel.Type
LIST, MAP = T.List(T.DYN), T.Map(T.DYN, T.DYN)
ANY = {
    "bool": T.BOOL,
    "int": T.INT,
    "uint": T.UINT,
    "double": T.DOUBLE,
    "string": T.STRING,
    "null": T.NULL,
    "list": LIST,
    "map": MAP,
}


def _text(value: str) -> str:
    if len(value) > MOST_TEXT:
        raise ValueError(f"a text of {len(value)} characters is more than the {MOST_TEXT} that an expression may build")
    return value


def _list(value: list[Any]) -> list[Any]:
    if len(value) > MOST_ELEMENTS:
        raise ValueError(f"a list of {len(value)} is more than the {MOST_ELEMENTS} elements an expression may build")
    return value


def _replace(text: str, old: str, new: str) -> str:
    grown = len(text) + text.count(old) * max(len(new) - len(old), 0)
    if grown > MOST_TEXT:
        raise ValueError(f"replace would build {grown} characters; {MOST_TEXT} are allowed")
    return text.replace(old, new)


def _join(parts: list[Any], separator: str = "") -> str:
    texts = [part if isinstance(part, str) else to_text(part) for part in parts]
    if sum(map(len, texts)) + len(separator) * len(texts) > MOST_TEXT:
        raise ValueError(f"join would build more than {MOST_TEXT} characters")
    return separator.join(texts)


def to_text(value: Any) -> str:
    """How a value looks inside text: strings as they are, everything else as compact JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _split(text: str, separator: str) -> list[Any]:
    return _list(text.split(separator) if separator else list(text))


def _order(value: Any) -> tuple[int, Any]:
    """Sorts values of any types: null, booleans, numbers, texts, the rest."""
    match value:
        case None:
            return 0, 0
        case bool():
            return 1, value
        case int() | float():
            return 2, value
        case str():
            return 3, value
        case _:
            return 4, json.dumps(value, sort_keys=True, default=str)


def _distinct(values: list[Any]) -> list[Any]:
    seen: dict[str, Any] = {}
    for value in values:
        seen.setdefault(json.dumps(value, sort_keys=True, default=str), value)
    return list(seen.values())


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"there is no time zone {name!r}; write an IANA name such as 'Europe/Berlin'") from None


def _format(at: datetime, form: str, zone: str = "UTC") -> str:
    return _text(at.astimezone(_zone(zone)).strftime(form))


def _number(text: str) -> int | float:
    stripped = text.strip()
    return int(stripped) if re.fullmatch(r"[+-]?\d{1,18}", stripped) else float(stripped)


def _round(value: float, digits: int = 0) -> float:
    return round(value, digits)


def _from_json(text: str) -> Any:
    return json.loads(_text(text))


def _flatten(values: list[Any]) -> list[Any]:
    return _list([each for value in values for each in (value if isinstance(value, list) else [value])])


def _range(count: int) -> list[Any]:
    if not 0 <= count <= 10_000:
        raise ValueError("range takes 0 to 10000")
    return list(range(count))


Implementation = Callable[..., Any]
# (name, is a member, parameters, result, implementation); the first parameter of a member stands before the dot.
TABLE: list[tuple[str, bool, list[cel.Type], cel.Type, Implementation]] = [
    ("lower", True, [T.STRING], T.STRING, str.lower),
    ("upper", True, [T.STRING], T.STRING, str.upper),
    ("trim", True, [T.STRING], T.STRING, str.strip),
    ("capitalize", True, [T.STRING], T.STRING, str.capitalize),
    ("split", True, [T.STRING, T.STRING], LIST, _split),
    ("replace", True, [T.STRING, T.STRING, T.STRING], T.STRING, _replace),
    ("substring", True, [T.STRING, T.INT], T.STRING, lambda text, start: text[max(start, 0) :]),
    (
        "substring",
        True,
        [T.STRING, T.INT, T.INT],
        T.STRING,
        lambda text, start, end: text[max(start, 0) : max(end, 0)],
    ),
    ("indexOf", True, [T.STRING, T.STRING], T.INT, str.find),
    ("urlEncode", True, [T.STRING], T.STRING, lambda text: _text(quote(text, safe=""))),
    ("urlDecode", True, [T.STRING], T.STRING, unquote),
    ("base64Encode", True, [T.STRING], T.STRING, lambda text: _text(b64encode(text.encode()).decode())),
    ("base64Decode", True, [T.STRING], T.STRING, lambda text: b64decode(text, validate=True).decode()),
    ("fromJson", True, [T.STRING], T.DYN, _from_json),
    ("toNumber", True, [T.STRING], T.DYN, _number),
    ("join", True, [LIST], T.STRING, _join),
    ("join", True, [LIST, T.STRING], T.STRING, _join),
    ("sum", True, [LIST], T.DYN, sum),
    ("min", True, [LIST], T.DYN, lambda values: min(values, key=_order, default=None)),
    ("max", True, [LIST], T.DYN, lambda values: max(values, key=_order, default=None)),
    ("avg", True, [LIST], T.DYN, lambda values: sum(values) / len(values) if values else None),
    ("sort", True, [LIST], LIST, lambda values: sorted(values, key=_order)),
    ("reverse", True, [LIST], LIST, lambda values: values[::-1]),
    ("distinct", True, [LIST], LIST, _distinct),
    ("flatten", True, [LIST], LIST, _flatten),
    (
        "slice",
        True,
        [LIST, T.INT, T.INT],
        LIST,
        lambda values, start, end: values[max(start, 0) : max(end, 0)],
    ),
    ("pluck", True, [LIST, T.STRING], LIST, lambda values, key: [value.get(key) for value in values]),
    ("range", False, [T.INT], LIST, _range),
    ("keys", True, [MAP], LIST, lambda value: sorted(value)),
    ("values", True, [MAP], LIST, lambda value: [value[key] for key in sorted(value)]),
    ("merge", True, [MAP, MAP], MAP, lambda left, right: {**left, **right}),
    ("format", True, [T.TIMESTAMP, T.STRING], T.STRING, _format),
    ("format", True, [T.TIMESTAMP, T.STRING, T.STRING], T.STRING, _format),
    ("round", False, [T.DOUBLE], T.DOUBLE, _round),
    ("round", False, [T.DOUBLE, T.INT], T.DOUBLE, _round),
    ("round", False, [T.INT], T.DOUBLE, float),
]
for _type in ANY.values():
    TABLE.append(("toJson", False, [_type], T.STRING, lambda value: _text(json.dumps(value, ensure_ascii=False))))
    TABLE.append(("toText", False, [_type], T.STRING, lambda value: _text(to_text(value))))

NAMES = sorted({name for name, *_ in TABLE})


def declarations() -> list[cel.FunctionDecl]:
    """The table as the binding wants it."""
    overloads: dict[str, list[cel.Overload]] = {}
    for index, (name, is_member, parameters, result, implementation) in enumerate(TABLE):
        overloads.setdefault(name, []).append(
            cel.Overload(
                f"{name}_{index}",
                return_type=result,
                parameters=parameters,
                is_member=is_member,
                impl=implementation,
            )
        )
    return [cel.FunctionDecl(name, found) for name, found in overloads.items()]
