"""The ready kinds: what they ask the model, and what they make of its answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.ai.model_server import Fail, ModelServer, Say, Use
from tests.ai.talking import language_model
from tests.nodes.external_action.test_failures import plain
from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.events import AnyEvent, NodeSucceeded
from workflow_engine.nodes.ai_agent.thinking import Thinking
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.memory.chunking import chunks
from workflow_engine.nodes.registry import installed


@pytest.fixture
async def context(models: ModelServer) -> AsyncIterator[Context]:
    async with language_model(models) as model:
        yield model.context


async def asked(type: str, context: Context, *items: dict[str, Any], **parameters: Any) -> AnyEvent:
    return await run_node(type, parameters | {"model": "openai:gpt-5.6-luna"}, items or [{}], context=context)


THINKING = [node.type for node in installed() if isinstance(node, Thinking)]


@pytest.mark.parametrize("type", THINKING)
@pytest.mark.parametrize(
    ("move", "reason", "retryable"),
    [
        (Fail(503), "MODEL_UNAVAILABLE", True),
        (Fail(401), "MODEL_REFUSED_KEY", False),
        (Fail(200, body="<html>proxy</html>"), "INVALID_MODEL_ANSWER", True),
    ],
)
async def test_a_model_that_does_not_answer_is_named(
    models: ModelServer, context: Context, type: str, move: Fail, reason: str, retryable: bool
) -> None:
    node = installed().find(type)
    assert node
    models.plays(move)
    failed = failure(await asked(type, context, **plain(node.example)))
    assert (failed.reason, failed.retryable) == (reason, retryable)
    assert len(models.requests) == 1


async def test_a_model_alone_says_hello_or_why_not(models: ModelServer, context: Context) -> None:
    models.plays(Say("Hello."), Fail(404))
    parameters = {"provider": "openai", "model": "gpt-5.6-luna"}
    assert records(await run_node("ai_agent.model", parameters, context=context)) == [{"text": "Hello."}]
    assert failure(await run_node("ai_agent.model", parameters, context=context)).reason == "MODEL_NOT_FOUND"


async def test_a_router_sends_each_item_its_way(models: ModelServer, context: Context) -> None:
    models.plays(
        Use([("final_answer", {"route": "sales", "reason": "wants to buy"})]),
        Use([("final_answer", {"route": "nowhere", "reason": "?"})]),
        Use([("final_answer", {"route": "other", "reason": "spam"})]),
    )
    routes = [{"name": "sales", "description": "Wants to buy"}, {"name": "support"}]
    event = await asked("ai_agent.router", context, {"n": 1}, {"n": 2}, text="{{ json.n }}", routes=routes)
    assert isinstance(event, NodeSucceeded)
    assert {port: [item.json["n"] for item in items] for port, items in event.outputs.items()} == {
        "sales": [1],
        "other": [2],
    }
    assert event.usage["model_calls"] == 3
    assert "'nowhere'" in models.prompts()[-1] or "nowhere" in models.prompts()[-1]


def test_routes_make_the_ports_and_can_not_be_expressions() -> None:
    assert problems("ai_agent.router", {"text": "x", "routes": [{"name": "{{ json.a }}"}]})
    assert not problems("ai_agent.router", {"text": "x", "routes": [{"name": "a"}]})


@pytest.mark.parametrize(
    ("several", "answer", "member"),
    [
        (False, {"category": "praise", "confidence": 0.9}, "category"),
        (True, {"categories": [], "confidence": 1}, "categories"),
    ],
)
async def test_a_classifier_names_what_it_is(
    models: ModelServer, context: Context, several: bool, answer: dict[str, Any], member: str
) -> None:
    models.plays(Use([("final_answer", answer)]))
    categories = [{"name": "praise"}, {"name": "complaint"}]
    event = await asked("ai_agent.classifier", context, text="Nice!", categories=categories, several=several)
    [record] = records(event)
    assert record[member] == answer[member]
    assert record["usage"]["input_tokens"] == models.answered["input_tokens"]


async def test_an_extractor_gives_null_for_what_is_not_said(models: ModelServer, context: Context) -> None:
    found = {"number": "R-7", "total": None, "due": "2026-12-01"}
    models.plays(Use([("final_answer", {**found, "due": "1.12.2026"})]), Use([("final_answer", found)]))
    fields = [
        {"name": "number", "required": True},
        {"name": "total", "type": "number"},
        {"name": "due", "type": "date"},
    ]
    [record] = records(await asked("ai_agent.extractor", context, text="Invoice R-7", fields=fields))
    assert record["extracted"] == found
    assert problems("ai_agent.extractor", {"text": "x"}) == [
        "parameters: parameters: give either fields or output_schema"
    ]


async def test_a_long_text_is_summarised_in_parts_and_the_parts_again(models: ModelServer, context: Context) -> None:
    models.player = lambda request: Say(f"Summary {len(models.requests)}.")
    text = "A sentence about invoices. " * 100
    [record] = records(await asked("ai_agent.summariser", context, text=text, chunk_size=1_000, language="English"))
    assert len(models.requests) == 4
    assert record["summary"] == "Summary 4."
    assert [step["step"] for step in record["steps"]] == ["model:0"] * 4
    assert record["usage"]["model_calls"] == 4

    over = failure(await asked("ai_agent.summariser", context, text=text, chunk_size=1_000, max_model_calls=2))
    assert (over.reason, over.field) == ("BUDGET_EXCEEDED", "max_model_calls")


async def test_a_report_has_its_sections_and_sees_all_items(models: ModelServer, context: Context) -> None:
    models.plays(Say("Good week."), Say("7 sold."))
    sections = [{"title": "Summary"}, {"title": "Numbers"}]
    event = await asked("ai_agent.report_writer", context, {"sold": 3}, {"sold": 4}, title="Sales", sections=sections)
    [record] = records(event)
    assert record["report"] == "# Sales\n\n## Summary\n\nGood week.\n\n## Numbers\n\n7 sold.\n"
    assert '[{"sold":3},{"sold":4}]' in models.prompts()[0]


async def test_subtasks_that_wait_for_each_other_go_back_to_the_model(models: ModelServer, context: Context) -> None:
    def analysis(*needs: list[str]) -> Use:
        subtasks = [
            {"id": f"t{at}", "title": "x", "description": "x", "effort": "hours", "depends_on": each}
            for at, each in enumerate(needs)
        ]
        more = {"missing_information": [], "risks": [], "done_when": []}
        return Use([("final_answer", {"goal": "x", "subtasks": subtasks, **more})])

    models.plays(analysis(["t1"], ["t0"]), analysis(["t9"]), analysis([], ["t0"]))
    [record] = records(await asked("ai_agent.task_analyser", context, task="Move the office"))
    assert [task["depends_on"] for task in record["analysis"]["subtasks"]] == [[], ["t0"]]
    assert "in a circle" in models.prompts()[1]
    assert "'t9', which does not exist" in models.prompts()[2]


def test_chunks_are_cut_where_people_pause_and_lose_nothing() -> None:
    text = "# One\n\nFirst paragraph. It has two sentences.\n\n# Two\n\n第二段。它也有两个句子！" + "x" * 90
    pieces = chunks(text, 40)
    assert all(len(piece) <= 40 for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert pieces[0].startswith("# One")
    assert "# Two" in [piece.splitlines()[0] for piece in pieces]
    overlapping = chunks("one two three four five six seven eight nine ten", 20, overlap=8)
    assert all(len(piece) <= 20 for piece in overlapping)
    assert overlapping[1].split()[0] == overlapping[0].split()[-1]
    assert chunks("   ", 10) == []
