"""flow.aggregate: many items become one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field, model_validator

from workflow_engine.engine.items import Item, Items, Json
from workflow_engine.engine.shape import RunMode
from workflow_engine.nodes.flow import paths
from workflow_engine.nodes.flow.parameters import needs
from workflow_engine.nodes.flow.paths import Path
from workflow_engine.nodes.flow.values import Key, is_number, key, kind
from workflow_engine.nodes.spec import Call, Emit, Node, NodeFailure, Parameters
from workflow_engine.utils.json import dumps

INT64 = 2**63


class Summary(Parameters):
    """One figure."""

    op: Literal["count", "count_unique", "sum", "min", "max", "avg", "join"]
    """`count` counts items, or with `field` those that have a value there, and `count_unique` the different values.
    `sum` and `avg` take numbers; `min` and `max` take anything, ordered as `flow.sort` does. `join` puts the values one
    after another into a text. Null and missing values do not take part."""
    field: Path | None = None
    """The field to summarise; only `count` can do without."""
    separator: str = Field(default=", ", max_length=100)
    """For `join`: what stands between two values."""
    name: str = Field(default="", max_length=200)
    """What the figure is called; by default the operation and the field, e.g. `sum_total`."""

    @model_validator(mode="before")
    @classmethod
    def _field(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("op") not in (None, "count"):
            needs(data, data["op"], "field")
        return data

    @property
    def label(self) -> str:
        return self.name or (f"{self.op}_{paths.last_name(self.field)}" if self.field else self.op)


class AggregateParameters(Parameters):
    """What is brought together."""

    mode: Literal["items", "fields", "summary"] = "items"
    """`items`: whole items, as one list. `fields`: a list for each of `fields`. `summary`: figures."""
    into: str = Field(default="items", min_length=1, max_length=200)
    """For `items`: the name of the list."""
    fields: list[Path] = Field(default=[], max_length=100)
    """For `fields`: each becomes a list of its values, under its last name. Items without the field add null."""
    summaries: list[Summary] = Field(default=[], max_length=100)
    """For `summary`: the figures."""
    group_by: list[Path] = Field(default=[], max_length=20)
    """One result for each combination of values in these fields, which it carries under their last names; in order of
    first appearance. Empty for one result over all items."""

    @model_validator(mode="before")
    @classmethod
    def _mode(cls, data: Any) -> Any:
        if isinstance(data, dict):
            match data.get("mode"):
                case "fields":
                    needs(data, "fields", "fields")
                case "summary":
                    needs(data, "summary", "summaries")
                case _:
                    pass
        return data


class Aggregate(Node[AggregateParameters]):
    """Brings many items together into one, or into one for each group.

    Without `group_by` there is always one result, even for no items: an empty list, a count of 0, no minimum.
    Binary data is left behind.
    """

    type = "flow.aggregate"
    summary = "Brings many items together into one."
    run_mode = RunMode.BATCH
    example = {
        "mode": "summary",
        "group_by": ["country"],
        "summaries": [{"op": "sum", "field": "total"}, {"op": "count"}],
    }

    def run(self, call: Call[AggregateParameters]) -> Emit:
        asked = call.parameters
        groups: dict[Key, list[int]] = {} if asked.group_by else {(): list(range(len(call.items)))}
        if asked.group_by:
            for position, item in enumerate(call.items):
                groups.setdefault(tuple(key(_value(item, field)) for field in asked.group_by), []).append(position)
        return Emit({"main": [_result(asked, call.items, members) for members in groups.values()]})


def _result(asked: AggregateParameters, items: Items, members: list[int]) -> Item:
    group = [items[position] for position in members]
    json: dict[str, Json] = {paths.last_name(field): _value(group[0], field) for field in asked.group_by}
    match asked.mode:
        case "items":
            json[asked.into] = [item.json for item in group]
        case "fields":
            json |= {paths.last_name(field): [_value(item, field) for item in group] for field in asked.fields}
        case "summary":
            json |= {figure.label: _figure(figure, group, index) for index, figure in enumerate(asked.summaries)}
    return Item(json, sources=tuple(members))


def _value(item: Item, field: str) -> Json:
    found = paths.get(item.json, field)
    return None if found is paths.MISSING else found


def _figure(figure: Summary, group: Items, index: int) -> Json:
    if figure.field is None:
        return len(group)
    values = [value for item in group if (value := _value(item, figure.field)) is not None]
    match figure.op:
        case "count":
            return len(values)
        case "count_unique":
            return len({key(value) for value in values})
        case "join":
            return figure.separator.join(value if isinstance(value, str) else dumps(value).decode() for value in values)
        case "min" | "max":
            choose: Callable[..., Json] = min if figure.op == "min" else max
            return choose(values, key=key, default=None)
        case "sum" | "avg":
            where = f"summaries[{index}].field"
            for value in values:
                if not is_number(value):
                    raise NodeFailure(
                        "TYPE_MISMATCH",
                        f"{figure.op} of {figure.field} needs numbers, but one item has {kind(value)}: {value!r:.100}",
                        field=where,
                        hint="convert the field to a number first, e.g. with flow.set, or filter such items out",
                    )
            if figure.op == "avg" and not values:
                return None
            total = sum(values)
            return _bounded(total if figure.op == "sum" else total / len(values), figure, where)


def _bounded(result: int | float, figure: Summary, where: str) -> int | float:
    if -INT64 <= result < INT64 if isinstance(result, int) else math.isfinite(result):
        return result
    raise NodeFailure(
        "NUMBER_OUT_OF_RANGE",
        f"the {figure.op} of {figure.field} does not fit 64 bits",
        field=where,
        hint="convert whole numbers to floating point first, if a rounded result will do, or make smaller groups",
    )
