"""Values where HTTP wants text."""

from __future__ import annotations

from typing import TypeAlias

from workflow_engine.utils import json

Scalar: TypeAlias = str | int | float | bool | None
Fields: TypeAlias = dict[str, Scalar | list[Scalar]]
"""Names with one value or several; a null is left out."""


def text(value: Scalar) -> str:
    """A string as it is, anything else as JSON writes it."""
    return value if isinstance(value, str) else json.dumps(value).decode()


def pairs(fields: Fields) -> list[tuple[str, str]]:
    """`fields` as name and text, a list giving its name several times."""
    return [
        (name, text(each))
        for name, value in fields.items()
        for each in (value if isinstance(value, list) else [value])
        if each is not None
    ]
