"""The client's side of OAuth 2.0 (RFC 6749, with PKCE of RFC 7636): what to ask, and how to read what is answered.

It goes out through the egress client like everything else, and quotes nothing of an answer but the error it names:
answers are made of secrets.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from workflow_engine.nodes.context import HttpClient
from workflow_engine.nodes.credentials import OAuth2
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.utils.json import dumps, loads

TIMEOUT = 30.0
LONGEST_LIFE = 10 * 365 * 86_400
"""Seconds; what a peer says beyond that is not believed."""
GONE = frozenset({"invalid_grant", "invalid_refresh_token", "bad_refresh_token", "token_revoked", "access_denied"})
"""Errors after which only a new grant helps."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a token endpoint gave."""

    access_token: str
    refresh_token: str = ""
    """Empty when the old one stays."""
    expires_in: int | None = None
    """Seconds; None when the peer does not say."""

    def expires_at(self, now: int) -> int | None:
        """Epoch milliseconds."""
        return None if self.expires_in is None else now + self.expires_in * 1000


def new_state() -> str:
    """What comes back with the person; beyond guessing."""
    return secrets.token_urlsafe(32)


def new_verifier() -> str:
    """A PKCE verifier."""
    return secrets.token_urlsafe(64)


def authorization_url(client: OAuth2, redirect_uri: str, state: str, verifier: str, scopes: list[str]) -> str:
    """Where the person grants access."""
    from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
    from authlib.oauth2.rfc7636 import create_s256_code_challenge

    at = client.endpoints()
    return str(
        prepare_grant_uri(
            at.authorization_url,
            client_id=client.client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=at.scope_separator.join(scopes or at.scopes) or None,
            state=state,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
            **at.extra,
        )
    )


async def exchange(http: HttpClient, client: OAuth2, *, code: str, redirect_uri: str, verifier: str) -> Tokens:
    """The tokens that a person's code stands for. Raises NodeFailure."""
    return await _ask(http, client, "authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=verifier)


async def refresh(http: HttpClient, client: OAuth2) -> Tokens:
    """The next tokens. Raises NodeFailure; CREDENTIAL_EXPIRED when only a new grant helps."""
    return await _ask(http, client, "refresh_token", refresh_token=client.refresh_token.get_secret_value())


async def for_itself(http: HttpClient, client: OAuth2) -> Tokens:
    """A token that the client has for itself. Raises NodeFailure."""
    at = client.endpoints()
    scopes = {"scope": at.scope_separator.join(at.scopes)} if at.scopes else {}
    return await _ask(http, client, "client_credentials", **scopes)


async def _ask(http: HttpClient, client: OAuth2, grant_type: str, **parameters: str) -> Tokens:
    from authlib.oauth2.auth import ClientAuth
    from authlib.oauth2.rfc6749.parameters import prepare_token_request

    at = client.endpoints()
    if not at.token_url:
        raise NodeFailure(
            "CREDENTIAL_EXPIRED",
            "the credential does not say where its tokens are renewed",
            hint="fill in its token_url, or choose a provider",
        )
    body = prepare_token_request(grant_type, "", **parameters)
    auth = ClientAuth(client.client_id, client.client_secret.get_secret_value(), at.client_auth)
    form = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    # authlib writes a client without secret into the URL of a GET only.
    url, headers, body = auth.prepare("POST", at.token_url, form, body)
    content = body.encode()
    if at.sends_json:
        headers["Content-Type"] = "application/json"
        content = dumps(dict(parse_qsl(body)))
    # A redirect of a token request would hand its secrets on.
    response = await http.request(
        "POST", str(url), headers=headers, body=content, timeout=TIMEOUT, follow_redirects=False
    )
    return _tokens(response.status, await response.read(), urlsplit(at.token_url).hostname or "")


def _tokens(status: int, data: bytes, host: str) -> Tokens:
    try:
        said: Any = loads(data)
    except ValueError:
        said = None
    told: dict[str, Any] = said if isinstance(said, dict) else {}
    # Some answer 200 and mean an error.
    if status >= 400 or told.get("error") or told.get("ok") is False:
        raise _refused(status, told, host)
    access_token = told.get("access_token")
    if not isinstance(access_token, str) or not access_token:
        raise NodeFailure(
            "INVALID_RESPONSE",
            f"{host} answered {status} to a request for a token, and gave none",
            hint="see that the credential's token_url is the token endpoint",
        )
    refresh_token = told.get("refresh_token")
    return Tokens(
        access_token, refresh_token if isinstance(refresh_token, str) else "", _seconds(told.get("expires_in"))
    )


def _seconds(value: Any) -> int | None:
    try:
        seconds = int(value)
    except (TypeError, ValueError):
        return None
    return min(seconds, LONGEST_LIFE) if seconds > 0 else None


def _refused(status: int, told: dict[str, Any], host: str) -> NodeFailure:
    error = str(told.get("error") or "")[:100]
    description = str(told.get("error_description") or told.get("message") or "")[:300]
    said = ": ".join(part for part in (error, description) if part)
    passes = status in (408, 425, 429) or status >= 500
    if error in GONE and not passes:
        return NodeFailure(
            "CREDENTIAL_EXPIRED",
            f"{host} no longer gives access: {said}",
            hint="the grant was revoked or has run out; connect the credential again (StartOAuth)",
            details={"status": status, "error": error},
        )
    return NodeFailure(
        "OAUTH_FAILED",
        f"{host} gives no token ({status})" + (f": {said}" if said else ""),
        hint="try again later" if passes else "see the credential's client_id, client_secret and token_url",
        retryable=passes,
        details={"status": status, "error": error},
    )
