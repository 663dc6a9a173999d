"""JSON Schemas: finding the part of one that is about a member, making it stand alone, checking a value."""

from __future__ import annotations

import re
from typing import Any

from workflow_engine.engine.items import Json
from workflow_engine.utils import json_schema

Schema = dict[str, Any]
_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def violation(schema: Schema, value: Json) -> str:
    """The first thing that is wrong with `value`, as "place: what"; empty when nothing is."""
    try:
        found = json_schema.violations(schema, value)
    except ValueError as error:
        return f"its schema is no JSON Schema: {error}"
    if not found:
        return ""
    first = found[0]
    said = first.message if len(first.message) <= 500 else first.message[:500] + "..."
    return f"{first.place}: {said}" if first.place else said


def member(schema: Schema, value: Json, field: str) -> Schema | None:
    """The schema of a member of `value`, standing alone; None when the schema does not tell.

    `field` is a path such as `body.parts[0].name`. Where a schema has variants, the discriminating members in `value`
    choose.
    """
    definitions = schema.get("$defs", {})
    at: Schema | None = schema
    for index, name in _STEP.findall(field):
        if at is None:
            return None
        at = _variant(at, value, definitions)
        if index:
            at = at.get("items")
            value = value[int(index)] if isinstance(value, list) and int(index) < len(value) else None
        else:
            at = at.get("properties", {}).get(name) or _any_member(at)
            value = value.get(name) if isinstance(value, dict) else None
    return standing_alone(at, definitions) if isinstance(at, dict) else None


def _any_member(schema: Schema) -> Schema | None:
    more = schema.get("additionalProperties")
    return more if isinstance(more, dict) else None


def _variant(schema: Schema, value: Json, definitions: Schema) -> Schema:
    """The object or list schema behind references, options and discriminators."""
    while True:
        if "$ref" in schema:
            schema = definitions.get(schema["$ref"].rpartition("/")[2], {})
        elif "discriminator" in schema and isinstance(value, dict):
            chosen = schema["discriminator"]
            wanted = value.get(chosen["propertyName"])
            reference = chosen["mapping"].get(wanted) if isinstance(wanted, str) else None
            if reference is None:
                return {}
            schema = {"$ref": reference}
        elif options := schema.get("anyOf") or schema.get("oneOf"):
            kind = "array" if isinstance(value, list) else "object"
            seen = (_variant(each, value, definitions) for each in options)
            return next((each for each in seen if each.get("type") == kind), {})
        else:
            return schema


def standing_alone(schema: Schema, definitions: Schema, *, depth: int = 0) -> Schema:
    """`schema` with its references written out, because many models do not follow them. What refers to itself ends in
    "anything" after a few turns.
    """
    if depth > 12:
        return {}
    plain: Schema = {}
    for key, each in schema.items():
        if key == "$ref":
            referred = definitions.get(str(each).rpartition("/")[2], {})
            plain = standing_alone(referred, definitions, depth=depth + 3) | plain
        elif key in ("$defs", "discriminator", "default", "title"):
            continue
        else:
            plain[key] = _alone(each, definitions, depth, named=key in ("properties", "patternProperties"))
    return plain


def _alone(value: Any, definitions: Schema, depth: int, *, named: bool) -> Any:
    match value:
        case dict() if named:
            return {name: standing_alone(each, definitions, depth=depth + 1) for name, each in value.items()}
        case dict():
            return standing_alone(value, definitions, depth=depth + 1)
        case list():
            return [
                standing_alone(each, definitions, depth=depth + 1) if isinstance(each, dict) else each for each in value
            ]
        case _:
            return value
