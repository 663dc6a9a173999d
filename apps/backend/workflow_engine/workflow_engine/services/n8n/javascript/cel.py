"""Pieces of CEL: what a translation is put together from."""

from __future__ import annotations

import json
from dataclasses import dataclass

TERNARY, OR, AND, RELATION, SUM, PRODUCT, UNARY, PRIMARY = range(8)
ZONE = "workflow.timezone"


class Beyond(Exception):
    """An expression that our language can not say, and why."""


@dataclass(frozen=True, slots=True)
class Cel:
    """A piece of CEL, how tightly it binds, and what it is known to be."""

    text: str
    kind: str = ""
    """`text`, `number`, `bool`, `list`, `map`, `time`, `null`, `regex`, `node`, `input`, `item`, or empty."""
    binds: int = PRIMARY
    may_lack: bool = False
    """It ends a chain with `?.`, so that it may be absent."""

    def within(self, binds: int) -> str:
        return f"({self.text})" if self.binds < binds else self.text


def quoted(text: str) -> str:
    """A text as CEL writes it."""
    if "'" not in text and "\\" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)
