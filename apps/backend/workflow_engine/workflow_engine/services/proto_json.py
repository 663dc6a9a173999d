"""What protobuf's JSON parser complains of, in words for whoever wrote the JSON."""

from __future__ import annotations

import re

from google.protobuf import descriptor_pool

from workflow_engine.engine.plan import closest

_FAILED = re.compile(r"Failed to parse (\w+) field: (.*)", re.DOTALL)
_UNKNOWN = re.compile(r'Message type "([\w.]+)" has no field named "(.*?)" at "(.*?)"', re.DOTALL)
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
    if found := _NO_TEXT.search(text):
        return where, "must be a text" + {"int": ", not a number", "list": ", not a list"}.get(found[1] or "", "")
    if found := _NO_NUMBER.search(text):
        return where, f"{(found[1] or found[2])[:80]} is no number"
    return where, text


def _no_field(message: str, name: str) -> str:
    fields = [field.name for field in descriptor_pool.Default().FindMessageTypeByName(message).fields]
    return f"there is no such field; {closest(name, fields) or 'there are ' + ', '.join(fields)}"
