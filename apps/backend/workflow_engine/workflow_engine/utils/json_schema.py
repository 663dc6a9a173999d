"""JSON Schema (draft 2020-12): what is wrong with a value, and with a schema. Never fetches anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jsonschema_rs

# Patterns run in linear time: they come from people, and so does what they are matched against.
_OPTIONS: Any = {"validate_formats": True, "offline": True, "pattern_options": jsonschema_rs.RegexOptions()}


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a value breaks."""

    path: tuple[str | int, ...]
    """Where in the value; the missing member itself for `required`."""
    keyword: str
    """The rule, for example `required`, `format`, `maximum`."""
    message: str
    """In English."""
    limit: Any = None
    """What the rule says, for example the maximum."""

    @property
    def place(self) -> str:
        """The path as people write it: `address.lines[0]`."""
        written = ""
        for part in self.path:
            written += f"[{part}]" if isinstance(part, int) else f".{part}" if written else part
        return written


def violations(schema: dict[str, Any], value: Any) -> list[Violation]:
    """All rules of `schema` that `value` breaks. Raises ValueError for a schema that is none."""
    return [_violation(schema, error) for error in _validator(schema).iter_errors(value)]


def schema_problem(schema: dict[str, Any]) -> str:
    """Why `schema` is no schema; empty when it is one."""
    try:
        _validator(schema)
    except ValueError as error:
        return str(error)
    return ""


def _validator(schema: dict[str, Any]) -> Any:
    try:
        return jsonschema_rs.Draft202012Validator(schema, **_OPTIONS)
    except jsonschema_rs.ValidationError as error:
        raise ValueError(error.message) from None
    except jsonschema_rs.ReferencingError as error:
        raise ValueError(str(error)) from None


def _violation(schema: dict[str, Any], error: Any) -> Violation:
    path, keyword = tuple(error.instance_path), error.kind.name
    if keyword == "required":
        path = (*path, error.kind.property)
    return Violation(path, keyword, error.message, _at(schema, list(error.schema_path)))


def _at(schema: Any, path: list[str | int]) -> Any:
    for part in path:
        try:
            schema = schema[part]
        except (KeyError, IndexError, TypeError):
            return None
    return schema
