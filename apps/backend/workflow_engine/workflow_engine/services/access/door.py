"""Who is let in: from a key, a session or a JWT to a caller with permissions, for each call of each surface."""

from __future__ import annotations

import asyncio
import hmac
from collections import OrderedDict

from workflow_engine.core.clock import Clock
from workflow_engine.core.config import Settings
from workflow_engine.core.logging import get_logger
from workflow_engine.models import accounts
from workflow_engine.models.accounts import Known
from workflow_engine.models.store import Store, StoreUnavailable
from workflow_engine.proto import options_pb2
from workflow_engine.services.access import tokens
from workflow_engine.services.access.callers import LOCAL, STRANGER, Caller, Incoming, permissions_of
from workflow_engine.services.access.limits import Buckets
from workflow_engine.services.access.oidc import Issuer
from workflow_engine.services.errors import ServiceError
from workflow_engine.services.rpcs import Rpc

log = get_logger(__name__)
REMEMBERED = 5_000
"""Milliseconds for which a key is known without asking the database: as long may a change take that nobody tells of."""
MOST = 10_000
GUESSES = 100
"""Keys that we look up at once for one address, however low the rate of calls is set."""
MINUTE = 60_000
ASK_AGAIN = 1_000
"""Milliseconds between looks whether a first user has come."""


class Door:
    def __init__(self, store: Store, clock: Clock, settings: Settings) -> None:
        self._store, self._clock = store, clock
        self.issuer = Issuer(settings, clock) if settings.oidc_issuer else None
        self._is_required = self.issuer is not None
        self._asked: int | None = None
        self._known: OrderedDict[str, tuple[Known, int]] = OrderedDict()
        self._changes = 0
        """Grows with `forget`: what was read before one may be out of date and is not remembered."""
        self._seen: dict[str, int] = {}
        rate = settings.rate_limit
        self._calls = Buckets(clock, rate=rate, burst=rate * 2) if rate else None
        # Whoever guesses keys makes us look each of them up.
        self._lookups = Buckets(clock, rate=rate, burst=max(rate * 2, GUESSES)) if rate else None

    async def is_required(self) -> bool:
        """Whether there is anyone who could sign in. Once there was, this process lets in nobody else any more."""
        now = self._clock.now_ms()
        if not self._is_required and (self._asked is None or abs(now - self._asked) >= ASK_AGAIN):
            self._is_required = await asyncio.to_thread(self._someone_exists)
            self._asked = now
        return self._is_required

    def _someone_exists(self) -> bool:
        with self._store.reading() as connection:
            return accounts.exist(connection)

    def forget(self) -> None:
        """Keys, sessions or users have changed."""
        self._known.clear()
        self._changes += 1
        self._asked = None

    async def recognise(self, rpc: Rpc, incoming: Incoming) -> Caller:
        """Who calls; a stranger when they did not say. Raises ServiceError for a key that does not fit."""
        if not await self.is_required():
            return LOCAL
        try:
            return await self._recognised(incoming)
        except ServiceError:
            # A cookie of yesterday must not keep anyone from signing in.
            if rpc.permission == options_pb2.PERMISSION_PUBLIC:
                return STRANGER
            raise

    @property
    def pulse(self) -> tuple[int, int]:
        """Another one when somebody who was let in a while ago has to be looked at again."""
        return self._changes, self._clock.now_ms() // REMEMBERED

    def admit(self, caller: Caller, rpc: Rpc, incoming: Incoming) -> None:
        """Raises ServiceError when a caller may not call this, or not now."""
        if caller is LOCAL:
            return
        if self._calls is not None and (wait := self._calls.wait(caller.user_id or incoming.address)):
            raise _too_many(wait)
        self.permit(caller, rpc, incoming)

    def permit(self, caller: Caller, rpc: Rpc, incoming: Incoming) -> None:
        """Raises ServiceError when a caller may not call this."""
        if caller is LOCAL:
            return
        if rpc.permission == options_pb2.PERMISSION_PUBLIC:
            return
        if not caller.is_known:
            raise ServiceError(
                "SIGN_IN_REQUIRED",
                "this server asks who you are: send an API key as `authorization: Bearer`, or sign in",
            )
        if rpc.permission not in caller.permissions:
            needed = options_pb2.Permission.Name(rpc.permission).removeprefix("PERMISSION_")
            has = ", ".join(sorted(_name(each) for each in caller.permissions)) or "none"
            raise ServiceError(
                "PERMISSION_MISSING",
                f"{rpc.name} needs the permission {needed}; you have {has}",
                metadata={"permission": needed, "rpc": rpc.name},
            )
        if (
            caller.session_id
            and incoming.needs_csrf
            and not hmac.compare_digest(incoming.csrf.encode(), tokens.csrf_of(incoming.token).encode())
        ):
            raise ServiceError(
                "CSRF_TOKEN_MISSING",
                "a call that changes something needs the header X-CSRF-Token when a cookie says who calls; WhoAmI "
                "tells it",
            )

    async def _recognised(self, incoming: Incoming) -> Caller:
        token = incoming.token
        if not token:
            return STRANGER
        if token.startswith((tokens.KEY, tokens.SESSION)):
            known = await self._look_up(token, incoming.address)
        elif self.issuer is not None and token.count(".") == 2:
            known = await self._external(token)
        else:
            raise _invalid()
        return await self._caller(known)

    async def _look_up(self, token: str, address: str) -> Known:
        now, digest = self._clock.now_ms(), tokens.digest(token)
        known, until = self._known.get(digest, (None, 0))
        if known is None or not now < until <= now + REMEMBERED:
            if self._lookups is not None and (wait := self._lookups.wait(address)):
                raise _too_many(wait)
            changes = self._changes
            known = await asyncio.to_thread(self._read, digest, token.startswith(tokens.KEY))
            if known is None:
                raise _invalid()
            if changes == self._changes:
                self._known[digest] = (known, now + REMEMBERED)
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        ends = known.key.expires_at if known.key is not None else known.session.expires_at if known.session else None
        if ends is not None and ends <= now:
            raise ServiceError("KEY_EXPIRED", "your key or session has ended; make another one, or sign in again")
        return known

    def _read(self, digest: str, is_key: bool) -> Known | None:
        with self._store.reading() as connection:
            return (accounts.by_key if is_key else accounts.by_session)(connection, digest)

    async def _external(self, token: str) -> Known:
        assert self.issuer is not None
        person = await self.issuer.verified(token)
        known, until = self._known.get(person.external_id, (None, 0))
        now = self._clock.now_ms()
        if known is None or not now < until <= now + REMEMBERED or (person.roles and known.user.roles != person.roles):
            changes = self._changes
            known = await self._store.change(lambda connection: person.known_to(connection, now))
            if changes == self._changes:
                self._known[person.external_id] = (known, now + REMEMBERED)
        return known

    async def _caller(self, known: Known) -> Caller:
        user, key = known.user, known.key
        if user.disabled:
            raise ServiceError("USER_DISABLED", f"{user.email} is shut out; ask an admin of this server")
        permissions = permissions_of(user.roles)
        if key is not None and key.permissions:
            permissions &= frozenset(key.permissions)
        self._note(known)
        return Caller(
            user_id=user.id,
            name=user.email,
            permissions=permissions,
            projects=known.projects,
            key_id=key.id if key is not None else "",
            session_id=known.session.id if known.session is not None else "",
        )

    def _note(self, known: Known) -> None:
        """Writes down, once a minute, that somebody was here; without making them wait."""
        id = known.key.id if known.key else known.session.id if known.session else known.user.id
        now = self._clock.now_ms()
        if now - self._seen.get(id, 0) < MINUTE:
            return
        if len(self._seen) > MOST:
            self._seen.clear()
        self._seen[id] = now

        async def note() -> None:
            try:
                await self._store.change(lambda connection: accounts.seen(connection, known, now))
            except StoreUnavailable as error:
                log.warning("not_noted", error=str(error))

        self._noting = asyncio.create_task(note())


def _too_many(wait: float) -> ServiceError:
    return ServiceError("RATE_LIMITED", f"too many calls; try again in {wait:.1f} s", retry_after=max(wait, 0.001))


def _invalid() -> ServiceError:
    return ServiceError("KEY_INVALID", "this key or session is unknown: it is mistyped, was revoked, or has ended")


def _name(permission: int) -> str:
    return options_pb2.Permission.Name(permission).removeprefix("PERMISSION_")  # type: ignore[arg-type]
