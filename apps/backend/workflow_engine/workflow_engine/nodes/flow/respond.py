"""flow.respond: the execution's result."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from pydantic import Field, field_validator

from workflow_engine.engine.items import Item, Json
from workflow_engine.engine.shape import RunMode, Shape
from workflow_engine.nodes.flow.lineage import traced
from workflow_engine.nodes.spec import Call, Emit, Node, Parameters

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BREAKS = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
_FRAMING = ("content-length", "transfer-encoding", "connection", "set-cookie")


class RespondParameters(Parameters):
    """What the caller gets."""

    body: dict[str, Json] | list[dict[str, Json]] | None = None
    """An object, or a list of objects, to answer with. The incoming items when left out."""
    status: int = Field(default=200, ge=200, le=599)
    """The HTTP status, for a webhook that this node answers."""
    headers: dict[str, str] = Field(default={}, max_length=50)
    """HTTP headers, for a webhook that this node answers."""

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _NAME.fullmatch(name) or _BREAKS.search(value):
                raise ValueError(f"{name!r} can not be sent as a header")
            if name.lower() in _FRAMING:
                raise ValueError(f"{name!r} is set by the server")
        return {name.lower(): value for name, value in headers.items()}


class Respond(Node[RespondParameters]):
    """Makes its items the execution's result, in place of what the last nodes deliver.

    The workflow may go on after it. A webhook with `respond: respond_node` is answered by the first that runs, one with
    `respond: streaming` by all of them; otherwise, when several such nodes run, the one that stands last in the
    workflow decides.
    """

    type = "flow.respond"
    summary = "Decides the execution's result."
    run_mode = RunMode.BATCH
    example = {"body": {"status": "accepted", "order": "{{ json.id }}"}}

    def shape(self, parameters: dict[str, Any]) -> Shape:
        return replace(super().shape(parameters), responds=True)

    def run(self, call: Call[RespondParameters]) -> Emit:
        parameters = call.parameters
        response: dict[str, Json] = {}
        if parameters.status != 200 or parameters.headers:
            response = {"status": parameters.status, "headers": parameters.headers}
        match parameters.body:
            case None:
                return Emit({"main": traced(call.items)}, response=response)
            case list(records):
                pass
            case record:
                records = [record]
        sources = tuple(range(len(call.items)))
        return Emit({"main": [Item(record, sources=sources) for record in records]}, response=response)
