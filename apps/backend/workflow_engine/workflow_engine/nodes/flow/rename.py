"""flow.rename: fields under other names."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workflow_engine.engine.items import Item
from workflow_engine.nodes.flow import paths
from workflow_engine.nodes.flow.paths import Path
from workflow_engine.nodes.spec import Call, Emit, Node, NodeFailure, Parameters


class Renaming(Parameters):
    """One field that moves."""

    field: Path
    """Where it is, e.g. `customer.mail`."""
    to: Path
    """Where it goes, as a whole path: `customer.email`. What was there is replaced."""


class RenameParameters(Parameters):
    """Which fields move."""

    fields: list[Renaming] = Field(min_length=1, max_length=1000)
    """All are read before any is written, so two fields can change places."""
    missing: Literal["skip", "fail"] = "skip"
    """When an item does not have the field: leave it as it is, or fail."""


class Rename(Node[RenameParameters]):
    """Gives fields another name or another place. Their values, and binary data, stay as they are."""

    type = "flow.rename"
    summary = "Gives fields other names."
    example = {"fields": [{"field": "mail", "to": "contact.email"}]}

    def run(self, call: Call[RenameParameters]) -> Emit:
        asked, json = call.parameters, call.item.json
        values = [paths.get(json, renaming.field) for renaming in asked.fields]
        moves = list(zip(asked.fields, values, strict=True))
        for index, (renaming, value) in enumerate(moves):
            if value is paths.MISSING and asked.missing == "fail":
                raise NodeFailure(
                    "MISSING_FIELD",
                    f"the item has no {renaming.field}",
                    field=f"fields[{index}].field",
                    hint=f"its fields are {', '.join(json) or 'none'}",
                    details={"item": call.index},
                )
            json = paths.drop(json, renaming.field)
        for index, (renaming, value) in enumerate(moves):
            if value is not paths.MISSING:
                json = paths.put(json, renaming.to, value, field=f"fields[{index}].to")
        return Emit({"main": [Item(json, call.item.binary)]})
