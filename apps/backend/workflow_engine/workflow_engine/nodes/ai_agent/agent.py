"""ai_agent.agent: a language model that works on a task with tools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import msgspec
from pydantic import Field

from workflow_engine.engine.items import Item, Json
from workflow_engine.engine.shape import MAIN, Port, PortKind
from workflow_engine.engine.tasks import APPROVED
from workflow_engine.nodes.ai_agent.conversation.ledger import Ledger, Limits
from workflow_engine.nodes.ai_agent.conversation.loop import Conversation, Pending, Turn, Use
from workflow_engine.nodes.ai_agent.thinking import MODEL_PORT, Text, Thinking, ThinkingParameters, model_of
from workflow_engine.nodes.flow.durations import Duration
from workflow_engine.nodes.human.asking import approval
from workflow_engine.nodes.human.people import People
from workflow_engine.nodes.memory.parts import Remembering, retriever_tools
from workflow_engine.nodes.spec import Call, Emit, NodeFailure, Suspend
from workflow_engine.nodes.tools import tools_of


class AgentParameters(ThinkingParameters):
    """What the agent is to do, how it answers, and what it may use."""

    prompt: Text
    """What it is asked; usually an expression."""
    system_prompt: str = ""
    """Who it is, and the rules that it keeps to."""
    output_schema: dict[str, Any] | None = None
    """JSON Schema of its answer; text when empty. An answer that does not fit goes back to the model."""
    max_tool_calls: int = Field(default=50, ge=1, le=10_000)
    """The most calls of tools."""
    needs_approval: list[str] = Field(default=[], max_length=100)
    """Names of tools whose every call a person has to approve; `*` for all."""
    approvers: People = []
    """Who may approve: user ids or e-mail addresses; anyone who may answer tasks at all, when empty."""
    approval_timeout: Duration | None = None
    """How long to wait for them; a call that nobody approved in time counts as refused. For ever when left out."""

    @property
    def limits(self) -> Limits:
        return replace(super().limits, tool_calls=self.max_tool_calls)


class Agent(Thinking[AgentParameters]):
    """Gives a language model a task, the tools that are bound to it, and a memory, until it has answered.

    The answer is under `output`: text, or what `output_schema` asks for. Under `tool_calls` stands what each tool was
    called with and what it gave, under `steps` what every step took (tokens, cost, time), under `usage` the sum. What
    goes wrong in a tool is told to the model, and stands in `tool_calls` and in the run's steps.

    Every answer of the model and every result of a tool is stored before the next step begins: after a crash, a retry
    or a wait the conversation goes on where it was, and no call is paid for twice. A tool that must not be repeated,
    whose outcome a crash left unknown, is called again only when a person says so, or as `on_unknown_outcome` says.

    Limits stop it with BUDGET_EXCEEDED. With several input items each is a conversation of its own; calls that people
    have to approve need one item at a time: put the agent into a `flow.map`.
    """

    type = "ai_agent.agent"
    name = "AI agent"
    summary = "A language model that works on a task with tools."
    inputs: ClassVar[tuple[Port, ...]] = (
        MAIN,
        MODEL_PORT,
        Port("tools", PortKind.RESOURCE, "tool", description="What it may call: actions, and nodes that offer tools."),
        Port("memory", PortKind.RESOURCE, "memory", description="What was said before."),
        Port("retriever", PortKind.RESOURCE, "retriever", description="Documents that it may search."),
    )
    example = {"prompt": "{{ json.question }}", "system_prompt": "You answer questions about our products."}

    async def run(self, call: Call[AgentParameters]) -> Emit | Suspend:
        asked = call.parameters
        memories = [Remembering(part) for part in call.parts.get("memory", ())]
        history = [turn for memory in memories for turn in await memory.recall(call.steps, asked.prompt)]
        conversation = await self.conversation(call, asked.prompt, history)
        conversation.decisions = _decisions(call)
        answer = await conversation.run()
        if isinstance(answer, Pending):
            return _ask_people(call, answer)
        said = answer.output if isinstance(answer.output, str) else msgspec.json.encode(answer.output).decode()
        for memory in memories:
            await memory.remember(call.steps, asked.prompt, said)
        record: dict[str, Json] = {
            "output": answer.output,
            "tool_calls": [{name: value for name, value in use.items() if name != "usage"} for use in answer.uses],
            "steps": answer.ledger.entries,
            "usage": answer.ledger.total,
        }
        return Emit({"main": [Item(record)]}, usage=answer.ledger.total)

    async def conversation(self, call: Call[AgentParameters], prompt: str, history: Sequence[Turn]) -> Conversation:
        """What it is to do about `prompt`, and with what. Raises NodeFailure."""
        asked = call.parameters
        return Conversation(
            model=await model_of(call),
            prompt=prompt,
            instructions=asked.system_prompt,
            history=history,
            tools=[*await tools_of(call), *await retriever_tools(call)],
            output=asked.output_schema,
            repairs=asked.max_repairs,
            ledger=Ledger(asked.limits),
            steps=call.steps,
            needs_approval=lambda tool: "*" in asked.needs_approval or tool in asked.needs_approval,
            repeats_unknown=call.node.on_unknown,
        )


def _decisions(call: Call[AgentParameters]) -> dict[str, bool]:
    if call.resume is None:
        return {}
    return {settled.key: settled.decision == APPROVED for settled in call.resume.settled}


def _ask_people(call: Call[AgentParameters], pending: Pending) -> Suspend:
    if len(call.items) > 1:
        raise NodeFailure(
            "INVALID_PARAMETER",
            "an agent whose calls people have to approve works on one item at a time",
            field="needs_approval",
            hint="put the agent into a flow.map",
        )
    timeout = call.parameters.approval_timeout
    tasks = [
        approval(
            call,
            title=f"Call {use.said.tool} again?" if use.key in pending.unknown else f"Call {use.said.tool}?",
            text=_shown(use, is_unknown=use.key in pending.unknown),
            assignees=call.parameters.approvers,
            timeout=timeout,
            key=pending.question(use),
        )
        for use in pending.uses
    ]
    until = None if timeout is None else call.context.now + timeout
    names = ", ".join(use.said.tool for use in pending.uses)
    return Suspend(until, tasks=tasks, detail=f"waits for a person to decide about calls of {names}")


def _shown(use: Use, *, is_unknown: bool) -> str:
    text = "The agent wants to call this tool"
    if is_unknown:
        text = "The engine stopped while the agent was calling this tool, and nobody knows whether it happened"
    arguments = msgspec.json.format(msgspec.json.encode(use.said.arguments), indent=2).decode()
    return f"{text}:\n\n**{use.said.tool}**\n\n```json\n{arguments}\n```"
