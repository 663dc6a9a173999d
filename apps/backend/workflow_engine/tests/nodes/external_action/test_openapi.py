"""external_action.openapi: documents of many kinds, and a server that sees what comes of them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from tests.nodes.action.world import world
from tests.nodes.harness import _built, failure, problems, records, run_node
from tests.runtime.peers import Peer, peer
from workflow_engine.engine.events import AnyEvent
from workflow_engine.engine.items import Item
from workflow_engine.engine.shape import Effect
from workflow_engine.nodes.openapi.document import parse
from workflow_engine.nodes.openapi.request import arguments_schema
from workflow_engine.nodes.openapi.request import problems as request_problems
from workflow_engine.nodes.schema import violation
from workflow_engine.utils import json

SHOP: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Shop", "version": "1"},
    "servers": [{"url": "https://{region}.shop.example/v1", "variables": {"region": {"default": "eu"}}}],
    "security": [{"bearer": []}, {"key": []}],
    "paths": {
        "/orders": {
            "get": {
                "operationId": "listOrders",
                "parameters": [
                    {"name": "status", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                    {
                        "name": "ids",
                        "in": "query",
                        "explode": False,
                        "schema": {"type": "array", "items": {"type": "integer"}},
                    },
                    {
                        "name": "total",
                        "in": "query",
                        "style": "deepObject",
                        "explode": True,
                        "schema": {"type": "object"},
                    },
                    {"name": "filter", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}},
                    {"$ref": "#/components/parameters/Trace"},
                    {"name": "session", "in": "cookie", "schema": {"type": "string"}},
                ],
            },
            "post": {
                "operationId": "createOrder",
                "requestBody": {"$ref": "#/components/requestBodies/Order"},
            },
        },
        "/orders/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"responses": {}},
            "patch": {
                "operationId": "changeOrder",
                "requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}},
            },
        },
        "/health": {"get": {"operationId": "health", "security": []}},
        "/admin": {"get": {"operationId": "admin", "security": [{"basic": []}]}},
        "/search": {"get": {"operationId": "search", "security": [{"query": []}]}},
    },
    "components": {
        "parameters": {"Trace": {"name": "X-Trace", "in": "header", "schema": {"type": "string"}}},
        "requestBodies": {
            "Order": {
                "required": True,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}},
            }
        },
        "schemas": {
            "Order": {
                "type": "object",
                "required": ["id", "lines"],
                "additionalProperties": False,
                "properties": {
                    "id": {"type": "string", "readOnly": True},
                    "lines": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Line"}},
                    "note": {"type": "string", "nullable": True},
                    "parent": {"$ref": "#/components/schemas/Order"},
                },
            },
            "Line": {
                "type": "object",
                "required": ["sku"],
                "properties": {
                    "sku": {"type": "string"},
                    "count": {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
                },
            },
        },
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            "basic": {"type": "http", "scheme": "basic"},
            "query": {"type": "apiKey", "in": "query", "name": "key"},
        },
    },
}
TEXT = {"source": "text", "text": json.dumps(SHOP).decode()}
BEARER = {"type": "http_bearer", "token": "t0ken"}


async def echo(request: web.Request) -> web.Response:
    body = await request.text()
    told = {"asked": f"{request.method} {request.raw_path}", "body": body, "headers": dict(request.headers)}
    return web.json_response(told)


async def call(folder: Path, operation: str, secret: dict[str, Any] | None = None, **parameters: Any) -> AnyEvent:
    async with peer(echo) as there, world(folder, **({"auth": secret} if secret else {})) as context:
        asked = {"document": TEXT, "server": there.url, "operation": operation, **parameters}
        credentials = {"auth": "auth"} if secret else {}
        return await run_node("external_action.openapi", asked, context=context, credentials=credentials)


class TestRequests:
    async def test_parameters_go_where_and_how_the_document_says(self, tmp_path: Path) -> None:
        arguments = {
            "status": ["open", "paid"],
            "ids": [1, 2],
            "total": {"gte": 5},
            "filter": {"a": 1},
            "X-Trace": "t1",
            "session": "s 1",
        }
        (said,) = records(await call(tmp_path, "listOrders", arguments=arguments))
        assert said["asked"] == "GET /orders?status=open&status=paid&ids=1,2&total%5Bgte%5D=5&filter=%7B%22a%22:1%7D"
        assert said["headers"]["X-Trace"] == "t1"
        assert said["headers"]["Cookie"] == "session=s%201"

    async def test_an_operation_without_an_id_is_named_by_method_and_path(self, tmp_path: Path) -> None:
        (said,) = records(await call(tmp_path, "GET /orders/{id}", arguments={"id": "a/b?"}))
        assert said["asked"] == "GET /orders/a%2Fb%3F"

    async def test_a_body_is_sent_as_the_document_wants_it(self, tmp_path: Path) -> None:
        order = {"lines": [{"sku": "A", "count": 2}], "note": None}
        (said,) = records(await call(tmp_path, "createOrder", body=order))
        assert json.loads(said["body"]) == order
        (said,) = records(await call(tmp_path, "changeOrder", arguments={"id": "1"}, body={"status": "paid", "n": 2}))
        assert sorted(said["body"].split("&")) == ["n=2", "status=paid"]

    async def test_documents_come_by_address_and_as_files_in_json_and_yaml(self, tmp_path: Path) -> None:
        text = yaml.safe_dump({**SHOP, "servers": [{"url": "/v1"}]})

        async def serve(request: web.Request) -> web.Response:
            if request.path == "/docs/shop.yaml":
                return web.Response(text=text, content_type="application/yaml")
            return await echo(request)

        async with peer(serve) as there, world(tmp_path) as context:
            assert context.blobs
            by_url = {"source": "url", "url": f"{there.url}/docs/shop.yaml"}
            for _ in range(2):
                event = await run_node(
                    "external_action.openapi", {"document": by_url, "operation": "health"}, context=context
                )
                assert records(event)[0]["asked"] == "GET /v1/health"
            assert [each.path for each in there.seen].count("/docs/shop.yaml") == 1
            file = await context.blobs.write(text.encode(), "application/yaml")
            asked = {"document": {"source": "binary"}, "operation": "health", "server": there.url}
            event = await run_node("external_action.openapi", asked, [Item({}, {"data": file})], context=context)
            assert records(event)[0]["asked"] == "GET /health"


class TestCredentials:
    @pytest.mark.parametrize(
        ("operation", "secret", "header", "query"),
        [
            ("listOrders", BEARER, ("Authorization", "Bearer t0ken"), ""),
            ("listOrders", {"type": "oauth2", "access_token": "t0ken"}, ("Authorization", "Bearer t0ken"), ""),
            ("listOrders", {"type": "http_header", "name": "X", "value": "t0ken"}, ("X-Api-Key", "t0ken"), ""),
            ("search", {"type": "api_key", "api_key": "t0ken"}, None, "?key=t0ken"),
            (
                "admin",
                {"type": "http_basic", "username": "a", "password": "b"},
                ("Authorization", f"Basic {base64.b64encode(b'a:b').decode()}"),
                "",
            ),
            ("health", BEARER, None, ""),
        ],
    )
    async def test_one_goes_where_the_security_scheme_wants_it(
        self, tmp_path: Path, operation: str, secret: dict[str, Any], header: tuple[str, str] | None, query: str
    ) -> None:
        (said,) = records(await call(tmp_path, operation, secret))
        assert said["asked"].endswith(query) if query else "?" not in said["asked"]
        if header:
            assert said["headers"][header[0]] == header[1]
        else:
            assert "t0ken" not in str(said["headers"])

    async def test_one_that_fits_no_scheme_is_refused(self, tmp_path: Path) -> None:
        failed = failure(await call(tmp_path, "admin", BEARER))
        assert failed.reason == "CREDENTIAL_REFUSED"
        assert "basic (http basic)" in failed.message

    async def test_one_for_another_host_is_refused(self, tmp_path: Path) -> None:
        failed = failure(await call(tmp_path, "listOrders", {**BEARER, "allowed_hosts": ["shop.example"]}))
        assert failed.reason == "CREDENTIAL_REFUSED"


class TestRefusals:
    @pytest.mark.parametrize(
        ("parameters", "says"),
        [
            ({"operation": "createOrdr"}, "parameters.operation: the document 'Shop' has no operation 'createOrdr'"),
            ({"operation": "GET /orders/{id}"}, "parameters.arguments.id: GET /orders/{id} needs 'id'"),
            ({"operation": "health", "arguments": {"x": 1}}, "parameters.arguments.x: health has no parameter 'x'"),
            ({"operation": "createOrder"}, "parameters.body: createOrder needs a body"),
            ({"operation": "createOrder", "body": {"lines": []}}, "parameters.body: body: lines: [] has less than 1"),
            (
                {"operation": "createOrder", "body": {"lines": [{"sku": "A", "count": 0}]}},
                "parameters.body: body: lines[0].count: 0 is less than or equal to the minimum of 0",
            ),
            ({"operation": "health", "colour": 1}, "parameters.colour: there is no parameter 'colour'"),
            (
                {"operation": "listOrders", "arguments": {"ids": ["x"]}},
                'parameters.arguments.ids: ids: [0]: "x"',
            ),
        ],
    )
    def test_what_does_not_fit_the_document_is_refused_when_it_is_saved(
        self, parameters: dict[str, Any], says: str
    ) -> None:
        (said,) = problems("external_action.openapi", {"document": TEXT, **parameters})
        assert said.startswith(says), said

    def test_what_an_expression_decides_is_seen_later(self) -> None:
        late = {"document": TEXT, "operation": "createOrder", "body": {"lines": "{{ json.lines }}"}}
        assert problems("external_action.openapi", late) == []

    async def test_and_then_refused_before_anything_is_sent(self, tmp_path: Path) -> None:
        failed = failure(await call(tmp_path, "createOrder", body={"lines": "{{ [] }}"}))
        assert (failed.reason, failed.field) == ("INVALID_PARAMETER", "body")

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ('{"swagger": "2.0", "paths": {"/": {}}}', "Swagger 2"),
            ('{"openapi": "3.1.0"}', "no paths"),
            ("a: [", "can not be read"),
            ("just words", "no object"),
            ('{"openapi": "3.0.0", "paths": {"/a": {"$ref": "#/paths/~1a"}}}', "circle"),
            ('{"openapi": "3.0.0", "paths": {"/a": {"$ref": "other.yaml#/x"}}}', "another document"),
        ],
    )
    def test_what_is_no_openapi_3_is_refused(self, text: str, says: str) -> None:
        asked = {"document": {"source": "text", "text": text}, "operation": "GET /a"}
        assert says in problems("external_action.openapi", asked)[0]

    @pytest.mark.parametrize(("status", "retryable"), [(401, False), (429, True), (500, True)])
    async def test_what_the_server_refuses_fails(self, tmp_path: Path, status: int, retryable: bool) -> None:
        async def refuse(request: web.Request) -> web.Response:
            return web.Response(status=status, text="no", headers={"Retry-After": "2"})

        async with peer(refuse) as there, world(tmp_path) as context:
            asked = {"document": TEXT, "operation": "health", "server": there.url}
            failed = failure(await run_node("external_action.openapi", asked, context=context))
        assert failed.retryable is retryable
        assert failed.retry_after == (2000 if retryable else 0)

    async def test_a_post_whose_outcome_nobody_knows_is_not_sent_again(self, tmp_path: Path) -> None:
        async def vanish(request: web.Request) -> web.StreamResponse:
            assert request.transport
            request.transport.abort()
            return web.Response()

        async def run(there: Peer, operation: str, **more: Any) -> Any:
            asked = {"document": TEXT, "operation": operation, "server": there.url, **more}
            return failure(await run_node("external_action.openapi", asked, context=context))

        async with peer(vanish) as there, world(tmp_path) as context:
            assert (await run(there, "health")).retryable
            assert not (await run(there, "createOrder", body={"lines": [{"sku": "A"}]})).retryable


def test_the_effect_follows_from_the_method_where_it_is_known() -> None:
    def effect(**parameters: Any) -> Effect:
        built = _built("external_action.openapi", {"document": TEXT, **parameters})
        assert built.plan, built.errors
        return built.plan.nodes[0].shape.effect

    by_url = {"document": {"source": "url", "url": "https://a.example/x.json"}}
    assert effect(operation="health") is Effect.IDEMPOTENT
    assert effect(operation="createOrder", body={"lines": [{"sku": "A"}]}) is Effect.AT_MOST_ONCE
    assert effect(**by_url, operation="GET /orders/{id}") is Effect.IDEMPOTENT
    assert effect(**by_url, operation="listOrders") is Effect.AT_MOST_ONCE


def test_words_of_other_versions_and_patterns_that_look_ahead_stop_nobody() -> None:
    schema = {
        "type": "object",
        "$recursiveAnchor": True,
        "properties": {
            "count": {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
            "name": {"type": "string", "nullable": True, "pattern": "^(?!no).*$"},
            "odd": {"type": "no such type"},
        },
    }
    content = {"application/json": {"schema": schema}}
    made = {
        "openapi": "3.1.0",
        "info": {"title": "x"},
        "paths": {"/x": {"post": {"requestBody": {"content": content}}}},
    }
    document = parse(json.dumps(made))
    operation = document.operation("POST /x")
    assert arguments_schema(document, operation)["properties"]["body"] == {}
    assert request_problems(document, operation, {}, {"count": 0}) == []
    del schema["properties"]["odd"]  # type: ignore[attr-defined]
    document = parse(json.dumps(made))
    operation = document.operation("POST /x")
    assert request_problems(document, operation, {}, {"count": 1, "name": None}) == []
    assert [each.field for each in request_problems(document, operation, {}, {"count": 0})] == ["body"]


def large(operations: int) -> dict[str, Any]:
    """A document whose schemas all lead to each other."""
    schemas = {
        f"S{n}": {
            "type": "object",
            "properties": {"next": {"$ref": f"#/components/schemas/S{(n + 1) % operations}"}, "n": {"const": n}},
        }
        for n in range(operations)
    }
    content = [{"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}} for name in schemas]
    paths = {
        f"/things/{n}": {"post": {"operationId": f"op{n}", "requestBody": {"content": each}}}
        for n, each in enumerate(content)
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Large", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def test_a_large_document_of_schemas_that_lead_to_each_other_is_usable() -> None:
    document = parse(json.dumps(large(300)))
    assert len(document.ids()) == 300
    schema = arguments_schema(document, document.operation("op299"))
    assert violation(schema, {"body": {"n": 299, "next": {"n": 0}}}) == ""
    assert violation(schema, {"body": {"n": 299, "next": {"n": 1}}}).startswith("body.next.n")
