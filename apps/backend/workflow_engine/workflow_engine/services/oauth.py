"""IntegrationService, third part: a person grants access in a browser.

    StartOAuth -> the person goes to `authorization_url` and grants -> the browser comes back to the redirect address
    with `state` and `code` -> CompleteOAuth stores the tokens.

The redirect address is usually ours, `PUBLIC_URL/oauth/callback`, which calls CompleteOAuth itself. The state is
beyond guessing, works once, and ends after ten minutes; the code is of no use without the PKCE verifier, which never
leaves the server. Only who began a grant completes it: a link that somebody else sends would otherwise connect the
account of whoever follows it to the sender's credential.
"""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Any
from urllib.parse import urlsplit

from workflow_engine.core.redaction import Redactor
from workflow_engine.core.secrets import NoSecretKey, Sealed, Unreadable
from workflow_engine.models import credentials as stored
from workflow_engine.models.credential import Credential
from workflow_engine.models.store import NotFound
from workflow_engine.nodes.context import HttpClient
from workflow_engine.nodes.credentials import OAuth2
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.runtime import oauth
from workflow_engine.runtime.vault import Vault
from workflow_engine.services.access.callers import current
from workflow_engine.services.backend import Backend
from workflow_engine.services.credentials import checked, credential_to_proto, no_credential, row_of
from workflow_engine.services.errors import ServiceError

LIFE = 10 * 60_000
"""Milliseconds that a person has for granting access."""


class OAuth:
    """The RPCs about grants of access."""

    backend: Backend
    vault: Vault
    http: HttpClient

    async def StartOAuth(self, request: it.StartOAuthRequest, context: Any) -> it.StartOAuthResponse:
        row = await row_of(self.backend.store, request.credential_id)
        client = self._client(row)
        _check_redirect(request.redirect_uri)
        if client.grant != "authorization_code":
            raise ServiceError(
                "OAUTH_NOT_SET_UP",
                "this credential is for a client of its own: it gets its tokens without a person, when they are needed",
            )
        if missing := _missing(client):
            raise ServiceError(
                "OAUTH_NOT_SET_UP",
                f"the credential has no {missing[0]}; fill it in, or choose a provider",
                violations=[(f"fields.{name}", "is required for a grant") for name in missing],
            )
        state, verifier = oauth.new_state(), oauth.new_verifier()
        now = self.backend.clock.now_ms()
        try:
            sealed = self.vault.seal_verifier(_digest(state), f"{verifier} {current().user_id}")
            grant = {
                "state_digest": _digest(state),
                "credential_id": row.id,
                "redirect_uri": request.redirect_uri,
                "key_id": sealed.key_id,
                "wrapped_key": sealed.wrapped_key,
                "verifier": sealed.data,
                "expires_at": now + LIFE,
            }
            await stored.begin_grant(self.backend.store, grant, now=now)
        except NoSecretKey as refused:
            raise ServiceError("SECRET_KEY_MISSING", str(refused)) from None
        except NotFound:
            raise no_credential(row.id) from None
        url = oauth.authorization_url(client, request.redirect_uri, state, verifier, list(request.scopes))
        return it.StartOAuthResponse(
            success=True, message="open authorization_url in a browser", authorization_url=url, state=state
        )

    async def CompleteOAuth(self, request: it.CompleteOAuthRequest, context: Any) -> it.CompleteOAuthResponse:
        now, digest = self.backend.clock.now_ms(), _digest(request.state)
        grant = await stored.take_grant(self.backend.store, digest, now=now)
        if grant is None:
            raise ServiceError(
                "OAUTH_STATE_UNKNOWN",
                "this grant was completed already, took more than ten minutes, or was not begun here; "
                "begin again with StartOAuth",
            )
        row = await row_of(self.backend.store, grant.credential_id)
        client = self._client(row)
        try:
            kept = self.vault.verifier(Sealed(grant.key_id, grant.wrapped_key, grant.verifier), digest)
            # A server of the release before has kept the verifier alone.
            verifier, is_told, by = kept.partition(" ")
            if is_told and by != current().user_id:
                raise ServiceError(
                    "OAUTH_STATE_UNKNOWN",
                    "this is not who began the grant: sign in to this server in this browser, and begin it there; if "
                    "somebody sent you here, nothing of yours was connected",
                )
            tokens = await oauth.exchange(
                self.http, client, code=request.code, redirect_uri=grant.redirect_uri, verifier=verifier
            )
        except Unreadable as error:
            raise ServiceError("OAUTH_STATE_UNKNOWN", f"begin again with StartOAuth: {error}") from None
        except NodeFailure as failed:
            told = Redactor()
            told.add([client.client_secret.get_secret_value(), request.code, verifier])
            failure = failed.failure
            raise ServiceError(
                "OAUTH_REFUSED",
                told.text(f"{failure.message}; {failure.hint}"),
                metadata={"credential_id": row.id, "reason": failure.reason},
            ) from None
        try:
            await self.vault.keep(row.id, tokens)
        except NotFound:
            raise no_credential(row.id) from None
        except NoSecretKey as refused:
            raise ServiceError("SECRET_KEY_MISSING", str(refused)) from None
        shown = credential_to_proto(await row_of(self.backend.store, row.id))
        return it.CompleteOAuthResponse(success=True, message=f"{row.name!r} is connected", credential=shown)

    def _client(self, row: Credential) -> OAuth2:
        if row.type != OAuth2.type:
            raise ServiceError(
                "INVALID_REQUEST",
                f"credential_id: a credential of type {row.type} takes no grant; create one of type {OAuth2.type}",
                violations=[("credential_id", f"is of type {row.type}")],
            )
        try:
            client = checked(OAuth2, {**row.fields, **self.vault.secrets(row)})
        except Unreadable as error:
            raise ServiceError(
                "CREDENTIAL_UNREADABLE", f"enter its secrets anew: {error}", metadata={"key_id": row.key_id}
            ) from None
        assert isinstance(client, OAuth2)
        return client


def _missing(client: OAuth2) -> list[str]:
    at = client.endpoints()
    needed = {"client_id": client.client_id, "authorization_url": at.authorization_url, "token_url": at.token_url}
    return [name for name, value in needed.items() if not value]


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()


def _check_redirect(uri: str) -> None:
    """Raises ServiceError unless a code may travel there."""
    parts = urlsplit(uri)
    host = parts.hostname or ""
    if parts.scheme == "https" and host and not parts.fragment:
        return
    if parts.scheme == "http" and not parts.fragment and (host == "localhost" or _is_loopback(host)):
        return
    raise ServiceError(
        "INVALID_REQUEST",
        "redirect_uri: give an https address, or http on this machine, without a fragment; ours is "
        "PUBLIC_URL/oauth/callback",
        violations=[("redirect_uri", "is no address where a code may travel")],
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
