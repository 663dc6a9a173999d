"""From words to a workflow: plan, look up, draw, check, correct, rehearse.

First the model plans with a line about every node type: which types it needs, and what it would have to know. Then it
draws with the full description of those types. A drawing passes the checks that saving has, and a rehearsal on made-up
data; what is wrong goes back to the model, a bounded number of times. What comes out is valid, or is not called so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from workflow_engine.engine.history import added
from workflow_engine.engine.items import Failure, Json
from workflow_engine.engine.plan import Issue, Plan
from workflow_engine.engine.planning import build
from workflow_engine.engine.state import parse_address
from workflow_engine.nodes.ai_agent.conversation.ledger import Ledger, Limits
from workflow_engine.nodes.ai_agent.conversation.loop import Answer, Conversation, Pending
from workflow_engine.nodes.ai_agent.conversation.model import LanguageModel
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.services.authoring import drawing
from workflow_engine.services.authoring.catalogue import Catalogue
from workflow_engine.services.authoring.rehearsal import rehearse
from workflow_engine.services.backend import Backend
from workflow_engine.services.calls import check
from workflow_engine.services.errors import ServiceError

REPAIRS = 4
"""How often the model may correct its drawing."""
LIMITS = Limits(model_calls=10, tokens=1_000_000, milliseconds=600_000)
TRIES = 3
"""How often a call is made that the provider does not take for now."""
LONGEST_WAIT = 10_000
"""Milliseconds that a caller is kept waiting for the provider at a time."""
TOLD = 12
"""Problems that the model is told of at once."""

PLANNING = """\
You plan workflows for a workflow engine. A workflow is a graph of nodes: a trigger starts it, items (JSON records) flow
along connections. Say which node types the workflow needs, from the list and no others. Ask questions only for what
nobody could sensibly assume and without which the workflow could not work, such as which address or which table; never
ask for passwords or keys, a person adds credentials later. Answer in the language of the request.

Node types:
{lines}"""

DRAWING = """\
You draw workflows for a workflow engine. A workflow is a graph of nodes joined by connections from an output port to an
input port (`main` unless said otherwise). It begins with a trigger; every other node that is no part is connected, so
that items reach it. Parts (a model, a memory, a tool) are connected to the port of the node that uses them. Outside
loops there are no cycles.

Parameters may hold expressions in {{{{ }}}}, written in CEL: `json.name` is a member of the node's input item,
`node["Name"].json.x` one of an earlier node's output by its name, `items` are all input items, `vars.x` a constant of
the workflow, `now` the time. A lone expression keeps its type. There is `cond ? a : b`, `+` joins texts, `string(x)`,
`size(x)`, `x.map(e, e.y)`, `x.filter(e, e.ok)`, `has(json.x)`. In a tool of an agent, `{{{{ from_ai.name }}}}` is what
the agent gives.

An item's members are what the node before it gives: name only members that are there. Give every node that reaches
outside a `sample_output`, and give a `sample_input`, so that the drawing can be rehearsed. Use only these node types,
with the parameters that they have. Do not invent addresses, ids or keys: where something is not known, use the member
of an item or `vars`, and say so in the explanation. Write names and explanation in the language of the request.

{cards}"""


@dataclass(slots=True)
class Draft:
    """What came of it."""

    workflow: pb.Workflow | None = None
    """Valid, and rehearsed; None when there is none."""
    explanation: str = ""
    questions: dict[str, str] = field(default_factory=dict[str, str])
    issues: list[Issue] = field(default_factory=list[Issue])
    """What is still wrong; with a workflow, what may not be as meant."""
    failure: str = ""


class Author:
    """Draws workflows with one model; what it took is in `usage`."""

    def __init__(self, backend: Backend, model: LanguageModel) -> None:
        self._backend, self._model = backend, model
        self._catalogue = Catalogue(backend.registry)
        self.usage: dict[str, Json] = {}
        self._issues: list[Issue] = []

    async def generate(self, description: str, answers: Mapping[str, str]) -> Draft:
        """A workflow that does what `description` says, or what has to be known first. Raises NodeFailure."""
        request = f"The workflow that is wanted:\n{description}"
        if answers:
            known = "\n".join(f"- {key}: {answer}" for key, answer in answers.items())
            request += (
                f"\n\nWhat was answered to your questions:\n{known}\nAsk nothing more; assume what is still open."
            )
        plan = await self._plan(request)
        if plan["questions"] and not answers:
            return Draft(questions={each["key"]: each["question"] for each in plan["questions"]})
        return await self._draw(request, plan)

    async def refine(self, workflow: pb.Workflow, instruction: str) -> Draft:
        """`workflow`, changed as `instruction` says. Raises NodeFailure."""
        shown = msgspec.json.encode(drawing.told(workflow)).decode()
        request = (
            f"This workflow shall be changed:\n{shown}\n\nThe change that is wanted:\n{instruction}\n\n"
            "Draw the whole workflow as it is afterwards. Keep ids, and everything that the change is not about. Ask "
            "nothing; assume what is open, and say so in the explanation."
        )
        plan = await self._plan(request)
        in_use = [node.type for node in workflow.nodes]
        return await self._draw(request, plan | {"node_types": [*in_use, *plan["node_types"]]}, workflow)

    async def _plan(self, request: str) -> dict[str, Any]:
        text: Json = {"type": "string"}
        question = {
            "type": "object",
            "properties": {"key": {"type": "string", "pattern": r"^[a-z0-9_]{1,40}$"}, "question": text},
            "required": ["key", "question"],
            "additionalProperties": False,
        }
        schema = {
            "type": "object",
            "properties": {
                "steps": {"type": "array", "items": text, "description": "What happens, in order, in English."},
                "node_types": {
                    "type": "array",
                    "items": {"type": "string", "enum": self._catalogue.types()},
                    "minItems": 1,
                    "maxItems": 30,
                },
                "questions": {"type": "array", "items": question, "maxItems": 5},
            },
            "required": ["steps", "node_types", "questions"],
            "additionalProperties": False,
        }
        instructions = PLANNING.format(lines=self._catalogue.lines(request))
        answer = await self._asked(Conversation(self._model, request, instructions, output=schema, repairs=REPAIRS))
        plan: dict[str, Any] = answer.output
        return plan

    async def _draw(self, request: str, plan: dict[str, Any], base: pb.Workflow | None = None) -> Draft:
        types = self._catalogue.retrieve(" ".join([request, *plan["steps"]]), plan["node_types"])
        steps = "\n".join(f"- {step}" for step in plan["steps"])
        conversation = Conversation(
            self._model,
            f"{request}\n\nThe plan:\n{steps}",
            DRAWING.format(cards=self._catalogue.cards(types)),
            output=drawing.schema(self._catalogue.types()),
            check=lambda answer: self._wrong(answer, base),
            repairs=REPAIRS,
        )
        try:
            answer = await self._asked(conversation)
        except NodeFailure as failed:
            if failed.failure.reason != "INVALID_OUTPUT":
                raise
            return Draft(issues=self._issues, failure=failed.failure.message)
        workflow = self._drawn(answer.output, base)
        return Draft(workflow, answer.output["explanation"], issues=[*self._issues, *self._to_be_added(workflow)])

    async def _asked(self, conversation: Conversation) -> Answer:
        """The answer. A provider that takes no calls for now is asked again after a while."""
        conversation.ledger = Ledger(LIMITS)
        try:
            answer = await patiently(conversation)
        finally:
            self.usage = added(self.usage, conversation.ledger.total)
        assert isinstance(answer, Answer), "without tools there is nothing to wait for"
        return answer

    # checking

    def _drawn(self, answer: dict[str, Any], base: pb.Workflow | None) -> pb.Workflow:
        workflow = drawing.drawn(answer, base)
        self._backend.pinned_versions(workflow)
        return workflow

    def _to_be_added(self, workflow: pb.Workflow) -> list[Issue]:
        """The credentials that a person has to add before it can run."""
        return [
            Issue(
                "CREDENTIAL_TO_BE_ADDED",
                f"{node.name} needs a credential of type {' or '.join(slot.types)}",
                node.id,
                f"credentials.{slot.name}",
                "add one before you publish",
                is_error=False,
            )
            for node in workflow.nodes
            if (kind := self._backend.registry.find(node.type)) is not None
            for slot in kind.credentials
            if slot.required and not node.credentials.get(slot.name)
        ]

    def _wrong(self, answer: dict[str, Any], base: pb.Workflow | None) -> str:
        """What saving the drawing would complain about, or what went wrong when it was rehearsed; for the model."""
        try:
            workflow = self._drawn(answer, base)
            check(workflow)
        except ValueError as error:
            self._issues = [Issue("INVALID_DRAWING", str(error))]
            return str(error)
        except ServiceError as error:
            self._issues = [Issue("INVALID_DRAWING", wrong, field=place) for place, wrong in error.violations]
            return error.message
        built = build(workflow, self._backend.registry)
        self._issues = built.issues
        if built.plan is None:
            return _listed(built.errors)
        unreached = [issue for issue in built.issues if issue.code == "UNREACHABLE_NODE"]
        if unreached:
            return _listed(unreached)
        input, given = drawing.samples(answer)
        rehearsed = rehearse(built.plan, input, given, self._backend.clock.now_ms())
        # A drawing may end in an error on purpose.
        if (failure := rehearsed.failure) is not None and not _stops(built.plan, failure):
            told = Issue(failure.reason, failure.message, failure.node, failure.field, failure.hint)
            self._issues = [*built.issues, told]
            return f"a rehearsal on the sample data fails: {_listed([told])}"
        return ""


async def patiently(conversation: Conversation) -> Answer | Pending:
    """The end of a conversation. A provider that takes no calls for now is asked again after a while.

    Not when somebody listens: they have heard the beginning of an answer, and would hear it again.
    """
    limits = conversation.ledger.limits
    for tries_left in reversed(range(1 if conversation.listener else TRIES)):
        # It goes on from its steps, which it counts anew.
        conversation.ledger = Ledger(limits)
        try:
            return await conversation.run()
        except NodeFailure as failed:
            wait = failed.failure.retry_after or 1_000
            if not failed.failure.retryable or not tries_left or wait > LONGEST_WAIT:
                raise
            await asyncio.sleep(wait / 1000)
    raise AssertionError("the last try returns or raises")


def _stops(plan: Plan, failure: Failure) -> bool:
    node, _ = parse_address(failure.node)
    return node in plan.by_id and plan.node(node).kind.type == "flow.stop_and_error"


def _listed(issues: list[Issue]) -> str:
    lines = [_line(issue) for issue in issues[:TOLD]]
    more = [f"and {len(issues) - TOLD} more"] if len(issues) > TOLD else []
    return "; ".join([*lines, *more])


def _line(issue: Issue) -> str:
    where = ", ".join(part for part in (f"node {issue.node!r}" if issue.node else "", issue.field) if part)
    advice = f" ({issue.suggestion})" if issue.suggestion else ""
    return f"{where}: {issue.message}{advice}" if where else f"{issue.message}{advice}"
