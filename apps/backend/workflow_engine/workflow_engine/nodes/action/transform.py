"""action.transform: JMESPath over an item."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, TypeAlias

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.visitor import TreeInterpreter
from pydantic import AfterValidator, Field

from workflow_engine.nodes.action.results import FieldName, with_field
from workflow_engine.nodes.spec import Call, Emit, Json, Node, NodeFailure, Parameters, Result, emit

BUDGET = 1_000_000
"""Values that one query may touch; a few hundred milliseconds."""


@lru_cache(maxsize=1024)
def parsed(query: str) -> Any:
    """The query's syntax tree. Raises ValueError."""
    try:
        return jmespath.compile(query).parsed
    except RecursionError:
        raise ValueError("the query is nested too deeply") from None
    except JMESPathError as error:
        raise ValueError(f"not a JMESPath: {error}") from None


def _compiles(query: str) -> str:
    if "{{" not in query:
        parsed(query)
    return query


Query: TypeAlias = Annotated[str, Field(min_length=1, max_length=10_000), AfterValidator(_compiles)]


class TransformParameters(Parameters):
    query: Query | Annotated[dict[str, Query], Field(min_length=1, max_length=500)]
    """A JMESPath, e.g. `orders[?total > `100`].{id: id, total: total}`; or one for each field of a new object."""
    input: Json = None
    """What is queried; by default the item."""
    output_field: FieldName | None = None
    """Put the result into this field of the item, instead of making items of it."""


class Transform(Node[TransformParameters]):
    """Queries and reshapes JSON with JMESPath, whole or field by field.

    An object that comes out is the item, a list is one item for each element, anything else stands under
    `value`; with `output_field` the item keeps its fields and gets the result as one more. A query that leads
    nowhere gives null: no item, or null in `output_field`. What a query may touch is bounded, so a hostile
    one fails instead of taking all time and memory. For values computed in CEL, `{{ }}` works in every node;
    flow.set puts them into fields.
    """

    type = "action.transform"
    summary = "Queries and reshapes JSON with JMESPath."
    example = {"query": "orders[?total > `100`].{id: id, total: total}"}

    def run(self, call: Call[TransformParameters]) -> Result:
        parameters = call.parameters
        source = parameters.input if "input" in parameters.model_fields_set else call.item.json
        value = search(parameters.query, source)
        if parameters.output_field:
            return with_field(call.item, parameters.output_field, value)
        match value:
            case None:
                return Emit({"main": []})
            case list():
                return emit(*(each if isinstance(each, dict) else {"value": each} for each in value))
            case dict():
                return emit(value)
            case _:
                return emit({"value": value})


def search(query: str | dict[str, str], source: Json) -> Json:
    """What `query` finds in `source`, or an object of what each query finds.

    Raises NodeFailure QUERY_FAILED, QUERY_TOO_EXPENSIVE.
    """
    # The budget is for all fields together.
    bounded = _Bounded(BUDGET)
    if isinstance(query, str):
        return _searched(bounded, query, source, "query")
    return {name: _searched(bounded, each, source, f"query.{name}") for name, each in query.items()}


def _searched(bounded: _Bounded, query: str, source: Json, field: str) -> Json:
    try:
        found: Json = bounded.visit(parsed(query), source)
        return found
    except JMESPathError as error:
        message = str(error)
    except ValueError as error:
        message = str(error)
    except RecursionError:
        message = "the data is nested too deeply"
    raise NodeFailure("QUERY_FAILED", message, field=field, hint="to_string and to_number change types")


class _Bounded(TreeInterpreter):
    """Charges for what each step makes, before the next step can multiply it."""

    def __init__(self, budget: int) -> None:
        super().__init__()
        self._left = budget

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self._charge(1)
        value = super().visit(node, *args, **kwargs)
        # Only a multi-select can name the same value twice, so only its result can be larger inside than it
        # looks.
        if node["type"].startswith("multi_select"):
            self._charge_deeply(value)
        elif isinstance(value, list | str | dict):
            self._charge(len(value) >> 4)
        return value

    def _charge(self, cost: int) -> None:
        self._left -= cost
        if self._left < 0:
            raise NodeFailure(
                "QUERY_TOO_EXPENSIVE",
                f"the query touches more than {BUDGET:,} values",
                field="query",
                hint="filter before you reshape, or split the items first",
            )

    def _charge_deeply(self, value: Any) -> None:
        open_values = [value]
        while open_values:
            each = open_values.pop()
            self._charge(1)
            if isinstance(each, dict):
                open_values.extend(each.values())
            elif isinstance(each, list):
                open_values.extend(each)
            elif isinstance(each, str):
                self._charge(len(each) >> 4)
