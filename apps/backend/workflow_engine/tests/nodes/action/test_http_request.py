"""action.http_request against real servers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import BodyPartReader, web

from tests.nodes.action.world import content, world
from tests.nodes.harness import failure, problems, records, run_node
from tests.runtime.peers import Handler, Peer, peer
from workflow_engine.engine.events import NodeSucceeded
from workflow_engine.engine.items import Item
from workflow_engine.engine.shape import Effect
from workflow_engine.nodes.action.http.answer import retry_after
from workflow_engine.nodes.action.http.pages import next_link
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.registry import installed

TYPE = "action.http_request"


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    async with world(
        tmp_path,
        basic={"type": "http_basic", "username": "ann", "password": "s3cret"},
        bearer={"type": "http_bearer", "token": "t0ken"},
        header={"type": "http_header", "name": "X-Api-Key", "value": "k3y"},
        query={"type": "http_query", "name": "key", "value": "q&y"},
        oauth={"type": "oauth2", "access_token": "acc3ss"},
        bound={"type": "http_bearer", "token": "t", "allowed_hosts": ["api.example.com", "*.example.org"]},
        database={"type": "postgres", "password": "p"},
        empty={"type": "http_bearer"},
    ) as made:
        yield made


def answering(*answers: web.Response | str | bytes | dict[str, Any] | list[Any]) -> Handler:
    """Gives one answer after the other; JSON for a dict or list, JSON text for a string."""
    left = list(answers)

    async def handler(request: web.Request) -> web.StreamResponse:
        match left.pop(0):
            case web.Response() as response:
                return response
            case bytes() as data:
                return web.Response(body=data, content_type="application/octet-stream")
            case str() as text:
                return web.Response(text=text, content_type="application/json")
            case value:
                return web.json_response(value)

    return handler


# the usual case


async def test_a_json_object_becomes_the_item(context: Context) -> None:
    async with peer(answering({"id": 7, "name": "Ann"})) as server:
        event = await run_node(TYPE, {"url": server.url + "/users/{{ json.id }}"}, [{"id": 7}], context=context)
    assert records(event) == [{"id": 7, "name": "Ann"}]
    assert server.seen[0].path == "/users/7"


async def test_each_item_has_its_own_request_and_lineage(context: Context) -> None:
    async with peer(answering([{"n": 1}, {"n": 2}], {"n": 3})) as server:
        event = await run_node(TYPE, {"url": server.url}, [{}, {}], context=context)
    assert records(event) == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert isinstance(event, NodeSucceeded)
    assert [item.sources for item in event.outputs["main"]] == [(0,), (0,), (1,)]


async def test_no_items_means_no_request(context: Context) -> None:
    async with peer(answering()) as server:
        event = await run_node(TYPE, {"url": server.url}, [], context=context)
    assert records(event) == []
    assert server.seen == []


async def test_query_and_headers_are_sent_as_text(context: Context) -> None:
    parameters = {
        "query": {"q": "a b&c", "n": "{{ json.n }}", "tag": ["x", "y"], "none": None, "yes": True},
        "headers": {"X-Number": "{{ json.n }}", "X-None": None},
    }
    async with peer(answering({})) as server:
        await run_node(TYPE, {"url": server.url + "/?a=1", **parameters}, [{"n": 5}], context=context)
    request = server.seen[0]
    assert sorted(request.query.items()) == [
        ("a", "1"), ("n", "5"), ("q", "a b&c"), ("tag", "x"), ("tag", "y"), ("yes", "true")
    ]  # fmt: skip
    assert request.headers["X-Number"] == "5"
    assert "X-None" not in request.headers


# reading answers


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("[]", []),
        ("[1, null]", [{"value": 1}, {"value": None}]),
        ('"hello"', [{"value": "hello"}]),
        ("", [{}]),
        ('{"a": 1, "a": 2}', [{"a": 2}]),
        (
            '{"max": 9223372036854775807, "more": 9223372036854775808, "deep": [{"x": -99999999999999999999}]}',
            [{"max": 2**63 - 1, "more": "9223372036854775808", "deep": [{"x": "-99999999999999999999"}]}],
        ),
    ],
)
async def test_json_answers(context: Context, text: str, items: list[Any]) -> None:
    async with peer(answering(text)) as server:
        assert records(await run_node(TYPE, {"url": server.url}, context=context)) == items


@pytest.mark.parametrize("text", ["{", '{"a": NaN}', '{"a": 1e999}', '"\\ud800"', "[" * 100_000])
async def test_an_answer_that_is_no_json_is_refused_and_shown(context: Context, text: str) -> None:
    async with peer(answering(text)) as server:
        failed = failure(await run_node(TYPE, {"url": server.url}, context=context))
    assert failed.reason == "INVALID_RESPONSE"
    assert str(failed.details["body"]).startswith(text[:10])


async def test_text_is_decoded_by_its_charset(context: Context) -> None:
    latin = web.Response(body="déjà".encode("latin-1"), headers={"Content-Type": "text/plain; charset=latin-1"})
    async with peer(answering(latin)) as server:
        assert records(await run_node(TYPE, {"url": server.url}, context=context)) == [{"text": "déjà"}]


async def test_binary_data_is_stored_under_its_name(context: Context) -> None:
    image = web.Response(
        body=b"\x89PNG...",
        content_type="image/png",
        headers={"Content-Disposition": "attachment; filename*=UTF-8''..%2F..%2Fcaf%C3%A9.png"},
    )
    async with peer(answering(image)) as server:
        event = await run_node(TYPE, {"url": server.url}, context=context)
    assert records(event) == [{"file_name": "café.png", "media_type": "image/png", "size": 7}]
    assert isinstance(event, NodeSucceeded)
    assert await content(context, event.outputs["main"][0].binary["data"]) == b"\x89PNG..."


async def test_the_full_response_shows_status_and_headers(context: Context) -> None:
    created = web.json_response({"id": 1}, status=201, headers={"Location": "/1"})
    async with peer(answering(created)) as server:
        event = await run_node(TYPE, {"url": server.url, "full_response": True}, context=context)
        [record] = records(event)
        assert (record["status"], record["url"], record["body"]) == (201, server.url, {"id": 1})
        assert record["headers"]["location"] == "/1"


async def test_head_gives_the_headers(context: Context) -> None:
    async with peer(answering(web.Response(headers={"ETag": '"5"'}))) as server:
        [record] = records(await run_node(TYPE, {"url": server.url, "method": "HEAD"}, context=context))
    assert record["headers"]["etag"] == '"5"'


# bodies


async def sent(context: Context, body: dict[str, Any], item: Item | dict[str, Any], **more: Any) -> web.Request:
    async with peer(answering({})) as server:
        event = await run_node(
            TYPE, {"url": server.url, "method": "POST", "body": body, **more}, [item], context=context
        )
        assert records(event) == [{}]
    return server.seen[0]


async def test_a_json_body_keeps_types(context: Context) -> None:
    request = await sent(
        context, {"kind": "json", "value": {"n": "{{ json.n }}", "all": "{{ json }}"}}, {"n": [1, None]}
    )
    assert await request.json() == {"n": [1, None], "all": {"n": [1, None]}}
    assert request.content_type == "application/json"


async def test_a_form_is_encoded(context: Context) -> None:
    request = await sent(context, {"kind": "form", "fields": {"a": "1 2", "b": ["x", "&"], "c": None}}, {})
    assert sorted((await request.text()).split("&")) == ["a=1+2", "b=%26", "b=x"]
    assert request.content_type == "application/x-www-form-urlencoded"


async def test_raw_text_has_the_type_it_says_unless_a_header_says_otherwise(context: Context) -> None:
    raw = {"kind": "raw", "text": "<a/>", "media_type": "application/xml"}
    assert (await sent(context, raw, {})).content_type == "application/xml"
    assert (await sent(context, raw, {}, headers={"content-type": "text/xml"})).content_type == "text/xml"


async def file_item(context: Context, data: bytes, media_type: str, name: str) -> Item:
    assert context.blobs
    return Item({}, {"data": await context.blobs.write(data, media_type, name)})


async def test_a_file_is_sent_with_its_length(context: Context) -> None:
    item = await file_item(context, b"%PDF" * 600_000, "application/pdf", "a.pdf")
    request = await sent(context, {"kind": "binary"}, item)
    assert await request.read() == b"%PDF" * 600_000
    assert request.headers["Content-Length"] == "2400000"
    assert request.content_type == "application/pdf"


async def test_values_and_files_go_in_one_multipart_body(context: Context) -> None:
    item = await file_item(context, b"\x00\xff", "image/png", 'we"ird\r\n.png')
    parts = [{"name": "title", "value": "Ünï"}, {"name": "file", "binary": "data"}, {"name": "n", "value": 3}]
    got: list[tuple[str | None, str | None, str | None, bytes]] = []

    async def handler(request: web.Request) -> web.Response:
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            got.append((part.name, part.filename, part.headers.get("Content-Type"), await part.read()))
        return web.json_response({})

    async with peer(handler, read_first=False) as server:
        parameters = {"url": server.url, "method": "POST", "body": {"kind": "multipart", "parts": parts}}
        assert records(await run_node(TYPE, parameters, [item], context=context)) == [{}]
    assert got == [
        ("title", None, None, "Ünï".encode()),
        ("file", "we%22ird%0D%0A.png", "image/png", b"\x00\xff"),
        ("n", None, None, b"3"),
    ]


async def test_a_binary_slot_that_is_not_there_is_named(context: Context) -> None:
    item = await file_item(context, b"x", "text/plain", "x")
    parameters = {"url": "http://127.0.0.1:9", "method": "POST", "body": {"kind": "binary", "slot": "photo"}}
    failed = failure(await run_node(TYPE, parameters, [item], context=context))
    assert (failed.reason, failed.field, failed.hint) == ("BINARY_MISSING", "body.slot", "it has data")


# credentials


@pytest.mark.parametrize(
    ("credential", "header", "value"),
    [
        ("basic", "Authorization", "Basic YW5uOnMzY3JldA=="),
        ("bearer", "Authorization", "Bearer t0ken"),
        ("oauth", "Authorization", "Bearer acc3ss"),
        ("header", "X-Api-Key", "k3y"),
    ],
)
async def test_a_credential_signs_the_request(context: Context, credential: str, header: str, value: str) -> None:
    async with peer(answering({})) as server:
        parameters = {"url": server.url, "headers": {header.lower(): "of no use"}}
        records(await run_node(TYPE, parameters, context=context, credentials={"auth": credential}))
    assert server.seen[0].headers.getall(header) == [value]


async def test_a_credential_in_the_query_is_never_shown(context: Context) -> None:
    async with peer(answering(web.Response(status=404))) as server:
        failed = failure(await run_node(TYPE, {"url": server.url}, context=context, credentials={"auth": "query"}))
    assert server.seen[0].query["key"] == "q&y"
    assert "q&y" not in str(failed)
    assert "q%26y" not in str(failed)


@pytest.mark.parametrize(
    ("credential", "reason"),
    [
        ("bound", "CREDENTIAL_REFUSED"),
        ("database", "CREDENTIAL_REFUSED"),
        ("empty", "CREDENTIAL_MISSING"),
        ("gone", "CREDENTIAL_MISSING"),
    ],
)
async def test_a_credential_that_does_not_fit_stops_the_request(context: Context, credential: str, reason: str) -> None:
    async with peer(answering({})) as server:
        event = await run_node(TYPE, {"url": server.url}, context=context, credentials={"auth": credential})
    assert failure(event).reason == reason
    assert server.seen == []


# failures


async def test_a_refusal_says_what_the_peer_said(context: Context) -> None:
    refused = web.json_response({"error": "no such user"}, status=404)
    async with peer(answering(refused)) as server:
        failed = failure(await run_node(TYPE, {"url": server.url + "/u/1?x=2"}, context=context))
        assert failed.message == f'GET {server.url}/u/1 answered 404 Not Found: {{"error": "no such user"}}'
    assert (failed.reason, failed.retryable, failed.details["status"]) == ("HTTP_4XX", False, 404)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_a_busy_peer_is_worth_another_try_when_it_says(context: Context, status: int) -> None:
    busy = web.Response(status=status, headers={"Retry-After": "7"})
    async with peer(answering(busy)) as server:
        failed = failure(await run_node(TYPE, {"url": server.url, "method": "POST"}, context=context))
    assert (failed.retryable, failed.retry_after) == (True, 7000)


def test_retry_after_is_seconds_or_a_date() -> None:
    now = 1_750_000_000_000  # Sun, 15 Jun 2025 15:06:40 GMT
    assert retry_after({"retry-after": "120"}, now) == 120_000
    assert retry_after({"retry-after": "Sun, 15 Jun 2025 15:07:00 GMT"}, now) == 20_000
    skewed = {"retry-after": "Sun, 15 Jun 2025 18:00:30 GMT", "date": "Sun, 15 Jun 2025 18:00:00 GMT"}
    assert retry_after(skewed, now) == 30_000
    assert retry_after({"retry-after": "Sun, 15 Jun 2025 15:00:00 GMT"}, now) == 0
    assert retry_after({"retry-after": "soon"}, now) == 0
    assert retry_after({}, now) == 0
    assert retry_after({"retry-after": "9" * 5000}, now) == 86_400_000


async def test_never_fail_hands_on_what_the_peer_said(context: Context) -> None:
    refused = web.json_response({"error": "no"}, status=422)
    async with peer(answering(refused)) as server:
        event = await run_node(TYPE, {"url": server.url, "never_fail": True}, context=context)
    assert records(event) == [{"error": "no"}]


async def broken(request: web.Request) -> web.StreamResponse:
    assert request.transport
    request.transport.close()
    return web.Response()


@pytest.mark.parametrize(
    ("method", "idempotent", "retryable"),
    [
        ("GET", False, True),
        ("PUT", False, True),
        ("POST", False, False),
        ("POST", True, True),
        ("PATCH", False, False),
    ],
)
async def test_a_request_that_may_have_acted_is_only_repeated_when_that_is_safe(
    context: Context, method: str, idempotent: bool, retryable: bool
) -> None:
    async with peer(broken) as server:
        parameters = {"url": server.url, "method": method, "idempotent": idempotent}
        failed = failure(await run_node(TYPE, parameters, context=context))
    assert (failed.reason, failed.retryable) == ("CONNECTION_FAILED", retryable)


async def test_a_post_that_never_left_may_be_repeated(context: Context) -> None:
    async with peer(answering()) as server:
        url = server.url
    failed = failure(await run_node(TYPE, {"url": url, "method": "POST"}, context=context))
    assert (failed.reason, failed.retryable) == ("CONNECTION_FAILED", True)


async def test_an_idempotent_post_sends_the_same_key_for_the_same_work(context: Context) -> None:
    async with peer(answering({}, {}, {})) as server:
        parameters = {"url": server.url, "method": "POST", "idempotent": True}
        for _ in range(2):
            await run_node(TYPE, parameters, context=context)
        await run_node(TYPE, {**parameters, "headers": {"idempotency-key": "mine"}}, context=context)
    keys = [request.headers["Idempotency-Key"] for request in server.seen]
    assert keys[0] == keys[1] != ""
    assert keys[2] == "mine"


@pytest.mark.parametrize(
    ("parameters", "effect"),
    [
        ({}, Effect.IDEMPOTENT),
        ({"method": "DELETE"}, Effect.IDEMPOTENT),
        ({"method": "POST"}, Effect.AT_MOST_ONCE),
        ({"method": "POST", "idempotent": True}, Effect.IDEMPOTENT),
        ({"method": "POST", "idempotent": "{{ true }}"}, Effect.AT_MOST_ONCE),
        ({"method": "{{ json.method }}"}, Effect.AT_MOST_ONCE),
    ],
)
def test_the_method_decides_the_effect(parameters: dict[str, Any], effect: Effect) -> None:
    kind = installed().find(TYPE)
    assert kind
    assert kind.shape({"url": "https://x", **parameters}).effect is effect


# pages


async def paged(context: Context, handler: Handler, **parameters: Any) -> tuple[list[dict[str, Any]], Peer]:
    async with peer(handler) as server:
        event = await run_node(TYPE, {"url": server.url, **parameters}, context=context)
        return records(event), server


async def test_page_numbers_go_on_until_a_page_is_empty(context: Context) -> None:
    got, server = await paged(
        context,
        answering([{"n": 1}, {"n": 2}], [{"n": 3}], []),
        query={"size": 2},
        pagination={"mode": "page_number", "parameter": "p", "start": 0},
    )
    assert got == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert [request.query_string for request in server.seen] == ["size=2&p=0", "size=2&p=1", "size=2&p=2"]


async def test_offsets_go_on_until_a_page_is_short(context: Context) -> None:
    got, server = await paged(
        context,
        answering({"data": [{"n": 1}, {"n": 2}]}, {"data": [{"n": 3}]}),
        pagination={"mode": "offset", "limit": 2},
        records_path="data",
    )
    assert got == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert [request.query_string for request in server.seen] == ["offset=0&limit=2", "offset=2&limit=2"]


async def test_cursors_go_on_until_there_is_none(context: Context) -> None:
    got, server = await paged(
        context,
        answering(
            {"rows": [1], "meta": {"next": "a=b"}},
            {"rows": [], "meta": {"next": 5}},
            {"rows": [2], "meta": {}},
        ),
        pagination={"mode": "cursor", "parameter": "after", "path": "meta.next"},
        records_path="rows",
    )
    assert got == [{"value": 1}, {"value": 2}]
    assert [request.query.get("after") for request in server.seen] == [None, "a=b", "5"]


async def test_a_cursor_that_stands_still_ends_it(context: Context) -> None:
    _, server = await paged(
        context, answering({"next_cursor": "x"}, {"next_cursor": "x"}), pagination={"mode": "cursor"}
    )
    assert len(server.seen) == 2


async def test_link_headers_are_followed(context: Context) -> None:
    first = web.json_response([{"n": 1}], headers={"Link": '</?page=2>; rel="next", </?page=9>; rel="last"'})
    got, server = await paged(context, answering(first, [{"n": 2}]), pagination={"mode": "link_header"})
    assert got == [{"n": 1}, {"n": 2}]
    assert server.seen[1].query_string == "page=2"


def test_link_headers_as_people_write_them() -> None:
    assert next_link('<a,b>; title="x, rel=next"; rel="prev", <c>;rel=next') == "c"
    assert next_link('<a>; rel="last next"') == "a"
    assert next_link("<a>; REL=Next") == "a"
    assert next_link("") == next_link("nonsense") == ""


async def test_next_urls_are_followed(context: Context) -> None:
    got, _ = await paged(
        context,
        answering({"items": [{"n": 1}], "next": "/more?x=1"}, {"items": [{"n": 2}], "next": None}),
        pagination={"mode": "next_url"},
        records_path="items",
    )
    assert got == [{"n": 1}, {"n": 2}]


async def test_the_next_page_on_another_host_is_not_given_the_credential(context: Context) -> None:
    async with peer(answering({"next": "http://evil.test/collect"})) as server:
        parameters = {"url": server.url, "pagination": {"mode": "next_url"}}
        failed = failure(await run_node(TYPE, parameters, context=context, credentials={"auth": "bearer"}))
    assert failed.reason == "PAGINATION_FAILED"
    assert "evil.test" in failed.message


async def test_more_pages_than_the_limit_are_not_dropped_in_silence(context: Context) -> None:
    endless = [json.dumps([{"n": n}]) for n in range(3)]
    parameters = {"pagination": {"mode": "page_number"}, "max_pages": 2}
    async with peer(answering(*endless)) as server:
        failed = failure(await run_node(TYPE, {"url": server.url, **parameters}, context=context))
    assert (failed.reason, failed.field) == ("PAGINATION_LIMIT", "max_pages")
    got, _ = await paged(context, answering(*endless), on_max_pages="stop", **parameters)
    assert got == [{"n": 0}, {"n": 1}]


async def test_counting_pages_needs_a_list_to_count(context: Context) -> None:
    async with peer(answering({"data": [1]})) as server:
        parameters = {"url": server.url, "pagination": {"mode": "page_number"}}
        failed = failure(await run_node(TYPE, parameters, context=context))
    assert (failed.reason, failed.field) == ("PAGINATION_FAILED", "records_path")


# what can be refused when the workflow is saved


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({}, "parameters.url: url is required"),
        ({"url": "x", "metod": "GET"}, "parameters.metod: there is no parameter 'metod'"),
        ({"url": "x", "method": "FETCH"}, "parameters.method"),
        ({"url": "x", "headers": {"Transfer-Encoding": "chunked"}}, "parameters.headers"),
        ({"url": "x", "records_path": "a["}, "parameters.records_path"),
        (
            {"url": "x", "response_format": "text", "records_path": "a"},
            "parameters: parameters: Value error, pagination",
        ),
        ({"url": "x", "body": {"kind": "yaml"}}, "parameters.body"),
    ],
)
def test_mistakes_are_found_when_saving(parameters: dict[str, Any], complaint: str) -> None:
    assert any(each.startswith(complaint) for each in problems(TYPE, parameters)), problems(TYPE, parameters)


def test_the_example_can_be_saved() -> None:
    kind = installed().find(TYPE)
    assert kind
    assert problems(TYPE, kind.example) == []
