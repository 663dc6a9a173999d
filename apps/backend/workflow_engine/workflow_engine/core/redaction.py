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


class Redactor:
    """Replaces the values it was told by `***`, also where they stand encoded in a URL, in JSON or in Base64.

    It keeps the latest `limit` spellings of values.
    """

    __slots__ = ("_limit", "_longest_first", "_spellings")

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._spellings: dict[str, None] = {}
        """In the order in which they were last learnt."""
        self._longest_first: list[str] | None = None

    def add(self, values: Iterable[str]) -> None:
        """Learns secrets. A value of several lines, such as a PEM key, is also known by each of them."""
        for value in values:
            for spelling in _spellings(value):
                self._spellings.pop(spelling, None)
                self._spellings[spelling] = None
        for oldest in list(self._spellings)[: -self._limit]:
            del self._spellings[oldest]
        self._longest_first = None

    def text(self, text: str) -> str:
        """`text` without secrets."""
        if self._longest_first is None:
            # A secret may hold a shorter one.
            self._longest_first = sorted(self._spellings, key=len, reverse=True)
        for spelling in self._longest_first:
            if spelling in text:
                text = text.replace(spelling, MASK)
        return text

    def value(self, value: Any) -> Any:
        """The same for a JSON value: every text in it, names of members too."""
        if not self._spellings:
            return value
        match value:
            case str():
                return self.text(value)
            case dict():
                return {self.text(str(name)): self.value(each) for name, each in value.items()}
            case list() | tuple():
                return [self.value(each) for each in value]
            case _:
                return value


def _spellings(value: str) -> set[str]:
    parts = {value, *value.splitlines()} if "\n" in value else {value}
    found: set[str] = set()
    for part in (each.strip() for each in parts):
        if len(part) >= SHORTEST:
            encoded = base64.b64encode(part.encode()).decode()
            found |= {part, quote(part), quote(part, safe=""), quote_plus(part), encoded}
            found |= {json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1], repr(part)[1:-1]}
    return found


LOGS = Redactor()
"""What no log may show: every secret that this process has read. Only the operator sees logs.

Failures are for users and must not use it: whoever wrote a guess into a failure could see whether it is the secret of
someone else. They know the secrets of their own attempt alone; see `nodes.context.Context.handed_out`.
"""
