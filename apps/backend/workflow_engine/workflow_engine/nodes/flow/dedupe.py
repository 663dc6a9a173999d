"""flow.dedupe: each thing once."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workflow_engine.engine.items import Item
from workflow_engine.engine.shape import RunMode
from workflow_engine.nodes.flow import paths
from workflow_engine.nodes.flow.lineage import traced
from workflow_engine.nodes.flow.paths import Path
from workflow_engine.nodes.flow.values import Key, key
from workflow_engine.nodes.spec import Call, Emit, Node, Parameters


class DedupeParameters(Parameters):
    """When two items count as the same."""

    fields: list[Path] = Field(default=[], max_length=100)
    """The fields that must be equal; a missing one equals null. Empty to compare the whole item."""
    keep: Literal["first", "last"] = "first"
    """Which of the same items stays."""


class Dedupe(Node[DedupeParameters]):
    """Removes duplicates among the items of one run; the others keep their order.

    It remembers nothing from one run, or one execution, to the next. Binary data is not compared.
    """

    type = "flow.dedupe"
    name = "Remove duplicates"
    summary = "Removes duplicate items."
    run_mode = RunMode.BATCH
    example = {"fields": ["email"], "keep": "last"}

    def run(self, call: Call[DedupeParameters]) -> Emit:
        fields, items = call.parameters.fields, traced(call.items)
        keys = [_identity(item, fields) for item in items]
        chosen: dict[Key, int] = {}
        for position, identity in enumerate(keys):
            if call.parameters.keep == "last" or identity not in chosen:
                chosen[identity] = position
        return Emit({"main": [items[position] for position in sorted(chosen.values())]})


def _identity(item: Item, fields: list[str]) -> Key:
    if not fields:
        return key(item.json)
    values = (paths.get(item.json, field) for field in fields)
    return tuple(key(None if value is paths.MISSING else value) for value in values)
