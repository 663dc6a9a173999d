"""Which input items made which output items, for nodes that see the whole list at once."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from workflow_engine.engine.items import Item, Items


def traced(items: Iterable[Item]) -> Items:
    """The same items, each made from the input item at its own position."""
    return [of(item, position) for position, item in enumerate(items)]


def of(item: Item, *sources: int) -> Item:
    """The same item, made from the input items at `sources`."""
    return item if item.sources == sources else msgspec.structs.replace(item, sources=sources)
