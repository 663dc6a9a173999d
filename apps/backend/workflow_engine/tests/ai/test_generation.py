"""Workflows from words: a good model, and models that do everything wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.ai.model_server import Fail, ModelServer, Move, Refuse, Say, Use
from tests.serving import Client, output, serving
from tests.test_workflow_service import refusal
from workflow_engine.proto import ai_system_pb2 as ai
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as rpc


@pytest.fixture
async def client(models: ModelServer, sqlite_url: str, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(sqlite_url, tmp_path, **models.settings()) as client:
        yield client


def author(client: Client) -> Any:
    return rpc.AIAgentServiceStub(client.channel)


async def stored(client: Client) -> list[pb.Workflow]:
    return list((await client.stub.ListWorkflows(ws.ListWorkflowsRequest())).workflows)


def plan(*types: str, questions: dict[str, str] | None = None) -> Use:
    asked = [{"key": key, "question": text} for key, text in (questions or {}).items()]
    return Use([("final_answer", {"steps": ["Do it."], "node_types": list(types), "questions": asked})])


def draw(nodes: list[dict[str, Any]], links: list[str], **more: Any) -> Use:
    connections = []
    for link in links:
        (source, target) = link.split(" -> ")
        (from_node, _, from_port), (to_node, _, to_port) = source.partition("."), target.partition(".")
        ends = {"from_node": from_node, "from_port": from_port, "to_node": to_node, "to_port": to_port}
        connections.append({name: end for name, end in ends.items() if end})
    drawn = {"name": "Orders", "nodes": nodes, "connections": connections, "explanation": "It looks at the total."}
    return Use([("final_answer", drawn | more)])


START = {"id": "start", "name": "Start", "type": "trigger.manual", "parameters": {}}
CHECK = {
    "id": "check",
    "name": "Large?",
    "type": "flow.if",
    "parameters": {"condition": "{{ json.total > 100 }}"},
}


def note(id: str, text: str) -> dict[str, Any]:
    parameters = {"assignments": [{"name": "note", "value": text}]}
    return {"id": id, "name": id, "type": "flow.set", "parameters": parameters}


GOOD = draw(
    [START, CHECK, note("large", "call {{ json.customer }}"), note("small", "nothing to do")],
    ["start -> check", "check.true -> large", "check.false -> small"],
    sample_input={"total": 120, "customer": "Ada"},
)


async def test_a_generated_workflow_passes_the_checks_its_rehearsal_and_executes(
    models: ModelServer, database_url: str, tmp_path: Path
) -> None:
    models.plays(plan("flow.if", "flow.set"), GOOD)
    async with serving(database_url, tmp_path, **models.settings()) as client:
        request = ai.GenerateWorkflowRequest(description="Call customers with large orders", user_id="ada")
        response = await author(client).GenerateWorkflow(request)
        assert response.success, response.message
        assert response.explanation == "It looks at the total."
        assert not response.issues
        workflow = response.workflow
        assert (workflow.user_id, list(workflow.tags), workflow.published_version) == ("ada", ["generated"], 0)
        assert [each.id for each in await stored(client)] == [workflow.id]
        assert {(node.position.x, node.position.y) for node in workflow.nodes} == {
            (0, 0),
            (312, 0),
            (624, 0),
            (624, 140),
        }

        checked = await client.stub.ValidateWorkflow(ws.ValidateWorkflowRequest(workflow_id=workflow.id))
        assert (checked.success, list(checked.issues)) == (True, [])
        ended = await client.run(workflow.id, {"total": 500, "customer": "Grace"})
    assert output(ended) == [{"total": 500, "customer": "Grace", "note": "call Grace"}]
    used = response.usage
    assert {
        "model_calls": used.model_calls,
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
    } == dict(models.answered)
    assert used.cost_micros > 0


async def test_the_model_sees_every_type_by_a_line_and_the_likely_ones_in_full(
    models: ModelServer, client: Client
) -> None:
    models.plays(plan("flow.if"), GOOD)
    await author(client).GenerateWorkflow(ai.GenerateWorkflowRequest(description="Fetch a page and send it to Slack"))
    planning, drawing = (str(request["messages"][0]["content"]) for request in models.requests)
    types = [node.type for node in (await client.stub.ListNodeTypes(ws.ListNodeTypesRequest())).node_types]
    assert all(f"\n{type}: " in planning for type in types)
    cards = [line for line in drawing.splitlines() if line.startswith("## ")]
    assert "## flow.if" in cards
    assert "## external_action.slack" in cards, "found by the words of the request"
    assert len(cards) < len(types) / 2


async def test_what_is_missing_comes_as_questions_and_the_answers_go_in(models: ModelServer, client: Client) -> None:
    models.plays(plan("flow.if", questions={"limit": "From which total on?"}))
    request = ai.GenerateWorkflowRequest(description="Large orders")
    response = await author(client).GenerateWorkflow(request)
    assert (response.success, dict(response.questions)) == (False, {"limit": "From which total on?"})
    assert not await stored(client)

    models.plays(plan("flow.if", questions={"again": "Really?"}), GOOD)
    request.answers["limit"] = "100"
    response = await author(client).GenerateWorkflow(request)
    assert response.success, "it is asked once"
    assert "limit: 100" in models.prompts()[-1]


async def test_credentials_that_a_person_has_to_add_are_named(models: ModelServer, client: Client) -> None:
    slack = {
        "id": "tell",
        "name": "Tell",
        "type": "external_action.slack",
        "parameters": {"action": {"operation": "message.send", "channel": "#x", "text": "x"}},
    }
    models.plays(plan("external_action.slack"), draw([START, slack], ["start -> tell"]))
    response = await author(client).GenerateWorkflow(ai.GenerateWorkflowRequest(description="Tell them"))
    assert response.success, response.message
    [issue] = response.issues
    assert (issue.code, issue.node_id, issue.severity) == ("CREDENTIAL_TO_BE_ADDED", "tell", pb.SEVERITY_WARNING)


async def test_a_dry_run_stores_nothing(models: ModelServer, client: Client) -> None:
    models.plays(plan("flow.if"), GOOD)
    request = ai.GenerateWorkflowRequest(description="Large orders", dry_run=True)
    response = await author(client).GenerateWorkflow(request)
    assert response.success
    assert not await stored(client)


MISTAKES = {
    "an unknown node type": (draw([START, {**CHECK, "type": "action.magic"}], ["start -> check"]), "action.magic"),
    "an unknown port": (draw([START, CHECK], ["start -> check.side"]), "no input port 'side'"),
    "an unknown parameter": (
        draw([START, {**CHECK, "parameters": {"condition": "{{ true }}", "rule": "x"}}], ["start -> check"]),
        "'rule'",
    ),
    "a bad expression": (
        draw([START, {**CHECK, "parameters": {"condition": "{{ json. }}"}}], ["start -> check"]),
        "parameters.condition",
    ),
    "a connection to nowhere": (draw([START], ["start -> nobody"]), "'nobody'"),
    "a cycle": (draw([START, note("a", "x"), note("b", "x")], ["start -> a", "a -> b", "b -> a"]), "cycle"),
    "two nodes of one id": (draw([START, START], []), "have the id"),
    "a node that is never reached": (draw([START, CHECK], []), "never runs"),
    "a member that is not there": (draw([START, CHECK], ["start -> check"], sample_input={"sum": 3}), "rehearsal"),
    "a drawing that is no drawing": (Use([("final_answer", {"nodes": "many"})]), "required"),
    "arguments that are no JSON": (Use([("final_answer", '{"name": "Ord')]), "object"),
    "words": (Say("Sure! I have saved it for you."), "final_answer"),
}


async def test_a_mistake_is_told_to_the_model_and_can_be_corrected(models: ModelServer, client: Client) -> None:
    for mistake, (wrong, told) in MISTAKES.items():
        models.requests.clear()
        models.plays(plan("flow.if", "flow.set"), wrong, GOOD)
        request = ai.GenerateWorkflowRequest(description="Large orders", dry_run=True)
        response = await author(client).GenerateWorkflow(request)
        assert response.success, (mistake, response.message)
        assert told in models.prompts()[-1], (mistake, models.prompts()[-1])
        assert len(models.requests) == 3, mistake


async def test_a_model_that_does_not_learn_is_given_up_and_nothing_is_stored(
    models: ModelServer, client: Client
) -> None:
    for mistake, (wrong, told) in MISTAKES.items():
        models.requests.clear()
        models.answered.clear()
        models.plays(plan("flow.if", "flow.set"))
        models.player = lambda request, wrong=wrong: wrong
        response = await author(client).GenerateWorkflow(ai.GenerateWorkflowRequest(description="Large orders"))
        assert not response.success, mistake
        assert told in response.message, (mistake, response.message)
        assert len(models.requests) == 1 + 5, f"{mistake}: one plan, one drawing, four corrections"
        assert response.usage.model_calls == models.answered["model_calls"] == 6, mistake
        assert response.usage.input_tokens == models.answered["input_tokens"], mistake
        assert not await stored(client), mistake


async def test_a_busy_provider_is_asked_again(models: ModelServer, client: Client) -> None:
    models.plays(Fail(429, retry_after=0.01), plan("flow.if"), Fail(503, retry_after=0.01), GOOD)
    response = await author(client).GenerateWorkflow(ai.GenerateWorkflowRequest(description="Large orders"))
    assert response.success
    assert response.usage.model_calls == models.answered["model_calls"] == 2


@pytest.mark.parametrize(
    ("move", "code", "reason"),
    [
        (Fail(429, retry_after=60), grpc.StatusCode.RESOURCE_EXHAUSTED, "MODEL_BUSY"),
        (Fail(500, retry_after=60), grpc.StatusCode.UNAVAILABLE, "MODEL_UNAVAILABLE"),
        (Refuse("I do not draw."), grpc.StatusCode.FAILED_PRECONDITION, "MODEL_FAILED"),
    ],
)
async def test_a_failure_of_the_model_is_named(
    models: ModelServer, client: Client, move: Move, code: grpc.StatusCode, reason: str
) -> None:
    models.plays(move)
    call = author(client).GenerateWorkflow(ai.GenerateWorkflowRequest(description="Large orders"))
    told = await refusal(call)
    assert (told[0], told[2]) == (code, reason), told
    assert not await stored(client)


async def test_without_a_model_it_says_how_to_set_one(sqlite_url: str, tmp_path: Path) -> None:
    async with serving(sqlite_url, tmp_path, openai_api_key="", anthropic_api_key="") as client:
        for call in (
            author(client).GenerateWorkflow(ai.GenerateWorkflowRequest(description="x")),
            author(client).RefineWorkflow(ai.RefineWorkflowRequest(workflow=pb.Workflow(name="x"), instruction="x")),
        ):
            code, message, reason, _ = await refusal(call)
            assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_MODEL")
            assert "AI_MODEL" in message
            assert "OPENAI_API_KEY" in message


class TestRefining:
    async def test_a_change_is_answered_as_edits_and_keeps_the_rest(self, models: ModelServer, client: Client) -> None:
        before = await client.create(
            {
                "nodes": [
                    {**START, "position": {"x": 7, "y": 9}},
                    {**CHECK, "notes": "Ask Ada first.", "timeout": "9s", "position": {"x": 300, "y": 9}},
                    {**note("large", "call"), "position": {"x": 600, "y": 9}},
                ],
                "connections": ["start -> check", "check.true -> large"],
            },
            name="Orders",
        )
        higher = {**CHECK, "parameters": {"condition": "{{ json.total > 500 }}"}}
        models.plays(
            plan("flow.set"),
            draw(
                [START, higher, note("large", "call"), note("small", "leave")],
                ["start -> check", "check.true -> large", "check.false -> small"],
                sample_input={"total": 1},
            ),
        )
        request = ai.RefineWorkflowRequest(workflow_id=before.id, instruction="Only above 500, and note the others")
        response = await author(client).RefineWorkflow(request)

        assert response.success, response.message
        edits = {edit.path: edit for edit in response.edits}
        assert set(edits) == {
            "nodes.check.parameters.condition",
            "nodes.small",
            "connections.check.false->small.main",
        }
        assert edits["nodes.check.parameters.condition"].before.string_value == "{{ json.total > 100 }}"
        assert edits["nodes.small"].kind == pb.EDIT_KIND_ADD
        kept = {node.id: node for node in response.workflow.nodes}
        assert (kept["start"].position.x, kept["check"].notes, kept["check"].timeout.seconds) == (
            7,
            "Ask Ada first.",
            9,
        )
        assert (kept["small"].position.x, kept["small"].position.y) == (612, 149), "beside its source, in a free place"
        assert (await client.stub.GetWorkflow(ws.GetWorkflowRequest(workflow_id=before.id))).workflow == before
        assert "json.total > 100" in models.prompts()[0]

    async def test_a_change_that_breaks_it_is_not_called_one(self, models: ModelServer, client: Client) -> None:
        before = await client.create({"nodes": [START], "connections": []}, name="Orders")
        models.plays(plan("flow.set"))
        models.player = lambda request: draw([START, CHECK], [])
        request = ai.RefineWorkflowRequest(workflow_id=before.id, instruction="Break it")
        response = await author(client).RefineWorkflow(request)
        assert not response.success
        assert "never runs" in response.message
        assert not response.edits


async def test_a_rehearsal_tries_what_reaches_outside_without_touching_it(models: ModelServer, client: Client) -> None:
    fetch = {
        "id": "fetch",
        "name": "Fetch",
        "type": "action.http_request",
        "parameters": {"url": "http://127.0.0.1:1/{{ json.id }}"},
        "sample_output": {"status": 200, "body": {"total": 120}},
    }
    ask = {"id": "ask", "name": "Ask", "type": "human.approval", "parameters": {"title": "Pay?", "timeout": "1d"}}
    pause = {"id": "pause", "name": "Pause", "type": "flow.wait", "parameters": {"duration": "1h"}}
    then = note("then", "{{ json.body.total }}")
    links = ["start -> fetch", "fetch -> ask", "ask.approved -> pause", "pause -> then"]
    good = draw([START, fetch, ask, pause, then], links, sample_input={"id": 7})
    wrong = draw([START, fetch, ask, pause, note("then", "{{ json.body.sum }}")], links, sample_input={"id": 7})
    models.plays(plan("action.http_request"), wrong, good)
    response = await author(client).GenerateWorkflow(ai.GenerateWorkflowRequest(description="Pay"))
    assert response.success, response.message
    assert "'then'" in models.prompts()[-1]
    assert "sum" in models.prompts()[-1]
