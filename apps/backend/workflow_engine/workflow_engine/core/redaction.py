"""Taking secrets out of what people read: failures, logs."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 4
"""Characters; shorter secrets are left alone, or every text would be full of holes."""
SHORTEST_IN_DATA = 8
"""The same for what nodes deliver: a hole in an error is a nuisance, a hole in data is damage."""


class Redactor:
    """Replaces the values it was told by `***`, also where they stand encoded in a URL, in JSON or in Base64.

    It keeps the latest `limit` values.
    """

    __slots__ = ("_limit", "_longest_first", "_spellings")

    def __init__(self, limit: int = 512) -> None:
        self._limit = limit
        self._spellings: dict[str, set[str]] = {}
        """By value, in the order in which they were last learnt."""
        self._longest_first: list[str] | None = None

    def add(self, values: Iterable[str]) -> None:
        """Learns secrets. A value of several lines, such as a PEM key, is also known by each of them."""
        for value in values:
            if spellings := self._spellings.pop(value, None) or _spellings(value):
                self._spellings[value] = spellings
        for oldest in list(self._spellings)[: -self._limit]:
            del self._spellings[oldest]
        self._longest_first = None

    @property
    def is_empty(self) -> bool:
        return not self._spellings

    def text(self, text: str, shortest: int = SHORTEST) -> str:
        """`text` without secrets of `shortest` characters and more."""
        if self._longest_first is None:
            # A secret may hold a shorter one.
            self._longest_first = sorted(set[str]().union(*self._spellings.values()), key=len, reverse=True)
        for spelling in self._longest_first:
            if len(spelling) < shortest:
                break
            if spelling in text:
                text = text.replace(spelling, MASK)
        return text

    def value(self, value: Any, shortest: int = SHORTEST) -> Any:
        """The same for a JSON value: every text in it, names of members too."""
        if not self._spellings:
            return value
        match value:
            case str():
                return self.text(value, shortest)
            case dict():
                return {self.text(str(name), shortest): self.value(each, shortest) for name, each in value.items()}
            case list() | tuple():
                return [self.value(each, shortest) for each in value]
            case _:
                return value


def _spellings(value: str) -> set[str]:
    # The first and last line of a key in PEM are the same in all of them.
    lines = {line for line in value.splitlines() if not line.startswith("-----")}
    parts = {value, *lines} if "\n" in value else {value}
    found: set[str] = set()
    for part in (each.strip() for each in parts):
        if len(part) >= SHORTEST:
            encoded = base64.b64encode(part.encode()).decode()
            found |= {part, quote(part), quote(part, safe=""), quote_plus(part), encoded}
            found |= {json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1], repr(part)[1:-1]}
            found |= _within_base64(part.encode())
            found.add(part.encode().hex())
    return found


def _within_base64(value: bytes) -> set[str]:
    """What `value` looks like inside of a longer text in Base64, such as `user:password`, wherever it starts there."""
    found: set[str] = set()
    for before, tainted in ((0, 0), (1, 2), (2, 3)):
        whole = base64.b64encode(bytes(before) + value).decode().rstrip("=")
        # The first signs hold bits of what stands before, the last one of what comes after.
        inner = whole[tainted : len(whole) - ((before + len(value)) % 3 > 0)]
        if len(inner) >= SHORTEST_IN_DATA:
            found |= {inner, inner.replace("+", "-").replace("/", "_")}
    return found


LOGS = Redactor(limit=1024)
"""What no log may show: every secret that this process has read. Only the operator sees logs.

Failures are for users and must not use it: whoever wrote a guess into a failure could see whether it is the secret of
someone else. They know the secrets of their own attempt alone; see `nodes.context.Context.handed_out`.
"""
