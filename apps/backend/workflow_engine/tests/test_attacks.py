"""What somebody with bad intent tries, each way in once: over gRPC, REST and webhooks, against a running server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.access import PASSWORD, Person, code_of, people
from tests.ai.model_server import Say, model_server
from tests.api.test_webhooks import Hooks, hooking
from tests.authorization_server import authority
from tests.clock import ManualClock
from tests.engine.rig import workflow
from tests.serving import Client, serving
from tests.test_trigger_service import HOURLY, drawing
from workflow_engine.nodes.openapi import document as openapi
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.proto import access_pb2 as ac
from workflow_engine.proto import ai_system_pb2 as ai
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as stubs
from workflow_engine.utils.structs import to_struct

WORKER = [ac.ROLE_EDITOR, ac.ROLE_OPERATOR]
KEY = "k" * 40


@pytest.fixture
async def client(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(sqlite_url, tmp_path, secret_key=KEY) as client:
        yield client


@pytest.fixture
async def hooks(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Hooks]:
    async with hooking(sqlite_url, tmp_path) as made:
        yield made


async def published(client: Client, who: Person, drawn: dict[str, Any], owner: str = "") -> str:
    """A published workflow of somebody; its id."""
    request = ws.CreateWorkflowRequest(name="Theirs", workflow=workflow({**drawn, "id": ""}), user_id=owner)
    made = (await client.stub.CreateWorkflow(request, metadata=who.metadata)).workflow
    await client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=made.id), metadata=who.metadata)
    return str(made.id)


class TestTheThingsOfOthers:
    """Eve may edit and operate, but nothing of Ada's is hers."""

    async def test_a_delivery_to_a_foreign_trigger_is_not_replayed(self, client: Client) -> None:
        found = await people(client, ada=WORKER, eve=WORKER)
        ada, eve = found["ada"], found["eve"]
        triggers: Any = stubs.TriggerServiceStub(client.channel)
        id = await published(client, ada, drawing(**HOURLY))
        [trigger] = (
            await triggers.ListTriggers(it.ListTriggersRequest(workflow_id=id), metadata=ada.metadata)
        ).triggers
        fire = it.FireTriggerRequest(trigger_id=trigger.id)
        event = (await triggers.FireTrigger(fire, metadata=ada.metadata)).event

        replay = it.ReplayTriggerEventRequest(event_id=event.id)
        assert await code_of(triggers.ReplayTriggerEvent(replay, metadata=eve.metadata)) == "NOT_FOUND"
        preview = it.PreviewTriggerRequest(trigger=it.Trigger(id=trigger.id))
        assert await code_of(triggers.PreviewTrigger(preview, metadata=eve.metadata)) == "NOT_FOUND"
        listing = ex.GetExecutionHistoryRequest(workflow_id=id)
        assert (await client.stub.GetExecutionHistory(listing, metadata=ada.metadata)).total == 1
        assert await code_of(triggers.ReplayTriggerEvent(replay, metadata=ada.metadata)) == "OK"
        assert await code_of(triggers.PreviewTrigger(preview, metadata=ada.metadata)) == "OK"

    async def test_what_came_to_a_trigger_stays_its_owner_s_when_it_is_removed(self, client: Client) -> None:
        found = await people(client, ada=WORKER, eve=WORKER)
        ada, eve = found["ada"], found["eve"]
        triggers: Any = stubs.TriggerServiceStub(client.channel)
        id = await published(client, ada, drawing(**HOURLY))
        [trigger] = (
            await triggers.ListTriggers(it.ListTriggersRequest(workflow_id=id), metadata=ada.metadata)
        ).triggers
        await triggers.FireTrigger(it.FireTriggerRequest(trigger_id=trigger.id), metadata=ada.metadata)
        await client.stub.UnpublishWorkflow(ws.UnpublishWorkflowRequest(workflow_id=id), metadata=ada.metadata)

        events = it.ListTriggerEventsRequest(trigger_id=trigger.id)
        assert await code_of(triggers.ListTriggerEvents(events, metadata=eve.metadata)) == "NOT_FOUND"
        assert len((await triggers.ListTriggerEvents(events, metadata=ada.metadata)).events) == 1

    async def test_a_conversation_ends_with_the_project_that_its_agent_is_of(
        self, sqlite_url: str, tmp_path: Path
    ) -> None:
        async with (
            model_server() as models,
            serving(sqlite_url, tmp_path, secret_key=KEY, **models.settings()) as client,
        ):
            models.plays(Say("Hello."), Say("The secret is 42."))
            found = await people(client, eve=WORKER)
            root, eve = found["root"], found["eve"]
            admin: Any = stubs.AdminServiceStub(client.channel)
            creating = ac.CreateProjectRequest(name="Billing", user_ids=[eve.id])
            project = (await admin.CreateProject(creating, metadata=root.metadata)).project
            agent = {
                "nodes": [
                    {"id": "in", "type": "trigger.manual"},
                    {"id": "agent", "type": "ai_agent.agent", "parameters": {"prompt": "{{ json.text }}"}},
                ],
                "connections": ["in -> agent"],
            }
            id = await published(client, root, agent, project.id)
            agents: Any = stubs.AIAgentServiceStub(client.channel)
            first = ai.ChatWithAgentRequest(workflow_id=id, text="Hello")
            begun = await agents.ChatWithAgent(first, metadata=eve.metadata)
            leaving = ac.UpdateProjectRequest(project_id=project.id, remove_user_ids=[eve.id])
            await admin.UpdateProject(leaving, metadata=root.metadata)

            again = ai.ChatWithAgentRequest(conversation_id=begun.conversation_id, text="And the secret?")
            assert await code_of(agents.ChatWithAgent(again, metadata=eve.metadata)) == "NOT_FOUND"
            assert len(models.requests) == 1


class TestAfterTheKeyIsGone:
    WAITS = {
        "nodes": [
            {"id": "start", "type": "trigger.manual"},
            {"id": "wait", "type": "flow.wait", "parameters": {"signal": "go"}},
            {"id": "last", "type": "flow.set", "parameters": {"assignments": [{"name": "secret", "value": "42"}]}},
        ],
        "connections": ["start -> wait -> last"],
    }

    async def begun(self, client: Client) -> tuple[Person, Person, str, str]:
        """An admin, somebody else, the id of their key, and an execution of theirs that waits."""
        found = await people(client, eve=WORKER)
        root, eve = found["root"], found["eve"]
        auth: Any = stubs.AuthServiceStub(client.channel)
        [key] = (await auth.ListApiKeys(ac.ListApiKeysRequest(), metadata=eve.metadata)).api_keys
        id = await published(client, eve, self.WAITS)
        running = ex.ExecuteWorkflowRequest(workflow_id=id)
        return root, eve, key.id, (await client.stub.ExecuteWorkflow(running, metadata=eve.metadata)).execution_id

    async def test_a_stream_over_grpc_tells_nothing_more(self, client: Client) -> None:
        root, eve, key, run = await self.begun(client)
        stream = client.stub.WatchExecution(ex.WatchExecutionRequest(execution_id=run), metadata=eve.metadata)
        while (await stream.read()).event.type != ex.EVENT_TYPE_NODE_SUSPENDED:
            pass
        auth: Any = stubs.AuthServiceStub(client.channel)
        await auth.RevokeApiKey(ac.RevokeApiKeyRequest(key_id=key), metadata=root.metadata)
        await client.stub.SignalExecution(
            ex.SignalExecutionRequest(execution_id=run, name="go"), metadata=root.metadata
        )
        async with asyncio.timeout(10):
            assert await code_of(stream.read()) == "UNAUTHENTICATED"

    async def test_nor_do_server_sent_events(self, client: Client) -> None:
        root, eve, key, run = await self.begun(client)
        async with (
            aiohttp.ClientSession(headers=eve.headers) as http,
            http.get(f"{client.http}/v1/executions/{run}/events") as response,
        ):
            assert response.status == 200
            while b"SUSPENDED" not in await response.content.readline():
                pass
            auth: Any = stubs.AuthServiceStub(client.channel)
            await auth.RevokeApiKey(ac.RevokeApiKeyRequest(key_id=key), metadata=root.metadata)
            signal = ex.SignalExecutionRequest(execution_id=run, name="go")
            await client.stub.SignalExecution(signal, metadata=root.metadata)
            async with asyncio.timeout(10):
                rest = await response.text()
        assert "event: error" in rest
        assert "42" not in rest


class TestGuessing:
    async def test_keys_are_not_guessed_faster_than_calls_may_come(self, sqlite_url: str, tmp_path: Path) -> None:
        async with serving(sqlite_url, tmp_path, clock=ManualClock(), rate_limit=10) as client:
            await people(client)
            listing = ws.ListWorkflowsRequest()
            codes = [
                await code_of(client.stub.ListWorkflows(listing, metadata=(("x-api-key", f"wfe_{number}"),)))
                for number in range(110)
            ]
            assert set(codes[:90]) == {"UNAUTHENTICATED"}
            assert codes[-1] == "RESOURCE_EXHAUSTED"

    async def test_whoever_tries_on_and_on_does_not_fill_the_audit_log(self, sqlite_url: str, tmp_path: Path) -> None:
        async with serving(sqlite_url, tmp_path, clock=ManualClock()) as client:
            root = (await people(client))["root"]
            auth: Any = stubs.AuthServiceStub(client.channel)
            for _ in range(30):
                await code_of(auth.SignIn(ac.SignInRequest(email="eve@example.com", password="wrong")))
            admin: Any = stubs.AdminServiceStub(client.channel)
            listing = ac.ListAuditEventsRequest(action="SignIn", limit=100)
            events = (await admin.ListAuditEvents(listing, metadata=root.metadata)).events
            assert len([each for each in events if each.who == "eve@example.com"]) == 10

    async def test_an_ipv6_network_is_one_place(self, sqlite_url: str, tmp_path: Path) -> None:
        settings = {"clock": ManualClock(), "trusted_proxies": ["127.0.0.1"]}
        async with serving(sqlite_url, tmp_path, **settings) as client, aiohttp.ClientSession() as http:
            await people(client)
            statuses = []
            for number in range(11):
                said = {"X-Forwarded-For": f"2001:db8::{number:x}"}
                tried = {"email": "root@example.com", "password": "wrong"}
                async with http.post(f"{client.http}/v1/auth/sign-in", json=tried, headers=said) as response:
                    statuses.append(response.status)
            assert statuses == [401] * 10 + [429]


class TestGrantsOfAccess:
    async def test_nobody_is_led_into_connecting_their_account_to_a_foreign_credential(
        self, sqlite_url: str, tmp_path: Path
    ) -> None:
        async with serving(sqlite_url, tmp_path, secret_key=KEY) as client, authority() as there:
            found = await people(client, eve=WORKER)
            eve = found["eve"]
            integrations: Any = stubs.IntegrationServiceStub(client.channel)
            creating = it.CreateCredentialRequest(name="Eve's", type="oauth2", fields=to_struct(there.fields))
            mine = (await integrations.CreateCredential(creating, metadata=eve.metadata)).credential
            begin = it.StartOAuthRequest(credential_id=mine.id, redirect_uri=f"{client.http}/oauth/callback")

            async def follow(who: str) -> tuple[int, str]:
                """Somebody's browser opens the link that Eve has sent them."""
                url = (await integrations.StartOAuth(begin, metadata=eve.metadata)).authorization_url
                async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
                    if who:
                        signing_in = {"email": f"{who}@example.com", "password": PASSWORD}
                        async with browser.post(f"{client.http}/v1/auth/sign-in", json=signing_in) as response:
                            assert response.status == 200
                    async with browser.get(url) as response:
                        return response.status, await response.text()

            for who in ("root", ""):
                status, page = await follow(who)
                assert status == 400, page
                assert "who began" in page
            assert there.asked["authorization_code"] == 0
            assert (await follow("eve"))[0] == 200

            started = await integrations.StartOAuth(begin, metadata=eve.metadata)
            stolen = it.CompleteOAuthRequest(state=started.state, code="x")
            completing = integrations.CompleteOAuth(stolen, metadata=found["root"].metadata)
            assert await code_of(completing) == "FAILED_PRECONDITION"


class TestPagesOnOurOrigin:
    """A workflow's author may answer with any page. It must not be one that can act as its reader in the editor."""

    async def test_a_page_of_a_workflow_is_none_of_the_editor_s(self, hooks: Hooks) -> None:
        evil = {"body": {"x": "<script>fetch('/v1/workflows')</script>"}, "headers": {"Content-Type": "text/html"}}
        for own in ({}, {"Content-Security-Policy": "script-src *"}):
            answer = {**evil, "headers": {**evil["headers"], **own}}
            respond = {"id": "respond", "type": "flow.respond", "parameters": answer}
            url = await hooks.hook(respond, respond="respond_node", methods=["GET"])
            status, page = await hooks.call(url, method="GET")
            assert (status, hooks.response.content_type) == (200, "text/html")
            assert "<script>" in page
            policies = ",".join(hooks.response.headers.getall("content-security-policy"))
            [sandbox] = [each.strip() for each in policies.split(",") if each.strip().startswith("sandbox")]
            assert "allow-same-origin" not in sandbox
            assert hooks.response.headers["x-content-type-options"] == "nosniff"

    async def test_nor_is_a_file(self, hooks: Hooks) -> None:
        respond = {
            "id": "respond",
            "type": "flow.respond",
            "parameters": {"headers": {"Content-Security-Policy": "script-src *", "X-Content-Type-Options": "none"}},
        }
        url = await hooks.hook(respond, respond="respond_node", answer="file", raw=True)
        page = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
        status, _ = await hooks.call(url, data=page, headers={"Content-Type": "image/svg+xml"})
        assert status == 200
        assert "sandbox" in ",".join(hooks.response.headers.getall("content-security-policy"))
        assert hooks.response.headers.getall("x-content-type-options") == ["nosniff"]

    async def test_no_workflow_speaks_for_the_whole_site(self, hooks: Hooks) -> None:
        said = {"Clear-Site-Data": '"*"', "Service-Worker-Allowed": "/", "Strict-Transport-Security": "max-age=9"}
        respond = {"id": "respond", "type": "flow.respond", "parameters": {"headers": {**said, "X-Fine": "yes"}}}
        url = await hooks.hook(respond, respond="respond_node")
        status, _ = await hooks.call(url, json={})
        assert (status, hooks.response.headers["x-fine"]) == (200, "yes")
        assert not {name for name in said if name in hooks.response.headers}


class TestOneRequestAgainstTheServer:
    """None of these may take its time or memory, or look like its own mistake."""

    async def test_a_yaml_that_unfolds(self, client: Client) -> None:
        lines = ["nodes:", "- id: n", "  type: flow.set", "  parameters:", "    a0: &a0 [x, x, x, x, x, x, x, x]"]
        lines += [f"    a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 20)]
        request = ws.ImportWorkflowRequest(content="\n".join(lines), format=ws.WORKFLOW_FORMAT_YAML)
        async with asyncio.timeout(5):
            assert await code_of(client.stub.ImportWorkflow(request)) == "INVALID_ARGUMENT"

    @pytest.mark.parametrize("depth", [300, 2_000, 1_000_000])
    async def test_an_xml_of_many_floors(self, hooks: Hooks, depth: int) -> None:
        url = await hooks.hook()
        body = b"<a>" * depth + b"</a>" * depth
        status, answer = await hooks.call(url, data=body, headers={"Content-Type": "application/xml"})
        assert status == 400, answer

    @pytest.mark.parametrize("content_type", ["application/json", ""])
    async def test_a_json_of_many_floors(self, hooks: Hooks, content_type: str) -> None:
        url = await hooks.hook()
        body = b'{"a":' * 900 + b"1" + b"}" * 900
        status, answer = await hooks.call(url, data=body, headers={"Content-Type": content_type})
        if content_type:
            assert status == 400, answer
        else:
            assert status == 202
            assert (await hooks.input(answer))["body"] is None, "it is bytes like any other"

    async def test_a_deep_value_can_still_be_looked_at(self, hooks: Hooks) -> None:
        url = await hooks.hook()
        for body in (b'{"a":' * 190 + b"1" + b"}" * 190, b"[" * 190 + b"]" * 190):
            _, answer = await hooks.call(url, data=body, headers={"Content-Type": "application/json"})
            inside, depth = (await hooks.input(answer))["body"], 0
            while not isinstance(inside, str):
                inside, depth = inside["a"] if isinstance(inside, dict) else inside[0], depth + 1
            assert depth > 20
            assert json.loads(inside)
            async with hooks.http.get(f"{hooks.client.http}/v1/executions/{answer['execution_id']}") as response:
                assert response.status == 200

    async def test_a_query_that_doubles(self, client: Client) -> None:
        doubling = "|".join(["[@,@]"] * 30) + "|to_string(@)"
        chat = {"path": "c", "reply": doubling}
        workflow = await client.create(
            {"nodes": [{"id": "in", "type": "trigger.chat", "parameters": chat}], "connections": []}
        )
        await client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=workflow.id))
        async with (
            asyncio.timeout(10),
            aiohttp.ClientSession() as http,
            http.post(f"{client.http}/chat/c", json={"message": "hi"}) as response,
        ):
            events = json.loads(await response.text())["events"]
        assert [each["event"] for each in events] == ["started", "reply", "done"]
        assert len(events[1]["text"]) < 1_000

    async def test_an_openapi_document_that_unfolds(self) -> None:
        lines = ["openapi: 3.0.0", "paths: {/x: {get: {}}}", "x-a0: &a0 {type: object}"]
        lines += [f"x-a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 20)]
        with pytest.raises(NodeFailure, match="too many values"):
            openapi.parse("\n".join(lines).encode())


async def test_a_page_of_another_site_does_not_begin_to_listen(client: Client) -> None:
    """It is only asked for, so a browser sends it without a question; and yet the test URL is open from then on."""
    hook = {"id": "hook", "type": "trigger.webhook", "parameters": {"path": "w"}}
    workflow = await client.create({"nodes": [hook], "connections": []})
    url = f"{client.http}/v1/workflows/{workflow.id}/triggers/hook/listen"
    async with aiohttp.ClientSession() as http:
        async with http.get(url, headers={"Sec-Fetch-Site": "cross-site"}) as response:
            assert response.status == 403
        async with http.get(url, headers={"Sec-Fetch-Site": "same-origin"}) as response:
            assert response.status == 200
