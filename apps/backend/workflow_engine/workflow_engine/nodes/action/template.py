"""action.template: text from a Jinja template, rendered in another process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from msgspec.structs import replace
from pydantic import Field

from workflow_engine.engine.plan import ParameterProblem
from workflow_engine.nodes.action.results import FieldName
from workflow_engine.nodes.spec import (
    Call,
    Effect,
    Emit,
    Item,
    Node,
    NodeFailure,
    Parameters,
    Result,
    RunMode,
)


class TemplateParameters(Parameters):
    template: str = Field(min_length=1, max_length=64 * 1024)
    """A Jinja template: `json` is the item's record, `items` the list of all records."""
    mode: Literal["each_item", "all_items"] = "each_item"
    """A text for each item, or one for all of them (`json` is the first one)."""
    html: bool = False
    """Escape what is put in, so that data can not become markup."""
    output_field: FieldName = "text"
    """Field for the text."""
    timeout: float = Field(default=10, ge=0.1, le=300)
    """Seconds that it may take for all items together."""
    memory_mib: int = Field(default=64, ge=16, le=1024)
    """Memory that it may use, in MiB."""


class Template(Node[TemplateParameters]):
    """Renders a Jinja template: loops, conditions, macros and filters, for mails, reports and pages.

    What is in double braces is Jinja's here, not an expression of the engine. A name that is not there is a failure,
    not an empty text; write `json.name | default('')` where it may be missing. There are no includes and no files.

    It runs in Jinja's sandbox, in a process of its own, without network, files and environment, and is stopped at its
    time and memory limits. All texts together have at most 8 MiB.
    """

    type = "action.template"
    summary = "Renders text from a Jinja template."
    example = {"template": "Dear {{ json.name }},\n{% for each in json.orders %}- {{ each.title }}\n{% endfor %}"}
    effect = Effect.IDEMPOTENT
    run_mode = RunMode.ONCE
    literals = frozenset({"template"})

    def check(self, parameters: dict[str, Any]) -> Sequence[ParameterProblem]:
        found = list(super().check(parameters))
        template = parameters.get("template")
        if not found and isinstance(template, str) and (problem := _mistake(template)):
            found.append(ParameterProblem("template", problem, "see Jinja's Template Designer Documentation"))
        return found

    async def run(self, call: Call[TemplateParameters]) -> Result:
        parameters = call.parameters
        if call.context.sandbox is None:
            raise NodeFailure("CODE_UNAVAILABLE", "this host renders no templates", hint="give its Context a sandbox")
        each = parameters.mode == "each_item"
        if each and not call.items:
            return Emit({"main": []})
        try:
            value = await call.context.sandbox.run(
                "jinja-html" if parameters.html else "jinja",
                parameters.template,
                [item.json for item in call.items],
                each=each,
                timeout=parameters.timeout,
                memory=parameters.memory_mib,
            )
        except NodeFailure as failed:
            if failed.failure.field == "code":
                failed.failure = replace(failed.failure, field="template")
            raise
        field = parameters.output_field
        if not each:
            everyone = tuple(range(len(call.items)))
            return Emit({"main": [Item({field: str(value)}, {}, everyone)]})
        # The process may say anything; that it is one text for each item is only a promise.
        if not isinstance(value, list) or len(value) != len(call.items):
            raise NodeFailure("CODE_RESULT_INVALID", "there is not one text for each item", field="template")
        return Emit(
            {
                "main": [
                    Item({**item.json, field: str(text)}, item.binary, (index,))
                    for index, (item, text) in enumerate(zip(call.items, value, strict=True))
                ]
            }
        )


def _mistake(template: str) -> str:
    """What is wrong with the template's syntax; empty when nothing is. Nothing of it is run."""
    from jinja2 import Environment, TemplateSyntaxError

    try:
        Environment(autoescape=True).parse(template)
    except TemplateSyntaxError as error:
        return f"line {error.lineno}: {error.message}"
    except RecursionError:
        return "it is nested too deeply"
    return ""
