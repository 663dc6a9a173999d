"""flow.split: a list inside an item becomes items."""

from __future__ import annotations

from typing import Literal

from workflow_engine.engine.items import Item, Json
from workflow_engine.nodes.flow import paths
from workflow_engine.nodes.flow.paths import Path
from workflow_engine.nodes.flow.values import kind
from workflow_engine.nodes.spec import Call, Emit, Node, NodeFailure, Parameters


class SplitParameters(Parameters):
    """Which list, and what goes along with its elements."""

    field: Path
    """The list, e.g. `lines` or `order.lines`."""
    keep_other_fields: bool = False
    """Each new item is a copy of the old one, with one element in place of the list. Otherwise an element that is an
    object becomes the item, and any other value goes under the field's name."""
    missing: Literal["fail", "skip"] = "fail"
    """When the field is missing or null: fail, or make no items of it."""


class Split(Node[SplitParameters]):
    """Makes one item of each element of a list. An empty list makes none."""

    type = "flow.split"
    summary = "Makes one item of each element of a list."
    example = {"field": "lines", "keep_other_fields": True}

    def run(self, call: Call[SplitParameters]) -> Emit:
        asked, json = call.parameters, call.item.json
        match paths.get(json, asked.field):
            case list(elements):
                return Emit({"main": [self._item(call, element) for element in elements]})
            case paths.MISSING | None if asked.missing == "skip":
                return Emit({"main": []})
            case found:
                is_there = "is missing" if found is paths.MISSING else f"is {kind(found)}"
                raise NodeFailure(
                    "TYPE_MISMATCH",
                    f"{asked.field} must be a list, but it {is_there}",
                    field="field",
                    hint=f"the item's fields are {', '.join(json) or 'none'}; missing=skip passes over such items",
                    details={"item": call.index},
                )

    def _item(self, call: Call[SplitParameters], element: Json) -> Item:
        asked = call.parameters
        if asked.keep_other_fields:
            return Item(paths.put(call.item.json, asked.field, element, field="field"), call.item.binary)
        return Item(element if isinstance(element, dict) else {paths.last_name(asked.field): element})
