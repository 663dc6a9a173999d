"""human.choice: one of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field, model_validator

from workflow_engine.engine.plan import ParameterProblem
from workflow_engine.engine.shape import ERROR, Port, RunMode, Shape
from workflow_engine.nodes.flow.parameters import literal, wrong
from workflow_engine.nodes.human.asking import (
    CHANNELS,
    TIMEOUT,
    Asking,
    answered,
    asked,
    outcome,
    timed_out,
    waiting,
    with_timeout,
)
from workflow_engine.nodes.spec import Call, Emit, Node, Parameters, Suspend


class Option(Parameters):
    """One thing to choose."""

    value: str = Field(min_length=1, max_length=64)
    """What the choice is called; also the name of its output port."""
    label: str = Field(default="", max_length=200)
    """What people read; the value when empty."""


class ChoiceParameters(Asking):
    """What there is to choose from, and how many have to agree."""

    options: list[Option] = Field(min_length=2, max_length=50)
    """The choices, in order. They decide the node's ports; for a list that is known only at run time, use a
    `human.form` with a `choice`."""
    quorum: int = Field(default=1, ge=1, le=100)
    """How many votes an option needs."""

    @model_validator(mode="before")
    @classmethod
    def _names(cls, data: Any) -> Any:
        names = _values(data) if isinstance(data, dict) else []
        for name in names:
            if name in (ERROR, TIMEOUT):
                raise wrong("an option can not be named '{name}': that port has a meaning of its own", name=name)
        if len(set(names)) < len(names):
            raise wrong("two options have the same value")
        return data


class Choice(Node[ChoiceParameters]):
    """Waits until a person has chosen, and sends the items the chosen way.

    Each item carries the choice under `answer` (`choice`, `comment`), and everyone's under `answers`. With a quorum the
    first option with so many votes wins; when all have voted without one, the option with most votes does, and of
    equals the one that had its first vote earliest.
    """

    type = "human.choice"
    summary = "Asks people to choose one of several ways."
    run_mode = RunMode.BATCH
    credentials = CHANNELS
    outputs = ()
    example = {
        "title": "How shall we answer {{ json.customer }}?",
        "options": [
            {"value": "refund", "label": "Refund"},
            {"value": "replace", "label": "Send a new one"},
        ],
    }

    def shape(self, parameters: dict[str, Any]) -> Shape:
        ports = tuple(Port(name) for name in dict.fromkeys(_values(parameters)))
        return with_timeout(replace(super().shape(parameters), outputs=ports), parameters)

    def check(self, parameters: dict[str, Any]) -> Sequence[ParameterProblem]:
        return [*super().check(parameters), *literal(parameters, "options", "options[].value")]

    def run(self, call: Call[ChoiceParameters]) -> Emit | Suspend:
        asking = call.parameters
        if call.resume is None:
            schema = {
                "type": "object",
                "properties": {
                    "choice": {"enum": [option.value for option in asking.options]},
                    "comment": {"type": "string", "format": "multiline", "maxLength": 10_000},
                },
                "required": ["choice"],
                "additionalProperties": False,
            }
            labels = {option.value: option.label for option in asking.options if option.label}
            return waiting(asked(call, asking, "choice", schema, quorum=asking.quorum, labels=labels))
        settled = outcome(call)
        if not settled.decision:
            return timed_out(call, settled)
        return Emit({settled.decision: answered(call.items, settled)})


def _values(parameters: dict[str, Any]) -> list[str]:
    """What raw parameters name, whatever else is wrong with them."""
    options = parameters.get("options")
    named = [each.get("value") for each in options if isinstance(each, dict)] if isinstance(options, list) else []
    return [name for name in named if isinstance(name, str) and name]
