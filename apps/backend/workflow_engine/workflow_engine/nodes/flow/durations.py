"""Lengths of time as people write them."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART = r"(\d{1,12}(?:\.\d{1,9})?)(ms|s|m|h|d|w)"
_TEXT = re.compile(rf"(?:{_PART}\s*)+")
LONGEST = 100 * 366 * 86_400_000
"""A hundred years, in milliseconds."""


def milliseconds(value: Any) -> Any:
    """The milliseconds in `90` (seconds), `1.5s`, `2h 30m`. Raises ValueError for anything else."""
    match value:
        case bool() | None:
            pass
        case int() | float() if math.isfinite(value):
            return round(value * 1000)
        case str(text) if _TEXT.fullmatch(text.strip()):
            return round(sum(float(amount) * _UNITS[unit] for amount, unit in re.findall(_PART, text)))
        case _:
            pass
    raise ValueError("write a duration as seconds or with units, such as 30s, 5m, 2h30m or 1d")


Duration: TypeAlias = Annotated[
    int,
    BeforeValidator(milliseconds, json_schema_input_type=float | str),
    Field(ge=0, le=LONGEST),
]
"""Milliseconds, given as seconds or as text with units."""
