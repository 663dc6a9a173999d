"""XML as plain values: elements are members, attributes begin with `@`, text beside them is `#text`.

Entities are refused, because with them a small document becomes a large one or reads others, and so is what is nested
so deep that whatever walks the value would fall.
"""

from __future__ import annotations

from typing import Any
from xml.parsers.expat import ExpatError, ParserCreate

from workflow_engine.utils.json import DEEPEST


def parsed(data: bytes) -> Any:
    """The value of a document. Raises ValueError."""
    import xmltodict

    try:
        # A value that is too deep costs gigabytes while it is made, so it is not begun.
        _measure(data)
        return xmltodict.parse(data, disable_entities=True)
    except ExpatError as error:
        raise ValueError(str(error)) from None


def _measure(data: bytes) -> None:
    depth = 0

    def start(name: str, attributes: Any) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} levels deep")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    def entity(*_: Any) -> None:
        raise ValueError("it defines entities")

    parser = ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.EntityDeclHandler = start, end, entity
    parser.Parse(data, True)
