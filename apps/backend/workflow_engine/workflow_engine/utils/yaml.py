"""YAML as plain values."""

from __future__ import annotations

from typing import Any


def load(text: str | bytes, most: int) -> Any:
    """The value of a document without tags that would make objects. Raises yaml.YAMLError; ValueError for more than
    `most` values in it.

    What an alias repeats counts each time: a few lines of aliases of aliases become gigabytes once they are written
    out, as in a message or in JSON they are.
    """
    import yaml

    value = yaml.load(text, Loader=yaml.CSafeLoader)
    open_values = [value]
    while open_values:
        each = open_values.pop()
        inside = each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        most -= len(inside)
        if most < 0:
            raise ValueError("it holds too many values; those that aliases repeat count each time")
        open_values.extend(inside)
    return value
