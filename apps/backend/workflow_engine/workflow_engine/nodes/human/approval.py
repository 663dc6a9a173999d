"""human.approval: yes or no."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from workflow_engine.engine.shape import Port, RunMode, Shape
from workflow_engine.engine.tasks import APPROVED, REFUSED
from workflow_engine.nodes.flow.parameters import wrong
from workflow_engine.nodes.human.asking import (
    CHANNELS,
    Asking,
    answered,
    approval_schema,
    asked,
    outcome,
    timed_out,
    waiting,
    with_timeout,
)
from workflow_engine.nodes.spec import Call, Emit, Node, Suspend


class ApprovalParameters(Asking):
    """What is to be approved, by whom, and how many of them."""

    quorum: int = Field(default=1, ge=1, le=100)
    """How many have to approve."""
    refusals: int = Field(default=1, ge=1, le=100)
    """How many have to refuse: with 1, a single no is enough."""
    comment: Literal["none", "optional", "required", "to_refuse"] = "optional"
    """Whether a comment may or must be given; `to_refuse`: only a refusal needs one."""
    approve_label: str = Field(default="", max_length=100)
    """What the button says; `Approve` in the reader's language when empty."""
    refuse_label: str = Field(default="", max_length=100)
    """What the other button says; `Refuse` when empty."""

    @model_validator(mode="after")
    def _reachable(self) -> ApprovalParameters:
        people = len({*self.assignees, *(user for each in self.escalate for user in each.to)})
        if people and self.quorum > people:
            raise wrong("quorum is {quorum}, but only {people} may answer", quorum=self.quorum, people=people)
        return self


class Approval(Node[ApprovalParameters]):
    """Waits until people have approved or refused, and sends the items the way that they decided.

    Each item carries the deciding answer under `answer` (`approved`, `comment`) and everyone's under `answers` (`by`,
    `at`, `data`). Each person answers once. With a quorum of k, k have to approve; `refusals` says how many of them can
    refuse it. When all have answered and neither is reached, it counts as refused. There is one task for all items; put
    the node into a `flow.map` for one task each. Mind that `on_error: continue` would send the items of a node that can
    not ask, for example for want of a title, the way of the approved.
    """

    type = "human.approval"
    summary = "Asks people to approve or refuse."
    run_mode = RunMode.BATCH
    credentials = CHANNELS
    outputs = (Port(APPROVED, description="It was approved."), Port(REFUSED, description="It was refused."))
    example = {
        "title": "Pay invoice {{ json.number }}?",
        "text": "**{{ json.total }} EUR** to {{ json.supplier }}",
        "assignees": ["ada@example.com", "grace@example.com"],
        "timeout": "2d",
    }

    def shape(self, parameters: dict[str, Any]) -> Shape:
        return with_timeout(super().shape(parameters), parameters)

    def run(self, call: Call[ApprovalParameters]) -> Emit | Suspend:
        asking = call.parameters
        if call.resume is None:
            labels = {APPROVED: asking.approve_label, REFUSED: asking.refuse_label}
            task = asked(
                call,
                asking,
                "approval",
                approval_schema(asking.comment),
                quorum=asking.quorum,
                refusals=asking.refusals,
                labels={vote: label for vote, label in labels.items() if label},
            )
            return waiting(task)
        settled = outcome(call)
        if not settled.decision:
            return timed_out(call, settled)
        return Emit({settled.decision: answered(call.items, settled)})
