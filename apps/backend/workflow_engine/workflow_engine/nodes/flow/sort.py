"""flow.sort: items in order."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workflow_engine.engine.shape import RunMode
from workflow_engine.nodes.flow import paths
from workflow_engine.nodes.flow.lineage import traced
from workflow_engine.nodes.flow.paths import Path
from workflow_engine.nodes.flow.values import key
from workflow_engine.nodes.spec import Call, Emit, Node, Parameters


class SortField(Parameters):
    """One field to sort by."""

    field: Path
    """The field, e.g. `customer.name`."""
    order: Literal["asc", "desc"] = "asc"
    """Smallest or largest first."""


class SortParameters(Parameters):
    """What decides the order."""

    fields: list[SortField] = Field(min_length=1, max_length=20)
    """The first field decides; each further one among items that are equal so far."""


class Sort(Node[SortParameters]):
    """Sorts items by one or more fields.

    Items that are equal in all fields keep their order. Null and missing values come last in both directions. Values of
    different types are sorted by type: true/false, numbers, text (by code point, so upper case before lower case),
    lists, objects.
    """

    type = "flow.sort"
    summary = "Sorts items by fields."
    run_mode = RunMode.BATCH
    example = {"fields": [{"field": "priority", "order": "desc"}, {"field": "created_at"}]}

    def run(self, call: Call[SortParameters]) -> Emit:
        items = traced(call.items)
        # Sorting is stable, so sorting by the least important field first leaves the most important one in charge.
        for by in reversed(call.parameters.fields):
            valued = [(paths.get(item.json, by.field), item) for item in items]
            present = [(key(value), item) for value, item in valued if value is not None and value is not paths.MISSING]
            absent = [item for value, item in valued if value is None or value is paths.MISSING]
            present.sort(key=lambda pair: pair[0], reverse=by.order == "desc")
            items = [item for _, item in present] + absent
        return Emit({"main": items})
