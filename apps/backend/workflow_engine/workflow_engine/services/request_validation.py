"""Request validation from the contract: the `rules` on a field, compiled once for each message type.

A pure-Python protovalidate takes milliseconds for a small workflow; these closures take microseconds. They know the few
rules that engine/options.proto has, by the same names and with the same meaning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from workflow_engine.proto import options_pb2

Violation = tuple[str, str]
Check = Callable[[Any], str | None]
"""Takes a field's value; says what is wrong with it, or None."""


def violations(message: Message) -> list[Violation]:
    """What is wrong with a request: (field path, description) each; empty when nothing is."""
    return list(_violations(message, ""))


def _violations(message: Message, prefix: str) -> Iterator[Violation]:
    for name, is_set, checks, inside in _compiled(message.DESCRIPTOR):
        value = getattr(message, name)
        path = prefix + name
        present = is_set(message)
        for check in checks:
            if (wrong := check(value if present else None)) is not None:
                yield path, wrong
        if inside is not None and present:
            yield from inside(value, path)


Inside = Callable[[Any, str], Iterator[Violation]]


@cache
def _compiled(
    descriptor: Descriptor,
) -> tuple[tuple[str, Callable[[Message], bool], tuple[Check, ...], Inside | None], ...]:
    fields = []
    for field in descriptor.fields:
        checks = tuple(_checks(field))
        inside = _inside(field)
        if checks or inside:
            fields.append((field.name, _presence(field), checks, inside))
    return tuple(fields)


def _presence(field: FieldDescriptor) -> Callable[[Message], bool]:
    name = field.name
    if field.has_presence:
        return lambda message: message.HasField(name)
    return lambda message: bool(getattr(message, name))


def _inside(field: FieldDescriptor) -> Inside | None:
    """How to look into the messages that a field holds; None when there is nothing to find in them."""
    kind = field.message_type
    if kind is None:
        return None
    if kind.GetOptions().map_entry:
        value_type = kind.fields_by_name["value"].message_type
        if value_type is None or not _has_rules(value_type):
            return None
        return lambda values, path: (
            found for key, value in values.items() for found in _violations(value, f"{path}[{key!r}].")
        )
    if not _has_rules(kind):
        return None
    if field.is_repeated:
        return lambda values, path: (
            found for index, value in enumerate(values) for found in _violations(value, f"{path}[{index}].")
        )
    return lambda value, path: _violations(value, f"{path}.")


@cache
def _has_rules(descriptor: Descriptor) -> bool:
    """Whether anything in a message, however deep, has a rule. Well-known types have none."""
    todo, seen = [descriptor], {descriptor.full_name}
    while todo:
        for field in todo.pop().fields:
            if field.GetOptions().HasExtension(options_pb2.rules):
                return True
            kind = field.message_type
            if kind is not None and kind.full_name not in seen:
                seen.add(kind.full_name)
                todo.append(kind)
    return False


def _checks(field: FieldDescriptor) -> Iterator[Check]:
    options = field.GetOptions()
    if not options.HasExtension(options_pb2.rules):
        return
    rules = options.Extensions[options_pb2.rules]
    if field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated:
        yield _no_nul
    for rule, _ in rules.ListFields():
        maker = _RULES[rule.name]
        yield maker(field, getattr(rules, rule.name))


def _required(field: FieldDescriptor, wanted: bool) -> Check:
    return lambda value: "is required" if value is None and wanted else None


def _no_nul(value: Any) -> str | None:
    """PostgreSQL has no text with NUL in it."""
    return "must not hold the character NUL" if value and "\0" in value else None


def _min_len(field: FieldDescriptor, least: int) -> Check:
    return lambda value: f"must have at least {least} characters" if value and len(value) < least else None


def _max_len(field: FieldDescriptor, most: int) -> Check:
    return lambda value: f"has {len(value)} characters; {most} are allowed" if value and len(value) > most else None


def _pattern(field: FieldDescriptor, pattern: str) -> Check:
    matches = re.compile(pattern).fullmatch
    return lambda value: f"{value[:80]!r} must match {pattern}" if value and not matches(value) else None


def _min_items(field: FieldDescriptor, least: int) -> Check:
    return lambda value: f"must have at least {least}" if len(value or ()) < least else None


def _max_items(field: FieldDescriptor, most: int) -> Check:
    return lambda value: f"has {len(value)}; {most} are allowed" if value and len(value) > most else None


def _gte(field: FieldDescriptor, least: float) -> Check:
    return lambda value: f"must be at least {least:g}" if value is not None and _number(value) < least else None


def _lte(field: FieldDescriptor, most: float) -> Check:
    return lambda value: f"must be at most {most:g}" if value is not None and _number(value) > most else None


def _number(value: Any) -> float:
    return value.ToNanoseconds() / 1e9 if isinstance(value, Message) else value  # type: ignore[attr-defined,no-any-return]


def _defined_only(field: FieldDescriptor, wanted: bool) -> Check:
    assert field.enum_type is not None
    numbers = {value.number for value in field.enum_type.values}
    names = ", ".join(value.name for value in field.enum_type.values if value.number)
    if field.is_repeated:
        return lambda values: next((f"{each} is none of {names}" for each in values or () if each not in numbers), None)
    return lambda value: f"{value} is none of {names}" if value is not None and value not in numbers else None


_RULES: dict[str, Callable[[FieldDescriptor, Any], Check]] = {
    "required": _required,
    "min_len": _min_len,
    "max_len": _max_len,
    "pattern": _pattern,
    "min_items": _min_items,
    "max_items": _max_items,
    "gte": _gte,
    "lte": _lte,
    "defined_only": _defined_only,
}
