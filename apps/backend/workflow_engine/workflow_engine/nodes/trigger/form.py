"""trigger.form: a person fills in a form on a page that we serve."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, model_validator

from workflow_engine.engine.items import Json
from workflow_engine.nodes.flow.parameters import given, wrong
from workflow_engine.nodes.forms import FormField, schema_of
from workflow_engine.nodes.spec import Field, Parameters
from workflow_engine.nodes.trigger.base import HttpTrigger, TriggerParameters
from workflow_engine.nodes.trigger.paths import plain_path

PREFIX = "/forms"


class FormStep(Parameters):
    """One page of a form."""

    title: str = Field(default="", max_length=200)
    """Its heading; the form's own when empty."""
    text: str = Field(default="", max_length=50_000)
    """What stands above the fields, in Markdown."""
    fields: list[FormField] = Field(min_length=1, max_length=100)
    """The questions."""


class FormTriggerParameters(TriggerParameters):
    """The form: `fields` on one page, or several `steps`."""

    path: Annotated[str, Field(max_length=200), AfterValidator(plain_path)] = ""
    """The path behind `/forms/`, such as `contact`. When left out it is one that nobody can guess."""
    title: str = Field(min_length=1, max_length=200)
    """The form's heading."""
    text: str = Field(default="", max_length=50_000)
    """What stands above the fields, in Markdown."""
    fields: list[FormField] = Field(default=[], max_length=100)
    """The questions, when one page is enough."""
    steps: list[FormStep] = Field(default=[], max_length=20)
    """The pages, one after the other, instead of `fields`."""
    submit_label: str = Field(default="", max_length=100)
    """What the last button says; `Send` in the reader's language when empty."""
    done_title: str = Field(default="", max_length=200)
    """The heading of the page that thanks; `Thank you` in the reader's language when empty."""
    done_text: str = Field(default="", max_length=20_000)
    """What it says, in Markdown."""
    respond: Literal["at_once", "when_finished"] = "at_once"
    """`when_finished`: the page waits for the workflow and shows the text of the first item's member `message`, in
    Markdown, when there is one."""
    response_timeout: int = Field(default=30, ge=1, le=300)
    """Seconds that the page waits at most."""

    @model_validator(mode="before")
    @classmethod
    def _one(cls, data: Any) -> Any:
        if isinstance(data, dict) and given(data, "fields") == given(data, "steps"):
            raise wrong("give exactly one of fields and steps")
        return data

    @model_validator(mode="after")
    def _names(self) -> FormTriggerParameters:
        names = [field.name for step in self.pages for field in step.fields]
        for name in names:
            if names.count(name) > 1:
                raise wrong("two fields are named {name}", name=name)
        return self

    @property
    def pages(self) -> list[FormStep]:
        """The form as steps, whichever way it was given."""
        return self.steps or [FormStep(text=self.text, fields=self.fields)]

    def schema_of_all(self) -> dict[str, Json]:
        """JSON Schema of everything that the form gives."""
        return schema_of([field for step in self.pages for field in step.fields])


class FormTrigger(HttpTrigger[FormTriggerParameters]):
    """Serves a form at `PUBLIC_URL/forms/<path>` and starts the workflow for everyone who sends it.

    The item is what was filled in, under the names of the fields; files are its binaries. The page needs no scripts,
    speaks English and Chinese, and says beside each field what is wrong with it. A form that is sent twice, by a double
    click or by going back, starts one execution.
    """

    type = "trigger.form"
    name = "Form"
    summary = "Starts when somebody sends a form that we serve."
    example = {
        "path": "contact",
        "title": "How can we help?",
        "fields": [
            {"name": "email", "label": "Your e-mail", "type": "email", "required": True},
            {"name": "message", "label": "What is it about?", "type": "multiline", "required": True},
        ],
    }

    def routes(self, parameters: FormTriggerParameters, trigger_id: str) -> list[str]:
        path = f"{PREFIX}/{parameters.path or trigger_id}"
        return [f"GET {path}", f"POST {path}"]
