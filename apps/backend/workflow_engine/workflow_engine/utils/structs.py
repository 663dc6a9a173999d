"""google.protobuf.Struct to plain values and back, at the border only: a Struct is sixty times slower than a dict.

A Struct holds numbers as doubles. A whole number up to 2**53 comes back as an int; an integer beyond that goes out as
a decimal string, as proto JSON writes 64-bit integers, so nothing is rounded in silence. What is nested deeper than the
other side can read goes out as its JSON text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from google.protobuf import struct_pb2

from workflow_engine.utils.json import dumps

EXACT = 2**53
ROOM = 80
"""Messages inside each other that a value may be made of: readers of protobuf stop at 100, and some are around it."""


def to_python(value: struct_pb2.Value) -> Any:
    """The plain value inside a `Value`."""
    match value.WhichOneof("kind"):
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) <= EXACT else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return struct_to_dict(value.struct_value)
        case "list_value":
            return [to_python(each) for each in value.list_value.values]
        case _:
            return None


def struct_to_dict(struct: struct_pb2.Struct) -> dict[str, Any]:
    """The dict inside a `Struct`."""
    return {key: to_python(value) for key, value in struct.fields.items()}


def fill_value(target: struct_pb2.Value, value: Any, room: int = ROOM) -> struct_pb2.Value:
    """Writes `value` into `target` and returns it. Raises TypeError for what JSON can not say."""
    match value:
        case None:
            target.null_value = struct_pb2.NULL_VALUE
        case bool():
            target.bool_value = value
        case str():
            target.string_value = value
        case int():
            if abs(value) <= EXACT:
                target.number_value = value
            else:
                target.string_value = str(value)
        case float():
            if not math.isfinite(value):
                raise TypeError(f"{value} is no JSON number")
            target.number_value = value
        case Mapping() | list() | tuple() if room < 3:
            target.string_value = dumps(value).decode()
        case Mapping():
            fill_struct(target.struct_value, value, room - 1)
        case list() | tuple():
            target.list_value.SetInParent()
            for each in value:
                fill_value(target.list_value.values.add(), each, room - 2)
        case _:
            raise TypeError(f"{type(value).__name__} is no JSON value")
    return target


def fill_struct(target: struct_pb2.Struct, value: Mapping[str, Any], room: int = ROOM) -> struct_pb2.Struct:
    """Writes the members of `value` into `target` and returns it."""
    target.SetInParent()
    for key, each in value.items():
        fill_value(target.fields[key], each, room - 2)
    return target


def to_value(value: Any) -> struct_pb2.Value:
    return fill_value(struct_pb2.Value(), value)


def to_struct(value: Mapping[str, Any]) -> struct_pb2.Struct:
    return fill_struct(struct_pb2.Struct(), value)
