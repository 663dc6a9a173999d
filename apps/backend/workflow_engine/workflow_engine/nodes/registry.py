"""Which node types are installed: ours, found by walking this package, and others', by entry point.

A package adds node types with an entry point in the group `workflow_engine.nodes` that names a module or a class:

    [project.entry-points."workflow_engine.nodes"]
    acme = "acme_nodes"
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from workflow_engine.nodes.spec import Node, Parameters

ENTRY_POINTS = "workflow_engine.nodes"
FAMILIES = ("trigger", "ai_agent", "external_action", "action", "flow", "human", "tool", "memory")

AnyNode = Node[Parameters]


class Registry:
    """Node types by name and version."""

    def __init__(self, nodes: Iterable[AnyNode] = ()) -> None:
        self._nodes: dict[str, dict[int, AnyNode]] = {}
        for node in nodes:
            self.add(node)

    def add(self, node: AnyNode) -> None:
        """Raises ValueError for a type outside the eight families, or one that is there already."""
        family = node.type.partition(".")[0]
        if family not in FAMILIES:
            raise ValueError(f"{node.type}: {family!r} is none of the families {', '.join(FAMILIES)}")
        versions = self._nodes.setdefault(node.type, {})
        if node.version in versions:
            raise ValueError(f"{node.type} version {node.version} is defined twice")
        versions[node.version] = node

    def find(self, type: str, version: int = 0) -> AnyNode | None:
        """The node type; version 0 is the newest."""
        versions = self._nodes.get(type)
        if not versions:
            return None
        return versions.get(version or max(versions))

    def types(self) -> list[str]:
        return sorted(self._nodes)

    def __iter__(self) -> Iterator[AnyNode]:
        """The newest version of each type, by name."""
        for type in self.types():
            node = self.find(type)
            assert node
            yield node


def nodes_in(module: ModuleType) -> Iterator[AnyNode]:
    """The node types that a module defines itself."""
    for value in vars(module).values():
        if isinstance(value, type) and _is_node(value) and value.__module__ == module.__name__:
            yield value()


def _is_node(value: type[Any]) -> bool:
    return issubclass(value, Node) and "type" in value.__dict__


@cache
def installed() -> Registry:
    """Every node type on this machine."""
    package = importlib.import_module("workflow_engine.nodes")
    registry = Registry()
    for found in pkgutil.walk_packages(package.__path__, prefix=f"{package.__name__}."):
        for node in nodes_in(importlib.import_module(found.name)):
            registry.add(node)
    for point in entry_points(group=ENTRY_POINTS):
        loaded = point.load()
        if isinstance(loaded, ModuleType):
            for node in nodes_in(loaded):
                registry.add(node)
        else:
            registry.add(loaded())
    return registry
