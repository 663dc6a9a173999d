"""Messages and enums as JSON Schema, the way proto JSON writes them, with comments and rules of the contract."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from workflow_engine import proto
from workflow_engine.proto import options_pb2

Schema = dict[str, Any]
INT64: Schema = {"type": "string", "format": "int64", "pattern": "^-?[0-9]+$"}
SCALARS: dict[int, Schema] = {
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer", "minimum": 0},
    FieldDescriptor.CPPTYPE_INT64: INT64,
    FieldDescriptor.CPPTYPE_UINT64: INT64,
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.CPPTYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
}
WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$", "examples": ["1.5s"]},
    "google.protobuf.FieldMask": {"type": "string", "examples": ["name,description"]},
}


@cache
def comments() -> dict[str, str]:
    """What the contract says of everything in it, by full name."""
    found: dict[str, str] = json.loads(resources.files(proto).joinpath("comments.json").read_bytes())
    return found


class Schemas:
    """The schemas that the document refers to; asking for one makes it."""

    def __init__(self) -> None:
        self.made: dict[str, Schema] = {}

    def message(self, message: Descriptor) -> Schema:
        """A reference to the schema of `message`, or that of a well-known type itself."""
        if (known := WELL_KNOWN.get(message.full_name)) is not None:
            return dict(known)
        if message.name not in self.made:
            self.made[message.name] = {}  # it may hold itself
            self.made[message.name] = self.object(message)
        return {"$ref": f"#/components/schemas/{message.name}"}

    def object(self, message: Descriptor, without: frozenset[str] = frozenset()) -> Schema:
        """The schema of `message` itself, `without` some fields."""
        fields = [field for field in message.fields if field.name not in without]
        made: Schema = {
            "type": "object",
            "description": comments().get(message.full_name, ""),
            "properties": {field.json_name: self.field(field) for field in fields},
        }
        if required := [field.json_name for field in fields if _is_required(field)]:
            made["required"] = required
        return made

    def field(self, field: FieldDescriptor) -> Schema:
        """The schema of a field, with its comment and its rules."""
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            made: Schema = {"type": "object", "additionalProperties": self.single(kind.fields_by_name["value"])}
        elif field.is_repeated:
            made = {"type": "array", "items": self.single(field)}
        else:
            made = self.single(field)
        made |= _rules(field)
        if text := comments().get(field.full_name):
            made["description"] = f"{text} {made['description']}" if "description" in made else text
        if field.containing_oneof is not None and not field.has_options:
            others = [other.json_name for other in field.containing_oneof.fields if other is not field]
            if others:
                made["description"] = f"{made.get('description', '')} Not together with {', '.join(others)}.".strip()
        return made

    def single(self, field: FieldDescriptor) -> Schema:
        """The schema of one value of a field."""
        if field.message_type is not None:
            return self.message(field.message_type)
        if field.enum_type is not None:
            return self.enum(field.enum_type)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return {"type": "string", "contentEncoding": "base64"}
        return dict(SCALARS.get(field.cpp_type, {"type": "string"}))

    def enum(self, enum: EnumDescriptor) -> Schema:
        if enum.name not in self.made:
            said = comments()
            values = [f"- `{value.name}`: {said.get(f'{enum.full_name}.{value.name}', '')}" for value in enum.values]
            self.made[enum.name] = {
                "type": "string",
                "enum": [value.name for value in enum.values],
                "description": "\n".join([said.get(enum.full_name, ""), "", *values]),
            }
        return {"$ref": f"#/components/schemas/{enum.name}"}


def _is_required(field: FieldDescriptor) -> bool:
    """Required by a rule; or, in an answer, always there because fields with their default value are written."""
    inside = field.containing_type
    if inside is not None and inside.name.endswith("Response"):
        return not field.has_presence
    return bool(field.GetOptions().Extensions[options_pb2.rules].required)


def _rules(field: FieldDescriptor) -> Schema:
    rules = field.GetOptions().Extensions[options_pb2.rules]
    made: Schema = {}
    is_string = field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    if is_string and (rules.required or rules.HasField("min_len")):
        made["minLength"] = rules.min_len or 1
    if is_string and rules.HasField("max_len"):
        made["maxLength"] = rules.max_len
    if rules.pattern:
        # An empty string means that the field is not set.
        made["pattern"] = f"^({rules.pattern})$" if rules.required else f"^({rules.pattern})?$"
    least, most = ("minProperties", "maxProperties") if is_map else ("minItems", "maxItems")
    if field.is_repeated and (rules.required or rules.HasField("min_items")):
        made[least] = rules.min_items or 1
    if field.is_repeated and rules.HasField("max_items"):
        made[most] = rules.max_items
    if field.message_type is None and field.cpp_type not in (
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT64,
    ):
        if rules.HasField("gte"):
            made["minimum"] = _whole(rules.gte)
        if rules.HasField("lte"):
            made["maximum"] = _whole(rules.lte)
    elif rules.HasField("gte") or rules.HasField("lte"):
        unit = " s" if field.message_type is not None else ""
        bounds = [f"at least {rules.gte:g}{unit}"] if rules.HasField("gte") else []
        if rules.HasField("lte"):
            bounds.append(f"at most {rules.lte:g}{unit}")
        made["description"] = f"({' and '.join(bounds).capitalize()}.)"
    return made


def _whole(number: float) -> float | int:
    return int(number) if number.is_integer() else number
