"""flow.loop: the same nodes, again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field, model_validator

from workflow_engine.engine.items import Items
from workflow_engine.engine.plan import ParameterProblem
from workflow_engine.engine.shape import BODY, DONE, MAIN, RETURN, Port, RunMode, Scope, Shape
from workflow_engine.nodes.flow.lineage import traced
from workflow_engine.nodes.flow.parameters import literal, needs
from workflow_engine.nodes.spec import Call, Emit, Iterate, Node, NodeFailure, Parameters


class LoopParameters(Parameters):
    """What is repeated, and for how long."""

    mode: Literal["batches", "times", "while", "until"] = "batches"
    """`batches`: one iteration for each `size` items, in order. `times`: `times` iterations, each with all items.
    `while`: as long as the condition holds, tested before each iteration. `until`: at least once, and until the
    condition holds, tested after each iteration."""
    size: int = Field(default=1, ge=1)
    """For `batches`: how many items an iteration gets; the last one gets what is left."""
    times: int = Field(default=1, ge=0)
    """For `times`: how many iterations there are."""
    condition: bool = False
    """For `while` and `until`: an expression such as `{{ json.next_page != null }}`. It sees the items that the last
    iteration returned (`json` is the first of them), and before the first iteration the incoming ones: there too it
    must have an answer, though `until` does not heed it. `run.turn` counts the iterations so far."""
    max_iterations: int = Field(default=1000, ge=1, le=10_000_000)
    """Fail with LOOP_LIMIT rather than begin more iterations than this."""

    @model_validator(mode="before")
    @classmethod
    def _mode(cls, data: Any) -> Any:
        if isinstance(data, dict):
            match data.get("mode"):
                case "while" | "until" as mode:
                    needs(data, mode, "condition")
                case "times":
                    needs(data, "times", "times")
                case _:
                    pass
        return data


class Loop(Node[LoopParameters]):
    """Runs the nodes between `body` and `return` one iteration after another.

    With `batches` and `times`, `done` delivers everything that the iterations returned. With `while` and `until` each
    iteration gets what the one before it returned, and `done` delivers what the last one returned (for a `while` that
    never ran: the incoming items). An iteration that fails fails the loop. Use `flow.map` for iterations that do not
    build on each other: it runs them side by side.
    """

    type = "flow.loop"
    summary = "Repeats the nodes of its body, one iteration after another."
    run_mode = RunMode.BATCH
    scope = Scope.LOOP
    inputs = (MAIN, Port(RETURN, description="Where the body ends."))
    outputs = (
        Port(BODY, description="Where the body begins: the items of one iteration."),
        Port(DONE, description="The result, when all iterations are over."),
    )
    example = {"mode": "batches", "size": 10}

    def shape(self, parameters: dict[str, Any]) -> Shape:
        collects = parameters.get("mode", "batches") in ("batches", "times")
        return replace(super().shape(parameters), collects=collects)

    def check(self, parameters: dict[str, Any]) -> Sequence[ParameterProblem]:
        return [*super().check(parameters), *literal(parameters, "mode")]

    def run(self, call: Call[LoopParameters]) -> Emit | Iterate:
        asked, turn = call.parameters, call.turn
        incoming = call.inputs.get("main", [])
        match asked.mode:
            case "batches":
                start = turn * asked.size
                _limit(-(-len(incoming) // asked.size), asked)
                goes_on, items = start < len(incoming), traced(incoming)[start : start + asked.size]
            case "times":
                _limit(asked.times, asked)
                goes_on, items = turn < asked.times, traced(incoming)
            case "while":
                goes_on, items = asked.condition, _current(call)
            case "until":
                goes_on, items = turn == 0 or not asked.condition, _current(call)
        if goes_on:
            _limit(turn + 1, asked)
            return Iterate(items)
        return Emit({DONE: call.inputs.get("collected", []) if asked.mode in ("batches", "times") else items})


def _current(call: Call[LoopParameters]) -> Items:
    return call.inputs.get(RETURN, []) if call.turn else traced(call.inputs.get("main", []))


def _limit(iterations: int, asked: LoopParameters) -> None:
    if iterations > asked.max_iterations:
        raise NodeFailure(
            "LOOP_LIMIT",
            f"the loop would run {iterations} iterations or more, but max_iterations is {asked.max_iterations}",
            field="max_iterations",
            hint="check that the condition can be met, take larger batches, or raise max_iterations",
        )
