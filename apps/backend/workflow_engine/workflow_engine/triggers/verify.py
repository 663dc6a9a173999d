"""Whether a call comes from whom it says it does. Pure: the time and the secret come in as arguments.

Every comparison of secrets takes the same time wherever they differ.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from workflow_engine.nodes.trigger.webhook import WebhookParameters

NEEDS = {
    "header": "http_header",
    "basic": "http_basic",
    "jwt": "crypto_key",
    "standard_webhooks": "crypto_key",
    "github": "crypto_key",
    "stripe": "crypto_key",
    "slack": "crypto_key",
}
"""The credential type that each scheme takes."""


class Refused(Exception):
    """The call is not let in."""

    def __init__(self, why: str, *, status: int = 401, challenge: str = "") -> None:
        """`why` is told to the caller; `challenge` is a WWW-Authenticate."""
        super().__init__(why)
        self.why, self.status, self.challenge = why, status, challenge


@dataclass(frozen=True, slots=True)
class Verified:
    """What a call that is let in has said about itself."""

    delivery_id: str = ""
    """What names the delivery, where the scheme has such a thing outside the body."""
    claims: dict[str, Any] = field(default_factory=dict[str, Any])
    secret_headers: frozenset[str] = frozenset()
    """Headers that must not be stored."""


def verify(
    parameters: WebhookParameters, secret: Mapping[str, Any] | None, headers: Mapping[str, str], body: bytes, now: int
) -> Verified:
    """Lets a call in, or raises Refused. `headers` have lower-case names; `now` is epoch milliseconds."""
    scheme = parameters.verify
    if scheme == "none":
        return Verified()
    if secret is None or secret.get("type") != NEEDS[scheme]:
        # Nobody must get in because somebody forgot to choose a credential.
        raise Refused("this webhook is not set up: it has no secret to check calls by", status=500)
    match scheme:
        case "header":
            return _header(secret, headers)
        case "basic":
            return _basic(secret, headers)
        case "jwt":
            return _jwt(parameters, secret, headers)
        case "standard_webhooks":
            return _standard(parameters, secret, headers, body, now)
        case "github":
            return _github(secret, headers, body)
        case "stripe":
            return _stripe(parameters, secret, headers, body, now)
        case "slack":
            return _slack(parameters, secret, headers, body, now)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="surrogateescape"), other.encode(errors="surrogateescape"))


def _header(secret: Mapping[str, Any], headers: Mapping[str, str]) -> Verified:
    name = str(secret["name"]).lower()
    if not _same(headers.get(name, ""), secret["value"]):
        raise Refused(f"the header {name} is missing or wrong")
    return Verified(secret_headers=frozenset({name}))


def _basic(secret: Mapping[str, Any], headers: Mapping[str, str]) -> Verified:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    wanted = base64.b64encode(f"{secret['username']}:{secret['password']}".encode()).decode()
    if scheme.lower() != "basic" or not _same(given.strip(), wanted):
        raise Refused("user or password is missing or wrong", challenge='Basic realm="webhook", charset="UTF-8"')
    return Verified()


def _jwt(parameters: WebhookParameters, secret: Mapping[str, Any], headers: Mapping[str, str]) -> Verified:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Refused("there is no bearer token", challenge="Bearer")
    rules = parameters.jwt
    try:
        claims: dict[str, Any] = jwt.decode(
            token.strip(),
            secret["key"],
            algorithms=list(rules.algorithms),
            audience=rules.audience or None,
            issuer=rules.issuer or None,
            leeway=parameters.tolerance / 1000 if parameters.tolerance < 60_000 else 60,
            options={"require": ["exp"], "verify_aud": bool(rules.audience)},
        )
    except (jwt.InvalidKeyError, ValueError) as wrong:
        raise Refused(f"this webhook is not set up: {wrong}", status=500) from None
    except jwt.PyJWTError as wrong:
        raise Refused(f"the token is refused: {wrong}", challenge='Bearer error="invalid_token"') from None
    return Verified(claims=claims)


def _standard(
    parameters: WebhookParameters, secret: Mapping[str, Any], headers: Mapping[str, str], body: bytes, now: int
) -> Verified:
    id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not id:
        raise Refused("the header webhook-id is missing")
    _in_time(stamp, parameters.tolerance, now)
    try:
        key = base64.b64decode(str(secret["key"]).removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise Refused("this webhook is not set up: its secret must be whsec_ and Base64", status=500) from None
    wanted = base64.b64encode(_hmac(key, f"{id}.{stamp}.".encode(), body)).decode()
    given = [part.removeprefix("v1,") for part in headers.get("webhook-signature", "").split() if part[:3] == "v1,"]
    if not _any(given, wanted):
        raise Refused("the signature does not fit")
    return Verified(delivery_id=id)


def _github(secret: Mapping[str, Any], headers: Mapping[str, str], body: bytes) -> Verified:
    given = headers.get("x-hub-signature-256", "")
    wanted = "sha256=" + _hmac(str(secret["key"]).encode(), body).hex()
    if not _same(given, wanted):
        raise Refused("the signature does not fit")
    return Verified(delivery_id=headers.get("x-github-delivery", ""))


def _stripe(
    parameters: WebhookParameters, secret: Mapping[str, Any], headers: Mapping[str, str], body: bytes, now: int
) -> Verified:
    parts = [part.strip().partition("=") for part in headers.get("stripe-signature", "").split(",")]
    stamp = next((value for name, _, value in parts if name == "t"), "")
    _in_time(stamp, parameters.tolerance, now)
    wanted = _hmac(str(secret["key"]).encode(), f"{stamp}.".encode(), body).hex()
    if not _any([value for name, _, value in parts if name == "v1"], wanted):
        raise Refused("the signature does not fit")
    return Verified()


def _slack(
    parameters: WebhookParameters, secret: Mapping[str, Any], headers: Mapping[str, str], body: bytes, now: int
) -> Verified:
    stamp = headers.get("x-slack-request-timestamp", "")
    _in_time(stamp, parameters.tolerance, now)
    wanted = "v0=" + _hmac(str(secret["key"]).encode(), f"v0:{stamp}:".encode(), body).hex()
    if not _same(headers.get("x-slack-signature", ""), wanted):
        raise Refused("the signature does not fit")
    return Verified()


def _in_time(stamp: str, tolerance: int, now: int) -> None:
    if not stamp.isascii() or not stamp.isdecimal() or len(stamp) > 12:
        raise Refused("the time of the signature is missing or no number of seconds")
    if abs(now - int(stamp) * 1000) > tolerance:
        raise Refused("the signature is too old, or of a time to come: is the clock right?")


def _any(given: list[str], wanted: str) -> bool:
    # All are compared, also behind one that fits.
    return any([_same(each, wanted) for each in given])  # noqa: C419


def _hmac(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, b"".join(parts), hashlib.sha256)
