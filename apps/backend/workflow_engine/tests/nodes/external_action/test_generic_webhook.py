"""external_action.generic_webhook: the receiver checks the signature as the Standard Webhooks specification says."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.nodes.action.world import world
from tests.nodes.harness import NOW, failure, problems, records, run_node
from tests.runtime.peers import peer
from workflow_engine.engine.events import AnyEvent
from workflow_engine.utils import json

RAW = b"a key of thirty-two bytes, or so"
KEYS = {"whsec_" + base64.b64encode(RAW).decode(): RAW, "plain-signing-key": b"plain-signing-key"}


def is_genuine(request: web.Request, body: bytes, key: bytes) -> bool:
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return f"v1,{wanted}" in request.headers.get("webhook-signature", "").split()


async def deliver(
    folder: Path, handler: Any, parameters: dict[str, Any], *items: dict[str, Any], **secrets: Any
) -> AnyEvent:
    async with peer(handler) as there, world(folder, **secrets) as context:
        return await run_node(
            "external_action.generic_webhook",
            {"url": f"{there.url}/hook", **parameters},
            items or ({"id": 1},),
            context=context,
            credentials={name: name for name in secrets},
        )


@pytest.mark.parametrize("key", KEYS)
async def test_a_delivery_is_signed_and_can_be_told_from_another(tmp_path: Path, key: str) -> None:
    ids: list[str] = []

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        assert is_genuine(request, body, KEYS[key])
        assert request.headers["webhook-timestamp"] == str(NOW // 1000)
        assert json.loads(body)["type"] == "order.paid"
        ids.append(request.headers["webhook-id"])
        return web.Response(status=202, text="thanks")

    signing = {"type": "crypto_key", "key": key}
    for _ in range(2):
        event = await deliver(tmp_path, receive, {"event": "order.paid"}, {"id": 1}, {"id": 2}, signing=signing)
        assert [(each["status"], each["body"]) for each in records(event)] == [(202, {"text": "thanks"})] * 2
    # The same delivery has the same id however often it is made, and no other one has it.
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2


async def test_without_an_event_the_data_goes_alone_and_a_token_beside_it(tmp_path: Path) -> None:
    async def receive(request: web.Request) -> web.Response:
        assert await request.json() == {"total": 3}
        assert request.headers["Authorization"] == "Bearer t0ken"
        assert "webhook-signature" not in request.headers
        return web.Response()

    parameters = {"data": {"total": "{{ json.total }}"}, "headers": {"X-Shop": "1"}}
    auth = {"type": "http_bearer", "token": "t0ken"}
    assert records(await deliver(tmp_path, receive, parameters, {"total": 3}, auth=auth))[0]["status"] == 200


@pytest.mark.parametrize(("status", "retryable"), [(410, False), (429, True), (503, True)])
async def test_what_the_receiver_refuses_fails(tmp_path: Path, status: int, retryable: bool) -> None:
    async def receive(request: web.Request) -> web.Response:
        return web.Response(status=status, text="no")

    failed = failure(await deliver(tmp_path, receive, {}))
    assert failed.reason == f"HTTP_{status // 100}XX"
    assert failed.retryable is retryable


async def test_a_key_that_is_no_base64_is_told(tmp_path: Path) -> None:
    async def receive(request: web.Request) -> web.Response:
        raise AssertionError("nothing is sent unsigned")

    failed = failure(await deliver(tmp_path, receive, {}, signing={"type": "crypto_key", "key": "whsec_!"}))
    assert failed.reason == "CREDENTIAL_REFUSED"


def test_an_unknown_parameter_is_refused() -> None:
    said = problems("external_action.generic_webhook", {"url": "https://a.example", "urls": []})
    assert said == ["parameters.urls: there is no parameter 'urls'"]
