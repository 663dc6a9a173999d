"""Conditions on an item: one expression, or a list of rules that people fill in without knowing a language."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar, Literal, get_args

import re2
from pydantic import field_validator, model_validator

from workflow_engine.engine.items import Json
from workflow_engine.nodes.flow import paths
from workflow_engine.nodes.flow.parameters import given, wrong
from workflow_engine.nodes.flow.values import is_number, kind, same
from workflow_engine.nodes.spec import NodeFailure, Parameters

Operator = Literal[
    "equals",
    "not_equals",
    "contains",
    "not_contains",
    "starts_with",
    "ends_with",
    "matches",
    "gt",
    "gte",
    "lt",
    "lte",
    "in",
    "not_in",
    "is_empty",
    "is_not_empty",
    "exists",
    "not_exists",
    "is_true",
    "is_false",
]
_ALONE = {"is_empty", "is_not_empty", "exists", "not_exists", "is_true", "is_false"}
"""Operators that look at the left side only."""


class Rule(Parameters):
    """One comparison."""

    left: Json = None
    """The value to look at, usually an expression such as `{{ json.total }}`."""
    field: str = ""
    """In place of `left`: the path of the item's field to look at, e.g. `customer.email`. It may be missing."""
    operator: Operator
    """How to compare. Types matter: 1 is not "1". Numbers are ordered with numbers, text with text (so ISO dates
    work). `contains` looks for a part of a text, an element of a list or a key of an object; `in` is `contains`
    seen from the other side. `matches` finds a regular expression (RE2) anywhere in a text. Empty are null, "", [],
    {} and a missing field."""
    right: Json = None
    """The value to compare with; not used by operators that need none, such as `is_empty`."""
    ignore_case: bool = False
    """Treat upper and lower case as the same in text."""

    @field_validator("field")
    @classmethod
    def _is_path(cls, field: str) -> str:
        if field and "{{" not in field:
            paths.steps(field)
        return field

    @model_validator(mode="before")
    @classmethod
    def _sides(cls, data: Any) -> Any:
        if isinstance(data, dict):
            if given(data, "field") and "left" in data:
                raise wrong("give either left or field, not both")
            operator = data.get("operator")
            if operator in get_args(Operator) and operator not in _ALONE and "right" not in data:
                raise wrong("{operator} needs right, the value to compare with", operator=operator)
        return data

    def holds(self, json: dict[str, Json], where: str) -> bool:
        """Whether the item with `json` satisfies the rule. Raises NodeFailure, naming the field `where`."""
        left = paths.get(json, self.field) if self.field else self.left
        match self.operator:
            case "exists":
                return left is not paths.MISSING and left is not None
            case "not_exists":
                return left is paths.MISSING or left is None
        if left is paths.MISSING:
            left = None
        right = self.right
        if self.ignore_case:
            left, right = _folded(left), _folded(right)
        match self.operator:
            case "equals":
                return same(left, right)
            case "not_equals":
                return not same(left, right)
            case "contains":
                return _contains(left, right, where)
            case "not_contains":
                return not _contains(left, right, where)
            case "in":
                return _contains(right, left, where)
            case "not_in":
                return not _contains(right, left, where)
            case "starts_with":
                return _text(left, where).startswith(_text(right, where))
            case "ends_with":
                return _text(left, where).endswith(_text(right, where))
            case "matches":
                return _pattern(_text(self.right, where), self.ignore_case, where)(_text(left, where))
            case "gt" | "gte" | "lt" | "lte":
                return _ordered(self.operator, left, right, where)
            case "is_empty":
                return _is_empty(left)
            case "is_not_empty":
                return not _is_empty(left)
            case "is_true":
                return left is True
            case "is_false":
                return left is False
        raise AssertionError(self.operator)


class Condition(Parameters):
    """A condition on one item: `condition` or `rules`."""

    leading: ClassVar[tuple[str, ...]] = ("rules", "combine")
    condition: bool | None = None
    """An expression that gives true or false, e.g. `{{ json.total > 100 }}`. Either this or `rules`."""
    rules: list[Rule] = []
    """Comparisons, joined by `combine`."""
    combine: Literal["all", "any"] = "all"
    """Whether all rules must hold, or any one."""

    @model_validator(mode="before")
    @classmethod
    def _one_form(cls, data: Any) -> Any:
        if isinstance(data, dict) and given(data, "condition") == given(data, "rules"):
            raise wrong("give either condition (an expression) or rules (a list of comparisons)")
        return data

    def holds(self, json: dict[str, Json], where: str = "") -> bool:
        """Whether the item with `json` satisfies the condition. Raises NodeFailure for a rule that can not compare."""
        if self.condition is not None:
            return self.condition
        results = (rule.holds(json, f"{where}rules[{index}]") for index, rule in enumerate(self.rules))
        return all(results) if self.combine == "all" else any(results)


def _folded(value: Json) -> Json:
    match value:
        case str():
            return value.casefold()
        case list():
            return [_folded(each) for each in value]
        case _:
            return value


def _is_empty(value: Json) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)


def _contains(container: Json, part: Json, where: str) -> bool:
    match container:
        case None:
            return False
        case str():
            return _text(part, where) in container
        case list():
            return any(same(each, part) for each in container)
        case dict():
            return _text(part, where) in container
        case _:
            raise _mismatch(f"{kind(container)} can not contain anything", where)


def _text(value: Json, where: str) -> str:
    if isinstance(value, str):
        return value
    raise _mismatch(f"text is needed, but there is {kind(value)}", where)


def _ordered(operator: str, left: Any, right: Any, where: str) -> bool:
    numbers = is_number(left) and is_number(right)
    if not numbers and not (isinstance(left, str) and isinstance(right, str)):
        raise _mismatch(f"{operator} can not order {kind(left)} and {kind(right)}", where)
    match operator:
        case "gt":
            return bool(left > right)
        case "gte":
            return bool(left >= right)
        case "lt":
            return bool(left < right)
        case _:
            return bool(left <= right)


def _mismatch(message: str, where: str) -> NodeFailure:
    return NodeFailure(
        "TYPE_MISMATCH",
        f"{where}: {message}",
        field=where,
        hint="convert a side in an expression, e.g. {{ double(json.price) }}, or test it with is_empty or exists first",
    )


@lru_cache(maxsize=256)
def _pattern(pattern: str, ignore_case: bool, where: str) -> Callable[[str], bool]:
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    try:
        # RE2 runs in linear time, so a pattern from a user can not hang the engine.
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        raise NodeFailure(
            "INVALID_PARAMETER",
            f"{pattern!r} is no regular expression: {_words(error)}",
            field=f"{where}.right",
            hint="the syntax is RE2's: no look-around and no back-references",
        ) from None
    return lambda text: compiled.search(text) is not None


def _words(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
