"""Agents in workflows: on a running server, with the parts that are bound to them, through crashes."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.ai.model_server import Fail, ModelServer, Move, Say, Use
from tests.forked_server import ForkedServer
from tests.serving import Client, ServerProcess, free_port, output, runs, serving
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as rpc
from workflow_engine.utils.structs import struct_to_dict, to_struct

START = {"id": "start", "type": "trigger.manual"}


def drawing(**agent: Any) -> dict[str, Any]:
    """An agent between a trigger and a step that reads what it said."""
    return {
        "nodes": [
            START,
            {"id": "agent", "type": "ai_agent.agent", "parameters": {"prompt": "{{ json.question }}"} | agent},
            {"id": "after", "type": "flow.set", "parameters": {"assignments": AFTER, "keep_only": True}},
        ],
        "connections": ["start -> agent -> after"],
    }


AFTER = [
    {"name": "said", "value": "{{ json.output }}"},
    {"name": "tokens", "value": "{{ json.usage.input_tokens + json.usage.output_tokens }}"},
    {"name": "steps", "value": "{{ json.steps.map(s, s.step) }}"},
]


def with_tool(url: str, **agent: Any) -> dict[str, Any]:
    """The same, with an HTTP request as a tool."""
    drawn = drawing(**agent)
    drawn["nodes"].append(
        {
            "id": "stock",
            "type": "action.http_request",
            "notes": "Looks up how many pieces of an article there are.",
            "parameters": {"url": url + "/{{ from_ai.article }}"},
        }
    )
    drawn["connections"].append("stock.tool -> agent.tools")
    return drawn


class Shop:
    """A peer that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    async def stock(self, request: web.Request) -> web.Response:
        self.asked[request.match_info["article"]] += 1
        return web.json_response({"pieces": 7})


@pytest.fixture
async def shop() -> Any:
    made = Shop()
    app = web.Application()
    app.router.add_get("/stock/{article}", made.stock)
    async with TestServer(app, host="127.0.0.1") as server:
        made.url = str(server.make_url("/stock"))  # type: ignore[attr-defined]
        yield made


async def test_what_an_agent_said_and_took_is_seen_downstream(
    models: ModelServer, shop: Any, database_url: str, tmp_path: Path
) -> None:
    models.plays(Use([("stock", {"article": "a1"})]), Say("There are 7."))
    async with serving(database_url, tmp_path, **models.settings()) as client:
        workflow = await client.create(with_tool(shop.url))
        ended = await client.run(workflow.id, {"question": "How many a1?"})

    assert ended.status == ex.SUCCESS, ended.failure
    tokens = models.answered["input_tokens"] + models.answered["output_tokens"]
    assert output(ended) == [{"said": "There are 7.", "tokens": tokens, "steps": ["model:0", "tool:0:0", "model:1"]}]
    assert models.prompts()[0] == "How many a1?"
    described = models.requests[0]["tools"][0]["function"]
    assert described["description"] == "Looks up how many pieces of an article there are."
    assert list(described["parameters"]["properties"]) == ["article"]
    run = next(run for run in ended.node_runs if run.node_id == "agent")
    assert run.steps[0].key == "model:0"
    assert struct_to_dict(run.usage)["model_calls"] == models.answered["model_calls"] == 2


async def test_a_tools_failure_goes_to_the_model_and_into_the_run(
    models: ModelServer, sqlite_url: str, tmp_path: Path
) -> None:
    models.plays(Use([("stock", {"article": "a1"})]), Say("The shop does not answer."))
    async with serving(sqlite_url, tmp_path, **models.settings("anthropic")) as client:
        workflow = await client.create(with_tool("http://127.0.0.1:9/stock"))
        ended = await client.run(workflow.id, {"question": "How many a1?"})
    assert ended.status == ex.SUCCESS
    assert "CONNECTION_FAILED" in models.prompts()[-1]
    run = next(run for run in ended.node_runs if run.node_id == "agent")
    [record] = [struct_to_dict(step.value.struct_value) for step in run.steps if step.key == "tool:0:0"]
    assert record["error"]["reason"] == "CONNECTION_FAILED"


async def test_a_rate_limit_is_waited_for_and_nothing_is_paid_twice(
    models: ModelServer, shop: Any, sqlite_url: str, tmp_path: Path
) -> None:
    models.plays(Use([("stock", {"article": "a1"})]), Fail(429, retry_after=0.01), Say("There are 7."))
    drawn = with_tool(shop.url)
    drawn["nodes"][1]["retry"] = {"max_attempts": 3, "initial_interval": "0.01s"}
    async with serving(sqlite_url, tmp_path, **models.settings()) as client:
        ended = await client.run((await client.create(drawn)).id, {"question": "How many a1?"})
    assert ended.status == ex.SUCCESS
    assert (shop.asked["a1"], len(models.requests)) == (1, 3)
    run = next(run for run in ended.node_runs if run.node_id == "agent")
    used = struct_to_dict(run.usage)
    assert {name: used[name] for name in models.answered} == dict(models.answered)


async def test_without_a_model_it_says_how_to_set_one(sqlite_url: str, tmp_path: Path) -> None:
    async with serving(sqlite_url, tmp_path, openai_api_key="", anthropic_api_key="") as client:
        ended = await client.run((await client.create(drawing())).id, {"question": "?"})
    assert ended.failure.reason == "NO_MODEL"
    assert "AI_MODEL" in ended.failure.hint


async def test_a_bound_model_answers_in_the_shape_that_is_asked_for(
    models: ModelServer, sqlite_url: str, tmp_path: Path
) -> None:
    models.plays(Use([("final_answer", {"pieces": 7})]))
    schema = {"type": "object", "properties": {"pieces": {"type": "integer"}}, "required": ["pieces"]}
    drawn = drawing(output_schema=schema)
    drawn["nodes"].append(
        {"id": "model", "type": "ai_agent.model", "parameters": {"provider": "anthropic", "model": "claude-haiku-5-5"}}
    )
    drawn["connections"].append("model.model -> agent.model")
    async with serving(sqlite_url, tmp_path, **models.settings()) as client:
        ended = await client.run((await client.create(drawn)).id, {"question": "How many?"})
    assert output(ended)[0]["said"] == {"pieces": 7}
    assert models.requests[0]["model"] == "claude-haiku-5-5"


DECISIONS = pytest.mark.parametrize(
    ("approved", "said", "asked"), [(True, "There are 7.", 1), (False, "I may not look.", 0)]
)


@DECISIONS
async def test_a_person_decides_about_a_call_and_the_conversation_goes_on(
    models: ModelServer, shop: Any, sqlite_url: str, tmp_path: Path, approved: bool, said: str, asked: int
) -> None:
    models.plays(Use([("stock", {"article": "a1"})]), Say(said))
    async with serving(sqlite_url, tmp_path, **models.settings()) as client:
        ended = await decided(client, shop, approved)
    assert (output(ended)[0]["said"], shop.asked["a1"]) == (said, asked)
    assert ("NOT_APPROVED" in models.prompts()[-1]) is not approved


@DECISIONS
async def test_on_temporal_a_worker_converses_and_a_server_asks_the_person(
    models: ModelServer,
    shop: Any,
    postgres_url: str,
    temporal_address: str,
    tmp_path: Path,
    approved: bool,
    said: str,
    asked: int,
) -> None:
    models.plays(Use([("stock", {"article": "a1"})]), Say(said))
    runtime = {"engine_runtime": "temporal", "temporal_address": temporal_address, "temporal_task_queue": tmp_path.name}
    async with serving(postgres_url, tmp_path, **runtime, **models.settings()) as client:
        environment = {name.upper(): value for name, value in (runtime | models.settings()).items()}
        worker = ServerProcess(postgres_url, tmp_path, command="worker", **environment)
        try:
            ended = await decided(client, shop, approved)
        finally:
            worker.kill()
    assert (output(ended)[0]["said"], shop.asked["a1"]) == (said, asked)
    assert ("NOT_APPROVED" in models.prompts()[-1]) is not approved
    assert len(models.requests) == 2, "a call of the model was made again"


async def decided(client: Client, shop: Any, approved: bool) -> ex.Execution:
    """An agent's execution that a person has let call its tool, or not, from its start to its end."""
    workflow = await client.create(with_tool(shop.url, needs_approval=["stock"]))
    id = await client.start(workflow.id, {"question": "How many a1?"})
    tasks = rpc.TriggerServiceStub(client.channel)
    async for seen in client.stub.WatchExecution(ex.WatchExecutionRequest(execution_id=id)):
        if seen.event.type == ex.EVENT_TYPE_NODE_SUSPENDED:
            break
    [task] = (await tasks.ListTasks(it.ListTasksRequest(execution_id=id))).tasks
    assert (task.title, shop.asked["a1"]) == ("Call stock?", 0)
    assert '"article": "a1"' in task.text
    answer = it.AnswerTaskRequest(task_id=task.id, user_id="ada", data=to_struct({"approved": approved}))
    await tasks.AnswerTask(answer)
    ended = await client.wait(id)
    assert ended.status == ex.SUCCESS, ended.failure
    return ended


class Buyer:
    """A model that asks for five articles, one after the other, and then answers."""

    def __call__(self, request: dict[str, Any]) -> Move:
        done = sum(message["role"] == "tool" for message in request["messages"])
        return Use([("stock", {"article": f"a{done + 1}"})]) if done < 5 else Say("All are there.")


@pytest.mark.parametrize("held", [1, 3, 5])
async def test_kill_9_in_the_middle_of_an_agent_with_five_tool_calls(
    models: ModelServer, shop: Any, sqlite_url: str, tmp_path: Path, held: int
) -> None:
    """The process dies while the model works on the answer after tool call number `held`."""
    models.player = Buyer()
    environment = {name.upper(): value for name, value in models.settings().items()}
    port = free_port()
    first = ForkedServer(sqlite_url, tmp_path, port, tmp_path / "log", **environment)
    async with connected(port) as client:
        workflow = await client.create(with_tool(shop.url))
        models.gate = asyncio.Event()
        id = await client.start(workflow.id, {"question": "Are all there?"})
        for _ in range(held):
            await asyncio.wait_for(_seen(models), 30)
            models.gate.set()
            models.gate = asyncio.Event()
        await asyncio.wait_for(_seen(models), 30)
        first.kill()
    answered = models.answered["model_calls"]
    assert (answered, dict(shop.asked)) == (held, {f"a{number + 1}": 1 for number in range(held)})

    models.gate.set()
    models.gate = None
    second = ForkedServer(sqlite_url, tmp_path, port, tmp_path / "log", **environment)
    async with connected(port) as client:
        ended = await client.wait(id, 60)
        second.kill()
    assert (ended.status, runs(ended)["agent"]) == (ex.SUCCESS, "SUCCEEDED")
    assert output(ended)[0]["said"] == "All are there."
    assert dict(shop.asked) == {f"a{number}": 1 for number in range(1, 6)}, "each completed call of a tool once"
    asked = [json.dumps(request, sort_keys=True) for request in models.requests]
    repeated = [number for number, each in enumerate(asked) if each in asked[:number]]
    assert len(repeated) == 1, "only the call that had no answer was made again"
    run = next(run for run in ended.node_runs if run.node_id == "agent")
    used = struct_to_dict(run.usage)
    # The server answered the lost call into the void; it may count that one, and we can not.
    assert used["model_calls"] == 6
    assert used["tool_calls"] == 5


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Client]:
    """A client of a server process, once it serves."""
    soon = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 200)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=soon) as channel:
        stub = rpc.WorkflowServiceStub(channel)
        await stub.ListWorkflows(ws.ListWorkflowsRequest(limit=1), wait_for_ready=True, timeout=60)
        yield Client(stub, channel, port)


async def _seen(models: ModelServer) -> None:
    await models.arrived.wait()
    models.arrived.clear()
