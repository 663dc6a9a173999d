"""IntegrationService as its callers see it: over gRPC, on SQLite and on PostgreSQL, with real peers."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import grpc
import pytest
from aiohttp import web
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from sqlalchemy import create_engine, make_url, text

from tests.runtime.peers import Peer, forwarded, peer
from tests.serving import Client, output, serving
from workflow_engine.nodes.credentials import KINDS, CredentialKind
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.proto import workflow_service_pb2_grpc as rpc
from workflow_engine.utils.structs import struct_to_dict, to_python, to_struct

KEY = "k" * 40
SECRET = "hunter2-is-secret"


class Integrations:
    """A client of the service, with shorthand."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.stub: Any = rpc.IntegrationServiceStub(client.channel)

    async def create(self, type: str = "http_bearer", **request: Any) -> it.Credential:
        fields = to_struct(request.pop("fields", {"token": SECRET}))
        made = await self.stub.CreateCredential(
            it.CreateCredentialRequest(name=request.pop("name", "Shop"), type=type, fields=fields, **request)
        )
        assert made.success
        assert SECRET not in str(made)
        return made.credential  # type: ignore[no-any-return]

    async def get(self, id: str) -> it.Credential:
        return (await self.stub.GetCredential(it.GetCredentialRequest(credential_id=id))).credential  # type: ignore[no-any-return]

    async def update(self, id: str, fields: dict[str, Any] | None = None, **request: Any) -> it.Credential:
        request["fields"] = to_struct(fields) if fields else None
        changed = await self.stub.UpdateCredential(it.UpdateCredentialRequest(credential_id=id, **request))
        return changed.credential  # type: ignore[no-any-return]

    async def test(self, id: str) -> it.TestCredentialResponse:
        return await self.stub.TestCredential(it.TestCredentialRequest(credential_id=id))  # type: ignore[no-any-return]

    async def execute(self, tool: str, arguments: dict[str, Any], **credentials: str) -> it.ExecuteToolResponse:
        request = it.ExecuteToolRequest(tool=tool, arguments=to_struct(arguments), credentials=credentials)
        return await self.stub.ExecuteTool(request)  # type: ignore[no-any-return]


@asynccontextmanager
async def integrations(url: str, folder: Path, **settings: Any) -> AsyncIterator[Integrations]:
    async with serving(url, folder, **{"secret_key": KEY, **settings}) as client:
        yield Integrations(client)


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Integrations]:
    async with integrations(database_url, tmp_path) as made:
        yield made


@pytest.fixture
async def sqlite_service(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Integrations]:
    async with integrations(sqlite_url, tmp_path) as made:
        yield made


@asynccontextmanager
async def refused(code: grpc.StatusCode, reason: str) -> AsyncIterator[list[str]]:
    """Expects a refusal; gives its message, and then `field: what is wrong` for every violation."""
    said: list[str] = []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        yield said
    assert caught.value.code() == code, caught.value.details()
    said.append(caught.value.details() or "")
    assert SECRET not in said[0]
    for detail in rpc_status.from_call(caught.value).details:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            assert info.reason == reason
        elif detail.Unpack(bad):
            said += [f"{each.field}: {each.description}" for each in bad.field_violations]


def fetching(url: str, credential: str) -> dict[str, Any]:
    fetch = {"id": "fetch", "type": "action.http_request", "parameters": {"url": url}}
    return {
        "nodes": [{"id": "start", "type": "trigger.manual"}, {**fetch, "credentials": {"auth": credential}}],
        "connections": ["start -> fetch"],
    }


@asynccontextmanager
async def guarded(wanted: str = f"Bearer {SECRET}") -> AsyncIterator[Peer]:
    """Lets in who sends `wanted` in the header Authorization; to anyone else it quotes what was sent."""

    async def answer(request: web.Request) -> web.Response:
        sent = request.headers.get("Authorization", "")
        if sent == wanted:
            return web.json_response({"welcome": True})
        return web.json_response({"error": f"{sent!r} is not welcome"}, status=401)

    async with peer(answer) as there:
        yield there


class TestCredentials:
    async def test_a_credential_is_stored_encrypted_and_shown_without_its_secrets(
        self, service: Integrations, database_url: str
    ) -> None:
        fields = {"username": "ada", "password": SECRET}
        made = await service.create("http_basic", fields=fields, user_id="ada", allowed_hosts=["API.Shop.example."])
        assert struct_to_dict(made.fields) == {"username": "ada"}
        assert list(made.secret_fields) == ["password"]
        assert list(made.allowed_hosts) == ["api.shop.example"]
        assert made.key_id
        assert made.user_id == "ada"
        assert await service.get(made.id) == made
        listed = await service.stub.ListCredentials(it.ListCredentialsRequest(user_id="ada"))
        assert list(listed.credentials) == [made]
        engine = create_engine(database_url)
        with engine.connect() as connection:
            stored = str([tuple(row) for row in connection.execute(text("SELECT * FROM credential"))])
        engine.dispose()
        assert "ada" in stored
        assert SECRET not in stored
        assert base64.b64encode(SECRET.encode()).decode() not in stored

    async def test_fields_are_replaced_one_by_one_and_null_takes_one_out(self, service: Integrations) -> None:
        made = await service.create("postgres", fields={"host": "db", "user": "ada", "password": SECRET, "port": 5433})
        changed = await service.update(made.id, {"host": "db2", "port": None}, name="New", allowed_hosts=["db2"])
        assert struct_to_dict(changed.fields) == {"host": "db2", "user": "ada"}
        assert list(changed.secret_fields) == ["password"]
        assert (changed.name, list(changed.allowed_hosts)) == ("New", ["db2"])
        changed = await service.update(made.id, {"password": None})
        assert not changed.secret_fields
        async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST") as said:
            await service.update(made.id, {"host": None})
        assert "fields.host: is required" in said

    async def test_a_deleted_credential_is_gone(self, service: Integrations) -> None:
        made = await service.create()
        request = it.DeleteCredentialRequest(credential_id=made.id)
        assert (await service.stub.DeleteCredential(request)).success
        for call in (service.get(made.id), service.test(made.id), service.stub.DeleteCredential(request)):
            async with refused(grpc.StatusCode.NOT_FOUND, "CREDENTIAL_NOT_FOUND"):
                await call
        async with refused(grpc.StatusCode.NOT_FOUND, "CREDENTIAL_NOT_FOUND"):
            await service.update(made.id, name="x")

    async def test_a_repeated_request_makes_one_credential(self, service: Integrations) -> None:
        first = await service.create(idempotency_key="once")
        assert (await service.create(idempotency_key="once")).id == first.id
        async with refused(grpc.StatusCode.ALREADY_EXISTS, "IDEMPOTENCY_KEY_REUSED"):
            await service.create(idempotency_key="once", fields={"token": "another"})

    async def test_lists_go_on_where_they_ended(self, service: Integrations) -> None:
        ids = [(await service.create(name=f"{number}")).id for number in range(5)]
        seen: list[str] = []
        place = ""
        while True:
            request = it.ListCredentialsRequest(limit=2, page_token=place, type="http_bearer")
            page = await service.stub.ListCredentials(request)
            seen += [each.id for each in page.credentials]
            if not (place := page.next_page_token):
                break
        assert sorted(seen) == sorted(ids)

    @pytest.mark.parametrize(
        ("type", "fields", "hosts", "violation"),
        [
            ("http_magic", {}, [], "type: is unknown"),
            ("http_bearer", {}, [], "fields.token: is required"),
            ("http_bearer", {"token": ""}, [], "fields.token: Value should have at least 1 item"),
            ("http_bearer", {"token": SECRET, "tokn": SECRET}, [], "fields.tokn: is no field of this type"),
            ("http_header", {"name": "X Key", "value": SECRET}, [], "fields.name: String should match"),
            ("http_bearer", {"token": SECRET}, ["https://shop.example"], "allowed_hosts[0]: 'https://shop"),
            ("http_bearer", {"token": SECRET}, ["ok.example", "*"], "allowed_hosts[1]: '*' is no host"),
        ],
    )
    async def test_a_wrong_field_is_named(
        self, sqlite_service: Integrations, type: str, fields: dict[str, Any], hosts: list[str], violation: str
    ) -> None:
        async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST") as said:
            await sqlite_service.create(type, fields=fields, allowed_hosts=hosts)
        assert any(each.startswith(violation) for each in said[1:]), said

    @pytest.mark.parametrize("key", ["", "your-secret-key-here"])
    async def test_without_a_good_secret_key_nothing_is_stored(self, sqlite_url: str, tmp_path: Path, key: str) -> None:
        async with integrations(sqlite_url, tmp_path, secret_key=key) as service:
            async with refused(grpc.StatusCode.FAILED_PRECONDITION, "SECRET_KEY_MISSING") as said:
                await service.create()
            assert "workflow-engine keys generate" in said[0]
            assert not (await service.stub.ListCredentials(it.ListCredentialsRequest())).credentials


class TestUse:
    async def test_a_node_signs_with_a_stored_credential_and_sees_a_change_at_once(self, service: Integrations) -> None:
        async with guarded() as there:
            made = await service.create(fields={"token": "first"})
            workflow = await service.client.create(fetching(there.url, made.id))
            assert (await service.client.run(workflow.id)).status == ex.ERROR
            await service.update(made.id, {"token": SECRET})
            execution = await service.client.run(workflow.id)
            assert output(execution) == [{"welcome": True}]
            assert SECRET not in str(execution)

    async def test_it_goes_to_no_other_host_than_those_it_is_for(self, service: Integrations) -> None:
        async with guarded() as there:
            made = await service.create(allowed_hosts=["shop.example", "*.shop.example"])
            workflow = await service.client.create(fetching(there.url, made.id))
            execution = await service.client.run(workflow.id)
            assert execution.failure.reason == "CREDENTIAL_REFUSED", execution
            assert "shop.example" in execution.failure.message
            assert not there.seen
            await service.update(made.id, allowed_hosts=["127.0.0.1"])
            assert (await service.client.run(workflow.id)).status == ex.SUCCESS

    @pytest.mark.parametrize(
        ("type", "fields"),
        [
            ("http_bearer", {"token": SECRET}),
            ("http_basic", {"username": "ada", "password": SECRET}),
        ],
    )
    async def test_a_peer_that_quotes_the_secret_does_not_get_it_into_the_journal(
        self, database_url: str, tmp_path: Path, type: str, fields: dict[str, Any]
    ) -> None:
        pair = base64.b64encode(f"ada:{SECRET}".encode()).decode()
        async with guarded("nobody") as there, integrations(database_url, tmp_path) as service:
            made = await service.create(type, fields=fields)
            workflow = await service.client.create(fetching(there.url, made.id))
            execution = await service.client.run(workflow.id)
            assert there.seen[0].headers["Authorization"].endswith((SECRET, pair))
            assert "***" in str(execution.failure), execution.failure
            assert SECRET not in str(execution)
            assert pair not in str(execution)
        engine = create_engine(make_url(database_url))
        with engine.connect() as connection:
            for table in ("execution_event", "workflow_execution"):
                rows = connection.execute(text(f"SELECT * FROM {table}")).all()
                stored = b"".join(
                    bytes(each) if isinstance(each, bytes | memoryview) else str(each).encode()
                    for row in rows
                    for each in row
                )
                assert SECRET.encode() not in stored
                assert pair.encode() not in stored
        engine.dispose()

    async def test_a_failure_does_not_tell_whether_a_guess_is_the_secret_of_someone_else(
        self, sqlite_service: Integrations
    ) -> None:
        async with guarded() as there:
            made = await sqlite_service.create()
            workflow = await sqlite_service.client.create(fetching(there.url, made.id))
            assert (await sqlite_service.client.run(workflow.id)).status == ex.SUCCESS
        guess = {"id": "guess", "type": "flow.stop_and_error", "parameters": {"message": f"is it {SECRET}?"}}
        workflow = await sqlite_service.client.create(
            {"nodes": [{"id": "start", "type": "trigger.manual"}, guess], "connections": ["start -> guess"]}
        )
        assert SECRET in (await sqlite_service.client.run(workflow.id)).failure.message

    async def test_an_unknown_credential_fails_the_node(self, sqlite_service: Integrations) -> None:
        async with guarded() as there:
            workflow = await sqlite_service.client.create(fetching(there.url, "cred_none"))
            execution = await sqlite_service.client.run(workflow.id)
            assert execution.failure.reason == "CREDENTIAL_MISSING"
            assert not there.seen


class TestTrying:
    async def test_it_is_let_in_or_not_and_the_answer_says_so(self, service: Integrations) -> None:
        async with guarded() as there:
            made = await service.create(fields={"token": SECRET, "test_url": f"{there.url}/{{{{me}}}}"})
            answer = await service.test(made.id)
            assert answer.success, answer
            assert there.seen[0].path == "/{{me}}", "braces in a field are no expression"
            await service.update(made.id, {"token": "stale-token"})
            answer = await service.test(made.id)
            assert not answer.success
            assert answer.failure.reason
            assert "401" in answer.message
            assert "stale-token" not in str(answer)

    async def test_a_database_is_asked(self, sqlite_service: Integrations, postgres_url: str) -> None:
        url = make_url(postgres_url)
        async with forwarded(f"{url.query['host']}/.s.PGSQL.{url.port or 5432}") as port:
            fields = {"host": "127.0.0.1", "port": port, "user": url.username, "database": url.database}
            made = await sqlite_service.create("postgres", fields={**fields, "sslmode": "disable"})
            answer = await sqlite_service.test(made.id)
            assert answer.success, answer
            await sqlite_service.update(made.id, {"database": "nowhere"})
            answer = await sqlite_service.test(made.id)
            assert not answer.success
            assert "nowhere" in answer.message
            await sqlite_service.update(made.id, allowed_hosts=["db.example"])
            assert (await sqlite_service.test(made.id)).failure.reason == "CREDENTIAL_REFUSED"

    @pytest.mark.parametrize(
        ("type", "fields"),
        [
            ("github", {"token": SECRET}),
            ("oauth2", {"provider": "github", "access_token": SECRET}),
        ],
    )
    async def test_an_account_of_a_service_is_tried_at_the_service(
        self, sqlite_service: Integrations, type: str, fields: dict[str, Any]
    ) -> None:
        async with guarded() as there:
            made = await sqlite_service.create(type, fields={**fields, "base_url": there.url})
            assert (await sqlite_service.test(made.id)).success
            assert [each.path for each in there.seen] == ["/user"]
            secret = "token" if type == "github" else "access_token"
            await sqlite_service.update(made.id, {secret: "wrong-token"})
            answer = await sqlite_service.test(made.id)
            assert not answer.success
            assert "does not accept the credential" in answer.failure.hint
            assert "wrong-token" not in str(answer)

    async def test_what_can_not_be_tried_is_not_called_good(self, sqlite_service: Integrations) -> None:
        made = await sqlite_service.create()
        answer = await sqlite_service.test(made.id)
        assert not answer.success
        assert answer.failure.reason == "NOTHING_TO_TRY"
        assert "test_url" in answer.failure.hint


class TestTools:
    async def test_integrations_say_which_nodes_take_which_credentials(self, sqlite_service: Integrations) -> None:
        answer = await sqlite_service.stub.ListIntegrations(it.ListIntegrationsRequest(query="http"))
        (http,) = answer.integrations
        assert "action.http_request" in http.node_types
        kinds = {kind.type: kind for kind in http.credential_types}
        assert kinds["oauth2"].is_oauth
        for kind, secret in (("http_basic", "password"), ("oauth2", "refresh_token")):
            properties = struct_to_dict(kinds[kind].schema)["properties"]
            assert properties[secret]["writeOnly"] is True
        assert "writeOnly" not in struct_to_dict(kinds["http_basic"].schema)["properties"]["username"]
        order = struct_to_dict(kinds["oauth2"].schema)["propertyOrder"]
        assert order[:4] == ["provider", "grant", "client_id", "client_secret"]
        assert order[-1] == "test_url", "a form shows what is peculiar to the kind first"

    async def test_services_are_integrations_with_their_own_nodes_and_accounts(
        self, sqlite_service: Integrations
    ) -> None:
        answer = await sqlite_service.stub.ListIntegrations(it.ListIntegrationsRequest(query="github"))
        (github,) = answer.integrations
        assert list(github.node_types) == ["external_action.github"]
        assert [kind.type for kind in github.credential_types] == ["github", "oauth2"]
        assert github.documentation_url.startswith("https://")
        everything = await sqlite_service.stub.ListIntegrations(it.ListIntegrationsRequest())
        assert len({each.id for each in everything.integrations}) == len(everything.integrations) >= 25

    async def test_a_credential_of_every_kind_can_be_made_where_integrations_are_shown(
        self, sqlite_service: Integrations
    ) -> None:
        class Foreign(CredentialKind):
            """What a package of somebody else's takes."""

            type = "foreign"
            title = "Foreign key"

        with patch.dict(KINDS, foreign=Foreign):
            shown = (await sqlite_service.stub.ListIntegrations(it.ListIntegrationsRequest())).integrations
            assert {kind.type for each in shown for kind in each.credential_types} == set(KINDS)
        assert {"external_action.email", "trigger.email"} <= {
            node for each in shown if each.id == "mail" for node in each.node_types
        }

    async def test_a_tool_runs_with_a_credential_and_its_arguments_are_no_expressions(
        self, service: Integrations
    ) -> None:
        async with guarded() as there:
            made = await service.create()
            arguments = {"url": f"{there.url}/{{{{ 1 + 1 }}}}", "full_response": False}
            answer = await service.execute("action.http_request", arguments, auth=made.id)
            assert answer.success, answer
            assert to_python(answer.result) == {"welcome": True}
            assert there.seen[0].path == "/{{ 1 + 1 }}"
            answer = await service.execute("action.http_request", arguments)
            assert not answer.success
            assert "401" in answer.failure.message

    async def test_tools_are_what_means_something_by_itself(self, sqlite_service: Integrations) -> None:
        tools = (await sqlite_service.stub.ListTools(it.ListToolsRequest())).tools
        names = {tool.name for tool in tools}
        assert {"action.http_request", "action.postgres", "action.crypto"} <= names
        assert not [name for name in names if name.startswith(("flow.", "trigger."))]
        for name in ("flow.loop", "action.none"):
            async with refused(grpc.StatusCode.NOT_FOUND, "TOOL_NOT_FOUND"):
                await sqlite_service.execute(name, {})

    @pytest.mark.parametrize(
        ("tool", "arguments", "slots", "violation"),
        [
            ("action.http_request", {}, {}, "arguments.url: url is required"),
            ("action.http_request", {"url": "x", "ulr": 1}, {}, "arguments.ulr: there is no parameter 'ulr'"),
            ("action.http_request", {"url": "x"}, {"oath": "c"}, "credentials.oath: is no slot"),
            ("action.postgres", {"sql": "SELECT 1"}, {}, "credentials.database: is required"),
            ("action.postgres", {"sql": "SELECT 1"}, {"database": ""}, "credentials.database: is required"),
            ("action.postgres", {"sql": "SELECT 1"}, {"database": "@"}, "credentials.database: takes a credential"),
        ],
    )
    async def test_what_does_not_fit_is_named(
        self, sqlite_service: Integrations, tool: str, arguments: dict[str, Any], slots: dict[str, str], violation: str
    ) -> None:
        made = await sqlite_service.create()
        slots = {slot: made.id if id == "@" else id for slot, id in slots.items()}
        async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST") as said:
            await sqlite_service.execute(tool, arguments, **slots)
        assert any(each.startswith(violation) for each in said[1:]), said
