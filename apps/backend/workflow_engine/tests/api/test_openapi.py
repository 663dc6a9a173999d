"""The OpenAPI document says what the gateway does, and its page works without the network."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import schemathesis

from tests.serving import serving
from workflow_engine.api.openapi.document import document, examples
from workflow_engine.api.rest.bindings import bindings
from workflow_engine.api.rest.transcode import to_message
from workflow_engine.proto import options_pb2
from workflow_engine.services.request_validation import violations
from workflow_engine.services.rpcs import RPCS

BODIES = [binding for binding in bindings() if binding.body]


@pytest.fixture
async def url(sqlite_url: str, tmp_path: Path) -> AsyncIterator[str]:
    async with serving(sqlite_url, tmp_path) as client:
        yield client.http


def operations() -> dict[str, dict[str, Any]]:
    return {each["x-rpc"]: each for path in document()["paths"].values() for each in path.values()}


def test_the_document_is_openapi_and_has_every_rpc_with_its_comment_and_permission() -> None:
    schemathesis.openapi.from_dict(document()).validate()
    found = operations()
    assert set(found) == set(RPCS)
    assert len({each["operationId"] for each in found.values()}) == len(RPCS)
    for path, rpc in RPCS.items():
        permission = options_pb2.Permission.Name(rpc.permission).removeprefix("PERMISSION_")
        assert found[path]["x-permission"] == permission
        assert len(found[path]["summary"]) > 5


def test_every_reference_leads_somewhere_and_every_field_has_its_comment() -> None:
    text = json.dumps(document())
    schemas = document()["components"]["schemas"]
    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert schemas[name]
    for name, schema in schemas.items():
        assert schema["description"], name
        for field, inside in schema.get("properties", {}).items():
            assert inside.get("description"), f"{name}.{field}"


@pytest.mark.parametrize("binding", BODIES, ids=lambda binding: binding.rpc.name)
def test_the_example_of_every_body_is_one_that_the_contract_takes(binding: Any) -> None:
    variables = {f"p{number}": "x" for number in range(len(binding.fields))}
    required = document()["paths"][binding.template][binding.verb.lower()]["requestBody"]
    if binding.rpc.name not in examples():
        # Nothing but the path is needed then.
        assert "examples" not in required["content"]["application/json"]
    message = to_message(binding, variables, [], json.dumps(examples().get(binding.rpc.name, {})).encode())
    assert violations(message) == []


async def test_the_page_loads_nothing_from_elsewhere(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/docs") as response:
            page = await response.text()
            assert response.status == 200
            assert "default-src 'self'" in response.headers["content-security-policy"]
        for link in re.findall(r'(?:src|href)="([^"]+)"', page):
            if not link.startswith("data:"):
                async with session.get(f"{url}/{link}") as response:
                    assert response.status == 200, link
        async with session.get(f"{url}/openapi.json") as response:
            assert (await response.json())["openapi"] == "3.1.0"
