"""What is remembered: on SQLite and on PostgreSQL, by owner, once for the same work, found by what it means."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.ai.model_server import ModelServer, Say, Use
from tests.ai.talking import language_model
from tests.clock import ManualClock
from tests.nodes.harness import failure, problems, records, run_node
from tests.runtime.peers import peer
from tests.serving import output, serving
from workflow_engine.models.memories import EXACT, PGVECTOR, Memories
from workflow_engine.models.store import Store
from workflow_engine.nodes.context import Context, ModelAccess, Models
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.runtime.embedding import LocalEmbedder

START = {"id": "start", "type": "trigger.manual"}


@pytest.fixture
async def context(database_url: str, models: ModelServer) -> AsyncIterator[Context]:
    store = Store.open(database_url)
    assert store.acquire_ownership(wait=False)
    async with language_model(models) as model:
        memories = Memories(store, ManualClock())
        yield replace(model.context, memories=memories, embedder=Letters(), user_id="ada")
    store.close()


class Letters:
    """An embedder whose vectors a reader can tell: how often each letter is there."""

    model = "test:letters"

    async def embed(self, texts: Any, *, is_query: bool) -> list[list[float]]:
        from tests.ai.model_server import bag_of_letters

        return [bag_of_letters(text) for text in texts]


async def test_values_outlive_an_execution_and_belong_to_their_owner(context: Context) -> None:
    node = "memory.key_value"
    await run_node(node, {"mode": "put", "key": "seen", "value": {"n": 7}}, context=context)
    await run_node(node, {"mode": "put", "key": "seen too", "value": [1]}, context=context)
    got = {"mode": "get", "key": "seen", "default": 0}
    assert records(await run_node(node, got, context=context)) == [{"value": {"n": 7}, "found": True}]
    for other in (replace(context, user_id="mallory"), replace(context, workflow_id="other")):
        assert records(await run_node(node, got, context=other)) == [{"value": 0, "found": False}]
    listed = records(await run_node(node, {"mode": "list", "key": "seen"}, context=context))
    assert [each["key"] for each in listed] == ["seen", "seen too"]
    deleted = await run_node(node, {"mode": "delete", "key": "seen"}, context=context)
    assert records(deleted) == [{"deleted": True}]
    assert records(await run_node(node, got, context=context))[0]["found"] is False
    assert problems(node, {"mode": "put"}) == ["parameters: parameters: mode put needs key"]


async def test_a_named_space_is_shared_by_the_workflows_of_one_owner(context: Context) -> None:
    node = "memory.key_value"
    put = {"mode": "put", "space": "team", "key": "k", "value": 1}
    await run_node(node, put, context=context)
    got = {"space": "team", "key": "k"}
    assert records(await run_node(node, got, context=replace(context, workflow_id="other")))[0]["value"] == 1
    assert records(await run_node(node, got, context=replace(context, user_id="mallory")))[0]["found"] is False


async def test_documents_are_kept_whole(context: Context) -> None:
    node = "memory.document_store"
    put = {"mode": "put", "id": "a.txt", "text": "All of it.", "metadata": {"by": "Ada"}}
    await run_node(node, put, context=context)
    await run_node(node, put | {"text": "All of it, anew."}, context=context)
    found = records(await run_node(node, {"id": "a.txt"}, context=context))
    assert found == [{"id": "a.txt", "text": "All of it, anew.", "metadata": {"by": "Ada"}}]
    assert records(await run_node(node, {"mode": "list"}, context=context)) == [
        {"id": "a.txt", "metadata": {"by": "Ada"}}
    ]
    assert failure(await run_node(node, {"id": "b.txt"}, context=context)).reason == "NOT_FOUND"


async def test_a_graph_is_followed_from_one_thing_to_the_next(context: Context) -> None:
    node = "memory.knowledge_graph"
    facts = [
        {"subject": "Ada", "relation": "works_for", "object": "Acme"},
        {"subject": "Acme", "relation": "is_in", "object": "Berlin"},
        {"subject": "Berlin", "relation": "is_in", "object": "Germany"},
        {"subject": "Bob", "relation": "knows", "object": "Ada", "metadata": {"since": 2020}},
    ]
    await run_node(node, {"mode": "add", "facts": facts}, context=context)
    await run_node(node, {"mode": "add", "facts": facts[:1]}, context=context)
    around = records(await run_node(node, {"mode": "around", "subject": "Ada", "steps": 2}, context=context))[0][
        "facts"
    ]
    assert [(fact["subject"], fact["object"], fact["distance"]) for fact in around] == [
        ("Ada", "Acme", 1),
        ("Bob", "Ada", 1),
        ("Acme", "Berlin", 2),
    ]
    found = records(await run_node(node, {"mode": "find", "relation": "is_in"}, context=context))[0]["facts"]
    assert [fact["object"] for fact in found] == ["Berlin", "Germany"]
    gone = await run_node(node, {"mode": "delete", "subject": "Berlin"}, context=context)
    assert records(gone)[0]["deleted"] == 1


PASSAGES = [
    {"text": "aaaa bbbb", "document": "one", "page": 1},
    {"text": "cccc dddd", "document": "one", "page": 2},
    {"text": "aaaa cccc", "document": "two"},
]


async def test_passages_are_found_and_a_document_that_comes_again_replaces_its_old_ones(context: Context) -> None:
    node = "memory.vector_store"
    done = records(await run_node(node, {"mode": "insert"}, PASSAGES, context=context))
    assert done == [
        {"document": "one", "passages": 2, "model": "test:letters"},
        {"document": "two", "passages": 1, "model": "test:letters"},
    ]
    search = {"mode": "search", "query": "aaab", "limit": 2}
    found = records(await run_node(node, search, context=context))
    assert [each["text"] for each in found] == ["aaaa bbbb", "aaaa cccc"]
    assert (found[0]["document"], found[0]["metadata"]) == ("one", {"page": 1})
    assert found[0]["score"] > found[1]["score"] > 0.6
    assert len(records(await run_node(node, search | {"min_score": 0.8}, context=context))) == 1

    await run_node(node, {"mode": "insert"}, [{"text": "eeee", "document": "one"}], context=context)
    found = records(await run_node(node, search | {"limit": 9}, context=context))
    assert [each["text"] for each in found] == ["aaaa cccc", "eeee"]
    assert failure(await run_node(node, {"mode": "insert"}, [{"n": 1}], context=context)).field == "text_field"
    gone = await run_node(node, {"mode": "delete"}, context=context)
    assert records(gone) == [{"deleted": 2}]


async def test_vectors_of_another_model_are_not_compared(context: Context, models: ModelServer) -> None:
    node = "memory.vector_store"
    await run_node(node, {"mode": "insert"}, PASSAGES, context=context)

    class Other(Letters):
        model = "test:other"

    other = replace(context, embedder=Other())
    assert records(await run_node(node, {"query": "aaaa"}, context=other)) == []


async def test_every_kind_of_search_finds_the_same(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    memories = context.memories
    assert isinstance(memories, Memories)
    await run_node("memory.vector_store", {"mode": "insert"}, PASSAGES, context=context)
    search = {"query": "acd", "limit": 3}
    found = records(await run_node("memory.vector_store", search, context=context))
    if memories._is_postgres:
        assert memories._search == PGVECTOR, "the test's PostgreSQL has it"
    memories._search = EXACT
    assert records(await run_node("memory.vector_store", search, context=context)) == found
    assert [each["text"] for each in found] == ["cccc dddd", "aaaa cccc", "aaaa bbbb"]


async def test_a_reranker_mends_what_meaning_misses(context: Context, models: ModelServer) -> None:
    passages = [{"text": "Invoices are paid late.", "score": 0.9}, {"text": "Invoice R-77 is open.", "score": 0.8}]
    item = {"query": "R-77", "passages": passages}
    ordered = records(await run_node("memory.reranker", {}, [item], context=context))
    assert [each["text"] for each in ordered] == ["Invoice R-77 is open.", "Invoices are paid late."]
    models.plays(Use([("final_answer", {"answer": [1, 7]})]), Use([("final_answer", {"answer": [1]})]))
    asked = {"method": "model", "model": "openai:gpt-5.6-luna"}
    ordered = records(await run_node("memory.reranker", asked, [item], context=context))
    assert [each["text"] for each in ordered] == ["Invoice R-77 is open."], "one that is not there is not taken"


async def test_an_agent_remembers_what_was_said_and_only_once(
    models: ModelServer, database_url: str, tmp_path: Path
) -> None:
    drawn = {
        "nodes": [
            START,
            {"id": "agent", "type": "ai_agent.agent", "parameters": {"prompt": "{{ json.text }}"}},
            {"id": "memory", "type": "memory.window", "parameters": {"session": "{{ json.user }}", "exchanges": 1}},
        ],
        "connections": ["start -> agent", "memory.memory -> agent.memory"],
    }
    models.plays(Say("Hello Ada."), Say("You are Ada."), Say("I do not know."), Say("You said who."))
    async with serving(database_url, tmp_path, **models.settings()) as client:
        workflow = await client.create(drawn, user_id="ada")
        for user, text in (("a", "I am Ada."), ("a", "Who am I?"), ("b", "Who am I?"), ("a", "What did I say?")):
            ended = await client.run(workflow.id, {"user": user, "text": text})
            assert ended.status == ex.SUCCESS, ended.failure
    said = [[message["content"] for message in request["messages"]] for request in models.requests]
    assert said == [
        ["I am Ada."],
        ["I am Ada.", "Hello Ada.", "Who am I?"],
        ["Who am I?"],
        ["Who am I?", "You are Ada.", "What did I say?"],
    ]


async def test_alone_a_memory_tells_what_it_remembers(context: Context) -> None:
    from workflow_engine.nodes.ai_agent.conversation.loop import Turn
    from workflow_engine.nodes.memory.buffer import BufferParameters, add_turns
    from workflow_engine.nodes.spec import Call

    call: Call[Any] = Call(BufferParameters(session="ada"), None, context, {})  # type: ignore[arg-type]
    await add_turns(call, [Turn("user", "Hello"), Turn("assistant", "Hello Ada")], "key")
    spoken = [{"role": "user", "text": "Hello"}, {"role": "assistant", "text": "Hello Ada"}]
    for type in ("memory.buffer", "memory.window", "memory.summary"):
        there = await run_node(type, {"session": "{{ json.who }}"}, [{"who": "ada"}], context=context)
        assert records(there) == [{"messages": spoken}], type
        nobody = await run_node(type, {"session": "bob"}, context=context)
        assert records(nobody) == [{"messages": []}], type


async def test_a_long_conversation_is_folded_into_a_summary(models: ModelServer, context: Context) -> None:
    from workflow_engine.nodes.memory.buffer import add_turns
    from workflow_engine.nodes.memory.summary import Summary, SummaryParameters

    models.plays(Say("Ada wants red shoes."))
    parameters = SummaryParameters(keep=2, fold_after=4, model="openai:gpt-5.6-luna")
    from workflow_engine.engine.planning import build
    from workflow_engine.nodes.ai_agent.conversation.loop import Turn
    from workflow_engine.nodes.registry import installed
    from workflow_engine.nodes.spec import Call, Steps
    from workflow_engine.proto import workflow_pb2 as pb

    plan = build(pb.Workflow(nodes=[pb.Node(id="m", type="memory.summary")]), installed()).plan
    assert plan is not None
    call: Call[Any] = Call(parameters, plan.nodes[0], context, {})
    memory, steps = Summary(), Steps()
    for number in range(3):
        turns = [Turn("user", f"question {number}"), Turn("assistant", f"answer {number}")]
        await memory.remember(call, turns, f"key {number}", steps)
        await memory.remember(call, turns, f"key {number}", steps)
    recalled = [turn.text for turn in await memory.recall(call, "")]
    assert recalled == [
        "What we talked about before: Ada wants red shoes.",
        "I remember.",
        "question 2",
        "answer 2",
    ]
    assert len(models.requests) == 1
    await add_turns(call, [Turn("user", "x")], "key 2")
    assert len(await memory.recall(call, "")) == 4


class TestLocalModel:
    async def test_texts_that_mean_the_same_lie_close_whatever_their_language(self) -> None:
        embedder = LocalEmbedder()
        try:
            [question] = await embedder.embed(["退款需要多长时间？"], is_query=True)
            passages = ["Refunds are paid within 14 days.", "The office is in Berlin.", ""]
            found = await embedder.embed(passages, is_query=False)
            scores = [sum(a * b for a, b in zip(question, vector, strict=True)) for vector in found]
            assert scores[0] == max(scores)
            assert len(question) == 384
            assert await embedder.embed([], is_query=False) == []
            # A model that dies of a text is started again for the next one.
            assert embedder._process is not None
            embedder._process.kill()
            with pytest.raises(NodeFailure) as died:
                await embedder.embed(["x"], is_query=False)
            assert died.value.failure.retryable
            assert len(await embedder.embed(["x", "y\0z"], is_query=False)) == 2
        finally:
            await embedder.close()

    async def test_a_provider_embeds_in_its_own_wire_format(self, models: ModelServer, context: Context) -> None:
        parameters = {"provider": "openai", "model": "text-embedding-3-small"}
        [record] = records(await run_node("memory.embedding", parameters, [{"text": "aab"}], context=context))
        assert record["model"] == "openai:text-embedding-3-small"
        assert len(record["vector"]) == 26
        assert models.answered["embeddings"] == 1

    async def test_a_provider_that_does_not_answer_is_named(self, context: Context) -> None:
        async def late(_: web.Request) -> web.Response:
            return web.json_response({"error": {"message": "overloaded"}}, status=503)

        async with peer(late) as there:
            models = Models(access={"openai": ModelAccess("sk-1", there.url)})
            parameters = {"provider": "openai", "model": "text-embedding-3-small"}
            event = await run_node(
                "memory.embedding", parameters, [{"text": "a"}], context=replace(context, models=models)
            )
        failed = failure(event)
        assert (failed.reason, failed.retryable) == ("EMBEDDING_FAILED", True)


DOCUMENTS = {
    "refunds.md": "# Refunds\n\nWe pay refunds within 14 days of the return. The money goes to the card that was used.",
    "shipping.md": "# Shipping\n\nParcels leave our warehouse every morning. Express parcels arrive on the next day.",
    "about.md": "# About us\n\nThe company was founded in Berlin in 1998 by two engineers.\n\n## People\n\n"
    "Today about forty people work here. The canteen serves soup on Mondays.",
}
RETRIEVAL = {
    "nodes": [
        START,
        {"id": "chunk", "type": "memory.chunk", "parameters": {"text": "{{ json.text }}", "size": 120, "overlap": 20}},
        {"id": "store", "type": "memory.vector_store", "parameters": {"mode": "insert", "space": "handbook"}},
        {
            "id": "ask",
            "type": "memory.vector_store",
            "parameters": {"space": "handbook", "query": '{{ node["start"].json.question }}', "limit": 2},
        },
    ],
    "connections": ["start -> chunk -> store -> ask"],
}


async def test_a_retrieval_workflow_needs_no_key_and_no_network(database_url: str, tmp_path: Path) -> None:
    """Load three documents, chunk, embed locally, store, ask."""
    nothing = dict.fromkeys(("openai_api_key", "anthropic_api_key", "google_api_key", "ai_model"), "")
    async with serving(database_url, tmp_path, **nothing) as client:
        workflow = await client.create(RETRIEVAL, user_id="ada")
        found = {}
        for question in ("How long does a refund take?", "快递什么时候到？", "Where was the firm started?"):
            items = [{"document": name, "text": text, "question": question} for name, text in DOCUMENTS.items()]
            ended = await client.run(workflow.id, *items)
            assert ended.status == ex.SUCCESS, ended.failure
            found[question] = output(ended)
    best = [passages[0] for passages in found.values()]
    assert [each["document"] for each in best] == ["refunds.md", "shipping.md", "about.md"]
    assert "within 14 days" in best[0]["text"]
    assert "next day" in best[1]["text"]
    assert "Berlin" in best[2]["text"]
    assert all(len(passages) == 2 for passages in found.values())


async def test_an_agent_searches_what_was_stored(models: ModelServer, sqlite_url: str, tmp_path: Path) -> None:
    asks = {
        "nodes": [
            START,
            {"id": "agent", "type": "ai_agent.agent", "parameters": {"prompt": "{{ json.question }}"}},
            {"id": "handbook", "type": "memory.retriever", "parameters": {"space": "handbook", "limit": 1}},
            {"id": "order", "type": "memory.reranker", "parameters": {}},
            {"id": "local", "type": "memory.embedding", "parameters": {}},
        ],
        "connections": [
            "start -> agent",
            "handbook.retriever -> agent.retriever",
            "order.reranker -> handbook.reranker",
            "local.embedding -> handbook.embedding",
        ],
    }
    models.plays(Use([("search_handbook", {"query": "refund"})]), Say("14 days."))
    async with serving(sqlite_url, tmp_path, **models.settings()) as client:
        filled = await client.create(RETRIEVAL, user_id="ada")
        items = [{"document": name, "text": text, "question": "?"} for name, text in DOCUMENTS.items()]
        assert (await client.run(filled.id, *items)).status == ex.SUCCESS
        workflow = await client.create(asks, user_id="ada")
        ended = await client.run(workflow.id, {"question": "How long does a refund take?"})
    assert ended.status == ex.SUCCESS, ended.failure
    assert "within 14 days" in models.prompts()[-1]
    assert output(ended)[0]["output"] == "14 days."
