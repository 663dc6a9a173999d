"""Forms: fields as people list them, and the JSON Schema that pages, validation and the API share.

A file is a member `{"type": "string", "format": "binary"}`, as OpenAPI has it. It is never part of the data: files
travel beside it, under the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from workflow_engine.engine.items import Json
from workflow_engine.nodes.flow.parameters import wrong
from workflow_engine.nodes.spec import Parameters
from workflow_engine.utils.json_schema import Violation, violations

NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
_TYPES: dict[str, dict[str, Json]] = {
    "text": {"type": "string", "maxLength": 1_000},
    "multiline": {"type": "string", "format": "multiline", "maxLength": 100_000},
    "email": {"type": "string", "format": "email", "maxLength": 320},
    "url": {"type": "string", "format": "uri", "maxLength": 2_000},
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$", "format": "clock"},
    "choice": {"type": "string"},
    "choices": {"type": "array", "uniqueItems": True},
    "file": {"type": "string", "format": "binary"},
}


class FormField(Parameters):
    """One question of a form."""

    name: str = Field(pattern=NAME, max_length=64)
    """Under which name the answer comes."""
    label: str = Field(default="", max_length=200)
    """The question, as people read it; the name when empty."""
    type: Literal[
        "text", "multiline", "email", "url", "number", "integer", "boolean", "date", "time", "choice", "choices", "file"
    ] = "text"
    """What is asked for. `choice` is one of `options`, `choices` any of them."""
    required: bool = False
    """It can not be left out. A required `boolean` has to be ticked."""
    options: list[str] = Field(default=[], max_length=500)
    """For `choice` and `choices`."""
    default: Json = None
    """What the form starts with."""
    description: str = Field(default="", max_length=2_000)
    """A line of help below the question."""
    minimum: float | None = None
    """For numbers."""
    maximum: float | None = None
    """For numbers."""
    accept: str = Field(default="", max_length=200)
    """For a file: media types, for example `image/*` or `application/pdf`."""

    @model_validator(mode="before")
    @classmethod
    def _options(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("type") in ("choice", "choices") and not data.get("options"):
            raise wrong("a {type} needs options", type=data["type"])
        return data

    def schema_(self) -> dict[str, Json]:
        """What an answer to it has to be."""
        made: dict[str, Json] = {**_TYPES[self.type], "title": self.label or self.name}
        if self.type == "choice":
            made["enum"] = self.options
        if self.type == "choices":
            made["items"] = {"enum": self.options}
            if self.required:
                made["minItems"] = 1
        if self.required and self.type == "boolean":
            made["const"] = True
        if self.required and self.type in ("text", "multiline"):
            made["minLength"] = 1
        if self.accept:
            made["contentMediaType"] = self.accept
        optional = (("description", self.description or None), ("default", self.default))
        bounds = (("minimum", self.minimum), ("maximum", self.maximum))
        return made | {key: value for key, value in (*optional, *bounds) if value is not None}


def schema_of(fields: list[FormField]) -> dict[str, Json]:
    """The JSON Schema of what a form gives."""
    return {
        "type": "object",
        "properties": {field.name: field.schema_() for field in fields},
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }


def is_file(property: Any) -> bool:
    """Whether a member of a form's schema stands for a file."""
    return isinstance(property, Mapping) and property.get("format") == "binary"


def wrong_answers(schema: dict[str, Json], data: dict[str, Json], files: Mapping[str, Any]) -> list[Violation]:
    """What is wrong with an answer to a form. Raises ValueError for a schema that is none."""
    properties = schema.get("properties", {})
    expected = {name for name, each in properties.items() if is_file(each)} if isinstance(properties, dict) else set()
    required = schema.get("required", [])
    rest = {**schema, "properties": {name: each for name, each in properties.items() if name not in expected}}
    rest["required"] = [name for name in required if name not in expected]
    found = [
        Violation((name,), "required", "the file is missing") for name in required if name in expected - set(files)
    ]
    found += [Violation((name,), "unknown", "no file is asked for here") for name in files if name not in expected]
    return found + violations(rest, data)
