"""One node by itself, outside any workflow: to try a credential, to run a tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_engine.engine.history import RunRecord
from workflow_engine.engine.items import Item
from workflow_engine.engine.planning import build
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.services.access.callers import current
from workflow_engine.services.backend import Backend
from workflow_engine.services.errors import ServiceError
from workflow_engine.utils.structs import to_struct

NODE = "node"


async def run_alone(
    backend: Backend, type: str, parameters: Mapping[str, Any], credentials: Mapping[str, str], item: Item | None = None
) -> RunRecord:
    """Runs a node type on one item, an empty one by default, storing nothing. `credentials` are ids by slot.

    Braces in `parameters` are text: they come from a caller or a model, who may not write expressions. Raises
    ServiceError for parameters that the type refuses; a node that fails tells so in the record.
    """
    kind = backend.registry.find(type)
    assert kind is not None, type
    literal = {name: each if name in kind.literals else _literal(each) for name, each in parameters.items()}
    node = pb.Node(id=NODE, type=type, parameters=to_struct(literal), credentials=credentials)
    built = build(pb.Workflow(id=NODE, nodes=[node]), backend.registry)
    if built.plan is None:
        wrong = [
            (f"arguments.{issue.field.removeprefix('parameters.')}" if issue.field else "arguments", issue.message)
            for issue in built.issues
            if issue.is_error
        ]
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise ServiceError("INVALID_REQUEST", f"{wrong[0][0]}: {wrong[0][1]}{more}", violations=wrong)
    history = await backend.runtime.try_node(built.plan, NODE, [item or Item()], {}, current().user_id)
    return history.runs[built.plan.by_id[NODE], ()]


def _literal(value: Any) -> Any:
    """The template that gives `value` back."""
    match value:
        case str():
            return value.replace("{{", "{{ '{{' }}")
        case dict():
            return {name: _literal(each) for name, each in value.items()}
        case list():
            return [_literal(each) for each in value]
        case _:
            return value
