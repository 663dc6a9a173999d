"""HTTP requests to messages and messages to JSON, as proto JSON and `google.api.http` say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from workflow_engine.api.rest.bindings import Binding, field_at
from workflow_engine.services.errors import ServiceError
from workflow_engine.services.proto_json import complaint
from workflow_engine.utils import json
from workflow_engine.utils.structs import EXACT

IN_A_QUERY = {
    "google.protobuf.Timestamp",
    "google.protobuf.Duration",
    "google.protobuf.FieldMask",
    "google.protobuf.BoolValue",
    "google.protobuf.StringValue",
    "google.protobuf.Int32Value",
    "google.protobuf.Int64Value",
    "google.protobuf.UInt32Value",
    "google.protobuf.UInt64Value",
    "google.protobuf.FloatValue",
    "google.protobuf.DoubleValue",
}
"""Messages that JSON writes as one scalar, so that a query can hold them."""
_BOOLS = {"true": True, "1": True, "": True, "false": False, "0": False}
_DEEPEST = 100


def to_message(
    binding: Binding, variables: Mapping[str, str], query: Iterable[tuple[str, str]], body: bytes
) -> Message:
    """The request that an HTTP request stands for. Raises ServiceError when it says what the RPC has no place for."""
    parts: dict[str, Any] = {}
    if binding.body == "*":
        value = _body(body)
        if not isinstance(value, dict):
            raise _invalid("body", "must be a JSON object")
        parts = value
    elif binding.body:
        [field] = field_at(binding.rpc.input, binding.body)
        parts[field.name] = _body(body)
    elif body:
        raise _invalid("body", f"{binding.verb} {binding.template} takes no body; its fields go into the query")
    if binding.body != "*":
        _add_query(parts, binding, query)
    elif unexpected := sorted({name for name, _ in query}):
        raise _invalid(unexpected[0], "goes into the body, not into the query")
    for number, name in enumerate(binding.fields):
        _put(parts, field_at(binding.rpc.input, name), variables[f"p{number}"])
    return _parsed(parts, binding.rpc.request_class())


def _body(body: bytes) -> Any:
    if not body:
        return {}
    try:
        return _kept_exact(json.loads(body), 0)
    except ValueError as error:
        raise _invalid("body", f"is no JSON: {error}") from None


def _kept_exact(value: Any, depth: int) -> Any:
    """Integers that a double would round become decimal strings, as proto JSON writes them itself."""
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    match value:
        case bool():
            return value
        case int():
            return value if abs(value) <= EXACT else str(value)
        case dict():
            return {key: _kept_exact(each, depth + 1) for key, each in value.items()}
        case list():
            return [_kept_exact(each, depth + 1) for each in value]
        case _:
            return value


def _add_query(parts: dict[str, Any], binding: Binding, query: Iterable[tuple[str, str]]) -> None:
    taken = {*binding.fields, binding.body}
    for name, text in query:
        try:
            fields = field_at(binding.rpc.input, name)
        except ValueError as error:
            raise _invalid(name, f"{error}; it takes {_names(binding, taken)}") from None
        path = ".".join(field.name for field in fields)
        if path in taken:
            raise _invalid(name, "is given by the path" if path in binding.fields else "is given by the body")
        last = fields[-1]
        if last.message_type is not None and last.message_type.full_name not in IN_A_QUERY:
            raise _invalid(name, "is no single value: a query can not hold it")
        _put(parts, fields, _from_text(last, name, text))


def _names(binding: Binding, taken: set[str]) -> str:
    return ", ".join(field.json_name for field in binding.rpc.input.fields if field.name not in taken) or "nothing"


def _from_text(field: FieldDescriptor, name: str, text: str) -> Any:
    kind = field.message_type
    if field.cpp_type != FieldDescriptor.CPPTYPE_BOOL and (kind is None or kind.name != "BoolValue"):
        return text
    if (value := _BOOLS.get(text.lower())) is None:
        raise _invalid(name, f"{text[:80]!r} is neither true nor false")
    return value


def _put(parts: dict[str, Any], fields: list[FieldDescriptor], value: Any) -> None:
    """Writes `value` to where `fields` lead."""
    for field in fields[:-1]:
        inside = parts.setdefault(_key(parts, field), {})
        if not isinstance(inside, dict):
            raise _invalid(field.name, "must be an object")
        parts = inside
    last = fields[-1]
    if last.is_repeated:
        parts.setdefault(last.name, []).append(value)
    else:
        for name in (last.name, last.json_name):
            parts.pop(name, None)
        parts[last.name] = value


def _key(parts: dict[str, Any], field: FieldDescriptor) -> str:
    return field.json_name if field.json_name in parts else field.name


def _parsed(parts: dict[str, Any], message: Message) -> Message:
    try:
        return json_format.ParseDict(parts, message)
    except (json_format.ParseError, ValueError, TypeError, OverflowError, AttributeError, RecursionError) as error:
        field, wrong = complaint(error)
        raise _invalid(field or "body", wrong) from None


def _invalid(field: str, wrong: str) -> ServiceError:
    field = field[:200]
    return ServiceError("INVALID_REQUEST", f"{field}: {wrong}", violations=[(field, wrong)])


def to_json(message: Message, response_body: str = "") -> bytes:
    """The JSON of a response."""
    value = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    if not response_body:
        return json.dumps(value)
    return json.dumps(value.get(message.DESCRIPTOR.fields_by_name[response_body].json_name))
