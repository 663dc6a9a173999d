"""Conversations: stored, streamed, with tools, with the agent of a workflow, each with its owner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.ai.model_server import Break, ModelServer, Refuse, Say, Use
from tests.serving import Client, serving
from tests.test_workflow_service import refusal
from workflow_engine.proto import ai_system_pb2 as ai
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as rpc
from workflow_engine.utils.structs import struct_to_dict


@pytest.fixture
async def client(models: ModelServer, sqlite_url: str, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(sqlite_url, tmp_path, **models.settings()) as client:
        yield client


def agents(client: Client) -> Any:
    return rpc.AIAgentServiceStub(client.channel)


def said(models: ModelServer) -> list[str]:
    """What the model was told last, without the instructions."""
    return [message["content"] for message in models.requests[-1]["messages"] if message["role"] != "system"]


async def test_a_conversation_goes_on_where_it_was_after_a_restart_too(
    models: ModelServer, database_url: str, tmp_path: Path
) -> None:
    models.plays(Say("Good day, Ada."), Say("You are Ada."))
    async with serving(database_url, tmp_path, **models.settings()) as client:
        first = await agents(client).ChatWithAgent(ai.ChatWithAgentRequest(text="I am Ada.", user_id="ada"))
        assert (first.success, first.text) == (True, "Good day, Ada.")
        assert (first.usage.model_calls, first.usage.input_tokens) == (1, models.answered["input_tokens"])
    async with serving(database_url, tmp_path, **models.settings()) as client:
        again = ai.ChatWithAgentRequest(conversation_id=first.conversation_id, text="Who am I?", user_id="ada")
        second = await agents(client).ChatWithAgent(again)
    assert second.conversation_id == first.conversation_id
    assert said(models) == ["I am Ada.", "Good day, Ada.", "Who am I?"]


async def test_a_conversation_belongs_to_who_began_it(models: ModelServer, client: Client) -> None:
    models.plays(Say("Good day."))
    first = await agents(client).ChatWithAgent(ai.ChatWithAgentRequest(text="Hello", user_id="ada"))
    for user, id in (("mallory", first.conversation_id), ("ada", "conv_none")):
        request = ai.ChatWithAgentRequest(conversation_id=id, text="Go on", user_id=user)
        code, _, reason, _ = await refusal(agents(client).ChatWithAgent(request))
        assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "CONVERSATION_NOT_FOUND")
    assert len(models.requests) == 1


async def test_the_assistant_looks_things_up_and_uses_the_tools_that_it_is_given(
    models: ModelServer, client: Client
) -> None:
    await client.create(
        {"nodes": [{"id": "s", "type": "trigger.manual"}], "connections": []}, name="Mine", user_id="ada"
    )
    await client.create(
        {"nodes": [{"id": "s", "type": "trigger.manual"}], "connections": []}, name="His", user_id="bob"
    )
    models.plays(
        Use([("list_workflows", {}), ("search_node_types", {"query": "wait"})]),
        Use([("action_crypto", {"operation": {"mode": "hash", "algorithm": "sha256", "data": "x"}})]),
        Use([("action_http_request", {"url": "http://127.0.0.1:1"})]),
        Say("Done."),
    )
    request = ai.ChatWithAgentRequest(text="Look", user_id="ada", tools=["action.crypto"])
    response = await agents(client).ChatWithAgent(request)
    calls = {call.tool: call for call in response.tool_calls}
    listed = calls["list_workflows"].result.list_value.values
    assert [struct_to_dict(each.struct_value)["name"] for each in listed] == ["Mine"]
    assert "## flow.wait" in calls["search_node_types"].result.string_value
    assert "there is no tool" in calls["action_http_request"].error, "it was not given"
    assert response.usage.tool_calls == 4
    offered = {tool["function"]["name"] for tool in models.requests[0]["tools"]}
    assert offered == {"list_workflows", "search_node_types", "action_crypto"}

    wrong = ai.ChatWithAgentRequest(text="Look", user_id="ada", tools=["action.magic"])
    code, _, reason, _ = await refusal(agents(client).ChatWithAgent(wrong))
    assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "TOOL_NOT_FOUND")


async def test_a_turn_is_heard_as_it_comes(models: ModelServer, client: Client) -> None:
    models.plays(Use([("list_workflows", {"query": "x"})]), Say("There are none, I am afraid."))
    turn = ai.ChatWithAgentRequest(text="Which ones?", user_id="ada")
    request = ai.StreamChatWithAgentRequest(turn=turn)
    pieces = [piece async for piece in agents(client).StreamChatWithAgent(request)]
    kinds = [piece.WhichOneof("piece") for piece in pieces]
    assert kinds == ["tool_call", "tool_call", *["text"] * 6, "done"]
    assert "".join(piece.text for piece in pieces) == "There are none, I am afraid." == pieces[-1].done.text
    assert not pieces[0].tool_call.HasField("result")
    assert pieces[1].tool_call.HasField("result")
    assert pieces[-1].done.usage.model_calls == models.answered["model_calls"] == 2

    models.plays(Say("Yes."))
    turn.conversation_id, turn.text = pieces[-1].done.conversation_id, "Sure?"
    assert (await agents(client).ChatWithAgent(turn)).text == "Yes."
    assert said(models)[:2] == ["Which ones?", "There are none, I am afraid."]


@pytest.mark.parametrize("move", [Break(), Refuse("No.")])
async def test_a_stream_that_fails_says_so_and_stores_nothing(models: ModelServer, client: Client, move: Any) -> None:
    models.plays(move)
    turn = ai.ChatWithAgentRequest(text="Go", user_id="ada")
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        async for _ in agents(client).StreamChatWithAgent(ai.StreamChatWithAgentRequest(turn=turn)):
            pass
    expected = grpc.StatusCode.UNAVAILABLE if isinstance(move, Break) else grpc.StatusCode.FAILED_PRECONDITION
    assert failed.value.code() == expected


AGENT = {
    "nodes": [
        {"id": "start", "type": "trigger.manual"},
        {
            "id": "clerk",
            "type": "ai_agent.agent",
            "parameters": {
                "prompt": "{{ json.question }}",
                "system_prompt": "You are the clerk.",
                "needs_approval": ["pay"],
            },
        },
        {
            "id": "note",
            "name": "note",
            "type": "memory.key_value",
            "parameters": {"mode": "put", "key": "seen", "value": "{{ from_ai.what }}"},
        },
        {
            "id": "pay",
            "name": "pay",
            "type": "memory.key_value",
            "parameters": {"mode": "put", "key": "paid", "value": "{{ from_ai.to }}"},
        },
    ],
    "connections": ["start -> clerk", "note.tool -> clerk.tools", "pay.tool -> clerk.tools"],
}


async def test_the_agent_of_a_published_workflow_talks_with_its_own_tools(models: ModelServer, client: Client) -> None:
    workflow = await client.create(AGENT, user_id="ada")
    request = ai.ChatWithAgentRequest(text="Note it, and pay Mallory.", user_id="ada", workflow_id=workflow.id)
    code, _, reason, _ = await refusal(agents(client).ChatWithAgent(request))
    assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_PUBLISHED")
    await client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=workflow.id))

    models.plays(
        Use([("note", {"what": "all of it"}), ("pay", {"to": "Mallory"})]), Say("Noted; paying needs a person.")
    )
    response = await agents(client).ChatWithAgent(request)
    assert response.text == "Noted; paying needs a person."
    assert [bool(call.error) for call in response.tool_calls] == [False, True], "nobody is there to approve"
    assert "refused" in response.tool_calls[1].error
    assert response.usage.model_calls == models.answered["model_calls"] == 2
    assert models.requests[0]["messages"][0]["content"].startswith("You are the clerk.")
    assert said(models)[0] == "Note it, and pay Mallory."

    models.plays(Say("It is noted."))
    again = ai.ChatWithAgentRequest(conversation_id=response.conversation_id, text="And?", user_id="ada")
    assert (await agents(client).ChatWithAgent(again)).text == "It is noted."
    assert models.requests[-1]["messages"][0]["content"].startswith("You are the clerk.")
