"""JWTs of an OIDC issuer: their signature, their claims, and the user that they stand for."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt
from sqlalchemy import Connection

from workflow_engine.core.clock import Clock
from workflow_engine.core.config import Settings
from workflow_engine.core.ids import new_id
from workflow_engine.core.logging import get_logger
from workflow_engine.models import accounts
from workflow_engine.models.accounts import Known
from workflow_engine.proto import access_pb2
from workflow_engine.services.errors import ServiceError

log = get_logger(__name__)
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Those with a public key. A token signed with a shared secret, or not at all, is none of the issuer's."""
LEEWAY = 30
"""Seconds by which clocks may differ."""
KEYS_FRESH = 3_600_000
"""Milliseconds for which the issuer's keys are taken as they were."""
ASK_AGAIN = 30_000
"""Milliseconds before the issuer is asked again for a key that it did not have: anyone can send unknown key ids."""
TIMEOUT = aiohttp.ClientTimeout(total=10)


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a token of the issuer stands for."""

    external_id: str
    email: str
    name: str
    roles: list[int]
    """From the token; empty when it tells none."""
    default_role: int

    def known_to(self, connection: Connection, now: int) -> Known:
        """Their user here, which is made when they come for the first time."""
        user = accounts.user_by_external_id(connection, self.external_id)
        if user is None:
            id = new_id("user", now, os.urandom(10))
            # An address that someone with a password has is not theirs by the issuer's word.
            free = self.email and accounts.user_by_email(connection, self.email) is None
            row = {
                "id": id,
                "email": self.email if free else f"{id}@{self.external_id.partition(' ')[0]}"[:255].lower(),
                "name": self.name,
                "roles": self.roles or [self.default_role],
                "password_hash": "",
                "external_id": self.external_id,
                "disabled": False,
                "created_at": now,
                "last_seen_at": now,
            }
            accounts.add_user(connection, row)
        elif self.roles and user.roles != self.roles:
            accounts.set_roles(connection, user.id, self.roles)
        user = accounts.user_by_external_id(connection, self.external_id)
        assert user is not None
        return Known(user, accounts.projects_of(connection, user.id))


class Issuer:
    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self.url = settings.oidc_issuer.rstrip("/")
        self.client_id = settings.oidc_client_id
        self._keys: dict[str, Any] = {}
        self._asked: int | None = None
        self._metadata: dict[str, Any] = {}
        self._asking = asyncio.Lock()

    async def verified(self, token: str, *, audience: str = "", nonce: str = "") -> Person:
        """Whom a token stands for. Raises ServiceError when it is not a good one of this issuer."""
        settings = self._settings
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise jwt.InvalidAlgorithmError(f"the algorithm {header.get('alg')!r} is not one with a public key")
            key = await self._key(str(header.get("kid", "")))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=audience or settings.oidc_audience or settings.oidc_client_id,
                issuer=[self.url, self.url + "/"],
                options={
                    "require": ["exp", "iss", "sub", "aud"],
                    # By our own clock, below.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            self._check_times(claims)
            if nonce and claims.get("nonce") != nonce:
                raise jwt.InvalidTokenError("the nonce is another one")
        except jwt.ExpiredSignatureError:
            raise ServiceError("KEY_EXPIRED", "your token has ended; get a new one from the issuer") from None
        except jwt.PyJWTError as error:
            raise ServiceError("KEY_INVALID", f"this is no token of {self.url} for us: {error}") from None
        return self._person(claims)

    def _check_times(self, claims: dict[str, Any]) -> None:
        """By our own clock, which tests may set."""
        now = self._clock.now_ms() / 1000
        try:
            expires, not_before = float(claims["exp"]), float(claims.get("nbf", 0))
        except (TypeError, ValueError):
            raise jwt.InvalidTokenError("its times are no numbers") from None
        if expires + LEEWAY <= now:
            raise jwt.ExpiredSignatureError
        if not_before - LEEWAY > now:
            raise jwt.ImmatureSignatureError("it is not valid yet")

    def _person(self, claims: dict[str, Any]) -> Person:
        told: Any = claims
        for part in self._settings.oidc_roles_claim.split("."):
            told = told.get(part) if isinstance(told, dict) else None
        names = told if isinstance(told, list) else str(told or "").replace(",", " ").split()
        known = {name.removeprefix("ROLE_").lower(): number for name, number in access_pb2.Role.items() if number}
        roles = sorted({known[str(name).lower()] for name in names if str(name).lower() in known})
        return Person(
            external_id=f"{self.url} {claims['sub']}"[:255],
            # An address that the issuer has not verified is anybody's.
            email=str(claims.get("email", "")).lower()[:255] if claims.get("email_verified") else "",
            name=str(claims.get("name", ""))[:255],
            roles=list(roles),
            default_role=known[self._settings.oidc_default_role],
        )

    async def _key(self, id: str) -> Any:
        async with self._asking:
            now = self._clock.now_ms()
            age = None if self._asked is None else abs(now - self._asked)
            if age is None or age > KEYS_FRESH or (id not in self._keys and age > ASK_AGAIN):
                self._asked = now
                try:
                    self._keys = await self._fetch()
                except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, jwt.PyJWTError) as error:
                    log.error("oidc_keys_failed", issuer=self.url, error=repr(error))
        if not self._keys:
            raise ServiceError("STORE_UNAVAILABLE", f"the keys of {self.url} can not be had; the log says why")
        if id not in self._keys and not (len(self._keys) == 1 and not id):
            raise jwt.InvalidKeyError(f"the issuer has no key {id!r}")
        return self._keys.get(id) or next(iter(self._keys.values()))

    async def metadata(self) -> dict[str, Any]:
        """What the issuer says of itself (OpenID Connect Discovery). Raises aiohttp.ClientError, ValueError."""
        if not self._metadata:
            found = await self._get(f"{self.url}/.well-known/openid-configuration")
            if str(found.get("issuer", "")).rstrip("/") != self.url:
                raise ValueError(f"{self.url} calls itself {found.get('issuer')!r}")
            self._metadata = found
        return self._metadata

    async def redeem(self, code: str, verifier: str, redirect_uri: str) -> str:
        """The ID token for the code that a browser came back with. Raises ServiceError."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self.client_id,
            "code_verifier": verifier,
        }
        if secret := self._settings.oidc_client_secret.get_secret_value():
            form["client_secret"] = secret
        try:
            endpoint = (await self.metadata())["token_endpoint"]
            async with aiohttp.ClientSession(timeout=TIMEOUT) as session, session.post(endpoint, data=form) as response:
                answer = await response.json(content_type=None)
                return str(answer["id_token"])
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
            log.error("oidc_redeem_failed", error=repr(error))
            raise ServiceError("KEY_INVALID", "the sign-in service did not take the code; start again") from None

    async def _fetch(self) -> dict[str, Any]:
        found = await self._get((await self.metadata())["jwks_uri"])
        keys: dict[str, Any] = {}
        for each in found["keys"]:
            try:
                keys[str(each.get("kid", ""))] = jwt.PyJWK(each)
            except jwt.PyJWTError as error:
                log.info("oidc_key_left_out", key=each.get("kid"), error=str(error))
        return keys

    async def _get(self, url: str) -> dict[str, Any]:
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session, session.get(url) as response:
            response.raise_for_status()
            found = await response.json(content_type=None)
            if not isinstance(found, dict):
                raise ValueError(f"{url} answers with no object")
            return found
