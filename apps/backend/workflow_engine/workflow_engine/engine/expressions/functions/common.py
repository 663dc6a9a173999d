"""What functions of several subjects need: to pay for their data, and to say what was given."""

from __future__ import annotations

from typing import Any, TypeVar

from workflow_engine.engine.expressions.values import ELEMENT, Run, Trouble

T = TypeVar("T", str, bytes)


def built(run: Run, text: T, room: int) -> T:
    """Pays for reading the text and for making another of at most `room` characters; gives the text back."""
    run.spend((len(text) >> 6) + 1)
    run.build(room)
    return text


def listed(run: Run, values: list[Any]) -> list[Any]:
    """Pays for reading the list and for making another as long; gives the list back."""
    run.spend((len(values) >> 2) + 1)
    run.build((len(values) + 1) * ELEMENT)
    return values


def filled(values: list[Any]) -> list[Any]:
    """The list, unless it is empty: then Trouble."""
    if not values:
        raise Trouble("the list is empty", "write default(list.first(), value)", is_absent=True)
    return values


def shown(text: str) -> str:
    """As messages quote it."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


def utf8(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Trouble("the bytes are not UTF-8 text") from None
