"""action.crypto, checked against published vectors and the standard library."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.nodes.action.world import world
from tests.nodes.harness import NOW, failure, problems, records, run_node
from workflow_engine.engine.items import Item
from workflow_engine.engine.shape import Effect
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.registry import installed

TYPE = "action.crypto"
SECRET = "a secret that is long enough for 256 bits"
NOW_S = NOW // 1000


def pem(key: Any) -> tuple[str, str]:
    """A private key and its public key."""
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


RSA, EC = pem(rsa.generate_private_key(65537, 2048)), pem(ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    keys = {
        "secret": SECRET,
        "jefe": "Jefe",
        "rsa": RSA[0],
        "rsa_public": RSA[1],
        "ec": EC[0],
        "ec_public": EC[1],
        "none": "",
    }
    async with world(tmp_path, **{name: {"type": "crypto_key", "key": key} for name, key in keys.items()}) as made:
        yield made


async def result(context: Context, do: dict[str, Any], key: str = "", item: Item | None = None) -> Any:
    credentials = {"key": key} if key else {}
    event = await run_node(TYPE, {"do": do}, [item or Item()], context=context, credentials=credentials)
    return records(event)[0]["result"]


async def reason(context: Context, do: dict[str, Any], key: str = "") -> str:
    credentials = {"key": key} if key else {}
    return failure(await run_node(TYPE, {"do": do}, context=context, credentials=credentials)).reason


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("md5", "900150983cd24fb0d6963f7d28e17f72"),
        ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    ],
)
async def test_digests_of_abc(context: Context, algorithm: str, digest: str) -> None:
    assert await result(context, {"operation": "hash", "algorithm": algorithm, "value": "abc"}) == digest


async def test_equal_objects_have_equal_digests(context: Context) -> None:
    one = await result(context, {"operation": "hash", "value": {"b": 1, "a": [True]}})
    assert one == hashlib.sha256(b'{"a":[true],"b":1}').hexdigest()


async def test_binary_data_is_digested(context: Context) -> None:
    assert context.blobs
    item = Item({}, {"f": await context.blobs.write(b"abc" * 1_000_000, "x/y")})
    do = {"operation": "hash", "binary": "f", "encoding": "base64url"}
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"abc" * 1_000_000).digest()).decode().rstrip("=")
    assert await result(context, do, item=item) == digest


async def test_hmac_as_rfc_4231_has_it(context: Context) -> None:
    signature = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    value = "what do ya want for nothing?"
    assert await result(context, {"operation": "hmac", "value": value}, "jefe") == signature
    verify = {"operation": "hmac_verify", "value": value}
    assert await result(context, {**verify, "signature": signature}, "jefe") is True
    assert await result(context, {**verify, "signature": signature[:-1] + "4"}, "jefe") is False
    assert await result(context, {**verify, "signature": "no hex"}, "jefe") is False


@pytest.mark.parametrize(
    ("algorithm", "private", "public"),
    [
        ("HS256", "secret", "secret"),
        ("RS256", "rsa", "rsa_public"),
        ("PS256", "rsa", "rsa_public"),
        ("ES256", "ec", "ec_public"),
    ],
)
async def test_a_token_goes_there_and_back(context: Context, algorithm: str, private: str, public: str) -> None:
    sign = {"operation": "jwt_sign", "claims": {"sub": "ann", "aud": "us"}, "algorithm": algorithm}
    token = await result(context, sign, private)
    verify = {"operation": "jwt_verify", "token": token, "algorithm": algorithm, "audience": "us"}
    expected = {"sub": "ann", "aud": "us", "iat": NOW_S, "exp": NOW_S + 3600}
    assert await result(context, verify, public) == expected


@pytest.mark.parametrize(
    "claims", [{"exp": NOW_S - 31}, {"nbf": NOW_S + 31}, {"aud": "them"}, {"iss": "them"}, {"exp": "late"}]
)
async def test_a_token_that_does_not_hold_here_and_now_is_refused(context: Context, claims: dict[str, Any]) -> None:
    token = jwt.encode({"aud": "us", "iss": "we", **claims}, SECRET)
    verify = {"operation": "jwt_verify", "token": token, "audience": "us", "issuer": "we"}
    assert await reason(context, verify, "secret") == "JWT_INVALID"


async def test_clocks_may_differ_a_little(context: Context) -> None:
    token = jwt.encode({"exp": NOW_S - 29}, SECRET)
    assert await result(context, {"operation": "jwt_verify", "token": token}, "secret") == {"exp": NOW_S - 29}


async def test_a_token_can_not_choose_how_it_is_checked(context: Context) -> None:
    unsigned = jwt.encode({"sub": "ann"}, "", algorithm="none")
    assert await reason(context, {"operation": "jwt_verify", "token": unsigned}, "secret") == "JWT_INVALID"
    mixed = jwt.encode({"sub": "ann"}, SECRET)
    verify = {"operation": "jwt_verify", "token": mixed, "algorithm": "RS256"}
    assert await reason(context, verify, "rsa_public") == "JWT_INVALID"
    # A public key used as an HMAC secret is the classical forgery.
    confused = {"operation": "jwt_verify", "token": mixed, "algorithm": "HS256"}
    assert await reason(context, confused, "rsa_public") == "JWT_INVALID"


async def test_a_key_that_does_not_fit_is_said_to_be_one(context: Context) -> None:
    sign = {"operation": "jwt_sign", "claims": {}, "algorithm": "RS256"}
    assert await reason(context, sign, "secret") == "JWT_FAILED"
    assert await reason(context, sign, "none") == "CREDENTIAL_MISSING"
    assert await reason(context, sign) == "CREDENTIAL_MISSING"


async def test_no_items_in_none_out() -> None:
    assert records(await run_node(TYPE, {"do": {"operation": "hash", "value": "x"}}, [])) == []


def test_only_a_plain_digest_is_pure() -> None:
    kind = installed().find(TYPE)
    assert kind
    assert kind.shape({"do": {"operation": "hash", "value": "x"}}).effect is Effect.PURE
    assert kind.shape({"do": {"operation": "hash", "binary": "x"}}).effect is Effect.IDEMPOTENT
    assert kind.shape({"do": "{{ json }}"}).effect is Effect.IDEMPOTENT


def test_mistakes_are_found_when_saving() -> None:
    assert problems(TYPE, {"do": {"operation": "hash", "algorithm": "crc32"}})
    assert problems(TYPE, {"do": {"operation": "hash"}, "key": "x"}) == ["parameters.key: there is no parameter 'key'"]
    assert problems(TYPE, {"do": {"operation": "hash", "secret": "x"}})


# encryption


async def test_what_is_encrypted_opens_again(context: Context) -> None:
    for value, into in (("déjà", "text"), ({"iban": ["DE1"]}, "json"), ("", "text")):
        do = {"operation": "encrypt", "value": value, "context": "ann"}
        sealed, again = await result(context, do, "secret"), await result(context, do, "secret")
        assert sealed != again
        assert "DE1" not in sealed
        opened = {"operation": "decrypt", "value": sealed, "context": "ann", "into": into}
        assert await result(context, opened, "secret") == value


async def test_what_was_changed_or_is_another_s_does_not_open(context: Context) -> None:
    sealed = await result(context, {"operation": "encrypt", "value": "x", "context": "ann"}, "secret")
    flipped = sealed[:-2] + ("A" if sealed[-2] != "A" else "B") + sealed[-1]
    for value, context_name, key in (
        (sealed, "ben", "secret"),
        (sealed, "ann", "jefe"),
        (flipped, "ann", "secret"),
        (sealed[5:], "ann", "secret"),
        ("", "ann", "secret"),
    ):
        do = {"operation": "decrypt", "value": value, "context": context_name}
        failed = failure(await run_node(TYPE, {"do": do}, context=context, credentials={"key": key}))
        assert (failed.reason, failed.field) == ("DECRYPTION_FAILED", "do.value")
