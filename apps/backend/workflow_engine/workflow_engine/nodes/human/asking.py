"""What all human nodes share, and the seam for other nodes that want a person's word, such as an agent's tool calls:

    if call.resume is None:
        return Suspend(tasks=[approval(call, title="Send the mail?", text="...", key=tool_call_id)])
    [settled] = call.resume.settled        # settled.decision is "approved", "refused", or "" when time was up

A node may ask for several tasks at once; it goes on when all are decided. Everything about a task that has to be
known while it waits (who may answer from when on, which messages go out at what time) is in the task itself, so that
nothing needs to wake the run before its answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from pydantic import Field, model_validator

from workflow_engine.engine.items import BinaryRef, Item, Items, Json
from workflow_engine.engine.shape import Port, Shape
from workflow_engine.engine.tasks import Answer, Assignee, Settled, Task
from workflow_engine.nodes.flow.durations import Duration
from workflow_engine.nodes.flow.lineage import traced
from workflow_engine.nodes.flow.parameters import given, wrong
from workflow_engine.nodes.human.channels import SLOTS, Channel, notices
from workflow_engine.nodes.human.people import People
from workflow_engine.nodes.spec import Call, Emit, NodeFailure, P, Parameters, Suspend

TIMEOUT = "timeout"
TIMED_OUT = Port(TIMEOUT, description="The items, when nobody decided in time.")
MOST_REMINDERS = 100
CHANNELS = SLOTS
"""The credentials that a human node takes."""


class Escalation(Parameters):
    """Others who are asked when nobody has decided."""

    after: Duration
    """How long after the task began: seconds, or text such as `4h`, `1d`."""
    to: People = Field(min_length=1)
    """Who may answer from then on, besides those who already could."""


class Asking(Parameters):
    """What a person is asked, who may answer, and until when."""

    title: str = Field(min_length=1, max_length=200)
    """One line: what is to be decided or done."""
    text: str = Field(default="", max_length=50_000)
    """All that the person needs to know, in Markdown."""
    assignees: People = []
    """Who may answer: user ids or e-mail addresses, as a list or separated by commas. Anyone who may answer tasks at
    all, when empty."""
    timeout: Duration | None = None
    """The longest time to wait: seconds, or text such as `4h`, `2d`. Then the items leave by the port `timeout`. For
    ever when left out."""
    remind_every: Duration | None = Field(default=None, ge=60_000)
    """Remind those who were asked so often while the task is open."""
    reminders: int = Field(default=3, ge=1, le=MOST_REMINDERS)
    """The most reminders that are sent."""
    escalate: list[Escalation] = Field(default=[], max_length=10)
    """Whom to ask as well when it takes too long."""
    notify: list[Channel] = Field(default=[], max_length=10)
    """How people hear of it, besides the app's own inbox. Each message carries a link that works once: whoever has it
    can answer, in the name of whom it was sent to."""
    language: Literal["en", "zh"] = "en"
    """Of the few words in messages that are not yours."""

    @model_validator(mode="before")
    @classmethod
    def _escalates(cls, data: Any) -> Any:
        if isinstance(data, dict) and given(data, "escalate") and not given(data, "assignees"):
            raise wrong("escalate needs assignees: without them anyone may answer from the start")
        return data


def with_timeout(shape: Shape, parameters: dict[str, Any]) -> Shape:
    """The shape with the port `timeout`, where there is one."""
    return replace(shape, outputs=(*shape.outputs, TIMED_OUT)) if given(parameters, TIMEOUT) else shape


def asked(
    call: Call[P],
    asking: Asking,
    kind: str,
    schema: dict[str, Json],
    *,
    quorum: int = 1,
    refusals: int = 1,
    data: dict[str, Json] | None = None,
    labels: dict[str, str] | None = None,
    key: str = "",
) -> Task:
    """The task that `asking` describes, as of now."""
    now = call.context.now
    for way in asking.notify:
        if way.channel not in call.node.credentials:
            raise NodeFailure(
                "CREDENTIAL_MISSING",
                f"a message by {way.channel} needs a credential",
                field="notify",
                hint=f"choose one in the slot {way.channel}",
            )
    until = None if asking.timeout is None else now + asking.timeout
    return Task(
        key=key,
        kind=kind,
        title=asking.title,
        text=asking.text,
        schema=schema,
        assignees=tuple(
            [Assignee(user) for user in dict.fromkeys(asking.assignees)]
            + [Assignee(user, now + each.after) for each in asking.escalate for user in dict.fromkeys(each.to)]
        ),
        quorum=quorum,
        refusals=refusals,
        expires_at=until,
        data=data or {},
        files=_files(call.items),
        labels=labels or {},
        notices=notices(asking, call.node.credentials, now, until),
    )


def approval(
    call: Call[P],
    *,
    title: str,
    text: str = "",
    assignees: Sequence[str] = (),
    timeout: int | None = None,
    key: str = "",
) -> Task:
    """A yes or no; `timeout` in milliseconds."""
    expires_at = None if timeout is None else call.context.now + timeout
    return Task(
        key=key,
        kind="approval",
        title=title[:200],
        text=text,
        schema=approval_schema(),
        assignees=tuple(Assignee(user) for user in assignees),
        expires_at=expires_at,
    )


def approval_schema(comment: str = "optional") -> dict[str, Json]:
    """What answers an approval. `comment` is `none`, `optional`, `required` or `to_refuse`."""
    schema: dict[str, Json] = {
        "type": "object",
        "properties": {"approved": {"type": "boolean"}},
        "required": ["approved"],
        "additionalProperties": False,
    }
    if comment == "none":
        return schema
    schema["properties"]["comment"] = {"type": "string", "format": "multiline", "maxLength": 10_000}
    words = {"required": ["comment"], "properties": {"comment": {"minLength": 1}}}
    if comment == "required":
        schema["allOf"] = [words]
    elif comment == "to_refuse":
        schema |= {"if": {"properties": {"approved": {"const": False}}}, "then": words}
    return schema


def waiting(task: Task) -> Suspend:
    """The suspension of a node that asks for one thing."""
    return Suspend(task.expires_at, tasks=[task], detail=f"waits for a person: {task.title}")


def outcome(call: Call[P]) -> Settled:
    """What became of the one thing that the node asked for."""
    assert call.resume is not None
    return call.resume.settled[0]


def timed_out(call: Call[P], settled: Settled) -> Emit:
    """The result when nobody decided in time."""
    return Emit({TIMEOUT: answered(call.items, settled)})


def answered(items: Items, settled: Settled) -> Items:
    """The items with the deciding answer under `answer`, all of them under `answers`, and the files that came."""
    answers = [shown(answer) for answer in settled.answers]
    record: dict[str, Json] = {"answer": settled.last.data if settled.decision else None, "answers": answers}
    files = settled.last.files if settled.decision else {}
    return [
        msgspec.structs.replace(item, json={**item.json, **record}, binary={**item.binary, **files})
        for item in traced(items or [Item()])
    ]


def shown(answer: Answer) -> dict[str, Json]:
    """An answer as expressions see it."""
    at = datetime.fromtimestamp(answer.at / 1000, UTC).isoformat()
    return {"by": answer.by, "at": at, "data": answer.data}


def _files(items: Items) -> dict[str, BinaryRef]:
    files: dict[str, BinaryRef] = {}
    for number, item in enumerate(items):
        for slot, ref in item.binary.items():
            files[slot if slot not in files else f"{slot}_{number}"] = ref
    return files
