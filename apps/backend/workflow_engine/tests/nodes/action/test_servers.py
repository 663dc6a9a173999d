"""The checked way to a server: certificates are verified for the name, though only an address is connected to."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme

from workflow_engine.nodes.action.servers import PinnedContext, Server
from workflow_engine.nodes.spec import NodeFailure


async def greeted(server: Server, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(
        server.address, port, ssl=server.tls(), server_hostname=server.address
    )
    try:
        return await reader.read(5)
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("host", "fields", "trusted"),
    [
        ("db.example.com", {}, True),
        ("other.example.com", {}, False),
        ("db.example.com", {"ca_certificate": ""}, False),
        ("other.example.com", {"tls": "encrypt"}, True),
    ],
)
async def test_a_certificate_has_to_be_the_name_s(host: str, fields: dict[str, str], trusted: bool) -> None:
    authority = trustme.CA()
    offered = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("db.example.com").configure_cert(offered)

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    peer = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=offered)
    async with peer:
        port = peer.sockets[0].getsockname()[1]
        secret = {"ca_certificate": authority.cert_pem.bytes().decode(), **fields}
        server = Server(host, "127.0.0.1", port, secret)
        if trusted:
            assert await greeted(server, port) == b"hello"
        else:
            with pytest.raises(ssl.SSLCertVerificationError):
                await greeted(server, port)


def test_in_the_clear_only_when_the_credential_says_so() -> None:
    assert Server("h", "127.0.0.1", 1, {"tls": "off"}).tls() is None
    assert Server("h", "127.0.0.1", 1, {}).tls() is not None


def test_a_certificate_that_is_none_is_refused() -> None:
    with pytest.raises(NodeFailure) as raised:
        PinnedContext.of({}, "nonsense")
    assert raised.value.failure.reason == "CREDENTIAL_REFUSED"
