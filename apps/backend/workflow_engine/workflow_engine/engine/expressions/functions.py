"""What expressions can call, each function beside its signature and an example that is true.

The words in a signature are kinds: any, bool, bytes, duration, int, list, map, maybe (an optional), number (int
or double), text, time, type, uint; `math.`, `base64.` and `optional.` are namespaces. The library declares the
functions marked `standard` itself. Every function pays for the data that it touches (`spend`)
and for what it makes (`build`).
"""

from __future__ import annotations

import json
import math
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import re2

from workflow_engine.engine.expressions.operators import OPERATORS, add, divide
from workflow_engine.engine.expressions.values import (
    ELEMENT,
    ENTRY,
    LEAST_INT,
    MOST_INT,
    NOTHING,
    NUMBERS,
    Kind,
    Maybe,
    Run,
    Trouble,
    Uint,
    double_text,
    dump,
    integer,
    kind,
    member,
    moment,
    named,
    plain,
    text_of,
    unsigned,
)
from workflow_engine.utils.json import refuse_deep

__all__ = ["FUNCTIONS", "OPERATORS", "TABLE", "Function", "Signature"]

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


T = TypeVar("T", str, bytes)


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


def function(
    *signatures: str, example: str, standard: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Puts an implementation into the table; its docstring is its summary."""

    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
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


# texts


@function("text.lower() -> text", example="'AdA'.lower() == 'ada'")
def lower(run: Run, text: str) -> str:
    """In lower case."""
    return _built(run, text, len(text)).lower()


@function("text.upper() -> text", example="'ada'.upper() == 'ADA'")
def upper(run: Run, text: str) -> str:
    """In upper case."""
    return _built(run, text, 3 * len(text)).upper()


@function("text.capitalize() -> text", example="'ada Lovelace'.capitalize() == 'Ada lovelace'")
def capitalize(run: Run, text: str) -> str:
    """The first letter large, the others small."""
    return _built(run, text, 3 * len(text)).capitalize()


@function("text.trim() -> text", example="'  a b '.trim() == 'a b'")
def trim(run: Run, text: str) -> str:
    """Without white space at both ends."""
    return _built(run, text, len(text)).strip()


@function(
    "text.split(text) -> list",
    "text.split(text, int) -> list",
    example="'a,b,c'.split(',') == ['a', 'b', 'c']",
)
def split(run: Run, text: str, separator: str, most: int = -1) -> list[str]:
    """The parts between separators, at most so many; an empty separator gives the characters."""
    pieces = text.count(separator) + 1
    pieces = min(pieces, max(most, 0)) if most >= 0 else pieces
    run.spend((len(text) >> 6) + pieces)
    run.build(len(text) + pieces * ENTRY)
    if most == 0:
        return []
    if separator:
        return text.split(separator, most - 1 if most > 0 else -1)
    return list(text) if most < 0 else [*text[: most - 1], text[most - 1 :]]


@function("list.join() -> text", "list.join(text) -> text", example="['a', 1].join('-') == 'a-1'")
def join(run: Run, parts: list[Any], separator: str = "") -> str:
    """One text of all elements; what is not text is written as JSON."""
    run.spend(len(parts))
    run.build(len(separator) * len(parts))
    return separator.join([text_of(run, part) for part in parts])


@function(
    "text.replace(text, text) -> text",
    "text.replace(text, text, int) -> text",
    example="'a.b.c'.replace('.', '/') == 'a/b/c'",
)
def replace(run: Run, text: str, old: str, new: str, most: int = -1) -> str:
    """With every `old` (or the first so many) replaced."""
    found = text.count(old) if most < 0 else min(text.count(old), most)
    _built(run, text, len(text) + found * max(len(new) - len(old), 0))
    return text.replace(old, new, most)


@function(
    "text.substring(int) -> text",
    "text.substring(int, int) -> text",
    example="'workflow'.substring(4, 6) == 'fl'",
)
def substring(run: Run, text: str, start: int, end: int | None = None) -> str:
    """From a character up to, not including, another; what lies outside is cut off."""
    _built(run, text, len(text))
    return text[max(start, 0) : None if end is None else max(end, 0)]


@function("text.indexOf(text) -> int", example="'workflow'.indexOf('flow') == 4")
def index_of(run: Run, text: str, part: str) -> int:
    """Where the part begins; -1 when it is not there."""
    run.spend(len(text) >> 5)
    return text.find(part)


@function("text.contains(text) -> bool", example="'workflow'.contains('flow')", standard=True)
def contains(run: Run, text: str, part: str) -> bool:
    """Whether the part is in it. For lists: `x in list`."""
    run.spend(len(text) >> 5)
    return part in text


@function("includes(any, any) -> bool", example="includes([1, 2], 2) && includes('workflow', 'flow')")
def includes(run: Run, whole: Any, part: Any) -> bool:
    """Whether a text has the part, or a list the element, where it is not known which of the two there is."""
    if isinstance(whole, str) and isinstance(part, str):
        run.spend(len(whole) >> 5)
        return part in whole
    return member(run, part, whole)


@function("text.startsWith(text) -> bool", example="'workflow'.startsWith('work')", standard=True)
def starts_with(run: Run, text: str, part: str) -> bool:
    """Whether it begins so."""
    run.spend(len(part) >> 8)
    return text.startswith(part)


@function("text.endsWith(text) -> bool", example="'workflow'.endsWith('flow')", standard=True)
def ends_with(run: Run, text: str, part: str) -> bool:
    """Whether it ends so."""
    run.spend(len(part) >> 8)
    return text.endswith(part)


@function(
    "text.matches(text) -> bool",
    "matches(text, text) -> bool",
    example="'INV-0042'.matches('^INV-[0-9]+$')",
    standard=True,
)
def matches(run: Run, text: str, pattern: str) -> bool:
    """Whether a regular expression (RE2 syntax) is found in it; anchor it with ^ and $."""
    return _regex(run, text, pattern).search(text) is not None


@function("text.extract(text) -> list", example="'a=1, b=22'.extract('[0-9]+') == ['1', '22']")
def extract(run: Run, text: str, pattern: str) -> list[str]:
    """All places that a regular expression (RE2) matches; with one group, what the group holds."""
    compiled = _regex(run, text, pattern)
    if compiled.groups > 1:
        raise Trouble(f"the pattern has {compiled.groups} groups; one is enough", "write (?:...) for the others")
    found: list[str] = []
    for match in compiled.finditer(text):
        run.spend(50)
        run.build(ENTRY + match.end() - match.start())
        found.append(match.group(compiled.groups) or "")
    return found


@function("text.replaceMatches(text, text) -> text", example="'a1b22'.replaceMatches('[0-9]+', '#') == 'a#b#'")
def replace_matches(run: Run, text: str, pattern: str, new: str) -> str:
    """With every place that a regular expression (RE2) matches replaced by the new text as it stands."""
    compiled, parts, position = _regex(run, text, pattern), [], 0
    for match in compiled.finditer(text):
        run.spend(50)
        run.build(match.start() - position + len(new))
        parts += [text[position : match.start()], new]
        position = match.end()
    run.build(len(text) - position)
    return "".join([*parts, text[position:]])


@function("text.urlEncode() -> text", example="'a b&c'.urlEncode() == 'a%20b%26c'")
def url_encode(run: Run, text: str) -> str:
    """As one part of a URL."""
    _built(run, text, 12 * len(text))
    run.spend(len(text))
    return quote(text, safe="")


@function("text.urlDecode() -> text", example="'a%20b'.urlDecode() == 'a b'")
def url_decode(run: Run, text: str) -> str:
    """The text that was URL-encoded."""
    run.spend(len(text))
    return unquote(_built(run, text, len(text)))


@function("text.base64Encode() -> text", example="'abc'.base64Encode() == 'YWJj'")
def base64_encode(run: Run, text: str) -> str:
    """In base64, of its UTF-8 bytes."""
    _built(run, text, 6 * len(text))
    return b64encode(text.encode()).decode()


@function("text.base64Decode() -> text", example="'YWJj'.base64Decode() == 'abc'")
def base64_decode(run: Run, text: str) -> str:
    """The text that was in base64; it must be UTF-8."""
    return _utf8(_from_base64(run, text))


@function("base64.encode(bytes) -> text", example="base64.encode(b'abc') == 'YWJj'", standard=True)
def bytes_to_base64(run: Run, value: bytes) -> str:
    """Bytes in base64."""
    _built(run, value, 2 * len(value))
    return b64encode(value).decode()


@function("base64.decode(text) -> bytes", example="base64.decode('YWJj') == b'abc'", standard=True)
def bytes_from_base64(run: Run, text: str) -> bytes:
    """The bytes that were in base64."""
    return _from_base64(run, text)


# lists and maps


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
    return _of(values)[0]


@function("list.last() -> any", example="[1, 2].last() == 2")
def last(run: Run, values: list[Any]) -> Any:
    """The last element."""
    return _of(values)[-1]


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
        _built(run, values, len(values))
        return values[max(start, 0) : None if end is None else max(end, 0)]
    return _listed(run, values)[max(start, 0) : None if end is None else max(end, 0)]


@function("list.reverse() -> list", example="[1, 2].reverse() == [2, 1]")
def reverse(run: Run, values: list[Any]) -> list[Any]:
    """Back to front."""
    return _listed(run, values)[::-1]


@function("list.flatten() -> list", example="[[1], [2, 3], 4].flatten() == [1, 2, 3, 4]")
def flatten(run: Run, values: list[Any]) -> list[Any]:
    """Lists inside it opened, one level."""
    flat: list[Any] = []
    for each in values:
        opened = each if type(each) is list else [each]
        _listed(run, opened)
        run.spend(1)
        flat.extend(opened)
    return flat


@function("list.distinct() -> list", example="[1, 2.0, 1].distinct() == [1, 2.0]")
def distinct(run: Run, values: list[Any]) -> list[Any]:
    """Each value once, where it came first."""
    _listed(run, values)
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
    return _sorted(run, values, [_order(run, each) for each in _listed(run, values)])


@function("list.sortBy(text) -> list", example="[{'n': 2}, {'n': 1}].sortBy('n')[0].n == 1")
def sort_by(run: Run, values: list[Any], key: str) -> list[Any]:
    """Maps in the order of one key; `a.b` is a key within a key. Where it is absent counts as null."""
    return _sorted(run, values, [_order(run, _at(run, each, key)) for each in _listed(run, values)])


@function("list.pluck(text) -> list", example="[{'n': 2}, {'n': 1}].pluck('n') == [2, 1]")
def pluck(run: Run, values: list[Any], key: str) -> list[Any]:
    """One key of every map; `a.b` is a key within a key. Where it is absent stands null."""
    return [_at(run, each, key) for each in _listed(run, values)]


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
    return divide(run, float(total(run, _of(values))), len(values))


@function("list.min() -> any", example="[3, 1, 2].min() == 1")
def smallest(run: Run, values: list[Any]) -> Any:
    """The element that sort() puts first."""
    return sort(run, _of(values))[0]


@function("list.max() -> any", example="[3, 1, 2].max() == 3")
def largest(run: Run, values: list[Any]) -> Any:
    """The element that sort() puts last."""
    return sort(run, _of(values))[-1]


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
    return sort(run, list(value))  # type: ignore[no-any-return]


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


# numbers


@function("round(number) -> any", "round(number, int) -> any", example="round(2.5) == 3 && round(1.256, 2) == 1.26")
def round_to(run: Run, value: Any, digits: int | None = None) -> Any:
    """The nearest whole number, an int; or the nearest double with so many decimals. A half goes away from zero."""
    if type(value) is not float:
        return value
    if not math.isfinite(value):
        raise Trouble(f"{double_text(value)} can not be rounded")
    places = max(-15, min(digits or 0, 15))
    shifted = abs(value) * 10.0**places
    # 1.005 * 100 is 100.49999999999999: what one wrote decides, not the last bit.
    nearest = math.floor(float(f"{shifted:.15g}") + 0.5) if shifted < 1e15 else shifted
    result = math.copysign(nearest / 10.0**places, value)
    return result if digits is not None else integer(int(result))


@function(
    "math.@max(list) -> any",
    "math.@max(number) -> any",
    "math.@max(number, number) -> any",
    example="math.greatest(1, 2.5) == 2.5",
    standard=True,
)
def greatest(run: Run, *values: Any) -> Any:
    """The largest of the numbers."""
    return _extreme(run, values[0] if isinstance(values[0], list) else [*values], 1)


@function(
    "math.@min(list) -> any",
    "math.@min(number) -> any",
    "math.@min(number, number) -> any",
    example="math.least(1, 2.5) == 1",
    standard=True,
)
def least(run: Run, *values: Any) -> Any:
    """The smallest of the numbers."""
    return _extreme(run, values[0] if isinstance(values[0], list) else [*values], -1)


@function("math.ceil(number) -> number", example="math.ceil(1.2) == 2.0", standard=True)
def ceil(run: Run, value: float) -> float:
    """Up to a whole number, a double."""
    return float(math.ceil(value)) if math.isfinite(value) else value


@function("math.floor(number) -> number", example="math.floor(1.8) == 1.0", standard=True)
def floor(run: Run, value: float) -> float:
    """Down to a whole number, a double."""
    return float(math.floor(value)) if math.isfinite(value) else value


@function("math.round(number) -> number", example="math.round(-1.5) == -2.0", standard=True)
def round_half(run: Run, value: float) -> float:
    """The nearest whole number, a double; a half goes away from zero."""
    if not math.isfinite(value) or abs(value) >= 2**52:
        return float(value)
    whole = math.trunc(value)
    return math.copysign(abs(whole) + (abs(value - whole) >= 0.5), value)


@function("math.trunc(number) -> number", example="math.trunc(-1.8) == -1.0", standard=True)
def trunc(run: Run, value: float) -> float:
    """Without its decimals, a double."""
    return float(math.trunc(value)) if math.isfinite(value) else value


@function("math.abs(number) -> number", example="math.abs(-2) == 2", standard=True)
def absolute(run: Run, value: Any) -> Any:
    """Without its sign."""
    return abs(value) if type(value) is float else type(value)(integer(abs(value))) if type(value) is int else value


@function("math.sign(number) -> number", example="math.sign(-2.5) == -1.0", standard=True)
def sign(run: Run, value: Any) -> Any:
    """-1, 0 or 1, of the same kind."""
    return value if value != value else type(value)((value > 0) - (value < 0))


@function("math.sqrt(number) -> number", example="math.sqrt(9) == 3.0", standard=True)
def root(run: Run, value: float) -> float:
    """The square root, a double."""
    return math.sqrt(value) if value >= 0 else math.nan


@function("math.isNaN(number) -> bool", example="math.isNaN(0.0 / 0.0)", standard=True)
def is_nan(run: Run, value: float) -> bool:
    """Whether it is no number."""
    return math.isnan(value)


@function("math.isInf(number) -> bool", example="math.isInf(1.0 / 0.0)", standard=True)
def is_inf(run: Run, value: float) -> bool:
    """Whether it is infinite."""
    return math.isinf(value)


@function("math.isFinite(number) -> bool", example="math.isFinite(1.5)", standard=True)
def is_finite(run: Run, value: float) -> bool:
    """Whether it is neither infinite nor no number."""
    return math.isfinite(value)


# times


@function(
    "time.format(text) -> text",
    "time.format(text, text) -> text",
    example="timestamp('2026-01-02T03:04:05Z').format('%d.%m.%Y %H:%M', 'Asia/Tokyo') == '02.01.2026 12:04'",
)
def form(run: Run, at: datetime, pattern: str, zone: str = "UTC") -> str:
    """Written out: %Y %m %d %H %M %S, %f microseconds, %j day of year, %a %A weekday, %b %B month, %I %p, %z, %%."""
    _built(run, pattern, 9 * len(pattern))
    run.spend(len(pattern))
    local = at.astimezone(_zone(zone))
    return re.sub(r"%(.?)", lambda match: _directive(local, match[1]), pattern, flags=re.DOTALL)


@function(
    "time.inZone(text) -> text",
    example="timestamp('2026-01-02T03:00:00Z').inZone('Asia/Tokyo') == '2026-01-02T12:00:00+09:00'",
)
def in_zone(run: Run, at: datetime, zone: str) -> str:
    """ISO 8601 with the clock of a time zone."""
    return at.astimezone(_zone(zone)).isoformat()


@function(
    "parseTime(text) -> time",
    "parseTime(text, text) -> time",
    example="parseTime('2026-01-02', 'Asia/Tokyo') == timestamp('2026-01-01T15:00:00Z')",
)
def parse_time(run: Run, text: str, zone: str = "UTC") -> datetime:
    """A date or date and time in ISO 8601; without an offset it is local to the time zone."""
    try:
        at = datetime.fromisoformat(text.strip()[:64])
    except ValueError:
        raise Trouble(
            f"{_shown(text)} is no ISO 8601 date or time", "such as '2026-01-31' or '2026-01-31T12:00:00Z'"
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=_zone(zone))).astimezone(UTC)


@function(
    "time.addMonths(int) -> time",
    example="timestamp('2026-01-31T00:00:00Z').addMonths(1) == timestamp('2026-02-28T00:00:00Z')",
)
def add_months(run: Run, at: datetime, months: int) -> datetime:
    """So many months later or earlier; a day that the month does not have becomes its last."""
    years, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    for day in (at.day, 30, 29, 28):
        try:
            return at.replace(year=years, month=month + 1, day=day)
        except ValueError:
            continue
    raise Trouble("the time lies outside the years 1 to 9999")


def _part(
    name: str,
    example: str,
    of_time: Callable[[datetime], int],
    of_duration: Callable[[timedelta], int] | None = None,
) -> None:
    signatures = [f"time.{name}() -> int", f"time.{name}(text) -> int"]
    if of_duration:
        signatures.append(f"duration.{name}() -> int")

    def part(run: Run, value: Any, zone: str = "UTC") -> int:
        if isinstance(value, timedelta):
            assert of_duration is not None
            return of_duration(value)
        return of_time(value.astimezone(_zone(zone)))

    part.__doc__ = (
        "A part of the time, in UTC or in a time zone."
        if not of_duration
        else "A part of the time, or the whole duration in that unit."
    )
    function(*signatures, example=example, standard=True)(part)


_AT = "timestamp('2026-01-02T03:04:05.678Z')"
_part("getFullYear", f"{_AT}.getFullYear() == 2026", lambda at: at.year)
_part("getMonth", f"{_AT}.getMonth() == 0", lambda at: at.month - 1)
_part("getDate", f"{_AT}.getDate() == 2", lambda at: at.day)
_part("getDayOfMonth", f"{_AT}.getDayOfMonth() == 1", lambda at: at.day - 1)
_part("getDayOfWeek", f"{_AT}.getDayOfWeek() == 5", lambda at: at.isoweekday() % 7)
_part("getDayOfYear", f"{_AT}.getDayOfYear() == 1", lambda at: at.timetuple().tm_yday - 1)
_part("getHours", f"{_AT}.getHours('Asia/Tokyo') == 12", lambda at: at.hour, lambda span: _whole(span, hours=1))
_part(
    "getMinutes",
    "duration('1h30m').getMinutes() == 90",
    lambda at: at.minute,
    lambda span: _whole(span, minutes=1),
)
_part("getSeconds", f"{_AT}.getSeconds() == 5", lambda at: at.second, lambda span: _whole(span, seconds=1))
_part(
    "getMilliseconds",
    f"{_AT}.getMilliseconds() == 678",
    lambda at: at.microsecond // 1000,
    lambda span: (
        math.trunc(span.microseconds / 1000) if span >= timedelta() else -math.trunc((-span).microseconds / 1000)
    ),
)


# conversions


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
            raise Trouble(f"{_shown(value)} is no whole number", "such as '42'; for decimals: double(text)")
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
            raise Trouble(f"{_shown(value)} is no unsigned whole number")
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
        raise Trouble(f"{_shown(value)} is no number", "such as '2.5', with a point and without thousands separators")
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
            return _utf8(_built(run, value, len(value)))
        case datetime():
            return moment(value)
        case timedelta():
            return _span(value)
    raise Trouble(f"string does not take {named(value)}", "write toJson(value)")


@function("bytes(text) -> bytes", "bytes(bytes) -> bytes", example="bytes('ab') == b'ab'", standard=True)
def to_bytes(run: Run, value: Any) -> bytes:
    """The UTF-8 bytes of a text."""
    return _built(run, value, 4 * len(value)).encode() if isinstance(value, str) else value


@function("bool(bool) -> bool", "bool(text) -> bool", example="bool('true')", standard=True)
def to_bool(run: Run, value: Any) -> bool:
    """From 'true' or 'false', 't' or 'f', '1' or '0'."""
    if isinstance(value, bool):
        return value
    known = {"true": True, "True": True, "TRUE": True, "t": True, "1": True}
    known |= {"false": False, "False": False, "FALSE": False, "f": False, "0": False}
    if value not in known:
        raise Trouble(f"{_shown(value)} is neither true nor false")
    return known[value]


@function("dyn(any) -> any", example="dyn(1) == 1", standard=True)
def dyn(run: Run, value: Any) -> Any:
    """The same value, with its type left open until the run."""
    return value


@function("type(any) -> type", example="type(1.5) == double", standard=True)
def type_of(run: Run, value: Any) -> Kind:
    """Its type, to compare with int, double, string, bool, list, map, null_type."""
    return kind(value)


@function(
    "timestamp(text) -> time",
    "timestamp(int) -> time",
    "timestamp(time) -> time",
    example="timestamp(0) == timestamp('1970-01-01T00:00:00Z')",
    standard=True,
)
def to_time(run: Run, value: Any) -> datetime:
    """From RFC 3339 text, or from seconds since 1970. For dates without a time: parseTime(text)."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, int):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", value):
        raise Trouble(
            f"{_shown(value)} is no RFC 3339 time",
            "such as '2026-01-31T12:00:00Z'; for other forms: parseTime(text, zone)",
        )
    return datetime.fromisoformat(value).astimezone(UTC)


_UNITS = {"h": 3600 * 10**6, "m": 60 * 10**6, "s": 10**6, "ms": 1000, "us": 1, "ns": 0.001}


@function(
    "duration(text) -> duration",
    "duration(duration) -> duration",
    example="duration('1h30m') == duration('90m')",
    standard=True,
)
def to_duration(run: Run, value: Any) -> timedelta:
    """From text such as '1h30m' or '2.5s'; units h, m, s, ms, us, ns."""
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"([+-]?)((?:\d{1,18}(?:\.\d{1,18})?(?:h|ms|m|s|us|ns)){1,8}|0)", value)
    if match is None:
        raise Trouble(f"{_shown(value)} is no duration", "such as '90s', '1h30m' or '250ms'; a day is '24h'")
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|ns)", match[2])
    span = timedelta(microseconds=sum(float(amount) * _UNITS[unit] for amount, unit in parts))
    if abs(span) > timedelta(seconds=315_576_000_000):
        raise Trouble("a duration is at most 10000 years")
    return -span if match[1] == "-" else span


@function("toText(any) -> text", example="toText({'a': 1}) + toText('b') == '{\"a\":1}b'")
def to_text(run: Run, value: Any) -> str:
    """How it looks inside a template: texts as they are, everything else as JSON."""
    return text_of(run, value)


@function("toJson(any) -> text", example="toJson({'a': [1, null]}) == '{\"a\":[1,null]}'")
def to_json(run: Run, value: Any) -> str:
    """As compact JSON."""
    return dump(run, value)


@function("text.fromJson() -> any", "fromJson(text) -> any", example="'{\"a\": [1]}'.fromJson().a[0] == 1")
def from_json(run: Run, text: str) -> Any:
    """The value that is written as JSON."""
    run.spend(len(text) >> 3)
    run.build(4 * len(text))
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_int=_json_int)
    except json.JSONDecodeError as error:
        raise Trouble(
            f"this is no JSON: {error.msg} at character {error.pos}", "the text begins with " + _shown(text)
        ) from None
    try:
        refuse_deep(value)
    except ValueError as error:
        raise Trouble(f"this is no JSON that can be used: {error}") from None
    return value


# optionals


@function("optional.of(any) -> maybe", example="optional.of(1).hasValue()", standard=True)
def present(run: Run, value: Any) -> Maybe:
    """An optional that holds a value."""
    return Maybe(True, value)


@function("optional.none() -> maybe", example="!optional.none().hasValue()", standard=True)
def nothing(run: Run) -> Maybe:
    """An optional that holds none."""
    return NOTHING


@function("optional.ofNonZeroValue(any) -> maybe", example="!optional.ofNonZeroValue('').hasValue()", standard=True)
def non_zero(run: Run, value: Any) -> Maybe:
    """An optional that holds the value unless it is empty, 0, false or null."""
    return Maybe(True, value) if value or isinstance(value, datetime) else NOTHING


@function("maybe.hasValue() -> bool", example="{'a': 1}.?a.hasValue()", standard=True)
def has_value(run: Run, maybe: Maybe) -> bool:
    """Whether it holds a value."""
    return maybe.is_present


@function("maybe.value() -> any", example="{'a': 1}.?a.value() == 1", standard=True)
def value_in(run: Run, maybe: Maybe) -> Any:
    """What it holds."""
    if not maybe.is_present:
        raise Trouble("the optional holds no value", "write .orValue(...)", is_absent=True)
    return maybe.value


@function("maybe.or(maybe) -> maybe", example="{}.?a.or(optional.of(2)).value() == 2", standard=True)
def either(run: Run, maybe: Maybe, other: Maybe) -> Maybe:
    """The first of the two that holds a value."""
    return maybe if maybe.is_present else other


@function("maybe.orValue(any) -> any", example="{}.?a.orValue(2) == 2", standard=True)
def or_value(run: Run, maybe: Maybe, other: Any) -> Any:
    """What it holds, or else this."""
    return maybe.value if maybe.is_present else other


# shared


def _built(run: Run, text: T, room: int) -> T:
    run.spend((len(text) >> 6) + 1)
    run.build(room)
    return text


def _listed(run: Run, values: list[Any]) -> list[Any]:
    run.spend((len(values) >> 2) + 1)
    run.build((len(values) + 1) * ELEMENT)
    return values


def _of(values: list[Any]) -> list[Any]:
    if not values:
        raise Trouble("the list is empty", "write default(list.first(), value)", is_absent=True)
    return values


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _utf8(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Trouble("the bytes are not UTF-8 text") from None


def _from_base64(run: Run, text: str) -> bytes:
    _built(run, text, len(text))
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (Base64Error, ValueError):
        raise Trouble(f"{_shown(text)} is not base64") from None


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


def _extreme(run: Run, values: list[Any], wanted: int) -> Any:
    run.spend(len(values))
    best = _of(values)[0]
    for each in values:
        if type(each) not in NUMBERS:
            raise Trouble(f"this compares numbers, and there is {named(each)}")
        if (each > best) - (each < best) == wanted:
            best = each
    return best


def _whole(span: timedelta, **unit: int) -> int:
    whole = abs(span) // timedelta(**unit)
    return whole if span >= timedelta() else -whole


def _span(span: timedelta) -> str:
    microseconds = abs(span) // timedelta(microseconds=1)
    text = f"{microseconds // 10**6}.{microseconds % 10**6:06}".rstrip("0").rstrip(".")
    return f"{'-' if span < timedelta() else ''}{text}s"


@lru_cache(maxsize=1_024)
def _zone(name: str) -> tzinfo:
    if offset := re.fullmatch(r"([+-]?)(\d\d):(\d\d)", name):
        span = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-span if offset[1] == "-" else span)
    try:
        return ZoneInfo(name[:64])
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Trouble(f"there is no time zone {_shown(name)}", "write an IANA name such as 'Europe/Berlin'") from None


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def _directive(at: datetime, letter: str) -> str:
    """English and the same on every machine, which strftime is not."""
    match letter:
        case "a" | "A":
            return _DAYS[at.weekday()][: 3 if letter == "a" else None]
        case "b" | "B":
            return _MONTHS[at.month - 1][: 3 if letter == "b" else None]
        case "Y":
            return f"{at.year:04}"
        case "p":
            return "AM" if at.hour < 12 else "PM"
        case "m" | "d" | "H" | "M" | "S" | "f" | "j" | "I" | "y" | "z":
            return at.strftime(f"%{letter}")
        case "%":
            return "%"
    raise Trouble(f"format does not know %{letter}", "it knows %Y %m %d %H %M %S %f %j %a %A %b %B %y %I %p %z %%")


def _json_int(text: str) -> int:
    if len(text) > 20 or not LEAST_INT <= (value := int(text)) <= MOST_INT:
        raise Trouble(f"the number {_shown(text)} does not fit into 64 bits", "carry it as text")
    return value


def _no_constant(text: str) -> Any:
    raise Trouble(f"this is no JSON: it holds {text}")


MOST_PATTERN = 1_000
"""Characters in one regular expression."""
MOST_PROGRAM = 5_000
"""Instructions of one compiled regular expression: [a-z]{1000} has about so many."""


def _regex(run: Run, text: str, pattern: str) -> Any:
    if pattern not in run.patterns:
        run.spend(4_000)  # compiling takes up to a millisecond
        run.patterns.add(pattern)
    compiled = _compiled(pattern)
    # RE2 takes time in proportion to the text; when its cache of states overflows, also to the program.
    run.spend(50 + (len(text) * min(compiled.programsize, 200) >> 6))
    run.build(len(text))
    return compiled


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    if len(pattern) > MOST_PATTERN:
        raise Trouble(f"the pattern has {len(pattern)} characters; {MOST_PATTERN} are allowed")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise Trouble(
            f"the pattern {_shown(pattern)} is wrong: {reason}",
            "RE2 has no back references and no look-around",
        ) from None
    if compiled.programsize > MOST_PROGRAM:
        raise Trouble("the pattern is too large", "use smaller repeats than {1000}")
    return compiled


FUNCTIONS: dict[tuple[str, bool], Function] = {}
for _each in TABLE:
    for _is_member in {signature.is_member for signature in _each.signatures}:
        FUNCTIONS[_each.name, _is_member] = _each
