"""`google.api.http` rules as routes: which request leads to which RPC, and which part of it fills which field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from google.api import http_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from workflow_engine.services.rpcs import RPCS, Rpc

_VARIABLE = re.compile(r"\{([a-z0-9_.]+)(?:=([^}]*))?\}")
_SEGMENTS = {None: "", "*": "", "**": ":path"}


@dataclass(frozen=True, slots=True)
class Binding:
    """One HTTP rule of an RPC."""

    rpc: Rpc
    verb: str
    """GET, POST..."""
    template: str
    """The path as the contract writes it, e.g. `/v1/workflows/{workflow_id}`."""
    fields: tuple[str, ...]
    """The field that each variable of the path fills, e.g. `workflow_id` or `trigger.id`."""
    body: str
    """The field that the body fills; `*` for all that the path leaves, empty for none."""
    response_body: str
    """The field of the response that is the answer; empty for all of it."""

    @property
    def path(self) -> str:
        """As Starlette writes it; the variables are p0, p1..."""
        numbers = iter(range(len(self.fields)))
        return _VARIABLE.sub(lambda found: f"{{p{next(numbers)}{_SEGMENTS[found[2]]}}}", self.template)


def bindings() -> list[Binding]:
    """Every binding of the contract; of those that fit the same path, the one without variables first."""
    found = [binding for rpc in RPCS.values() for binding in of(rpc, rpc.http)]
    return sorted(found, key=lambda binding: [part.startswith("{") for part in binding.template.split("/")])


def of(rpc: Rpc, rule: http_pb2.HttpRule) -> Iterator[Binding]:
    """The bindings that a rule gives. Raises ValueError for one that this gateway can not serve."""
    kind = str(rule.WhichOneof("pattern"))
    verb, template = (rule.custom.kind, rule.custom.path) if kind == "custom" else (kind.upper(), getattr(rule, kind))
    variables = _VARIABLE.findall(template)
    for name, pattern in variables:
        if (pattern or None) not in _SEGMENTS:
            raise ValueError(f"{rpc.path}: the pattern {pattern!r} of {name} is none of *, **")
        field_at(rpc.input, name)
    names = tuple(name for name, _ in variables)
    yield Binding(rpc, verb, template, names, rule.body, rule.response_body)
    for more in rule.additional_bindings:
        yield from of(rpc, more)


def field_at(message: Descriptor, path: str) -> list[FieldDescriptor]:
    """The fields on the way along `path`, whose names are those of the .proto or of JSON.

    Raises ValueError when there is no such field.
    """
    fields: list[FieldDescriptor] = []
    inside: Descriptor | None = message
    for name in path.split("."):
        field = _named(inside, name) if inside is not None else None
        if field is None or (fields and fields[-1].is_repeated):
            raise ValueError(f"{message.name} has no field {path!r}")
        fields.append(field)
        inside = field.message_type
    return fields


def _named(message: Descriptor, name: str) -> FieldDescriptor | None:
    return message.fields_by_name.get(name) or message.fields_by_camelcase_name.get(name)
