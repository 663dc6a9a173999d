"""AIAgentService, second part: conversations with the server's assistant, or with the agent of a workflow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from workflow_engine.engine import machine
from workflow_engine.engine.items import Item, Json
from workflow_engine.engine.state import Perform, Work
from workflow_engine.models import conversations as stored
from workflow_engine.models.conversations import Exchange
from workflow_engine.nodes.ai_agent.agent import Agent
from workflow_engine.nodes.ai_agent.conversation.ledger import Ledger
from workflow_engine.nodes.ai_agent.conversation.loop import Answer, Conversation, Listener, Pending, Turn
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.perform import failure_of, prepared
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.proto import ai_system_pb2 as ai
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.services.access.callers import current
from workflow_engine.services.assistance import Services, model_for, refusal, usage_to_proto
from workflow_engine.services.assistant import INSTRUCTIONS, assistant_tools
from workflow_engine.services.authoring.author import LIMITS, patiently
from workflow_engine.services.backend import Backend
from workflow_engine.services.errors import ServiceError
from workflow_engine.utils.json import dumps
from workflow_engine.utils.structs import to_struct, to_value

RECALLED = 20
"""Exchanges of a conversation that the model sees."""
SPELLINGS = ("text", "message", "question", "prompt", "input", "query", "chat_input")
"""Under what members an agent's expressions find what the person says."""


class Chat:
    """The RPCs that talk."""

    backend: Backend
    services: Services

    async def ChatWithAgent(self, request: ai.ChatWithAgentRequest, context: Any) -> ai.ChatWithAgentResponse:
        return await self._turn(request, None)

    async def StreamChatWithAgent(
        self, request: ai.StreamChatWithAgentRequest, context: Any
    ) -> AsyncIterator[ai.StreamChatWithAgentResponse]:
        pieces: asyncio.Queue[ai.StreamChatWithAgentResponse | None] = asyncio.Queue()

        async def listen(piece: str | dict[str, Json]) -> None:
            if isinstance(piece, str):
                pieces.put_nowait(ai.StreamChatWithAgentResponse(text=piece))
            else:
                pieces.put_nowait(ai.StreamChatWithAgentResponse(tool_call=_tool_call(piece)))

        turn = asyncio.create_task(self._turn(request.turn, listen))
        turn.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            yield ai.StreamChatWithAgentResponse(done=turn.result())
        finally:
            # Whoever listened has gone: nobody wants to pay for the rest.
            turn.cancel()

    async def _turn(self, request: ai.ChatWithAgentRequest, listener: Listener | None) -> ai.ChatWithAgentResponse:
        id, workflow_id, history = await self._begin(request)
        try:
            if workflow_id:
                conversation = await self._with_agent(id, workflow_id, request, history)
            else:
                conversation = await self._with_assistant(request, history)
            conversation.listener = listener
            answer = await _answered(conversation)
        except NodeFailure as failed:
            raise refusal(failed) from failed
        said = answer.output if isinstance(answer.output, str) else dumps(answer.output).decode()
        uses = [{name: value for name, value in use.items() if name != "usage"} for use in answer.uses]
        now = self.backend.clock.now_ms()
        if not request.conversation_id:
            await stored.create(self.backend.store, id, request.user_id, workflow_id, now)
        data = {"tool_calls": uses, "usage": answer.ledger.total}
        await stored.add(self.backend.store, id, Exchange(request.text, said, data, now))
        return ai.ChatWithAgentResponse(
            success=True,
            message=f"{len(uses)} calls of tools",
            conversation_id=id,
            text=said,
            tool_calls=[_tool_call(use) for use in uses],
            usage=usage_to_proto(answer.ledger.total),
        )

    async def _begin(self, request: ai.ChatWithAgentRequest) -> tuple[str, str, list[Turn]]:
        """The conversation's id, whose agent talks, and what was said before. Raises ServiceError."""
        if not request.conversation_id:
            return self.backend.new_id("conv"), request.workflow_id, []
        id = request.conversation_id
        found = await asyncio.to_thread(stored.get, self.backend.store, id, RECALLED)
        if found is None or found.user_id != request.user_id:
            raise ServiceError(
                "CONVERSATION_NOT_FOUND",
                f"there is no conversation {id!r} of {request.user_id!r}",
                metadata={"conversation_id": id},
            )
        if request.workflow_id not in ("", found.workflow_id):
            raise ServiceError(
                "INVALID_REQUEST",
                "workflow_id: the conversation is with somebody else; begin another one",
                violations=[("workflow_id", "is not the one that the conversation began with")],
            )
        if found.workflow_id:
            # They may have talked to it as a member of a project that they have left since.
            await self.backend.scope.check_message(current(), ws.GetWorkflowRequest(workflow_id=found.workflow_id))
        return id, found.workflow_id, [turn for each in found.exchanges for turn in _turns(each)]

    async def _with_assistant(self, request: ai.ChatWithAgentRequest, history: list[Turn]) -> Conversation:
        return Conversation(
            model=await model_for(self.backend, self.services, request.model),
            prompt=request.text,
            instructions=INSTRUCTIONS,
            history=history,
            tools=assistant_tools(self.backend, request.user_id, request.tools),
            ledger=Ledger(LIMITS),
        )

    async def _with_agent(
        self, id: str, workflow_id: str, request: ai.ChatWithAgentRequest, history: list[Turn]
    ) -> Conversation:
        """The conversation that the published workflow's agent node would have, with the parts that it binds."""
        if request.tools:
            raise ServiceError(
                "INVALID_REQUEST",
                "tools: the agent of a workflow has those that are connected to it",
                violations=[("tools", "can not be chosen for the agent of a workflow")],
            )
        digest, _ = await self.backend.definitions.resolve(workflow_id)
        plan = await self.backend.definitions.plan(digest)
        node = next((node for node in plan.nodes if isinstance(node.kind, Agent)), None)
        if node is None:
            raise ServiceError("NODE_NOT_FOUND", f"workflow {workflow_id!r} has no ai_agent.agent to talk to")
        agent = node.kind
        assert isinstance(agent, Agent)
        owner = (await self.backend.workflow(workflow_id)).user_id
        now = self.backend.clock.now_ms()
        world = self.services(Context(id, workflow_id, now, timezone=plan.timezone, user_id=owner))
        record: dict[str, Json] = dict.fromkeys(SPELLINGS, request.text)
        record |= {"conversation_id": id, "user_id": request.user_id}
        state = machine.new(plan)
        state.execution_id, state.started_at = id, now
        task = Perform((node.index, ()), node, Work({"main": [Item(record)]}))
        try:
            conversation = await agent.conversation(prepared(state, task, world), request.text, history)
        except NodeFailure:
            raise
        except Exception as error:
            # An expression that needs what only an execution has, for example.
            told = failure_of(error, node)
            raise ServiceError(
                "MODEL_FAILED",
                f"node {node.id!r}, {told.field or 'parameters'}: {told.message}; an agent to talk to may read "
                f"{', '.join(f'json.{name}' for name in SPELLINGS)}, and no other node",
            ) from error
        if request.HasField("model"):
            conversation.model = await model_for(self.backend, self.services, request.model)
        return conversation


async def _answered(conversation: Conversation) -> Answer:
    """The answer. Nobody is there to approve: a call that needs it is refused, and the model told so."""
    while isinstance(ended := await patiently(conversation), Pending):
        conversation.decisions = {**conversation.decisions, **{ended.question(use): False for use in ended.uses}}
    return ended


def _turns(exchange: Exchange) -> list[Turn]:
    return [Turn("user", exchange.said), Turn("assistant", exchange.answer)]


def _tool_call(use: dict[str, Json]) -> ai.ToolCall:
    arguments = use["arguments"] if isinstance(use["arguments"], dict) else {"text": use["arguments"]}
    call = ai.ToolCall(id=use["id"], tool=use["tool"], arguments=to_struct(arguments))
    if "result" in use:
        call.result.CopyFrom(to_value(use["result"]))
    if "error" in use:
        call.error = use["error"]["message"]
    return call
