"""flow.respond: the execution's result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from workflow_engine.engine.items import Item, Json
from workflow_engine.engine.shape import RunMode, Shape
from workflow_engine.nodes.flow.lineage import traced
from workflow_engine.nodes.spec import Call, Emit, Node, Parameters


class RespondParameters(Parameters):
    """What the caller gets."""

    body: dict[str, Json] | list[dict[str, Json]] | None = None
    """An object, or a list of objects, to answer with. The incoming items when left out."""


class Respond(Node[RespondParameters]):
    """Makes its items the execution's result, in place of what the last nodes deliver.

    The workflow may go on after it. When several such nodes run, the one that stands last in the workflow decides.
    """

    type = "flow.respond"
    summary = "Decides the execution's result."
    run_mode = RunMode.BATCH
    example = {"body": {"status": "accepted", "order": "{{ json.id }}"}}

    def shape(self, parameters: dict[str, Any]) -> Shape:
        return replace(super().shape(parameters), responds=True)

    def run(self, call: Call[RespondParameters]) -> Emit:
        match call.parameters.body:
            case None:
                return Emit({"main": traced(call.items)})
            case list(records):
                pass
            case record:
                records = [record]
        sources = tuple(range(len(call.items)))
        return Emit({"main": [Item(record, sources=sources) for record in records]})
