"""Grants of access end to end: a browser, an authorization server, and workflows that use what it gave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import grpc
import pytest
from sqlalchemy import create_engine, text

from tests.authorization_server import CLIENT_SECRET, Authority, authority
from tests.clock import ManualClock
from tests.serving import LOOPBACK, Client, output
from tests.test_integration_service import KEY, Integrations, fetching, refused
from workflow_engine import server
from workflow_engine.core.config import Settings
from workflow_engine.models import credentials
from workflow_engine.models.store import StoreUnavailable
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.proto import workflow_service_pb2_grpc as rpc

HOUR = 3_600_000


class Service(Integrations):
    """A server with a clock of its own."""

    def __init__(self, client: Client, clock: ManualClock) -> None:
        super().__init__(client)
        self.clock = clock

    @property
    def callback(self) -> str:
        return f"{self.client.http}/oauth/callback"

    async def start(self, id: str, **request: Any) -> it.StartOAuthResponse:
        request.setdefault("redirect_uri", self.callback)
        return await self.stub.StartOAuth(it.StartOAuthRequest(credential_id=id, **request))  # type: ignore[no-any-return]

    async def connect(self, there: Authority, **fields: Any) -> it.Credential:
        """A credential for which a person has granted access in a browser."""
        made = await self.create("oauth2", fields={**there.fields, **fields})
        started = await self.start(made.id)
        status, page = await browse(started.authorization_url)
        assert status == 200, page
        return await self.get(made.id)

    async def fetch(self, there: Authority, id: str) -> ex.Execution:
        workflow = await self.client.create(fetching(there.api, id))
        return await self.client.run(workflow.id)


async def browse(url: str) -> tuple[int, str]:
    """Goes there as a person's browser would, redirects and all."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


@asynccontextmanager
async def running(url: str, folder: Path) -> AsyncIterator[Service]:
    clock = ManualClock()
    settings = Settings(
        _env_file=None,
        database_url=url,
        data_dir=folder,
        grpc_port=0,
        http_port=0,
        egress_allow=LOOPBACK,
        secret_key=KEY,
    )
    started = await server.start(settings, clock=clock)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{started.port}") as channel:
        http = f"http://127.0.0.1:{started.http_port}"
        yield Service(Client(rpc.WorkflowServiceStub(channel), channel, started.port, http), clock)
    await started.close()


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path) as made:
        yield made


@pytest.fixture
async def sqlite_service(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(sqlite_url, tmp_path) as made:
        yield made


class TestGrant:
    async def test_a_person_grants_access_and_a_workflow_uses_it(self, service: Service, database_url: str) -> None:
        async with authority() as there:
            made = await service.create("oauth2", fields=there.fields)
            started = await service.start(made.id, scopes=["read", "write"])
            asked = parse_qs(urlsplit(started.authorization_url).query)
            assert asked["scope"] == ["read write"]
            assert asked["code_challenge_method"] == ["S256"]
            assert asked["state"] == [started.state]
            engine = create_engine(database_url)
            with engine.connect() as connection:
                assert started.state not in str(list(connection.execute(text("SELECT * FROM oauth_grant"))))
            engine.dispose()
            status, page = await browse(started.authorization_url)
            assert status == 200
            assert "Shop is connected" in page
            connected = await service.get(made.id)
            assert sorted(connected.secret_fields) == ["access_token", "client_secret", "refresh_token"]
            assert connected.expires_at.ToMilliseconds() == service.clock.now_ms() + HOUR
            assert output(await service.fetch(there, made.id)) == [{"welcome": True}]

    async def test_a_state_works_once(self, sqlite_service: Service) -> None:
        async with authority() as there:
            made = await sqlite_service.create("oauth2", fields=there.fields)
            started = await sqlite_service.start(made.id)
            await browse(started.authorization_url)
            complete = it.CompleteOAuthRequest(state=started.state, code="again")
            async with refused(grpc.StatusCode.FAILED_PRECONDITION, "OAUTH_STATE_UNKNOWN"):
                await sqlite_service.stub.CompleteOAuth(complete)
            assert there.asked["authorization_code"] == 1

    async def test_a_state_ends_after_ten_minutes(self, sqlite_service: Service) -> None:
        async with authority() as there:
            made = await sqlite_service.create("oauth2", fields=there.fields)
            started = await sqlite_service.start(made.id)
            sqlite_service.clock.advance(10 * 60_000)
            status, page = await browse(started.authorization_url)
            assert status == 400
            assert "begin again with StartOAuth" in page
            assert there.asked["authorization_code"] == 0

    async def test_a_code_without_its_verifier_is_of_no_use(self, sqlite_service: Service) -> None:
        async with authority() as there:
            made = await sqlite_service.create("oauth2", fields=there.fields)
            first, second = [await sqlite_service.start(made.id) for _ in range(2)]
            async with aiohttp.ClientSession() as session:
                answer = await session.get(first.authorization_url, allow_redirects=False)
            code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
            async with refused(grpc.StatusCode.FAILED_PRECONDITION, "OAUTH_REFUSED") as said:
                await sqlite_service.stub.CompleteOAuth(it.CompleteOAuthRequest(state=second.state, code=code))
            assert "invalid_grant" in said[0]

    async def test_what_a_person_denies_is_told_and_is_no_markup(self, sqlite_service: Service) -> None:
        url = f"{sqlite_service.callback}?error=access_denied&error_description=<script>alert(1)</script>"
        status, page = await browse(url)
        assert status == 400
        assert "access_denied: &lt;script&gt;" in page

    async def test_a_peer_that_quotes_what_it_was_sent_shows_nobody_the_secret(self, sqlite_service: Service) -> None:
        async with authority() as there:
            there.echoes = True
            made = await sqlite_service.create("oauth2", fields=there.fields)
            status, page = await browse((await sqlite_service.start(made.id)).authorization_url)
            assert status == 400
            assert "you sent" in page
            assert CLIENT_SECRET not in page

    @pytest.mark.parametrize(
        ("fields", "redirect", "code", "reason", "says"),
        [
            ({"client_id": ""}, None, "FAILED_PRECONDITION", "OAUTH_NOT_SET_UP", "no client_id"),
            ({"token_url": ""}, None, "FAILED_PRECONDITION", "OAUTH_NOT_SET_UP", "no token_url"),
            ({"grant": "client_credentials"}, None, "FAILED_PRECONDITION", "OAUTH_NOT_SET_UP", "without a person"),
            ({}, "http://evil.example/", "INVALID_ARGUMENT", "INVALID_REQUEST", "redirect_uri"),
            ({}, "https://us.example/#there", "INVALID_ARGUMENT", "INVALID_REQUEST", "redirect_uri"),
        ],
    )
    async def test_what_can_not_be_granted_is_refused(
        self, sqlite_service: Service, fields: dict[str, Any], redirect: str | None, code: str, reason: str, says: str
    ) -> None:
        urls = {"authorization_url": "https://a.example/", "token_url": "https://a.example/t", "client_id": "us"}
        made = await sqlite_service.create("oauth2", fields={**urls, **fields})
        async with refused(getattr(grpc.StatusCode, code), reason) as said:
            await sqlite_service.start(made.id, redirect_uri=redirect or sqlite_service.callback)
        assert says in said[0]

    async def test_other_kinds_take_no_grant(self, sqlite_service: Service) -> None:
        made = await sqlite_service.create()
        async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"):
            await sqlite_service.start(made.id)

    async def test_a_provider_brings_its_addresses_and_customs(self, sqlite_service: Service) -> None:
        made = await sqlite_service.create("oauth2", fields={"provider": "google", "client_id": "us"})
        url = (await sqlite_service.start(made.id)).authorization_url
        assert url.startswith("https://accounts.google.com/o/oauth2/v2/auth?")
        asked = parse_qs(urlsplit(url).query)
        assert asked["access_type"] == ["offline"]
        assert "https://www.googleapis.com/auth/spreadsheets" in asked["scope"][0].split()


class TestRenewal:
    async def test_many_users_of_a_token_that_has_run_out_cause_one_refresh(self, service: Service) -> None:
        async with authority() as there:
            made = await service.connect(there)
            workflow = await service.client.create(fetching(there.api, made.id))
            service.clock.advance(HOUR)
            ended = await asyncio.gather(*(service.client.run(workflow.id) for _ in range(50)))
            assert all(output(each) == [{"welcome": True}] for each in ended)
            assert there.asked["refresh_token"] == 1
            renewed = await service.get(made.id)
            assert renewed.expires_at.ToMilliseconds() == service.clock.now_ms() + HOUR
            # The peer gave a new refresh token and forgot the old one, so the next time shows that it was stored.
            service.clock.advance(HOUR)
            assert output(await service.fetch(there, made.id)) == [{"welcome": True}]
            assert there.asked["refresh_token"] == 2

    async def test_a_token_that_the_database_does_not_take_at_once_is_not_lost(
        self, sqlite_service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        edit, tries = credentials.edit, 0

        async def refuse_once(*change: Any) -> Any:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise StoreUnavailable("the database is restarting")
            return await edit(*change)

        async with authority() as there:
            made = await sqlite_service.connect(there)
            monkeypatch.setattr(credentials, "edit", refuse_once)
            for _ in range(2):
                sqlite_service.clock.advance(HOUR)
                assert output(await sqlite_service.fetch(there, made.id)) == [{"welcome": True}]

    async def test_a_token_that_the_peer_took_back_early_is_renewed(self, sqlite_service: Service) -> None:
        async with authority() as there:
            made = await sqlite_service.connect(there)
            (token,) = there.server.tokens.values()
            token.access_token = "taken back"
            assert output(await sqlite_service.fetch(there, made.id)) == [{"welcome": True}]
            assert there.asked["refresh_token"] == 1

    async def test_a_revoked_grant_says_what_to_do_and_is_not_asked_for_again(self, sqlite_service: Service) -> None:
        async with authority() as there:
            made = await sqlite_service.connect(there)
            there.revoke_everything()
            sqlite_service.clock.advance(HOUR)
            for _ in range(3):
                failure = (await sqlite_service.fetch(there, made.id)).failure
                assert failure.reason == "CREDENTIAL_EXPIRED"
                assert "connect the credential again" in failure.hint
            assert there.asked["refresh_token"] == 1
            assert there.asked["api"] == 0
            # A new grant ends it.
            assert (await browse((await sqlite_service.start(made.id)).authorization_url))[0] == 200
            assert output(await sqlite_service.fetch(there, made.id)) == [{"welcome": True}]

    async def test_a_peer_that_is_down_for_a_moment_costs_nothing_while_the_token_lives(
        self, sqlite_service: Service
    ) -> None:
        async with authority() as there:
            made = await sqlite_service.connect(there)
            there.fails_with = 503
            sqlite_service.clock.advance(HOUR - 10_000)
            assert output(await sqlite_service.fetch(there, made.id)) == [{"welcome": True}]
            assert there.asked["refresh_token"] == 1
            sqlite_service.clock.advance(10_000)
            failure = (await sqlite_service.fetch(there, made.id)).failure
            assert failure.reason == "OAUTH_FAILED"
            assert failure.retryable

    async def test_a_client_gets_tokens_for_itself(self, service: Service) -> None:
        async with authority() as there:
            fields = {**there.fields, "grant": "client_credentials", "client_auth": "client_secret_basic"}
            made = await service.create("oauth2", fields={**fields, "test_url": there.api})
            assert (await service.test(made.id)).success
            assert (await service.test(made.id)).success
            assert there.asked["client_credentials"] == 1
            service.clock.advance(HOUR)
            assert (await service.test(made.id)).success
            assert there.asked["client_credentials"] == 2
