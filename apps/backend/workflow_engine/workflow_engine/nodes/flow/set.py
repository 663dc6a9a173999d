"""flow.set: fields written, kept, dropped."""

from __future__ import annotations

from pydantic import Field

from workflow_engine.engine.items import Item, Json
from workflow_engine.nodes.flow import paths
from workflow_engine.nodes.flow.paths import Path
from workflow_engine.nodes.spec import Call, Emit, Node, Parameters


class Assignment(Parameters):
    """One field to write."""

    name: Path
    """Where to write, e.g. `customer.name`, `lines[0].price` or `["a.name.with.dots"]`. Objects on the way are made."""
    value: Json
    """What to write; a lone `{{ expression }}` keeps its type."""


class SetParameters(Parameters):
    """Which fields the item has afterwards."""

    assignments: list[Assignment] = Field(default=[], max_length=1000)
    """Fields to write, in this order, after the others were kept or dropped."""
    keep_only: bool = False
    """Start from an empty item: the result has the assigned fields and those of `include`, nothing else."""
    include: list[Path] = []
    """Keep only these fields of the incoming item; empty for all."""
    exclude: list[Path] = []
    """Drop these fields of the incoming item."""


class Set(Node[SetParameters]):
    """Writes fields into each item.

    Expressions see the incoming item, never what an earlier assignment wrote. Binary data stays with the item, except
    with `keep_only`.
    """

    type = "flow.set"
    summary = "Writes, keeps or drops fields."
    example = {"assignments": [{"name": "customer.name", "value": "{{ json.first + ' ' + json.last }}"}]}

    def run(self, call: Call[SetParameters]) -> Emit:
        asked, item = call.parameters, call.item
        json: dict[str, Json] = item.json
        if asked.include or asked.keep_only:
            json = paths.only(json, asked.include)
        for path in asked.exclude:
            json = paths.drop(json, path)
        for index, assignment in enumerate(asked.assignments):
            json = paths.put(json, assignment.name, assignment.value, field=f"assignments[{index}].name")
        return Emit({"main": [Item(json, {} if asked.keep_only else item.binary)]})
