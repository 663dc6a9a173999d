"""What leads from one definition to another, as edits: values that can be shown, reviewed and undone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format

from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.utils.structs import fill_value

MISSING: Any = object()


def diff(before: pb.Workflow, after: pb.Workflow) -> list[pb.WorkflowEdit]:
    """The edits, in the order of the new drawing; what was removed comes where it stood."""
    return [_edit(path, old, new) for path, old, new in _changes("", _tree(before), _tree(after))]


def _tree(workflow: pb.Workflow) -> dict[str, Any]:
    """A definition by names instead of positions, so that an inserted node is one edit."""
    tree = json_format.MessageToDict(workflow, preserving_proto_field_name=True)
    nodes = {node["id"]: node for node in tree.pop("nodes", [])}
    connections = {_drawn(link): True for link in tree.pop("connections", [])}
    kept = {name: tree[name] for name in ("name", "description", "user_id", "tags", "settings", "vars") if name in tree}
    return kept | {"nodes": nodes, "connections": connections}


def _drawn(link: dict[str, Any]) -> str:
    source = f"{link['from_node']}.{link.get('from_port') or 'main'}"
    return f"{source}->{link['to_node']}.{link.get('to_port') or 'main'}"


def _changes(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(key for key in old if key not in new)]:
            where = f"{path}.{key}" if path else key
            yield from _changes(where, old.get(key, MISSING), new.get(key, MISSING))
    elif old != new:
        yield path, old, new


def _edit(path: str, old: Any, new: Any) -> pb.WorkflowEdit:
    kind = pb.EDIT_KIND_ADD if old is MISSING else pb.EDIT_KIND_REMOVE if new is MISSING else pb.EDIT_KIND_CHANGE
    edit = pb.WorkflowEdit(kind=kind, path=path)
    if old is not MISSING:
        fill_value(edit.before, old)
    if new is not MISSING:
        fill_value(edit.after, new)
    return edit
