"""action.crypto: digests, signatures, tokens and encryption."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from typing import Annotated, Any, Literal, TypeAlias

import jwt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import Field

from workflow_engine.nodes.action.http.body import stored
from workflow_engine.nodes.action.results import FieldName, with_field
from workflow_engine.nodes.spec import (
    Call,
    CredentialSlot,
    Effect,
    Json,
    Node,
    NodeFailure,
    Parameters,
    Result,
    Shape,
)
from workflow_engine.utils import json

Digest: TypeAlias = Literal["sha256", "sha384", "sha512", "sha3_256", "sha3_512", "blake2b", "sha1", "md5"]
Encoding: TypeAlias = Literal["hex", "base64", "base64url"]
Algorithm: TypeAlias = Literal[
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]


_VERSION = "wfe1."
_NONCE = 12


class Hash(Parameters):
    """A digest."""

    operation: Literal["hash"]
    """Everyone can compute it."""
    algorithm: Digest = "sha256"
    """md5 and sha1 tell files apart, but protect nothing."""
    value: Json = None
    """Text as it is, anything else as compact JSON with sorted names."""
    binary: str | None = None
    """A binary slot to digest in place of a value."""
    encoding: Encoding = "hex"
    """How the digest is written."""


class Sign(Parameters):
    """A keyed digest."""

    operation: Literal["hmac"]
    """Only who has the key in slot `key` can compute it."""
    algorithm: Digest = "sha256"
    """The digest inside."""
    value: Json = None
    """Text as it is, anything else as compact JSON with sorted names."""
    binary: str | None = None
    """A binary slot to sign in place of a value."""
    encoding: Encoding = "hex"
    """How the signature is written."""


class VerifyHmac(Parameters):
    """Whether a keyed digest is right."""

    operation: Literal["hmac_verify"]
    """Gives true or false, compared in constant time."""
    signature: str
    """What the sender sent, without a prefix such as `sha256=`."""
    algorithm: Digest = "sha256"
    """The digest inside."""
    value: Json = None
    """Text as it is, anything else as compact JSON with sorted names."""
    binary: str | None = None
    """A binary slot in place of a value."""
    encoding: Encoding = "hex"
    """How the signature is written."""


class SignJwt(Parameters):
    """A signed token."""

    operation: Literal["jwt_sign"]
    """With the key in slot `key`: a secret for HS, a private key in PEM for the others."""
    claims: dict[str, Json]
    """What the token says; `iat` is added."""
    algorithm: Algorithm = "HS256"
    """How it is signed."""
    expires_in: int | None = Field(default=3600, ge=1)
    """Seconds until it is no longer valid; null for never."""
    key_id: str = ""
    """`kid` in the header."""


class VerifyJwt(Parameters):
    """What a token says, if it is genuine."""

    operation: Literal["jwt_verify"]
    """Fails for a token that is forged, over, not yet valid, or meant for someone else."""
    token: str
    """The token, without `Bearer`."""
    algorithm: Algorithm = "HS256"
    """The one algorithm that is accepted, whatever the token says of itself."""
    audience: str | None = None
    """Who it must be meant for."""
    issuer: str | None = None
    """Who must have made it."""
    leeway: int = Field(default=30, ge=0, le=3600)
    """Seconds by which clocks may differ."""


class Encrypt(Parameters):
    """A secret text."""

    operation: Literal["encrypt"]
    """AES-256-GCM with a key derived from the one in slot `key`; what comes out is text, another one each time."""
    value: Json
    """Text as it is, anything else as JSON."""
    context: str = ""
    """What it belongs to, e.g. a user's id; it opens only with the same."""


class Decrypt(Parameters):
    """What a secret text says."""

    operation: Literal["decrypt"]
    """Fails for a text that was changed, or made with another key or context."""
    value: str
    """What `encrypt` gave."""
    context: str = ""
    """What it belongs to."""
    into: Literal["text", "json"] = "text"
    """What it was made from."""


class CryptoParameters(Parameters):
    do: Annotated[Hash | Sign | VerifyHmac | SignJwt | VerifyJwt | Encrypt | Decrypt, Field(discriminator="operation")]
    """What to compute."""
    output_field: FieldName = "result"
    """Field for the result."""


class Crypto(Node[CryptoParameters]):
    """Computes digests, HMAC signatures and JSON Web Tokens, and encrypts.

    Keys come from the credential in slot `key`, never from a parameter, so that no journal holds them. Binary
    data is read as a stream.
    """

    type = "action.crypto"
    name = "Cryptography"
    summary = "Digests, HMAC signatures, JSON Web Tokens and encryption."
    example = {"do": {"operation": "hash", "value": "{{ json.email }}"}}
    # Keys and binary data are fetched, which a pure node may not wait for.
    effect = Effect.IDEMPOTENT
    credentials = (CredentialSlot("key", ("crypto_key",)),)

    def shape(self, parameters: dict[str, Any]) -> Shape:
        do = parameters.get("do")
        is_pure = isinstance(do, dict) and do.get("operation") == "hash" and not do.get("binary")
        return self.shaped(effect=Effect.PURE if is_pure else self.effect)

    async def run(self, call: Call[CryptoParameters]) -> Result:
        match call.parameters.do:
            case Hash() as do:
                value: Json = _written(await _fed(call, do, hashlib.new(do.algorithm)), do.encoding)
            case Sign() as do:
                value = _written(await _fed(call, do, await _mac(call, do.algorithm)), do.encoding)
            case VerifyHmac() as do:
                right = await _fed(call, do, await _mac(call, do.algorithm))
                value = hmac.compare_digest(right, _read(do.signature, do.encoding))
            case SignJwt() as do:
                value = _sign_jwt(do, await _key(call), call.context.now // 1000)
            case VerifyJwt() as do:
                value = _verify_jwt(do, await _key(call), call.context.now // 1000)
            case Encrypt() as do:
                value = _encrypted(do, await _key(call))
            case Decrypt() as do:
                value = _decrypted(do, await _key(call))
        return with_field(call.item, call.parameters.output_field, value)


async def _key(call: Call[CryptoParameters]) -> str:
    id = call.node.credentials.get("key")
    if not id or call.context.credentials is None:
        raise NodeFailure(
            "CREDENTIAL_MISSING",
            "this operation needs a key",
            hint="put a credential of type crypto_key into slot `key`",
        )
    secret = await call.context.credentials.get(id)
    if not secret.get("key"):
        raise NodeFailure("CREDENTIAL_MISSING", "the credential has no key", hint="edit it and fill in `key`")
    return str(secret["key"])


async def _mac(call: Call[CryptoParameters], algorithm: Digest) -> hmac.HMAC:
    return hmac.new((await _key(call)).encode(), digestmod=algorithm)


async def _fed(call: Call[CryptoParameters], source: Hash | Sign | VerifyHmac, digest: Any) -> bytes:
    """The digest of the value or binary data that `source` names."""
    if source.binary is not None:
        ref, blobs = stored(call.item, source.binary, call.context.blobs, "do.binary")
        async for chunk in blobs.read(ref):
            digest.update(chunk)
    else:
        value = source.value
        digest.update(value.encode() if isinstance(value, str) else json.dumps(value, sort=True))
    result: bytes = digest.digest()
    return result


def _written(digest: bytes, encoding: Encoding) -> str:
    match encoding:
        case "hex":
            return digest.hex()
        case "base64":
            return base64.b64encode(digest).decode()
        case "base64url":
            return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _read(text: str, encoding: Encoding) -> bytes:
    """The bytes that `text` stands for; none for what can not be a digest, which then compares unequal."""
    try:
        match encoding:
            case "hex":
                return bytes.fromhex(text)
            case "base64":
                return base64.b64decode(text, validate=True)
            case "base64url":
                return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def _sign_jwt(do: SignJwt, key: str, now: int) -> str:
    claims = {"iat": now, **do.claims}
    if do.expires_in:
        claims.setdefault("exp", now + do.expires_in)
    try:
        return jwt.encode(claims, key, do.algorithm, headers={"kid": do.key_id} if do.key_id else None)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise NodeFailure(
            "JWT_FAILED",
            f"the token can not be signed with {do.algorithm}: {error}",
            field="do",
            hint="HS needs a secret of 32 bytes or more, RS, PS, ES and EdDSA a private key of their kind in PEM",
        ) from None


def _verify_jwt(do: VerifyJwt, key: str, now: int) -> dict[str, Json]:
    try:
        # Times are compared below, with the clock of the execution.
        claims: dict[str, Json] = jwt.decode(
            do.token,
            key,
            algorithms=[do.algorithm],
            audience=do.audience,
            issuer=do.issuer,
            options={
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": do.audience is not None,
            },
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise _invalid(f"the token is not accepted: {error}") from None
    for name in ("exp", "nbf"):
        if name in claims and (isinstance(claims[name], bool) or not isinstance(claims[name], int | float)):
            raise _invalid(f"the token's {name} is no time")
    if claims.get("exp", now) + do.leeway < now:
        raise _invalid(f"the token ended {int(now - claims['exp'])} s ago")
    if claims.get("nbf", now) - do.leeway > now:
        raise _invalid(f"the token is valid in {int(claims['nbf'] - now)} s only")
    return claims


def _encrypted(do: Encrypt, key: str) -> str:
    data = do.value.encode() if isinstance(do.value, str) else json.dumps(do.value)
    nonce = os.urandom(_NONCE)
    sealed = _cipher(key).encrypt(nonce, data, do.context.encode())
    return _VERSION + _written(nonce + sealed, "base64url")


def _decrypted(do: Decrypt, key: str) -> Json:
    sealed = _read(do.value.removeprefix(_VERSION), "base64url") if do.value.startswith(_VERSION) else b""
    try:
        data = _cipher(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], do.context.encode())
        return data.decode() if do.into == "text" else json.loads(data)
    except (InvalidTag, ValueError):
        raise NodeFailure(
            "DECRYPTION_FAILED",
            "the value does not open: it was changed, or made with another key or context",
            field="do.value",
            hint="see that the key in slot `key`, `context` and `into` are those that it was made with",
        ) from None


def _cipher(key: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, None, b"workflow-engine action.crypto v1").derive(key.encode()))


def _invalid(message: str) -> NodeFailure:
    return NodeFailure("JWT_INVALID", message, field="do.token", hint="get a new token from who issued it")
