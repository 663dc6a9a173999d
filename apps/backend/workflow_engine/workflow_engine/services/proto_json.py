"""What protobuf's JSON parser complains of, in words for whoever wrote the JSON."""

from __future__ import annotations

import re

from google.protobuf import descriptor_pool

from workflow_engine.utils.closest import closest

_FAILED = re.compile(r"Failed to parse (\w+) field: (.*)", re.DOTALL)
_UNKNOWN = re.compile(r'Message type "([\w.]+)" has no field named "(.*?)" at "(.*?)"', re.DOTALL)
_NO_CHOICE = re.compile(r"Invalid enum value (.*?) for enum type ([\w.]+)", re.DOTALL)
_AT = re.compile(r" at ([A-Z][\w.\[\]]*?)\.*$")
_PLAIN = {
    r"repeated field \w+ must be in \[\]": "must be a list",
    r"must be in a dict|object is not iterable|object has no attribute": "must be an object",
    r"Expected true or false": "must be true or false",
}
_NO_TEXT = re.compile(r"expected string or bytes-like object, got '(\w+)'|bad argument type for built-in operation")
_NO_NUMBER = re.compile(r"invalid literal for int\(\) with base 10: (.*)|could not convert string to float: (.*)")


def complaint(error: Exception) -> tuple[str, str]:
    """An exception of json_format, as (field path, what is wrong with it); the path may be empty."""
    text, path = str(error), []
    while found := _FAILED.match(text):
        path.append(found[1])
        text = found[2].removesuffix(".")
    if found := _UNKNOWN.search(text):
        # It writes the path from the message's name on: CreateWorkflowRequest.workflow.nodes[0].
        return ".".join([*found[3].split(".")[1:], found[2]]), _no_field(found[1], found[2])
    where = ".".join(path)
    if found := _AT.search(text):
        # With the places in lists, which the path above lacks; a list that is none has the path of its owner here.
        text = text[: found.start()]
        if len(found[1].split(".")) > len(path):
            # In a query a list of values is the same name several times.
            where = re.sub(r"\[\d+\]$", "", found[1].partition(".")[2])
    if found := _NO_CHOICE.search(text):
        return where, _no_choice(found[2], found[1])
    for pattern, wrong in _PLAIN.items():
        if re.search(pattern, text):
            return where, wrong
    if found := _NO_TEXT.search(text):
        return where, "must be a text" + {"int": ", not a number", "list": ", not a list"}.get(found[1] or "", "")
    if found := _NO_NUMBER.search(text):
        return where, f"{(found[1] or found[2])[:80]} is no number"
    return where, text


def _no_choice(kind: str, name: str) -> str:
    values = descriptor_pool.Default().FindEnumTypeByName(kind).values
    known = [each.name for each in values if not each.name.endswith("_UNSPECIFIED")]
    return f"{name[:80]!r} is none of {', '.join(known)}"


def _no_field(message: str, name: str) -> str:
    fields = [field.name for field in descriptor_pool.Default().FindMessageTypeByName(message).fields]
    return f"there is no such field; {closest(name, fields) or 'there are ' + ', '.join(fields)}"
