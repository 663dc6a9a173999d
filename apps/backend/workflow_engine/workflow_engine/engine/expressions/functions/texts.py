"""Texts."""

from __future__ import annotations

from typing import Any

from workflow_engine.engine.expressions.functions.common import built
from workflow_engine.engine.expressions.functions.table import function
from workflow_engine.engine.expressions.values import ENTRY, Run, member, text_of


@function("text.lower() -> text", example="'AdA'.lower() == 'ada'")
def lower(run: Run, text: str) -> str:
    """In lower case."""
    return built(run, text, len(text)).lower()


@function("text.upper() -> text", example="'ada'.upper() == 'ADA'")
def upper(run: Run, text: str) -> str:
    """In upper case."""
    return built(run, text, 3 * len(text)).upper()


@function("text.capitalize() -> text", example="'ada Lovelace'.capitalize() == 'Ada lovelace'")
def capitalize(run: Run, text: str) -> str:
    """The first letter large, the others small."""
    return built(run, text, 3 * len(text)).capitalize()


@function("text.trim() -> text", example="'  a b '.trim() == 'a b'")
def trim(run: Run, text: str) -> str:
    """Without white space at both ends."""
    return built(run, text, len(text)).strip()


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
    built(run, text, len(text) + found * max(len(new) - len(old), 0))
    return text.replace(old, new, most)


@function(
    "text.substring(int) -> text",
    "text.substring(int, int) -> text",
    example="'workflow'.substring(4, 6) == 'fl'",
)
def substring(run: Run, text: str, start: int, end: int | None = None) -> str:
    """From a character up to, not including, another; what lies outside is cut off."""
    built(run, text, len(text))
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
