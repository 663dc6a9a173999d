"""human.edit: data to look over and change."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from workflow_engine.engine.items import Item, Json
from workflow_engine.engine.shape import RunMode, Shape
from workflow_engine.nodes.human.asking import CHANNELS, Asking, asked, outcome, timed_out, waiting, with_timeout
from workflow_engine.nodes.spec import Call, Emit, Node, NodeFailure, Suspend
from workflow_engine.utils.json_schema import schema_problem

LONG_TEXT = 80
"""Characters from which on a text gets more than one line."""


class EditParameters(Asking):
    """Which data is shown, and what of it may be changed."""

    members: list[str] = Field(default=[], max_length=200)
    """Names of the members of the item that are shown; all when empty. The others stay as they are."""
    schema_: dict[str, Json] = Field(default={}, alias="schema")
    """JSON Schema of what the members must be after the change; made from the data when empty."""
    submit_label: str = Field(default="", max_length=100)
    """What the button says; `Save` in the reader's language when empty."""


class Edit(Node[EditParameters]):
    """Shows a person an item's data, waits until they have corrected it, and hands on the corrected item.

    It takes one item; put it into a `flow.map` to have every item looked over. Without a schema of yours every member
    keeps its type: a number can become another number, but no text.
    """

    type = "human.edit"
    summary = "Has a person look over and correct data."
    run_mode = RunMode.BATCH
    credentials = CHANNELS
    example = {"title": "Check the invoice that we read", "members": ["number", "total"], "timeout": "1d"}

    def shape(self, parameters: dict[str, Any]) -> Shape:
        return with_timeout(super().shape(parameters), parameters)

    def run(self, call: Call[EditParameters]) -> Emit | Suspend:
        asking = call.parameters
        if len(call.items) > 1:
            raise NodeFailure(
                "TOO_MANY_ITEMS",
                f"it shows one item, and was given {len(call.items)}",
                hint="put the node into a flow.map, so that each item gets a task of its own",
            )
        if call.resume is None:
            record = call.item.json
            data = {name: record.get(name) for name in asking.members} if asking.members else record
            schema = asking.schema_ or inferred(data)
            if why := schema_problem(schema):
                raise NodeFailure("INVALID_PARAMETER", f"the schema is none: {why}", field="schema")
            labels = {"answered": asking.submit_label} if asking.submit_label else {}
            return waiting(asked(call, asking, "edit", schema, data=data, labels=labels))
        settled = outcome(call)
        if not settled.decision:
            return timed_out(call, settled)
        edited = {**call.item.json, **settled.last.data}
        return Emit({"main": [Item(edited, {**call.item.binary, **settled.last.files}, (0,))]})


def inferred(data: dict[str, Json]) -> dict[str, Json]:
    """A schema by which every member keeps its type."""
    return {
        "type": "object",
        "properties": {name: _like(value) for name, value in data.items()},
        "additionalProperties": False,
    }


def _like(value: Json) -> dict[str, Json]:
    match value:
        case bool():
            return {"type": "boolean"}
        case int() | float():
            # What came as 12 may well become 12.5: JSON does not tell the two kinds apart.
            return {"type": "number"}
        case str() if len(value) > LONG_TEXT or "\n" in value:
            return {"type": "string", "format": "multiline"}
        case str():
            return {"type": "string"}
        case list():
            return {"type": "array"}
        case dict():
            return {"type": "object"}
        case _:
            return {}
