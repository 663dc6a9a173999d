"""Where nodes get credentials from: stored rows, opened with the master keys, kept for a moment.

An OAuth token that has run out is renewed first. However many ask for it meanwhile, one request goes out for all of
them, and its answer is stored before anybody uses it: many peers revoke the old token the moment they give a new one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from workflow_engine.core.clock import Clock, SystemClock
from workflow_engine.core.logging import get_logger
from workflow_engine.core.redaction import LOGS, Redactor
from workflow_engine.core.secrets import Keyring, Sealed, Unreadable
from workflow_engine.engine.items import Failure
from workflow_engine.models import credentials
from workflow_engine.models.credential import Credential
from workflow_engine.models.store import NotFound, Store
from workflow_engine.nodes.context import HttpClient
from workflow_engine.nodes.credentials import OAuth2
from workflow_engine.nodes.perform import without_secrets
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.runtime import oauth
from workflow_engine.runtime.background import insist
from workflow_engine.utils.json import dumps, loads

log = get_logger(__name__)

KEPT = 256
"""Credentials that stay open in memory."""
KEPT_FOR = 30.0
"""Seconds, so that what another process changes is seen soon. Changes by this process are seen at once."""
SKEW = 30_000
"""Milliseconds before its end at which a token is renewed: it has to live until the peer has looked at it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A credential that can be used."""

    fields: dict[str, Any]
    """All of them, with `type` and `allowed_hosts`."""
    secret: tuple[str, ...]
    """What must not be shown."""
    expires_at: int | None = None
    """When its token ends, in epoch milliseconds."""

    @property
    def oauth(self) -> OAuth2 | None:
        """The credential as an OAuth client; None when it is something else."""
        if self.fields["type"] != OAuth2.type:
            return None
        return OAuth2.model_validate({name: each for name, each in self.fields.items() if name in OAuth2.model_fields})

    def needs_token(self, now: int) -> bool:
        if self.fields["type"] != OAuth2.type:
            return False
        if not self.fields.get("access_token"):
            return self.fields.get("grant") == "client_credentials"
        return self.expires_at is not None and self.expires_at - SKEW <= now


class Vault:
    """Opens credentials. One for a server."""

    def __init__(self, store: Store, keys: Keyring, http: HttpClient | None = None, clock: Clock | None = None) -> None:
        """Without `http` it renews nothing."""
        self._store, self._keys, self._http = store, keys, http
        self._clock = clock or SystemClock()
        self._flights: dict[str, asyncio.Task[Opened]] = {}
        """Tokens that are being renewed, by credential."""
        self._revoked: dict[str, tuple[str, Failure]] = {}
        """By credential: the refresh token that the peer takes no longer, and what it said."""
        self._kept: dict[str, tuple[float, Opened]] = {}
        """By id, with the time until which they are good; the latest used one stands last."""
        self._changes = 0

    async def open(self, id: str) -> Opened:
        """A credential ready for use. Raises NodeFailure: CREDENTIAL_MISSING, CREDENTIAL_EXPIRED, OAUTH_FAILED."""
        found = await self._opened(id)
        return await self._renewed(id, found) if found.needs_token(self._clock.now_ms()) else found

    async def renew(self, id: str, used: str) -> Opened | None:
        """A credential whose token `used` was refused by its peer, with another token; None when there is no other."""
        found = await self._opened(id)
        if found.fields["type"] != OAuth2.type:
            return None
        if found.fields.get("access_token") != used:
            return found
        if not _renewable(found):
            return None
        return await self._renewed(id, found)

    async def _renewed(self, id: str, stale: Opened) -> Opened:
        if (flight := self._flights.get(id)) is None:
            flight = self._flights[id] = asyncio.create_task(self._renew(id, stale))
            flight.add_done_callback(lambda done: self._landed(id, done))
        # One who no longer waits must not take the token away from the others.
        return await asyncio.shield(flight)

    def _landed(self, id: str, flight: asyncio.Task[Opened]) -> None:
        del self._flights[id]
        if not flight.cancelled():
            flight.exception()

    async def _renew(self, id: str, stale: Opened) -> Opened:
        # Another process may have renewed it.
        self._kept.pop(id, None)
        current = await self._opened(id)
        now = self._clock.now_ms()
        if current.fields.get("access_token") != stale.fields.get("access_token") and not current.needs_token(now):
            return current
        client = current.oauth
        if client is None or self._http is None:
            return current
        token = current.fields.get("refresh_token", "")
        refused, why = self._revoked.get(id, ("", None))
        try:
            if why is not None and refused == token:
                raise _again(why)
            if not _renewable(current):
                raise _ended()
            if client.grant == "client_credentials":
                tokens = await oauth.for_itself(self._http, client)
            else:
                tokens = await oauth.refresh(self._http, client)
        except NodeFailure as failed:
            failed.failure = without_secrets(failed.failure, _redactor(current.secret))
            log.warning("token_not_renewed", id=id, reason=failed.failure.reason, why=failed.failure.message)
            if failed.failure.reason == "CREDENTIAL_EXPIRED":
                self._revoked[id] = token, failed.failure
            elif failed.failure.retryable and current.expires_at is not None and now < current.expires_at:
                return current
            raise
        try:
            # The peer may have forgotten the old ones already.
            await insist(partial(self.keep, id, tokens))
        except NotFound:
            raise _missing(id) from None
        log.info("token_renewed", id=id)
        return await self._opened(id)

    async def keep(self, id: str, tokens: oauth.Tokens) -> None:
        """Stores what a token endpoint gave. Raises NotFound, Unreadable, NoSecretKey."""
        now = self._clock.now_ms()

        def edited(row: Credential) -> dict[str, Any]:
            secrets = {**self.secrets(row), "access_token": tokens.access_token}
            if tokens.refresh_token:
                secrets["refresh_token"] = tokens.refresh_token
            sealed = self.seal(row.id, secrets)
            return {**sealed, "expires_at": tokens.expires_at(now), "updated_at": max(now, row.updated_at)}

        try:
            await credentials.edit(self._store, id, edited)
        finally:
            self.forget(id)
        self._revoked.pop(id, None)

    async def _opened(self, id: str) -> Opened:
        until, found = self._kept.pop(id, (0.0, None))
        if found is None or until < time.monotonic():
            until, changes = time.monotonic() + KEPT_FOR, self._changes
            found = self._read(id, await asyncio.to_thread(credentials.get, self._store, id))
            if changes != self._changes:
                # What was read may be older than the change, so it serves this once.
                return found
        self._kept[id] = until, found
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return found

    def forget(self, id: str) -> None:
        """To be called after a credential has changed."""
        self._changes += 1
        self._kept.pop(id, None)
        self._revoked.pop(id, None)

    def seal(self, id: str, secrets: dict[str, str]) -> dict[str, Any]:
        """The columns that keep `secrets`. Raises NoSecretKey."""
        sealed = self._keys.seal(dumps(secrets, sort=True), id)
        return {
            "secret_fields": sorted(secrets),
            "key_id": sealed.key_id,
            "wrapped_key": sealed.wrapped_key,
            "secrets": sealed.data,
        }

    def seal_verifier(self, owner: str, verifier: str) -> Sealed:
        """What a grant under way keeps. Raises NoSecretKey."""
        return self._keys.seal(verifier.encode(), owner)

    def verifier(self, sealed: Sealed, owner: str) -> str:
        """Raises Unreadable."""
        return self._keys.open(sealed, owner).decode()

    def fingerprint(self, data: bytes) -> str:
        """See Keyring.fingerprint."""
        return self._keys.fingerprint(data)

    def secrets(self, row: Credential) -> dict[str, str]:
        """The secret fields of a row. Raises Unreadable."""
        opened: dict[str, str] = loads(self._keys.open(Sealed(row.key_id, row.wrapped_key, row.secrets), row.id))
        LOGS.add(telling(row.fields, opened))
        return opened

    def _read(self, id: str, row: Credential | None) -> Opened:
        if row is None:
            raise _missing(id)
        try:
            secrets = self.secrets(row)
        except Unreadable as error:
            log.error("credential_unreadable", id=id, key_id=row.key_id, why=str(error))
            raise NodeFailure(
                "CREDENTIAL_MISSING",
                f"the credential {row.name!r} can not be read",
                hint="enter its secrets anew, or have the operator see to SECRET_KEYS_OLD; the log says why",
            ) from None
        fields = {**row.fields, **secrets, "type": row.type, "allowed_hosts": row.allowed_hosts}
        return Opened(fields, tuple(telling(row.fields, secrets)), row.expires_at)

    def handing_to(self, handed_out: Redactor) -> Handing:
        """The credentials as one attempt gets them."""
        return Handing(self, handed_out)


class Handing:
    """Implements `nodes.context.Credentials`: remembers for one attempt what it was given."""

    __slots__ = ("_handed_out", "_vault")

    def __init__(self, vault: Vault, handed_out: Redactor) -> None:
        self._vault, self._handed_out = vault, handed_out

    async def get(self, id: str) -> dict[str, Any]:
        return self._given(await self._vault.open(id))

    async def renew(self, id: str, used: str) -> dict[str, Any] | None:
        opened = await self._vault.renew(id, used)
        return self._given(opened) if opened else None

    def _given(self, opened: Opened) -> dict[str, Any]:
        self._handed_out.add(opened.secret)
        return dict(opened.fields)


def _missing(id: str) -> NodeFailure:
    return NodeFailure("CREDENTIAL_MISSING", f"there is no credential {id!r}", hint="choose another one in the node")


def _again(failure: Failure) -> NodeFailure:
    """What is known already, without asking the peer once more."""
    raised = NodeFailure(failure.reason, failure.message)
    raised.failure = failure
    return raised


def _renewable(found: Opened) -> bool:
    return bool(found.fields.get("refresh_token")) or found.fields.get("grant") == "client_credentials"


def _ended() -> NodeFailure:
    return NodeFailure(
        "CREDENTIAL_EXPIRED",
        "the credential's access token has run out, and there is no refresh token to get another one",
        hint="connect the credential again (StartOAuth), and ask for offline access where the peer knows it",
    )


def _redactor(secret: Iterable[str]) -> Redactor:
    made = Redactor()
    made.add(secret)
    return made


def telling(fields: dict[str, Any], secrets: dict[str, str]) -> Iterable[str]:
    """What must not be shown: the secrets, and what a node makes of them."""
    yield from secrets.values()
    for each in secrets.values():
        if each.startswith("{"):
            yield from _texts(each)
    if "password" in secrets and "username" in fields:
        yield f"{fields['username']}:{secrets['password']}"


def _texts(written: str) -> Iterable[str]:
    """Every text in a value, if it is one in JSON."""
    try:
        left: list[Any] = [loads(written.encode())]
    except ValueError:
        return
    while left:
        match left.pop():
            case str() as found:
                yield found
            case dict() as members:
                left += members.values()
            case list() as elements:
                left += elements
