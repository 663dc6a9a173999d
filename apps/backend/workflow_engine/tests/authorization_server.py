"""An OAuth 2.0 authorization server on this machine, and an API that its tokens open: authlib's server on aiohttp.

It insists on PKCE, gives a new refresh token with every refresh and forgets the old one, and counts what it is asked.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from authlib.common.security import generate_token
from authlib.oauth2.rfc6749 import (
    AuthorizationCodeMixin,
    AuthorizationServer,
    ClientMixin,
    OAuth2Request,
    TokenMixin,
    grants,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge

from tests.runtime.peers import Peer, peer

CLIENT_ID, CLIENT_SECRET = "engine", "the-clients-own-secret"


@dataclass
class _Client(ClientMixin):
    client_id: str = CLIENT_ID
    client_secret: str = CLIENT_SECRET

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return ""

    def get_allowed_scope(self, scope: str) -> str:
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri.startswith("http://127.0.0.1")

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self.client_secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in ("client_secret_basic", "client_secret_post")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return True


@dataclass
class _Code(AuthorizationCodeMixin):
    code: str
    redirect_uri: str
    scope: str
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


@dataclass
class _Token(TokenMixin):
    access_token: str
    refresh_token: str
    scope: str
    expires_in: int
    issued_at: float = field(default_factory=time.time)

    def check_client(self, client: Any) -> bool:
        return True

    def get_scope(self) -> str:
        return self.scope

    def get_expires_in(self) -> int:
        return self.expires_in

    def is_expired(self) -> bool:
        return False

    def is_revoked(self) -> bool:
        return False


class _Grants(AuthorizationServer):
    def __init__(self, life: int) -> None:
        super().__init__()
        self.codes: dict[str, _Code] = {}
        self.tokens: dict[str, _Token] = {}
        """Those that are good, by refresh token or, without one, by access token."""
        store = self

        class Code(grants.AuthorizationCodeGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

            def save_authorization_code(self, code: str, request: Any) -> None:
                asked = request.payload
                store.codes[code] = _Code(
                    code,
                    asked.redirect_uri,
                    asked.scope or "",
                    asked.data["code_challenge"],
                    asked.data["code_challenge_method"],
                )

            def query_authorization_code(self, code: str, client: Any) -> _Code | None:
                return store.codes.get(code)

            def delete_authorization_code(self, authorization_code: _Code) -> None:
                del store.codes[authorization_code.code]

            def authenticate_user(self, authorization_code: _Code) -> str:
                return "ada"

        class Refresh(grants.RefreshTokenGrant):
            INCLUDE_NEW_REFRESH_TOKEN = True
            TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

            def authenticate_refresh_token(self, refresh_token: str) -> _Token | None:
                return store.tokens.get(refresh_token)

            def authenticate_user(self, refresh_token: _Token) -> str:
                return "ada"

            def revoke_old_credential(self, refresh_token: _Token) -> None:
                store.tokens.pop(refresh_token.refresh_token, None)

        class Itself(grants.ClientCredentialsGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

        self.register_grant(Code, [CodeChallenge(required=True)])
        self.register_grant(Refresh)
        self.register_grant(Itself)
        made = BearerTokenGenerator(
            lambda **_: "access-" + generate_token(30),
            lambda **_: "refresh-" + generate_token(30),
            lambda *_: life,
        )
        self.register_token_generator("default", made)

    def query_client(self, client_id: str) -> _Client | None:
        return _Client() if client_id == CLIENT_ID else None

    def save_token(self, token: dict[str, Any], request: Any) -> None:
        kept = _Token(
            token["access_token"], token.get("refresh_token", ""), token.get("scope", ""), token["expires_in"]
        )
        self.tokens[kept.refresh_token or kept.access_token] = kept

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None: ...

    def create_oauth2_request(self, request: OAuth2Request) -> OAuth2Request:
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> web.Response:
        told = {name: value for name, value in dict(headers or {}).items() if name != "Content-Type"}
        if isinstance(body, dict):
            return web.json_response(body, status=status, headers=told)
        return web.Response(text=body or "", status=status, headers=told)


class Authority:
    """The running server."""

    def __init__(self, life: int) -> None:
        self.server = _Grants(life)
        self.asked: Counter[str] = Counter()
        """How often each kind of grant was asked for, and how often `api`."""
        self.fails_with = 0
        """A status that the token endpoint answers to everything."""
        self.echoes = False
        """The token endpoint repeats in its error what it was sent."""
        self.peer: Peer

    @property
    def fields(self) -> dict[str, Any]:
        """Fields of a credential for it."""
        return {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "authorization_url": f"{self.peer.url}/authorize",
            "token_url": f"{self.peer.url}/token",
        }

    @property
    def api(self) -> str:
        return f"{self.peer.url}/api"

    def revoke_everything(self) -> None:
        self.server.tokens.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        match request.path:
            case "/authorize":
                asked = self._request(request, dict(request.query))
                grant = self.server.get_consent_grant(request=asked, end_user="ada")
                return self.server.create_authorization_response(asked, grant_user="ada", grant=grant)  # type: ignore[no-any-return]
            case "/token":
                form = {name: str(value) for name, value in (await request.post()).items()}
                self.asked[form.get("grant_type", "")] += 1
                if self.echoes:
                    told = {"error": "invalid_grant", "error_description": f"you sent {form}"}
                    return web.json_response(told, status=400)
                if self.fails_with:
                    return web.json_response({"error": "temporarily_unavailable"}, status=self.fails_with)
                return self.server.create_token_response(self._request(request, form))  # type: ignore[no-any-return]
            case "/api":
                self.asked["api"] += 1
                good = {f"Bearer {token.access_token}" for token in self.server.tokens.values()}
                if request.headers.get("Authorization") in good:
                    return web.json_response({"welcome": True})
                return web.json_response({"error": "invalid_token"}, status=401)
        return web.Response(status=404)

    def _request(self, request: web.Request, parameters: dict[str, str]) -> OAuth2Request:
        # authlib takes https only, and on this machine there is no need for it.
        made = OAuth2Request(request.method, str(request.url.with_scheme("https")), headers=request.headers)
        made.payload = BasicOAuth2Payload(parameters)
        type(made).args = property(lambda _: parameters)
        type(made).form = property(lambda _: parameters)
        return made


@asynccontextmanager
async def authority(life: int = 3600) -> AsyncIterator[Authority]:
    """A server whose tokens live for `life` seconds."""
    made = Authority(life)
    async with peer(made.handle) as there:
        made.peer = there
        yield made
