"""flow.switch: as many ways on as there are cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field, model_validator

from workflow_engine.engine.items import Json
from workflow_engine.engine.plan import ParameterProblem
from workflow_engine.engine.shape import ERROR, Port, Shape
from workflow_engine.nodes.flow.parameters import literal, needs, wrong
from workflow_engine.nodes.flow.rules import Condition
from workflow_engine.nodes.flow.values import kind
from workflow_engine.nodes.spec import Call, Emit, Node, NodeFailure, Parameters

FALLBACK = "fallback"


class Case(Condition):
    """One way on, and the condition for it."""

    leading = ("output", "rules", "combine")
    output: str = Field(min_length=1, max_length=64)
    """The name of the output port. Cases may share one."""


class SwitchParameters(Parameters):
    """The cases, as conditions or as the values of one expression."""

    mode: Literal["rules", "expression"] = "rules"
    """`rules`: the first case whose condition holds. `expression`: the output that `value` names."""
    cases: list[Case] = Field(default=[], max_length=100)
    """For mode `rules`: the cases, in the order in which they are tried."""
    all_matches: bool = False
    """For mode `rules`: an item goes to every case that holds, not just to the first."""
    value: Json = None
    """For mode `expression`: gives the name of an output, e.g. `{{ json.country }}`. Numbers and true/false name
    the output that is written like them."""
    outputs: list[str] = Field(default=[], max_length=100)
    """For mode `expression`: the names of the outputs."""
    fallback: bool = False
    """Have a port `fallback` for items that no case takes. Without it they go nowhere."""

    @model_validator(mode="before")
    @classmethod
    def _mode(cls, data: Any) -> Any:
        if isinstance(data, dict):
            if data.get("mode", "rules") == "rules":
                needs(data, "rules", "cases")
            elif data["mode"] == "expression":
                needs(data, "expression", "value", "outputs")
            for name in _names(data):
                if name in (ERROR, FALLBACK):
                    raise wrong("an output can not be named '{name}': that port has a meaning of its own", name=name)
        return data


class Switch(Node[SwitchParameters]):
    """Sends each item to the output of the case that takes it.

    An output that gets no item is dead, as with `flow.if`. An item that no case takes goes to `fallback` when there
    is that port, and nowhere otherwise.
    """

    type = "flow.switch"
    summary = "Sends each item one of many ways."
    outputs = ()
    example = {
        "cases": [
            {"output": "large", "rules": [{"field": "total", "operator": "gte", "right": 1000}]},
            {"output": "small", "rules": [{"field": "total", "operator": "lt", "right": 1000}]},
        ],
        "fallback": True,
    }

    def shape(self, parameters: dict[str, Any]) -> Shape:
        ports = [Port(name) for name in dict.fromkeys(_names(parameters))]
        if parameters.get("fallback") is True:
            ports.append(Port(FALLBACK, description="Items that no case takes."))
        return replace(super().shape(parameters), outputs=tuple(ports))

    def check(self, parameters: dict[str, Any]) -> Sequence[ParameterProblem]:
        fixed = literal(parameters, "mode", "fallback", "cases[].output", "outputs[]", "outputs", "cases")
        return [*super().check(parameters), *fixed]

    def run(self, call: Call[SwitchParameters]) -> Emit:
        chosen = _by_value(call) if call.parameters.mode == "expression" else _by_rules(call)
        if not chosen and call.parameters.fallback:
            chosen = [FALLBACK]
        return Emit({output: [call.item] for output in chosen})


def _names(parameters: dict[str, Any]) -> list[str]:
    """The outputs that raw parameters name, whatever else is wrong with them."""
    if parameters.get("mode", "rules") == "rules":
        cases = parameters.get("cases")
        named = [case.get("output") for case in cases if isinstance(case, dict)] if isinstance(cases, list) else []
    else:
        outputs = parameters.get("outputs")
        named = outputs if isinstance(outputs, list) else []
    return [name for name in named if isinstance(name, str) and name]


def _by_rules(call: Call[SwitchParameters]) -> list[str]:
    chosen: list[str] = []
    for index, case in enumerate(call.parameters.cases):
        if case.holds(call.item.json, f"cases[{index}]."):
            chosen.append(case.output)
            if not call.parameters.all_matches:
                break
    return chosen


def _by_value(call: Call[SwitchParameters]) -> list[str]:
    match call.parameters.value:
        case str(name):
            pass
        case bool(value):
            name = "true" if value else "false"
        case None:
            name = "null"
        case int() | float() as value:
            name = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
        case other:
            raise NodeFailure(
                "TYPE_MISMATCH",
                f"value must name an output, but it is {kind(other)}",
                field="value",
                hint=f"give one of {', '.join(call.parameters.outputs)}",
            )
    return [name] if name in call.parameters.outputs else []
