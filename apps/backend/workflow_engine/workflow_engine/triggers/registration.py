"""From the trigger nodes of a definition to the triggers that are stored when it is published."""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic import ValidationError

from workflow_engine.core.ids import ALPHABET
from workflow_engine.engine.expressions import ExpressionError, Scope
from workflow_engine.engine.plan import Issue, Plan, PlanNode
from workflow_engine.models.triggers import Wanted
from workflow_engine.nodes.spec import Parameters, problem
from workflow_engine.nodes.trigger.base import CatchUp, HttpTrigger, ScheduleTrigger, Trigger, TriggerParameters
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.triggers.overlap import NUMBERS
from workflow_engine.triggers.router import normal


class Unfit(Exception):
    """Trigger nodes that can not be registered."""

    def __init__(self, issues: list[Issue]) -> None:
        super().__init__(issues[0].message)
        self.issues = issues


def wanted(workflow: pb.Workflow, plan: Plan) -> list[Wanted]:
    """The triggers of a definition. Raises Unfit.

    Their parameters may use `vars` and `workflow`, for nothing else is known before something comes.
    """
    by_id = {node.id: node for node in workflow.nodes}
    found: list[Wanted] = []
    issues: list[Issue] = []
    for node in plan.nodes:
        if not isinstance(node.kind, Trigger) or node.disabled:
            continue
        try:
            parameters = resolved(plan, node)
            found.append(
                as_wanted(
                    node.kind,
                    parameters,
                    {
                        "id": trigger_id(workflow.id, node.id),
                        "workflow_id": workflow.id,
                        "node_id": node.id,
                        "credentials": dict(by_id[node.id].credentials),
                        "timezone": plan.timezone,
                    },
                )
            )
        except ExpressionError as failed:
            issues.append(
                Issue(
                    "INVALID_EXPRESSION",
                    f"{failed.message}; a trigger's parameters may only use vars and workflow",
                    node.id,
                    f"parameters.{failed.field}",
                    failed.hint,
                )
            )
        except ValidationError as failed:
            first = problem(failed.errors(include_url=False)[0])
            issues.append(Issue(first.code, first.message, node.id, f"parameters.{first.field}", first.suggestion))
    if issues:
        raise Unfit(issues)
    return found


def resolved(plan: Plan, node: PlanNode) -> dict[str, Any]:
    """A trigger node's parameters before anything has come. Raises ExpressionError."""
    workflow = {"id": plan.workflow_id, "timezone": plan.timezone}
    parameters: dict[str, Any] = node.template.resolve(Scope(vars=plan.vars, workflow=workflow))
    return parameters


def as_wanted(kind: Trigger[Any], parameters: dict[str, Any], columns: dict[str, Any]) -> Wanted:
    """The row and the routes of a trigger; `columns` are those that its parameters do not decide.

    Raises ValidationError.
    """
    checked = kind.parameters.model_validate(parameters)
    assert isinstance(checked, TriggerParameters)
    catch_up = kind.catch_up(checked) if isinstance(kind, ScheduleTrigger) else CatchUp(0, 0)
    return Wanted(
        {
            "type": kind.type,
            "type_version": kind.version,
            "parameters": parameters,
            "overlap": NUMBERS[checked.overlap or kind.default_overlap],
            "catch_up_window": catch_up.window,
            "catch_up_limit": catch_up.limit,
            "pause_on_failure": checked.pause_on_failure,
            "condition": checked.condition,
            **columns,
        },
        routes_of(kind, checked, columns["id"]),
    )


def routes_of(kind: Trigger[Any], parameters: Parameters, trigger_id: str) -> tuple[str, ...]:
    """The routes of an HTTP trigger as they are told apart."""
    if not isinstance(kind, HttpTrigger):
        return ()
    return tuple(dict.fromkeys(normal(route) for route in kind.routes(parameters, trigger_id)))


def trigger_id(workflow_id: str, node_id: str) -> str:
    """The same for a node in every version of its workflow, and nothing that could be guessed."""
    digest = hashlib.sha256(f"trigger\0{workflow_id}\0{node_id}".encode()).digest()
    number = int.from_bytes(digest[:16], "big")
    return "trig_" + "".join(ALPHABET[number >> (5 * place) & 31] for place in range(26))
