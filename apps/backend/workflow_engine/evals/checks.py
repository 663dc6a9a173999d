"""The checks of a request, each a few lines over the graph.

| check | holds when |
|---|---|
| uses | every one of these node types is there |
| any | of each of these lists, one type is there |
| at_least | so many nodes of a type are there; `email_like` counts every kind of e-mail |
| path | items can go from the first type to the next, and so on |
| branches | nodes of these types have two ways on that lead somewhere |
| binds | a node of the type has something bound to each of these ports |
| says | the parameters of some node of the type hold this text |
| says_any | the parameters of some node hold this text |
| retries | a node of the type is tried more than once |
| asks | the answer is questions, and no workflow |
| language | `zh`: the explanation is in Chinese |
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from workflow_engine.proto import ai_system_pb2 as ai
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.utils.json import dumps
from workflow_engine.utils.structs import struct_to_dict

EMAIL = ("external_action.email", "external_action.gmail")
CHECKS = ("uses", "any", "at_least", "path", "branches", "binds", "says", "says_any", "retries", "asks", "language")


def failures(request: dict[str, Any], answer: ai.GenerateWorkflowResponse) -> list[str]:
    """What is not as the request wants it; empty when everything is."""
    if request.get("asks"):
        return [] if answer.questions else ["it should have asked"]
    if not answer.success:
        return [answer.message or "no workflow"]
    return list(_failures(request, answer))


def _failures(request: dict[str, Any], answer: ai.GenerateWorkflowResponse) -> Iterator[str]:
    workflow = answer.workflow
    types = Counter(node.type for node in workflow.nodes)
    types["email_like"] = sum(types[each] for each in EMAIL)
    yield from (f"no {type}" for type in request.get("uses", ()) if not types[type])
    yield from (
        f"none of {', '.join(choice)}" for choice in request.get("any", ()) if not any(types[t] for t in choice)
    )
    for type, count in request.get("at_least", {}).items():
        if types[type] < count:
            yield f"{types[type]} {type}, not {count}"
    path = request.get("path", ())
    if path and not _leads(workflow, path):
        yield f"no way {' -> '.join(path)}"
    for type in request.get("branches", ()):
        if not any(len(_ways(workflow, node.id)) > 1 for node in workflow.nodes if node.type == type):
            yield f"{type} does not branch"
    for type, ports in request.get("binds", {}).items():
        bound = [_bound(workflow, node.id) for node in workflow.nodes if node.type == type]
        yield from (f"nothing on {type}.{port}" for port in ports if not any(port in each for each in bound))
    for type, text in request.get("says", {}).items():
        if not any(text in _said(node) for node in workflow.nodes if node.type == type):
            yield f"{type} does not say {text!r}"
    for text in request.get("says_any", ()):
        if not any(text in _said(node) for node in workflow.nodes):
            yield f"nothing says {text!r}"
    for type in request.get("retries", ()):
        if not any(node.retry.max_attempts > 1 for node in workflow.nodes if node.type == type):
            yield f"{type} is not tried again"
    if request.get("language") == "zh" and not any("\u4e00" <= each <= "\u9fff" for each in answer.explanation):
        yield "the explanation is not in Chinese"


def _said(node: pb.Node) -> str:
    return dumps(struct_to_dict(node.parameters)).decode()


def _ways(workflow: pb.Workflow, id: str) -> set[str]:
    return {link.from_port or "main" for link in workflow.connections if link.from_node == id}


def _bound(workflow: pb.Workflow, id: str) -> set[str]:
    return {link.to_port for link in workflow.connections if link.to_node == id}


def _leads(workflow: pb.Workflow, path: list[str]) -> bool:
    """Whether nodes of the types in `path` follow each other, with anything in between."""
    ahead: dict[str, set[str]] = defaultdict(set)
    for link in workflow.connections:
        ahead[link.from_node].add(link.to_node)
    types = {node.id: node.type for node in workflow.nodes}
    at = {id for id, type in types.items() if type == path[0]}
    for wanted in path[1:]:
        seen: set[str] = set()
        todo = [id for each in at for id in ahead[each]]
        while todo:
            if (id := todo.pop()) not in seen:
                seen.add(id)
                todo.extend(ahead[id])
        at = {id for id in seen if types.get(id) == wanted}
    return bool(at)
