"""The evaluation of models: its requests can be met, its checks tell good from bad, and it runs against any model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evals.__main__ import evaluate, numbers, requests, told
from evals.checks import CHECKS, failures
from tests.ai.model_server import ModelServer, Move, Use
from tests.engine.rig import workflow as drawn
from workflow_engine.core.config import Settings
from workflow_engine.nodes.registry import installed
from workflow_engine.proto import ai_system_pb2 as ai


def test_forty_requests_half_of_them_in_chinese_name_only_what_there_is() -> None:
    known, types = requests(), set(installed().types())
    assert len(known) == 40
    assert sum(request.get("language") == "zh" for request in known) == 20
    for request in known:
        assert set(request) <= {"ask", *CHECKS}, request["ask"]
        assert len(request) > 1, "a request without a check"
        named = [*request.get("uses", ()), *request.get("path", ()), *request.get("retries", ())]
        named += [*request.get("branches", ()), *request.get("binds", {}), *request.get("says", {})]
        named += [type for choice in request.get("any", ()) for type in choice]
        named += [type for type in request.get("at_least", {}) if type != "email_like"]
        assert set(named) <= types, (request["ask"], set(named) - types)


def answer(nodes: list[dict[str, Any]], *links: str, explanation: str = "") -> ai.GenerateWorkflowResponse:
    made = drawn({"nodes": nodes, "connections": list(links)})
    return ai.GenerateWorkflowResponse(success=True, workflow=made, explanation=explanation)


CRON = {"id": "cron", "type": "trigger.cron", "parameters": {"schedule": "0 8 * * *"}}
FETCH = {"id": "fetch", "type": "action.http_request", "parameters": {"url": "https://example.com"}}
SLACK = {"id": "slack", "type": "external_action.slack"}


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        ({"uses": ["trigger.cron"]}, answer([CRON]), answer([FETCH])),
        ({"any": [["flow.if", "trigger.cron"]]}, answer([CRON]), answer([FETCH])),
        ({"at_least": {"action.http_request": 2}}, answer([FETCH, FETCH | {"id": "b"}]), answer([FETCH])),
        (
            {"path": ["trigger.cron", "external_action.slack"]},
            answer([CRON, FETCH, SLACK], "cron -> fetch -> slack"),
            answer([CRON, FETCH, SLACK], "cron -> fetch", "slack -> fetch"),
        ),
        (
            {"branches": ["action.http_request"]},
            answer([FETCH, SLACK], "fetch -> slack", "fetch.error -> slack"),
            answer([FETCH, SLACK], "fetch -> slack"),
        ),
        (
            {"binds": {"external_action.slack": ["tools"]}},
            answer([FETCH, SLACK], "fetch.tool -> slack.tools"),
            answer([SLACK]),
        ),
        ({"says": {"trigger.cron": "8"}}, answer([CRON]), answer([CRON | {"parameters": {"schedule": "0 9 * * *"}}])),
        ({"says_any": ["example"]}, answer([FETCH]), answer([CRON])),
        ({"retries": ["action.http_request"]}, answer([FETCH | {"retry": {"max_attempts": 3}}]), answer([FETCH])),
        ({"asks": True}, ai.GenerateWorkflowResponse(questions={"a": "What?"}), answer([CRON])),
        ({"language": "zh"}, answer([CRON], explanation="每天早上"), answer([CRON], explanation="Every day")),
        ({"uses": []}, answer([CRON]), ai.GenerateWorkflowResponse(message="nothing came of it")),
    ],
)
def test_a_check_tells_good_from_bad(check: dict[str, Any], good: Any, bad: Any) -> None:
    assert failures(check, good) == []
    assert len(failures(check, bad)) == 1


def test_requests_are_chosen_by_number() -> None:
    assert numbers("", 3) == [1, 2, 3]
    assert numbers("1-2,5", 5) == [1, 2, 5]
    with pytest.raises(ValueError, match="1 to 5"):
        numbers("6", 5)


async def test_it_runs_against_any_model(models: ModelServer, tmp_path: Path) -> None:
    """A model that knows one answer: it is right about the request that fits, and wrong about the others."""

    def play(request: dict[str, Any]) -> Move:
        asked = str(request["messages"][-1]["content"])
        is_planning = "You plan workflows" in str(request["messages"][0]["content"])
        if "那个东西" in asked:
            question = {"key": "what", "question": "什么东西？"}
            return Use([("final_answer", {"steps": [], "node_types": ["flow.set"], "questions": [question]})])
        if is_planning:
            return Use([("final_answer", {"steps": [], "node_types": ["flow.dedupe"], "questions": []})])
        nodes = [
            {"id": "s", "name": "s", "type": "trigger.manual", "parameters": {}},
            {"id": "d", "name": "d", "type": "flow.dedupe", "parameters": {"fields": ["email"]}},
            {"id": "o", "name": "o", "type": "flow.sort", "parameters": {"fields": [{"field": "name"}]}},
        ]
        links = [{"from_node": "s", "to_node": "d"}, {"from_node": "d", "to_node": "o"}]
        sample = {"email": "a@example.com", "name": "Ada"}
        drawing = {"name": "x", "nodes": nodes, "connections": links, "explanation": "x", "sample_input": sample}
        return Use([("final_answer", drawing)])

    models.player = play
    chosen = Settings(
        _env_file=None,
        database_url="",
        data_dir=tmp_path,
        grpc_port=0,
        http_port=0,
        egress_allow=["127.0.0.0/8"],
        **models.settings(),
    )
    wanted = [
        next(at for at, each in enumerate(requests(), 1) if part in each["ask"])
        for part in ("twice", "每周一", "那个东西")
    ]
    results = await evaluate(chosen, wanted)
    assert [bool(result.wrong) for result in results] == [False, True, False], [result.wrong for result in results]
    assert "2 of 3 as they should be" in told(results)
    assert results[0].usage.model_calls == 2
