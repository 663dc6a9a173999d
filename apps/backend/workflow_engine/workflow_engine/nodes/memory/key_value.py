"""memory.key_value: values that outlive an execution."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from workflow_engine.engine.items import Item, Json
from workflow_engine.nodes.flow.parameters import needs
from workflow_engine.nodes.memory.parts import MemoryAction
from workflow_engine.nodes.memory.space import Remembered, memories_of, space_of
from workflow_engine.nodes.spec import Call, Emit

KIND = "values"


class KeyValueParameters(Remembered):
    """What to do with which value."""

    mode: Literal["get", "put", "delete", "list"] = "get"
    """`list` gives all values whose keys begin with `key`."""
    key: str = Field(default="", max_length=512)
    """The value's name."""
    value: Json = None
    """For `put`: any JSON."""
    default: Json = None
    """For `get`: what is given when there is no value."""
    output_field: str = Field(default="value", min_length=1, max_length=200)
    """Where the value stands in the item."""
    limit: int = Field(default=100, ge=1, le=10_000)
    """For `list`: the most values."""

    @model_validator(mode="before")
    @classmethod
    def _mode(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("mode", "get") != "list":
            needs(data, str(data.get("mode", "get")), "key")
        return data


class KeyValue(MemoryAction[KeyValueParameters]):
    """Reads and writes values that outlive the execution, such as a cursor or a user's preference.

    `get` adds the value and `found` to the item; `put` and `delete` hand the item on; `list` gives an item for each
    value, with `key` and the value. Agents can use it as a tool.
    """

    type = "memory.key_value"
    summary = "Reads and writes values that outlive an execution."
    example = {"mode": "get", "key": "last_seen", "default": 0}

    async def run(self, call: Call[KeyValueParameters]) -> Emit:
        asked, item = call.parameters, call.item
        memories, space = memories_of(call), space_of(call, KIND)
        match asked.mode:
            case "get":
                found = await memories.value(space, asked.key)
                value = found[0] if found else asked.default
                record = {**item.json, asked.output_field: value, "found": found is not None}
                return Emit({"main": [Item(record, item.binary)]})
            case "put":
                await memories.put_value(space, asked.key, asked.value)
                return Emit({"main": [item]})
            case "delete":
                deleted = await memories.delete_value(space, asked.key)
                return Emit({"main": [Item({**item.json, "deleted": deleted}, item.binary)]})
            case _:
                values = await memories.values(space, asked.key, asked.limit)
                return Emit({"main": [Item({"key": key, asked.output_field: value}) for key, value in values]})
