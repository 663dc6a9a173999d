"""flow.stop_and_error: an end that is a failure."""

from __future__ import annotations

from pydantic import Field

from workflow_engine.engine.shape import RunMode
from workflow_engine.nodes.spec import Call, Emit, Node, NodeFailure, Parameters


class StopAndErrorParameters(Parameters):
    """What went wrong, in your words."""

    message: str = Field(min_length=1, max_length=10_000)
    """For the person who must act; usually with an expression that says which case it was."""
    reason: str = Field(default="STOPPED", pattern=r"^[A-Z][A-Z0-9_]{0,62}$")
    """A stable code in UPPER_SNAKE, for error workflows to tell failures apart."""


class StopAndError(Node[StopAndErrorParameters]):
    """Fails the execution, or whatever scope handles the failure, with a message of yours.

    It does nothing when it is reached by a branch that carries no items.
    """

    type = "flow.stop_and_error"
    name = "Stop and error"
    summary = "Fails with a message of yours."
    run_mode = RunMode.ONCE
    outputs = ()
    example = {"message": "order {{ json.id }} has no customer", "reason": "NO_CUSTOMER"}

    def run(self, call: Call[StopAndErrorParameters]) -> Emit:
        if not call.items:
            return Emit({})
        raise NodeFailure(call.parameters.reason, call.parameters.message)
