"""How action.http_request proves who it is: by Digest, with a certificate, with secrets in several places."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from pydantic import ValidationError

from tests.nodes.action.world import world
from tests.nodes.harness import failure, records, run_node
from tests.runtime.peers import Handler, peer
from workflow_engine.engine.items import Item
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.credentials import KINDS
from workflow_engine.runtime.vault import telling

TYPE = "action.http_request"
PASSWORD = "open sésame"
AUTHORITY, STRANGER = trustme.CA(), trustme.CA()
OURS = AUTHORITY.issue_cert("engine@example.com", common_name="engine")
FOREIGN = STRANGER.issue_cert("engine@example.com")


def pem(blob: trustme.Blob) -> str:
    return blob.bytes().decode()


def chain(issued: trustme.LeafCert) -> str:
    return "".join(pem(each) for each in issued.cert_chain_pems)


def locked(issued: trustme.LeafCert, passphrase: str) -> str:
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    encryption = serialization.BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption).decode()


TRUSTING = {"type": "tls_certificate", "ca_certificate": pem(AUTHORITY.cert_pem)}
SHOWING = {**TRUSTING, "certificate": chain(OURS), "private_key": pem(OURS.private_key_pem)}


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    digest = {"type": "http_digest", "username": "ann", "password": PASSWORD}
    custom = {"headers": {"X-Key": "head"}, "query": {"user": "q&a"}, "body": {"pin": "0000", "deep": {"a": [1]}}}
    async with world(
        tmp_path,
        digest=digest,
        wrong={**digest, "password": "guess"},
        bound={**digest, "allowed_hosts": ["api.example.com"]},
        custom={"type": "http_custom", "request": json.dumps(custom)},
        showing=SHOWING,
        locked={**SHOWING, "private_key": locked(OURS, "tr0ub4dor"), "passphrase": "tr0ub4dor"},
        unopened={**SHOWING, "private_key": locked(OURS, "tr0ub4dor"), "passphrase": "guess"},
        foreign={**SHOWING, "certificate": chain(FOREIGN), "private_key": pem(FOREIGN.private_key_pem)},
        mixed={**SHOWING, "private_key": pem(FOREIGN.private_key_pem)},
        trusting=TRUSTING,
        elsewhere={**SHOWING, "allowed_hosts": ["api.example.com"]},
    ) as made:
        yield made


# Digest


def asking(algorithm: str = "SHA-256", qop: str = "auth") -> Handler:
    """A peer that lets in who answers its question, each question once, as RFC 7616 says."""
    hashed = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[algorithm]
    nonces: set[str] = set()

    def digest(*parts: str) -> str:
        return hashed(":".join(parts).encode()).hexdigest()

    async def handler(request: web.Request) -> web.Response:
        said = request.headers.get("Authorization", "")
        given = {name: text.strip('"') for name, text in re.findall(r'(\w+)=("[^"]*"|[^,\s]+)', said)}
        if given.get("nonce") in nonces:
            nonces.remove(given["nonce"])
            wanted = [request.method, given["uri"]]
            if qop == "auth-int":
                wanted.append(hashed(await request.read()).hexdigest())
            counted = [given[name] for name in ("nonce", "nc", "cnonce", "qop")]
            proof = digest(digest("ann", "vault", PASSWORD), *counted, digest(*wanted))
            if proof == given["response"] and given["uri"] == request.raw_path:
                return web.json_response({"in": True, "body": (await request.read()).decode()})
        nonces.add(nonce := secrets.token_hex(8))
        question = f'Digest realm="vault", nonce="{nonce}", qop="{qop}", algorithm={algorithm}, opaque="o"'
        return web.json_response({"in": False}, status=401, headers={"WWW-Authenticate": question})

    return handler


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize("qop", ["auth", "auth-int"])
async def test_a_peer_that_asks_by_digest(context: Context, algorithm: str, qop: str) -> None:
    parameters = {"method": "POST", "query": {"q": "a b&c"}, "body": {"kind": "json", "value": {"n": 1}}}
    async with peer(asking(algorithm, qop)) as server:
        event = await run_node(
            TYPE, {"url": server.url + "/über?x=1", **parameters}, context=context, credentials={"auth": "digest"}
        )
    assert records(event) == [{"in": True, "body": '{"n":1}'}]
    assert [request.method for request in server.seen] == ["POST", "POST"]
    assert PASSWORD not in str([request.headers for request in server.seen])


async def test_a_file_is_sent_after_the_question_has_been_asked(context: Context) -> None:
    assert context.blobs
    item = Item({}, binary={"data": await context.blobs.write(b"a long file", "text/plain", "a.txt")})
    async with peer(asking()) as server:
        parameters = {"url": server.url, "method": "PUT", "body": {"kind": "binary"}}
        event = await run_node(TYPE, parameters, [item], context=context, credentials={"auth": "digest"})
    assert records(event) == [{"in": True, "body": "a long file"}]
    assert [request.method for request in server.seen] == ["HEAD", "PUT"]


@pytest.mark.parametrize("body", [{"kind": "none"}, {"kind": "binary"}])
async def test_who_gives_a_wrong_answer_is_told_so(context: Context, body: dict[str, Any]) -> None:
    assert context.blobs
    item = Item({}, binary={"data": await context.blobs.write(b"a long file", "text/plain", "a.txt")})
    async with peer(asking()) as server:
        parameters = {"url": server.url, "method": "PUT", "body": body}
        failed = failure(await run_node(TYPE, parameters, [item], context=context, credentials={"auth": "wrong"}))
    assert (failed.reason, failed.details["status"], failed.retryable) == ("HTTP_4XX", 401, False)
    assert len(server.seen) == 2


async def test_a_peer_that_asks_for_something_else_gets_no_answer(context: Context) -> None:
    async def basic(_: web.Request) -> web.Response:
        return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="vault"'})

    async with peer(basic) as server:
        event = await run_node(TYPE, {"url": server.url}, context=context, credentials={"auth": "digest"})
    assert failure(event).reason == "HTTP_4XX"
    assert ["Authorization" in request.headers for request in server.seen] == [False]


@pytest.mark.parametrize("question", ['Digest realm="vault", nonce=""', 'Digest realm="v", nonce="n", qop="x"'])
async def test_a_question_that_makes_no_sense(context: Context, question: str) -> None:
    async def confused(_: web.Request) -> web.Response:
        return web.Response(status=401, headers={"WWW-Authenticate": question})

    async with peer(confused) as server:
        event = await run_node(TYPE, {"url": server.url}, context=context, credentials={"auth": "digest"})
    assert failure(event).reason == "INVALID_RESPONSE"


async def test_another_host_that_asks_gets_no_answer(context: Context) -> None:
    async with peer(asking()) as other:

        async def leading(_: web.Request) -> web.Response:
            raise web.HTTPTemporaryRedirect(other.url)

        async with peer(leading) as server:
            event = await run_node(TYPE, {"url": server.url}, context=context, credentials={"auth": "digest"})
    assert failure(event).reason == "HTTP_4XX"
    assert ["Authorization" in request.headers for request in other.seen] == [False]


async def test_it_is_for_its_own_hosts_only(context: Context) -> None:
    async with peer(asking()) as server:
        event = await run_node(TYPE, {"url": server.url}, context=context, credentials={"auth": "bound"})
    assert failure(event).reason == "CREDENTIAL_REFUSED"
    assert server.seen == []


# certificates


def tls(*, asks: bool, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """A server's side; `asks` for a certificate that our authority has signed."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.maximum_version = version
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(made)
    if asks:
        made.verify_mode = ssl.CERT_REQUIRED
        AUTHORITY.configure_trust(made)
    return made


async def who(request: web.Request) -> web.Response:
    assert request.transport
    shown = request.transport.get_extra_info("peercert") or {}
    names = [value for pairs in shown.get("subject", ()) for name, value in pairs if name == "commonName"]
    return web.json_response({"who": names})


@pytest.mark.parametrize("credential", ["showing", "locked"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_peer_that_asks_for_a_certificate(context: Context, credential: str, version: ssl.TLSVersion) -> None:
    async with peer(who, tls(asks=True, version=version)) as server:
        event = await run_node(
            TYPE, {"url": server.url}, [{}, {}], context=context, credentials={"certificate": credential}
        )
    assert records(event) == [{"who": ["engine"]}] * 2


@contextmanager
def doorkeeper(version: ssl.TLSVersion) -> Iterator[int]:
    """A peer that says why it refuses a certificate, as most do; asyncio's own hangs up without a word."""
    context = tls(asks=True, version=version)
    listener = socket.create_server(("127.0.0.1", 0))

    def guard() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                # What the client has sent on meanwhile is read, or the system would reset the connection before the
                # client has heard why.
                with client.dup() as line, suppress(ssl.SSLError):
                    try:
                        context.wrap_socket(client, server_side=True).recv(1)
                    finally:
                        line.shutdown(socket.SHUT_WR)
                        while line.recv(65536):
                            pass

    thread = threading.Thread(target=guard, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize("credential", ["foreign", "trusting"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_peer_that_does_not_know_our_certificate(
    context: Context, credential: str, version: ssl.TLSVersion
) -> None:
    with doorkeeper(version) as port:
        parameters = {"url": f"https://127.0.0.1:{port}", "method": "POST"}
        failed = failure(await run_node(TYPE, parameters, context=context, credentials={"certificate": credential}))
    assert failed.reason == "TLS_FAILED"
    assert (failed.retryable, failed.details["sent"]) == (False, False)
    assert "certificate" in failed.hint


async def test_an_authority_of_one_s_own_may_be_trusted(context: Context) -> None:
    async with peer(who, tls(asks=False)) as server:
        trusting = await run_node(TYPE, {"url": server.url}, context=context, credentials={"certificate": "trusting"})
        assert records(trusting) == [{"who": []}]
        assert failure(await run_node(TYPE, {"url": server.url}, context=context)).reason == "TLS_FAILED"


async def test_no_other_host_sees_the_certificate(context: Context) -> None:
    polite = tls(asks=True)
    polite.verify_mode = ssl.CERT_OPTIONAL
    async with peer(who, polite) as other:

        async def leading(_: web.Request) -> web.Response:
            raise web.HTTPTemporaryRedirect(other.url)

        async with peer(leading, tls(asks=True)) as server:
            parameters = {"url": server.url, "verify_tls": False}
            event = await run_node(TYPE, parameters, context=context, credentials={"certificate": "showing"})
    assert records(event) == [{"who": []}]
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("credential", "said"),
    [
        ("unopened", "private_key"),
        ("mixed", "certificate"),
        ("elsewhere", "api.example.com"),
        ("digest", "http_digest"),
    ],
)
async def test_a_certificate_that_can_not_be_used(context: Context, credential: str, said: str) -> None:
    async with peer(who, tls(asks=True)) as server:
        event = await run_node(TYPE, {"url": server.url}, context=context, credentials={"certificate": credential})
    failed = failure(event)
    assert failed.reason == "CREDENTIAL_REFUSED"
    assert said in failed.message
    assert "PRIVATE KEY" not in str(failed)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "give a certificate"),
        ({"certificate": SHOWING["certificate"]}, "go together"),
        ({"private_key": SHOWING["private_key"]}, "go together"),
        ({"ca_certificate": "nonsense"}, "no PEM"),
        ({**SHOWING, "private_key": pem(FOREIGN.private_key_pem)}, "not the key"),
        ({**SHOWING, "private_key": locked(OURS, "tr0ub4dor")}, "does not open it"),
        ({**SHOWING, "private_key": locked(OURS, "tr0ub4dor"), "passphrase": "guess"}, "does not open it"),
    ],
)
def test_a_certificate_is_looked_at_when_it_is_entered(fields: dict[str, str], said: str) -> None:
    given = {name: value for name, value in fields.items() if name != "type"}
    with pytest.raises(ValidationError, match=said) as raised:
        KINDS["tls_certificate"].model_validate(given)
    assert "PRIVATE KEY" not in str(raised.value)


# secrets in several places


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({"kind": "none"}, {"pin": "0000", "deep": {"a": [1]}}),
        ({"kind": "json", "value": {"n": 1, "pin": "x"}}, {"n": 1, "pin": "0000", "deep": {"a": [1]}}),
        ({"kind": "form", "fields": {"n": 1}}, {"n": "1", "pin": "0000", "deep": '{"a":[1]}'}),
    ],
)
async def test_secrets_in_several_places(context: Context, body: dict[str, Any], sent: dict[str, Any]) -> None:
    async def echo(request: web.Request) -> web.Response:
        came = await request.json() if body["kind"] != "form" else dict(await request.post())
        return web.json_response({"told": [request.headers["X-Key"], request.query["user"], came]})

    async with peer(echo) as server:
        event = await run_node(
            TYPE, {"url": server.url, "method": "POST", "body": body}, context=context, credentials={"auth": "custom"}
        )
    assert records(event) == [{"told": ["head", "q&a", sent]}]


async def test_a_body_that_has_no_members(context: Context) -> None:
    async with peer(who) as server:
        body = {"kind": "raw", "text": "plain"}
        parameters = {"url": server.url, "method": "POST", "body": body}
        event = await run_node(TYPE, parameters, context=context, credentials={"auth": "custom"})
    assert failure(event).reason == "CREDENTIAL_REFUSED"
    assert server.seen == []


@pytest.mark.parametrize(
    "text",
    [
        "{}}",
        "[]",
        '{"cookies": {}}',
        '{"headers": {"X Key": "v"}}',
        '{"headers": {"X": "a\\nb"}}',
        '{"query": {"a": 1}}',
    ],
)
def test_what_is_no_request_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValidationError) as raised:
        KINDS["http_custom"].model_validate({"request": text})
    assert "it has to be JSON" in str(raised.value)
    assert text not in str(raised.value)


def test_each_of_its_secrets_is_known_to_be_one() -> None:
    written = json.dumps({"headers": {"X": "one"}, "body": {"deep": [{"pin": "two"}]}})
    assert set(telling({}, {"request": written, "token": "three"})) == {written, "one", "two", "three"}
