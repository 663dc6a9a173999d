"""A workflow as a model draws it: the shape of its answer, and what we make of that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from google.protobuf import json_format

from workflow_engine.engine.items import Item, Items, Json
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.utils.structs import struct_to_dict, to_struct

WIDE, HIGH = 312, 140
"""Pixels from one node to the next on the canvas."""
_TEXT: Json = {"type": "string"}
_RECORDS: Json = {"anyOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]}


def schema(types: Iterable[str]) -> dict[str, Json]:
    """JSON Schema of a drawing that may use these node types."""
    node = {
        "type": "object",
        "properties": {
            "id": {"type": "string", "pattern": r"^[A-Za-z0-9_.-]{1,64}$"},
            "name": {"type": "string", "description": "For people, unique; expressions name it."},
            "type": {"type": "string", "enum": list(types)},
            "parameters": {"type": "object"},
            "on_error": {"type": "string", "enum": ["stop", "continue", "error_port"]},
            "retry_attempts": {"type": "integer", "minimum": 1, "maximum": 10},
            "notes": {"type": "string", "description": "For a tool of an agent: when the agent shall use it."},
            "sample_output": {
                **_RECORDS,
                "description": "For a node that reaches outside: the record, or records, that it might give.",
            },
        },
        "required": ["id", "name", "type", "parameters"],
        "additionalProperties": False,
    }
    connection = {
        "type": "object",
        "properties": {"from_node": _TEXT, "from_port": _TEXT, "to_node": _TEXT, "to_port": _TEXT},
        "required": ["from_node", "to_node"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 255},
            "description": {"type": "string", "maxLength": 10000},
            "nodes": {"type": "array", "items": node, "minItems": 1},
            "connections": {"type": "array", "items": connection},
            "sample_input": {**_RECORDS, "description": "What might start it, as the trigger gives it."},
            "explanation": {"type": "string", "description": "For a person: what it does, why so, what you assumed."},
        },
        "required": ["name", "nodes", "connections", "explanation"],
        "additionalProperties": False,
    }


def drawn(answer: dict[str, Any], base: pb.Workflow | None = None) -> pb.Workflow:
    """The workflow that an answer describes. What `base` has beyond what a model can draw stays as it is there.

    Raises ValueError, in words, for what can not be a workflow at all.
    """
    workflow = pb.Workflow()
    if base is not None:
        workflow.CopyFrom(base)
        del workflow.nodes[:]
        del workflow.connections[:]
    workflow.name = answer["name"]
    workflow.description = answer.get("description") or workflow.description
    before = {node.id: node for node in base.nodes} if base is not None else {}
    try:
        workflow.nodes.extend(_node(each, before.get(each["id"])) for each in answer["nodes"])
        workflow.connections.extend(json_format.ParseDict(each, pb.Connection()) for each in answer["connections"])
    except (json_format.ParseError, ValueError, TypeError) as error:
        raise ValueError(f"the drawing can not be read: {error}") from error
    _lay_out(workflow, set(before))
    return workflow


def _node(answer: dict[str, Any], before: pb.Node | None) -> pb.Node:
    node = pb.Node()
    if before is not None and before.type == answer["type"]:
        node.CopyFrom(before)
    node.id, node.name, node.type = answer["id"], answer["name"], answer["type"]
    node.parameters.CopyFrom(to_struct(answer["parameters"]))
    if on_error := answer.get("on_error"):
        node.on_error = pb.OnError.Value(f"ON_ERROR_{on_error.upper()}")
    if attempts := answer.get("retry_attempts"):
        node.retry.max_attempts = attempts
    if notes := answer.get("notes"):
        node.notes = notes
    return node


def told(workflow: pb.Workflow) -> dict[str, Json]:
    """A workflow in the form in which a model draws one."""
    nodes: list[dict[str, Json]] = []
    for node in workflow.nodes:
        shown: dict[str, Json] = {
            "id": node.id,
            "name": node.name or node.id,
            "type": node.type,
            "parameters": struct_to_dict(node.parameters),
        }
        if node.on_error:
            shown["on_error"] = pb.OnError.Name(node.on_error).removeprefix("ON_ERROR_").lower()
        if node.retry.max_attempts:
            shown["retry_attempts"] = node.retry.max_attempts
        if node.notes:
            shown["notes"] = node.notes
        nodes.append(shown)
    links = [json_format.MessageToDict(each, preserving_proto_field_name=True) for each in workflow.connections]
    return {"name": workflow.name, "description": workflow.description, "nodes": nodes, "connections": links}


def samples(answer: dict[str, Any]) -> tuple[Items, dict[str, Items]]:
    """What starts a rehearsal, and what the nodes that reach outside give in it, by id."""
    given = {node["id"]: _items(node["sample_output"]) for node in answer["nodes"] if "sample_output" in node}
    return _items(answer.get("sample_input", {})), given


def _items(records: Any) -> Items:
    return [Item(each) for each in (records if isinstance(records, list) else [records])]


def _lay_out(workflow: pb.Workflow, placed: set[str]) -> None:
    """Gives every new node a free place: to the right of what leads to it, as high as that or lower."""
    sources: dict[str, list[str]] = defaultdict(list)
    for link in workflow.connections:
        sources[link.to_node].append(link.from_node)
    depth: dict[str, int] = {}

    def deep(id: str, above: frozenset[str]) -> int:
        if id not in depth:
            before = [deep(each, above | {id}) for each in sources[id] if each not in above]
            depth[id] = 1 + max(before, default=-1)
        return depth[id]

    at = {node.id: (node.position.x, node.position.y) for node in workflow.nodes if node.id in placed}
    new = [node for node in workflow.nodes[:500] if node.id not in placed]
    for node in sorted(new, key=lambda node: deep(node.id, frozenset({node.id}))):
        before = [at[each] for each in sources[node.id] if each in at]
        x = max((there[0] + WIDE for there in before), default=0.0)
        y = min((there[1] for there in before), default=0.0)
        for other in sorted(there[1] for there in at.values() if abs(there[0] - x) < WIDE):
            if abs(other - y) < HIGH:
                y = other + HIGH
        node.position.x, node.position.y = at[node.id] = x, y
