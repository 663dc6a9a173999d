"""What libraries make of a file, as JSON: bounded, so that a small file can not become a large value."""

from __future__ import annotations

import base64
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from workflow_engine.nodes.spec import Json, NodeFailure
from workflow_engine.utils.json import DEEPEST, INT64_MAX, INT64_MIN

MAX_BYTES = 64 << 20
"""Size of a file that is read or written as a whole."""
MAX_VALUES = 2_000_000
"""Values in one file; one that a YAML alias repeats counts again."""


def invalid(format: str, why: str, hint: str = "see that the file is complete and of this format") -> NodeFailure:
    return NodeFailure("INVALID_DATA", f"the data can not be read as {format}: {why}", field="format", hint=hint)


class Plain:
    """Makes JSON of Python values: dates become ISO 8601, long integers and decimals strings, bytes Base64."""

    def __init__(self, format: str) -> None:
        self._format = format
        self._left = MAX_VALUES

    def value(self, value: Any, depth: int = 0) -> Json:
        """Raises NodeFailure INVALID_DATA for what is too much, too deep or no JSON."""
        self._left -= 1
        if self._left < 0:
            raise invalid(self._format, f"it holds more than {MAX_VALUES:,} values", "split it into smaller files")
        if depth > DEEPEST:
            raise invalid(self._format, f"it is nested more than {DEEPEST} levels deep")
        match value:
            case None | bool() | str():
                return value
            case int():
                return value if INT64_MIN <= value <= INT64_MAX else str(value)
            case float():
                if not math.isfinite(value):
                    raise invalid(self._format, f"{value} is no JSON number")
                return value
            case dict():
                return {self._name(name): self.value(each, depth + 1) for name, each in value.items()}
            case list() | tuple() | set():
                return [self.value(each, depth + 1) for each in value]
            case datetime() | date() | time():
                return value.isoformat()
            case timedelta():
                return value.total_seconds()
            case Decimal():
                return str(value)
            case bytes():
                return base64.b64encode(value).decode()
            case _:
                return str(value)

    def _name(self, name: Any) -> str:
        if isinstance(name, str):
            return name
        if isinstance(name, bool):
            return "true" if name else "false"
        return "null" if name is None else str(self.value(name))
