"""action.graphql against a server that speaks GraphQL over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.nodes.action.world import world
from tests.nodes.harness import failure, problems, records, run_node
from tests.runtime.peers import Peer, peer
from workflow_engine.engine.events import AnyEvent
from workflow_engine.engine.shape import Effect
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.registry import installed

TYPE = "action.graphql"
ORDERS = [{"id": str(number), "total": number * 10} for number in range(1, 6)]
LIST = """
query ($first: Int = 2, $after: String) {
  orders(first: $first, after: $after) { nodes { id } pageInfo { endCursor hasNextPage } }
}
"""


async def answer(request: web.Request) -> web.StreamResponse:
    """A server of orders. What it is asked for decides what it says."""
    assert request.headers["Accept"].startswith("application/graphql-response+json")
    asked = await request.json()
    query, variables = asked["query"], asked["variables"]
    if "nonsense" in query:
        error = {"message": "Syntax Error: Unexpected Name", "locations": [{"line": 1, "column": 1}]}
        return web.json_response({"errors": [error]}, status=400, content_type="application/graphql-response+json")
    if "orders(" in query:
        start = int(variables.get("after") or 0)
        end = start + 2
        info = {"endCursor": str(end), "hasNextPage": end < len(ORDERS)}
        return web.json_response({"data": {"orders": {"nodes": ORDERS[start:end], "pageInfo": info}}})
    if "slow" in query:
        error = {"message": "Too many", "extensions": {"code": "RATE_LIMITED"}}
        return web.json_response({"data": None, "errors": [error]})
    if "note" in query:
        error = {"message": "not allowed", "path": ["order", "note"], "extensions": {"code": "FORBIDDEN"}}
        return web.json_response({"data": {"order": {"id": "1", "note": None}}, "errors": [error, error]})
    if "html" in query:
        return web.json_response({"hello": "world"})
    return web.json_response({"data": {"order": {"id": variables["id"], "name": asked.get("operationName")}}})


@pytest.fixture
async def there() -> AsyncIterator[Peer]:
    async with peer(answer) as made:
        yield made


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    async with world(tmp_path, key={"type": "http_bearer", "token": "t0ken"}) as made:
        yield made


async def run(context: Context, there: Peer, query: str, **parameters: Any) -> AnyEvent:
    drawn = {"url": f"{there.url}/graphql", "query": query, **parameters}
    return await run_node(TYPE, drawn, [{"id": "7"}], context=context, credentials={"auth": "key"})


async def test_variables_go_beside_the_query(context: Context, there: Peer) -> None:
    query = "query One($id: ID!) { order(id: $id) { id name } }"
    event = await run(context, there, query, variables={"id": "{{ json.id }}"}, operation_name="One")
    assert records(event) == [{"order": {"id": "7", "name": "One"}}]
    (seen,) = there.seen
    assert await seen.json() == {"query": query, "variables": {"id": "7"}, "operationName": "One"}
    assert seen.headers["Authorization"] == "Bearer t0ken"


async def test_records_come_page_after_page(context: Context, there: Peer) -> None:
    pages = {"mode": "cursor", "cursor": "orders.pageInfo.endCursor", "has_next": "orders.pageInfo.hasNextPage"}
    event = await run(context, there, LIST, records_path="orders.nodes", pagination=pages)
    assert records(event) == ORDERS
    assert [(await each.json())["variables"] for each in there.seen] == [{}, {"after": "2"}, {"after": "4"}]


async def test_more_pages_than_wanted_are_a_failure(context: Context, there: Peer) -> None:
    pages = {"mode": "cursor", "cursor": "orders.pageInfo.endCursor"}
    failed = failure(await run(context, there, LIST, records_path="orders.nodes", pagination=pages, max_pages=2))
    assert (failed.reason, failed.field) == ("PAGINATION_LIMIT", "max_pages")


async def test_errors_in_an_answer_of_200_fail_in_the_servers_words(context: Context, there: Peer) -> None:
    failed = failure(await run(context, there, "{ order { id note } }"))
    assert failed.reason == "GRAPHQL_FAILED"
    assert failed.message == "the server answered: order.note: not allowed (and 1 more)"
    assert failed.details["code"] == "FORBIDDEN"
    assert not failed.retryable
    assert failure(await run(context, there, "{ slow }")).retryable
    kept = await run(context, there, "{ order { id note } }", on_partial="keep", records_path="order")
    assert records(kept) == [{"id": "1", "note": None}]


async def test_a_refused_query_and_an_answer_of_something_else(context: Context, there: Peer) -> None:
    failed = failure(await run(context, there, "{ nonsense"))
    assert failed.reason == "HTTP_4XX"
    assert "Syntax Error" in failed.message
    failed = failure(await run(context, there, "{ html }"))
    assert (failed.reason, failed.field) == ("INVALID_RESPONSE", "url")


def test_queries_may_be_repeated_and_mutations_may_not() -> None:
    kind = installed().find(TYPE)
    assert kind
    changes = "mutation ($id: ID!) { cancel(id: $id) { id } }"
    assert kind.shape({"query": "{ a }"}).effect is Effect.IDEMPOTENT
    assert kind.shape({"query": "# mutation\nquery { mutation }"}).effect is Effect.IDEMPOTENT
    assert kind.shape({"query": changes}).effect is Effect.AT_MOST_ONCE
    assert kind.shape({"query": f"fragment F on O {{ id }}\n{changes}"}).effect is Effect.AT_MOST_ONCE
    assert kind.shape({"query": changes, "idempotent": True}).effect is Effect.IDEMPOTENT


def test_what_is_refused_at_save() -> None:
    good = {"url": "https://example.com", "query": "{ a }"}
    assert problems(TYPE, good) == []
    (said,) = problems(TYPE, {**good, "query": 'query { a(id: "{{ json.id }}") }'})
    assert said.startswith("parameters.query")
    assert "data become a query" in said
    assert problems(TYPE, {**good, "surprise": 1}) == ["parameters.surprise: there is no parameter 'surprise'"]
    (said,) = problems(TYPE, {**good, "records_path": "a["})
    assert "JMESPath" in said
