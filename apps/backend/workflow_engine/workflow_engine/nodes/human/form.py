"""human.form: fields to fill in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field, model_validator

from workflow_engine.engine.items import Json
from workflow_engine.engine.plan import ParameterProblem
from workflow_engine.engine.shape import RunMode, Shape
from workflow_engine.nodes.flow.parameters import given, wrong
from workflow_engine.nodes.forms import FormField, schema_of
from workflow_engine.nodes.human.asking import (
    CHANNELS,
    Asking,
    answered,
    asked,
    outcome,
    timed_out,
    waiting,
    with_timeout,
)
from workflow_engine.nodes.spec import Call, Emit, Node, NodeFailure, Suspend
from workflow_engine.utils.json_schema import schema_problem


class FormParameters(Asking):
    """What is asked: a list of `fields`, or a JSON `schema`."""

    fields: list[FormField] = Field(default=[], max_length=100)
    """The questions, in order."""
    schema_: dict[str, Json] = Field(default={}, alias="schema")
    """JSON Schema of an object, instead of `fields`; its members are the questions."""
    submit_label: str = Field(default="", max_length=100)
    """What the button says; `Send` in the reader's language when empty."""

    @model_validator(mode="before")
    @classmethod
    def _one(cls, data: Any) -> Any:
        if isinstance(data, dict) and given(data, "fields") == bool(data.get("schema")):
            raise wrong("give exactly one of fields and schema")
        return data


class Form(Node[FormParameters]):
    """Waits until a person has filled in a form.

    Each item carries what was filled in under `answer`, and who did so when under `answers`; files that were sent are
    the item's binaries under the names of their fields. What a person gives is checked as the form says before it
    counts.
    """

    type = "human.form"
    summary = "Asks a person to fill in a form."
    run_mode = RunMode.BATCH
    credentials = CHANNELS
    example = {
        "title": "Where shall we send it?",
        "fields": [
            {"name": "street", "label": "Street and number", "required": True},
            {"name": "country", "label": "Country", "type": "choice", "options": ["Austria", "Germany"]},
        ],
    }

    def shape(self, parameters: dict[str, Any]) -> Shape:
        return with_timeout(super().shape(parameters), parameters)

    def check(self, parameters: dict[str, Any]) -> Sequence[ParameterProblem]:
        schema = parameters.get("schema")
        wrong_schema = schema_problem(schema) if isinstance(schema, dict) and "{{" not in str(schema) else ""
        more = [ParameterProblem("schema", f"schema: {wrong_schema}")] if wrong_schema else []
        return [*super().check(parameters), *more]

    def run(self, call: Call[FormParameters]) -> Emit | Suspend:
        asking = call.parameters
        if call.resume is None:
            schema = asking.schema_ or schema_of(asking.fields)
            if why := schema_problem(schema):
                raise NodeFailure("INVALID_PARAMETER", f"the form's schema is none: {why}", field="schema")
            labels = {"answered": asking.submit_label} if asking.submit_label else {}
            return waiting(asked(call, asking, "form", schema, labels=labels))
        settled = outcome(call)
        if not settled.decision:
            return timed_out(call, settled)
        return Emit({"main": answered(call.items, settled)})
