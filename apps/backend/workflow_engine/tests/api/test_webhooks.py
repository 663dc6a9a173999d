"""Webhooks as the systems see them that call: over HTTP, with every way to prove who calls and to be answered."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import jwt
import pytest

from tests.serving import output, serving
from tests.test_integration_service import Integrations, refused
from tests.test_trigger_service import Triggers
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.proto import workflow_service_pb2 as ws

KEY = "k" * 40


class Hooks(Triggers):
    """A client of the service and of its webhooks."""

    http: aiohttp.ClientSession

    async def hook(
        self, *after: dict[str, Any], credential: tuple[str, dict[str, Any]] | None = None, **parameters: Any
    ) -> str:
        """Publishes a webhook with nodes behind it; returns its URL."""
        trigger: dict[str, Any] = {"id": "hook", "type": "trigger.webhook", "parameters": parameters}
        if credential:
            made = await Integrations(self.client).create(credential[0], fields=credential[1])
            trigger["credentials"] = {"secret": made.id}
        nodes = [trigger, *after]
        links = [" -> ".join(node["id"] for node in nodes)] if after else []
        self.workflow_id = await self.publish({"nodes": nodes, "connections": links})
        [self.trigger] = await self.of(self.workflow_id)
        return str(self.trigger.webhook_url)

    async def call(self, url: str, **how: Any) -> tuple[int, Any]:
        async with self.http.request(how.pop("method", "POST"), url, **how) as response:
            self.response = response
            text = await response.text()
            return response.status, json.loads(text) if "json" in response.content_type else text

    async def input(self, answer: dict[str, Any]) -> dict[str, Any]:
        """What the execution of an answer was given; a bare webhook hands it on."""
        [record] = output(await self.client.wait(answer["execution_id"]))
        return record


@asynccontextmanager
async def hooking(url: str, folder: Path, **settings: Any) -> AsyncIterator[Hooks]:
    async with (
        serving(url, folder, secret_key=KEY, **settings) as client,
        aiohttp.ClientSession(auto_decompress=True) as http,
    ):
        hooks = Hooks(client)
        hooks.http = http
        yield hooks


@pytest.fixture
async def hooks(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Hooks]:
    async with hooking(sqlite_url, tmp_path) as made:
        yield made


async def test_a_call_is_stored_and_starts_the_published_version(database_url: str, tmp_path: Path) -> None:
    async with hooking(database_url, tmp_path) as hooks:
        url = await hooks.hook(path="orders/:id/lines/:line", methods=["POST", "PUT"])
        assert url == f"{hooks.client.http}/webhooks/orders/:id/lines/:line"
        url = f"{hooks.client.http}/webhooks/orders/7/lines/a%20b?x=1&x=2&y=z"

        status, answer = await hooks.call(
            url, json={"n": 2**53 + 1}, headers={"X-Shop": "a", "Authorization": "Bearer secret", "Cookie": "c=1"}
        )

        assert (status, answer["decision"]) == (202, "STARTED")
        execution = await hooks.client.wait(answer["execution_id"])
        assert (execution.mode, execution.workflow_version) == (ex.WEBHOOK, 1)
        assert execution.triggered_by == hooks.trigger.id
        record = await hooks.input(answer)
        assert record["body"] == {"n": str(2**53 + 1)}
        assert record["params"] == {"id": "7", "line": "a b"}
        assert record["query"] == {"x": ["1", "2"], "y": "z"}
        assert (record["method"], record["headers"]["x-shop"]) == ("POST", "a")
        assert "authorization" not in record["headers"]
        assert "cookie" not in record["headers"]
        assert [event.id for event in await hooks.events(hooks.trigger.id)] == [answer["event_id"]]

        assert (await hooks.call(url, method="PUT"))[0] == 202
        assert (await hooks.call(url, method="DELETE"))[0] == 405
        assert hooks.response.headers["allow"] == "OPTIONS, POST, PUT"
        assert (await hooks.call(f"{hooks.client.http}/webhooks/orders"))[0] == 404
        await hooks.client.stub.UnpublishWorkflow(ws.UnpublishWorkflowRequest(workflow_id=hooks.workflow_id))
        assert (await hooks.call(url))[0] == 404


async def test_without_a_path_it_has_one_that_nobody_guesses(hooks: Hooks) -> None:
    url = await hooks.hook()
    assert len(url.rsplit("/", 1)[1]) > 25
    assert (await hooks.call(url))[0] == 202


async def test_two_webhooks_can_not_have_one_path(hooks: Hooks) -> None:
    await hooks.hook(path="a/:x")
    other = await hooks.client.create(
        {"nodes": [{"id": "hook", "type": "trigger.webhook", "parameters": {"path": "/a/:y/"}}]}
    )
    async with refused(grpc.StatusCode.ALREADY_EXISTS, "ROUTE_TAKEN") as said:
        await hooks.client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=other.id))
    assert "POST /webhooks/a/:" in said[0]
    assert (await hooks.client.stub.GetWorkflow(ws.GetWorkflowRequest(workflow_id=other.id))).workflow.active is False
    # A fixed segment goes before a parameter.
    fixed = await hooks.hook(path="a/b")
    await hooks.call(fixed)
    assert len(await hooks.events(hooks.trigger.id)) == 1


async def test_the_body_has_the_type_that_the_call_says(hooks: Hooks) -> None:
    url = await hooks.hook()

    async def body(data: Any, content_type: str | None = None) -> Any:
        headers = {"Content-Type": content_type} if content_type else {}
        skip = [] if content_type else ["Content-Type"]
        status, answer = await hooks.call(url, data=data, headers=headers, skip_auto_headers=skip)
        assert status == 202, answer
        return (await hooks.input(answer))["body"]

    assert await body(b"a=1&a=2&b=%C3%A9", "application/x-www-form-urlencoded") == {"a": ["1", "2"], "b": "é"}
    assert await body(b"<a><b>1</b><b>2</b></a>", "application/xml") == {"a": {"b": ["1", "2"]}}
    assert await body("grüß".encode("latin-1"), "text/plain; charset=latin-1") == "grüß"
    assert await body(b'{"n": 1}', "application/problem+json") == {"n": 1}
    assert await body(b'{"n": 1}') == {"n": 1}
    assert await body(b"") is None

    for data, content_type in ((b"{", "application/json"), (b"<a>", "text/xml"), (b"x", "multipart/form-data")):
        status, answer = await hooks.call(url, data=data, headers={"Content-Type": content_type})
        assert status == 400, answer
    bomb = b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>'
    assert (await hooks.call(url, data=bomb, headers={"Content-Type": "application/xml"}))[0] == 400
    assert (await hooks.call(url, data=b"[" * 100_000, headers={"Content-Type": "application/json"}))[0] == 400


async def test_files_are_binary_references(hooks: Hooks) -> None:
    url = await hooks.hook(respond="when_finished", answer="file")
    form = aiohttp.FormData({"note": "hello"})
    form.add_field("photo", b"\x89PNG" * 1000, filename="a.png", content_type="image/png")
    form.add_field("photo", b"second", filename="b.txt", content_type="text/plain")

    async with hooks.http.post(url, data=form) as response:
        assert (response.status, response.content_type) == (200, "image/png")
        assert await response.read() == b"\x89PNG" * 1000
        assert "a.png" in response.headers["content-disposition"]
        assert response.headers["content-security-policy"] == "sandbox"
    [event] = await hooks.events(hooks.trigger.id)
    [item] = (await hooks.client.wait(event.execution_id)).output
    assert {slot: (ref.file_name, ref.size_bytes) for slot, ref in item.binary.items()} == {
        "photo": ("a.png", 4000),
        "photo_2": ("b.txt", 6),
    }
    assert (await hooks.input({"execution_id": event.execution_id}))["body"] == {"note": "hello"}
    async with hooks.http.post(url, data=b"%PDF", headers={"Content-Type": "application/pdf"}) as response:
        assert (response.content_type, await response.read()) == ("application/pdf", b"%PDF")


async def test_the_same_delivery_again_starts_nothing(database_url: str, tmp_path: Path) -> None:
    async with hooking(database_url, tmp_path) as hooks:
        url = await hooks.hook(delivery_id="json.headers['x-request-id']")

        calls = [hooks.call(url, headers={"X-Request-Id": "r1"}) for _ in range(5)]
        answers = await asyncio.gather(*calls)

        assert sorted(status for status, _ in answers) == [200, 200, 200, 200, 202]
        assert len({answer["execution_id"] for _, answer in answers}) == 1
        assert (await hooks.call(url))[0] == 202, "without an id nothing is a repetition"


async def test_a_condition_and_a_pause(hooks: Hooks) -> None:
    url = await hooks.hook(condition="json.body.kind == 'order'")
    assert (await hooks.call(url, json={"kind": "order"}))[0] == 202
    status, answer = await hooks.call(url, json={"kind": "other"})
    assert (status, answer["decision"]) == (200, "SKIPPED_CONDITION")
    assert (await hooks.call(url, json={}))[0] == 422
    await hooks.stub.PauseTrigger(it.PauseTriggerRequest(trigger_id=hooks.trigger.id))
    assert (await hooks.call(url, json={"kind": "order"}))[0] == 503
    assert hooks.response.headers["retry-after"] == "60"
    decisions = [it.TriggerDecision.Name(event.decision) for event in await hooks.events(hooks.trigger.id)]
    assert [name.removeprefix("TRIGGER_DECISION_") for name in decisions] == [
        "SKIPPED_PAUSED",
        "FAILED",
        "SKIPPED_CONDITION",
        "STARTED",
    ]
    skipped = (await hooks.events(hooks.trigger.id))[0]
    replayed = await hooks.stub.ReplayTriggerEvent(it.ReplayTriggerEventRequest(event_id=skipped.id))
    assert (await hooks.input({"execution_id": replayed.event.execution_id}))["body"] == {"kind": "order"}


async def test_limits(hooks: Hooks) -> None:
    url = await hooks.hook(max_body=100, rate_limit=3)
    assert (await hooks.call(url, data=b"x" * 101))[0] == 413

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 20

    assert (await hooks.call(url, data=chunks()))[0] == 413
    assert (await hooks.call(url, data=b"x" * 100))[0] == 202
    status, _ = await hooks.call(url)
    assert status == 429
    assert int(hooks.response.headers["retry-after"]) <= 20


async def test_browsers_of_allowed_origins_may_call(hooks: Hooks) -> None:
    url = await hooks.hook(allowed_origins=["https://shop.example"])
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for origin, allowed in (("https://shop.example", "https://shop.example"), ("https://evil.example", None)):
        assert (await hooks.call(url, method="OPTIONS", headers={"Origin": origin, **asks}))[0] == 204
        assert hooks.response.headers.get("access-control-allow-origin") == allowed
        await hooks.call(url, headers={"Origin": origin})
        assert hooks.response.headers.get("access-control-allow-origin") == allowed


class TestAnswers:
    SET = {
        "id": "set",
        "type": "flow.set",
        "parameters": {"assignments": [{"name": "n", "value": "{{ json.body.n }}"}], "keep_only": True},
    }
    FAIL = {"id": "fail", "type": "flow.stop_and_error", "parameters": {"message": "the vault's code is 1234"}}

    async def test_when_finished(self, hooks: Hooks) -> None:
        url = await hooks.hook(self.SET, respond="when_finished")
        assert await hooks.call(url, json={"n": 5}) == (200, {"n": 5})

    async def test_a_failure_gives_nothing_away(self, hooks: Hooks) -> None:
        url = await hooks.hook(self.FAIL, respond="when_finished")
        status, answer = await hooks.call(url, json={})
        assert status == 500
        assert "1234" not in str(answer)

    async def test_whoever_waits_too_long_is_told_that_it_goes_on(self, hooks: Hooks) -> None:
        wait = {"id": "wait", "type": "flow.wait", "parameters": {"signal": "go"}}
        url = await hooks.hook(wait, respond="when_finished", response_timeout="1s")
        status, answer = await hooks.call(url, json={})
        assert (status, answer["decision"]) == (202, "STARTED")

    async def test_by_a_node_while_the_workflow_goes_on(self, hooks: Hooks) -> None:
        answer = {"body": {"sum": "{{ json.body.n + 1 }}"}, "status": 201, "headers": {"X-Kind": "sum"}}
        respond = {"id": "respond", "type": "flow.respond", "parameters": answer}
        wait = {"id": "wait", "type": "flow.wait", "parameters": {"signal": "go"}}
        url = await hooks.hook(respond, wait, respond="respond_node")
        assert await hooks.call(url, json={"n": 1}) == (201, {"sum": 2})
        assert hooks.response.headers["x-kind"] == "sum"
        [event] = await hooks.events(hooks.trigger.id)
        assert (await hooks.client.status(event.execution_id)).status == ex.WAITING

    async def test_streaming(self, hooks: Hooks) -> None:
        first = {"id": "first", "type": "flow.respond", "parameters": {"body": {"part": 1}}}
        wait = {"id": "wait", "type": "flow.wait", "parameters": {"signal": "go"}}
        second = {"id": "second", "type": "flow.respond", "parameters": {"body": [{"part": 2}, {"part": 3}]}}
        url = await hooks.hook(first, wait, second, respond="streaming")
        async with hooks.http.post(url) as response:
            assert json.loads(await response.content.readline()) == {"part": 1}
            request = ex.SignalExecutionRequest(execution_id=response.headers["x-execution-id"], name="go")
            await hooks.client.stub.SignalExecution(request)
            rest = (await response.content.read()).splitlines()
            assert [json.loads(line) for line in rest] == [{"part": 2}, {"part": 3}]


class TestWhoCalls:
    NOW = property(lambda self: str(int(time.time())))

    async def test_a_header(self, hooks: Hooks) -> None:
        url = await hooks.hook(verify="header", credential=("http_header", {"name": "X-Key", "value": "s3cret"}))
        assert (await hooks.call(url))[0] == 401
        assert (await hooks.call(url, headers={"X-Key": "wrong"}))[0] == 401
        status, answer = await hooks.call(url, headers={"x-key": "s3cret"})
        assert status == 202
        assert "x-key" not in (await hooks.input(answer))["headers"]

    async def test_user_and_password(self, hooks: Hooks) -> None:
        url = await hooks.hook(verify="basic", credential=("http_basic", {"username": "ada", "password": "pß"}))
        assert (await hooks.call(url))[0] == 401
        assert hooks.response.headers["www-authenticate"].startswith("Basic")
        for password, expected in (("no", 401), ("pß", 202)):
            token = base64.b64encode(f"ada:{password}".encode()).decode()
            assert (await hooks.call(url, headers={"Authorization": f"Basic {token}"}))[0] == expected

    async def test_a_token(self, hooks: Hooks) -> None:
        url = await hooks.hook(verify="jwt", credential=("crypto_key", {"key": "x" * 32}), jwt={"audience": "us"})

        async def call(claims: dict[str, Any], key: str = "x" * 32, algorithm: str = "HS256") -> int:
            token = jwt.encode({"exp": time.time() + 60, "aud": "us", **claims}, key, algorithm)
            return (await hooks.call(url, headers={"Authorization": f"Bearer {token}"}))[0]

        assert await call({"sub": "ada"}) == 202
        [event] = await hooks.events(hooks.trigger.id)
        assert (await hooks.input({"execution_id": event.execution_id}))["claims"]["sub"] == "ada"
        assert await call({}, key="y" * 32) == 401
        assert await call({"aud": "them"}) == 401
        assert await call({"exp": time.time() - 3600}) == 401
        assert await call({}, key="", algorithm="none") == 401
        assert (await hooks.call(url))[0] == 401

    async def test_standard_webhooks(self, hooks: Hooks) -> None:
        secret = b"\x01" * 24
        key = "whsec_" + base64.b64encode(secret).decode()
        url = await hooks.hook(verify="standard_webhooks", credential=("crypto_key", {"key": key}))

        async def call(id: str, stamp: str, signed: bytes, body: bytes = b'{"a":1}') -> int:
            made = hmac.digest(secret, f"{id}.{stamp}.".encode() + signed, hashlib.sha256)
            signature = "v1,bm9wZQ== v1," + base64.b64encode(made).decode()
            headers = {"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": signature}
            return (await hooks.call(url, data=body, headers={"Content-Type": "application/json", **headers}))[0]

        body, now = b'{"a":1}', self.NOW
        assert await call("m1", now, body) == 202
        assert await call("m1", now, body) == 200, "the id names the delivery"
        assert await call("m2", now, b'{"a":2}') == 401
        assert await call("m3", str(int(now) - 301), body) == 401, "too old"
        assert await call("m4", str(int(now) + 310), body) == 401, "of a time to come"
        assert await call("m5", "soon", body) == 401

    async def test_github(self, hooks: Hooks) -> None:
        url = await hooks.hook(verify="github", credential=("crypto_key", {"key": "gh"}))

        async def call(body: bytes, signed: bytes, id: str) -> int:
            signature = "sha256=" + hmac.digest(b"gh", signed, "sha256").hex()
            headers = {"X-Hub-Signature-256": signature, "X-GitHub-Delivery": id, "X-GitHub-Event": "push"}
            return (await hooks.call(url, data=body, headers={"Content-Type": "application/json", **headers}))[0]

        assert await call(b"{}", b"{}", "d1") == 202
        assert await call(b"{}", b"{}", "d1") == 200
        assert await call(b"{}", b"[]", "d2") == 401
        assert (await hooks.call(url, data=b"{}"))[0] == 401

    async def test_stripe(self, hooks: Hooks) -> None:
        url = await hooks.hook(verify="stripe", credential=("crypto_key", {"key": "whsec_st"}))

        async def call(body: bytes, stamp: str, signed: bytes) -> int:
            made = hmac.digest(b"whsec_st", stamp.encode() + b"." + signed, "sha256").hex()
            headers = {"Stripe-Signature": f"t={stamp},v1={'0' * 64},v1={made},v0=x"}
            return (await hooks.call(url, data=body, headers={"Content-Type": "application/json", **headers}))[0]

        body = b'{"id": "evt_1"}'
        assert await call(body, self.NOW, body) == 202
        assert await call(body, self.NOW, body) == 200, "the body's id names the delivery"
        assert await call(body, str(int(self.NOW) - 400), body) == 401
        assert await call(body, self.NOW, b"{}") == 401

    async def test_slack(self, hooks: Hooks) -> None:
        url = await hooks.hook(verify="slack", credential=("crypto_key", {"key": "sl"}))

        async def call(body: dict[str, Any], stamp: str, key: bytes = b"sl") -> tuple[int, Any]:
            data = json.dumps(body).encode()
            signature = "v0=" + hmac.digest(key, f"v0:{stamp}:".encode() + data, "sha256").hex()
            headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature}
            return await hooks.call(url, data=data, headers={"Content-Type": "application/json", **headers})

        challenge = {"type": "url_verification", "challenge": "3eZ"}
        assert await call(challenge, self.NOW) == (200, "3eZ")
        assert (await call(challenge, self.NOW, b"other"))[0] == 401
        assert (await call({"event_id": "Ev1"}, self.NOW))[0] == 202
        assert (await call({"event_id": "Ev1"}, self.NOW))[0] == 200
        assert (await call({"event_id": "Ev2"}, str(int(self.NOW) - 400)))[0] == 401

    async def test_who_forgot_the_secret_lets_nobody_in(self, hooks: Hooks) -> None:
        url = await hooks.hook(verify="github")
        signature = "sha256=" + hmac.digest(b"", b"", "sha256").hex()
        assert (await hooks.call(url, headers={"X-Hub-Signature-256": signature}))[0] == 500
        assert await hooks.events(hooks.trigger.id) == []


async def test_the_test_url_runs_the_draft_once_for_who_listens(hooks: Hooks) -> None:
    workflow = await hooks.client.create(
        {"nodes": [{"id": "hook", "type": "trigger.webhook", "parameters": {"path": "try/:me"}}]}
    )
    url = f"{hooks.client.http}/webhooks-test/try/it"
    assert (await hooks.call(url))[0] == 404
    stream = hooks.stub.ListenTrigger(it.ListenTriggerRequest(workflow_id=workflow.id, node_id="hook"))
    listens = await stream.read()
    assert listens.url == f"{hooks.client.http}/webhooks-test/try/:me"

    answers = await asyncio.gather(*(hooks.call(url, json={"n": n}) for n in range(3)))

    assert {status for status, _ in answers} <= {202, 404, 503}
    [accepted] = [answer for status, answer in answers if status == 202]
    called = await stream.read()
    assert called.execution_id == accepted["execution_id"]
    execution = await hooks.client.wait(called.execution_id)
    assert (execution.mode, execution.workflow_version) == (ex.WEBHOOK, 0)
    assert (await hooks.call(url))[0] == 404

    request = it.ListenTriggerRequest(workflow_id=workflow.id, node_id="hook")
    request.timeout.FromMilliseconds(50)
    said = [each async for each in hooks.stub.ListenTrigger(request)]
    assert [each.success for each in said] == [True, False]
