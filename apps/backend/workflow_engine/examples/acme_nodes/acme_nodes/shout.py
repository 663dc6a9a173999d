"""action.acme_shout: louder."""

from __future__ import annotations

from workflow_engine.nodes.spec import Call, Emit, Node, Parameters, emit


class ShoutParameters(Parameters):
    text: str
    """The text; usually an expression."""
    marks: int = 1
    """How many exclamation marks."""


class Shout(Node[ShoutParameters]):
    """Puts `text` in capitals under `shouted`, for each item."""

    type = "action.acme_shout"
    summary = "Puts a text in capitals."
    example = {"text": "{{ json.name }}"}

    def run(self, call: Call[ShoutParameters]) -> Emit:
        parameters = call.parameters
        return emit({**call.item.json, "shouted": parameters.text.upper() + "!" * parameters.marks})
