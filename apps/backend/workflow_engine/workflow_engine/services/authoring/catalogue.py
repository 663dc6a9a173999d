"""The node types as a model is told of them: all of them by a line, the likely ones in full."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import msgspec

from workflow_engine.engine.shape import Port, PortKind
from workflow_engine.nodes.registry import AnyNode, Registry
from workflow_engine.nodes.schema import standing_alone
from workflow_engine.utils.ranking import Ranking

ALWAYS = ("trigger.manual", "flow.set", "flow.if")
"""Types that nearly every workflow needs."""
LISTED = 300
"""Most types that a model is shown the lines of."""


class Catalogue:
    """What can be drawn with."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    @cached_property
    def _ranking(self) -> Ranking:
        return Ranking({node.type: f"{node.type} {node.name} {node.summary} {node.help}" for node in self._registry})

    def types(self) -> list[str]:
        return self._registry.types()

    def lines(self, query: str) -> str:
        """Every type with its summary; the best for `query` when there are too many."""
        nodes = list(self._registry)
        if len(nodes) > LISTED:
            kept = {*ALWAYS, *list(self._ranking.scores(query))[:LISTED]}
            nodes = [node for node in nodes if node.type in kept]
        return "\n".join(f"{node.type}: {node.summary}" for node in nodes)

    def retrieve(self, query: str, chosen: Iterable[str], *, more: int = 6) -> list[str]:
        """The chosen types, those that always help, and the best others for `query`."""
        found = [*chosen, *ALWAYS, *list(self._ranking.scores(query))[:more]]
        known = set(self.types())
        return [type for type in dict.fromkeys(found) if type in known]

    def cards(self, types: Iterable[str]) -> str:
        """What a model has to know to draw with these types."""
        return "\n\n".join(_card(node) for type in types if (node := self._registry.find(type)) is not None)


def _card(node: AnyNode) -> str:
    shape = node.shape(node.example)
    schema = node.parameters.model_json_schema()
    plain = standing_alone({key: value for key, value in schema.items() if key != "$defs"}, schema.get("$defs", {}))
    lines = [
        f"## {node.type}",
        node.help,
        f"inputs: {_ports(shape.inputs)}; outputs: {_ports(shape.outputs)}; runs {shape.run_mode.value}",
        f"parameters (JSON Schema): {_json(plain)}",
        f"example parameters: {_json(node.example)}",
    ]
    if node.credentials:
        lines.append("needs a credential, which a person adds: " + ", ".join(slot.name for slot in node.credentials))
    return "\n".join(lines)


def _ports(ports: tuple[Port, ...]) -> str:
    said = [port.name if port.kind is PortKind.DATA else f"{port.name} (binds a {port.resource})" for port in ports]
    return ", ".join(said) or "none"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
