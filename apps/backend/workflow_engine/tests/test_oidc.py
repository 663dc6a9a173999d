"""Tokens of an OIDC issuer, which is a real server on loopback; and signing in there with a browser."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.access import PASSWORD, code_of, people
from tests.clock import ManualClock
from tests.serving import Client, serving
from workflow_engine.proto import access_pb2 as ac
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as stubs

CLIENT = "workflow-engine"


@dataclass
class FakeIssuer:
    """An issuer with one user, who consents to everything. Its keys can be changed."""

    clock: ManualClock
    url: str = ""
    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)
    asked_for_keys: int = 0
    challenges: dict[str, tuple[str, str]] = field(default_factory=dict)
    """PKCE challenge and nonce by code."""

    def make_key(self, id: str) -> None:
        self.keys[id] = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def token(self, key: str = "one", **claims: Any) -> str:
        now = self.clock.now_ms() // 1000
        usual = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": "ada-1",
            "exp": now + 300,
            "email": "ada@example.com",
            "email_verified": True,
            "name": "Ada",
            "roles": ["editor", "something else"],
        }
        return jwt.encode(usual | claims, self.keys[key], algorithm="RS256", headers={"kid": key})

    async def metadata(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
            }
        )

    async def jwks(self, request: web.Request) -> web.Response:
        self.asked_for_keys += 1
        made = [
            json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())) | {"kid": id}
            for id, key in self.keys.items()
        ]
        return web.json_response({"keys": made})

    async def authorize(self, request: web.Request) -> web.Response:
        asked = request.query
        assert asked["code_challenge_method"] == "S256"
        self.challenges["code-1"] = asked["code_challenge"], asked["nonce"]
        raise web.HTTPFound(f"{asked['redirect_uri']}?code=code-1&state={asked['state']}")

    async def redeem(self, request: web.Request) -> web.Response:
        form = await request.post()
        challenge, nonce = self.challenges.pop(str(form["code"]), ("", ""))
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge or form["client_secret"] != "s3cret":
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"id_token": self.token(nonce=nonce)})


@pytest.fixture
async def issuer() -> AsyncIterator[FakeIssuer]:
    made = FakeIssuer(ManualClock())
    made.make_key("one")
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", made.metadata)
    app.router.add_get("/keys", made.jwks)
    app.router.add_get("/authorize", made.authorize)
    app.router.add_post("/token", made.redeem)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def client(sqlite_url: str, tmp_path: Path, issuer: FakeIssuer) -> AsyncIterator[Client]:
    settings = {"oidc_issuer": issuer.url, "oidc_client_id": CLIENT, "oidc_client_secret": "s3cret"}
    async with serving(sqlite_url, tmp_path, clock=issuer.clock, **settings) as client:
        yield client


async def listing(client: Client, token: str) -> str:
    metadata = (("authorization", f"Bearer {token}"),)
    return await code_of(client.stub.ListWorkflows(ws.ListWorkflowsRequest(), metadata=metadata))


async def test_a_token_of_the_issuer_is_a_user_with_the_roles_it_tells(client: Client, issuer: FakeIssuer) -> None:
    token = issuer.token()
    metadata = (("authorization", f"Bearer {token}"),)
    auth = stubs.AuthServiceStub(client.channel)
    me = await auth.WhoAmI(ac.WhoAmIRequest(), metadata=metadata)
    assert (me.user.email, me.user.name, me.user.external) == ("ada@example.com", "Ada", True)
    assert list(me.user.roles) == [ac.ROLE_EDITOR]
    made = await client.stub.CreateWorkflow(ws.CreateWorkflowRequest(name="x"), metadata=metadata)
    assert made.workflow.user_id == me.user.id

    # The issuer takes her role away; she is the same user.
    viewer = (("authorization", f"Bearer {issuer.token(roles=['viewer'])}"),)
    creating = client.stub.CreateWorkflow(ws.CreateWorkflowRequest(name="x"), metadata=viewer)
    assert await code_of(creating) == "PERMISSION_DENIED"
    assert (await auth.WhoAmI(ac.WhoAmIRequest(), metadata=viewer)).user.id == me.user.id
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{client.http}/v1/workflows", headers={"authorization": f"Bearer {token}"}) as response,
    ):
        assert response.status == 200


async def test_a_token_that_is_not_for_us_is_refused(client: Client, issuer: FakeIssuer) -> None:
    assert await listing(client, issuer.token()) == "OK"
    now = issuer.clock.now_ms() // 1000
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    head, body, signature = issuer.token().split(".")
    forged = base64.urlsafe_b64encode(b'{"alg":"none","kid":"one"}').rstrip(b"=").decode()
    for token in (
        "",
        "rubbish",
        "a.b.c",
        issuer.token(aud="another client"),
        issuer.token(iss="https://evil.example.com"),
        issuer.token(nbf=now + 60),
        jwt.encode({"sub": "x"}, other, algorithm="RS256", headers={"kid": "one"}),
        jwt.encode({"sub": "x"}, other, algorithm="RS256", headers={"kid": "unknown"}),
        f"{forged}.{body}.",
        f"{head}.{body}.{signature[:-4]}AAAA",
        jwt.encode({"iss": issuer.url, "aud": CLIENT, "sub": "ada-1", "exp": now + 60}, "k" * 40, algorithm="HS256"),
    ):
        assert await listing(client, token) == "UNAUTHENTICATED", token
    token = issuer.token()
    issuer.clock.advance(400_000)
    assert await listing(client, token) == "UNAUTHENTICATED"


async def test_the_issuer_changes_its_key_and_is_not_asked_for_every_stranger(
    client: Client, issuer: FakeIssuer
) -> None:
    assert await listing(client, issuer.token()) == "OK"
    issuer.make_key("two")
    issuer.clock.advance(31_000)
    assert await listing(client, issuer.token("two")) == "OK"
    assert issuer.asked_for_keys == 2
    issuer.make_key("three")
    for _ in range(5):
        assert await listing(client, issuer.token("three")) == "UNAUTHENTICATED"
    assert issuer.asked_for_keys == 2


async def test_an_address_that_the_issuer_has_not_verified_takes_over_nobody(
    sqlite_url: str, tmp_path: Path, issuer: FakeIssuer
) -> None:
    async with serving(sqlite_url, tmp_path, clock=issuer.clock) as client:
        root = (await people(client))["root"]
    settings = {"oidc_issuer": issuer.url, "oidc_client_id": CLIENT}
    async with serving(sqlite_url, tmp_path, clock=issuer.clock, **settings) as client:
        auth = stubs.AuthServiceStub(client.channel)
        for number, verified in enumerate((True, False)):
            token = issuer.token(sub=f"mallory-{number}", email=root.email, email_verified=verified, roles=[])
            me = await auth.WhoAmI(ac.WhoAmIRequest(), metadata=(("authorization", f"Bearer {token}"),))
            assert me.user.id != root.id
            assert list(me.user.roles) == [ac.ROLE_VIEWER]
        assert (await auth.SignIn(ac.SignInRequest(email=root.email, password=PASSWORD))).user.id == root.id


async def test_a_person_signs_in_at_the_issuer_with_a_browser(client: Client, issuer: FakeIssuer) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.get(f"{client.http}/v1/auth/me") as response:
            path = (await response.json())["oidcSignInPath"]
        async with browser.get(f"{client.http}{path}?to=/workflows", allow_redirects=False) as response:
            assert response.status == 303
            leaving = response.headers["location"]
        async with browser.get(leaving, allow_redirects=False) as response:
            coming_back = response.headers["location"]
        async with browser.get(coming_back, allow_redirects=False) as response:
            assert (response.status, response.headers["location"]) == (303, "/workflows")
        async with browser.get(f"{client.http}/v1/auth/me") as response:
            assert (await response.json())["user"]["email"] == "ada@example.com"
        async with browser.get(coming_back, allow_redirects=False) as response:
            assert response.status == 400, "the way back is used once"
    # A link that somebody else prepared signs nobody in.
    async with aiohttp.ClientSession() as victim, victim.get(coming_back, allow_redirects=False) as response:
        assert response.status == 400
    async with aiohttp.ClientSession() as browser:
        for target in ("https://evil.example.com", "//evil.example.com", "/\\evil.example.com"):
            async with browser.get(f"{client.http}{path}", params={"to": target}, allow_redirects=False) as response:
                cookie = response.cookies["workflow_engine_oidc"].value
                assert dict(parse_qsl(base64.urlsafe_b64decode(cookie).decode()))["to"] == "/"
                assert urlsplit(response.headers["location"]).netloc == urlsplit(issuer.url).netloc
