"""Where a node puts what it made."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from workflow_engine.engine.items import Item
from workflow_engine.nodes.spec import Emit, Json, emit

FieldName: TypeAlias = Annotated[str, Field(min_length=1, max_length=255)]
"""The name of a top-level field of the item."""


def with_field(item: Item, name: str, value: Json) -> Emit:
    """The item with one more field; its binary data goes along."""
    return emit(Item({**item.json, name: value}, item.binary))
