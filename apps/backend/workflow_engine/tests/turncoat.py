"""Servers that let someone in, and later say back what they were sent, as errors in the words of their protocol.

A turncoat stands before a real server and passes on what is said, until it turns. Protocols whose clients send their
secrets in the clear are told apart by one function each: what the client sends, and whether we have turned, gives what
we answer in the server's place; nothing is passed on then.
"""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote

from tests.nodes.action.servers import PASSWORD, USER

Says = Callable[[bytes, bool], bytes]
SECRET = PASSWORD.encode()


@dataclass
class Turncoat:
    port: int = 0
    upstream: int = 0
    """The port of the server behind it."""
    has_turned: bool = False
    quoted: int = 0
    """How often it has said the password back."""


@asynccontextmanager
async def turncoat(says: Says, upstream: int = 0) -> AsyncIterator[Turncoat]:
    there = Turncoat(upstream=upstream)
    open_ends: list[asyncio.StreamWriter] = []
    talks: list[asyncio.Task[None]] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk
        talks.append(talk)
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", there.upstream)
        open_ends.extend((writer, inner_writer))
        back = asyncio.create_task(pump(inner_reader, writer))
        try:
            while data := await reader.read(65536):
                answer = says(data, there.has_turned)
                there.quoted += SECRET in answer
                (writer if answer else inner_writer).write(answer or data)
        except OSError:
            pass
        finally:
            inner_writer.close()
            await back

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    there.port = server.sockets[0].getsockname()[1]
    try:
        yield there
    finally:
        server.close()
        for each in open_ends:
            each.close()
        await asyncio.gather(*talks)


def you_sent(data: bytes) -> bytes:
    """The secret as it came, and in other spellings, in less than 250 bytes."""
    at = data.find(SECRET)
    around = data[max(0, at - len(USER) - 1) : at + len(SECRET)]
    spelt = [around, base64.b64encode(around), quote(around).encode(), around.hex().encode()]
    return b"you sent " + b" or ".join(spelt).replace(b"\0", b" ")


def amqp(data: bytes, has_turned: bool) -> bytes:
    """Connection.Close with ACCESS_REFUSED, when the credentials come."""
    if not (has_turned and SECRET in data):
        return b""
    text = you_sent(data)
    method = struct.pack(">HHHB", 10, 50, 403, len(text)) + text + struct.pack(">HH", 10, 11)
    return struct.pack(">BHI", 1, 0, len(method)) + method + b"\xce"


def mqtt(data: bytes, has_turned: bool) -> bytes:
    """CONNACK of MQTT 5, not authorised, with a reason."""
    if not (has_turned and SECRET in data):
        return b""
    text = you_sent(data)[:110]
    properties = b"\x1f" + struct.pack(">H", len(text)) + text
    body = b"\x00\x87" + bytes([len(properties)]) + properties
    return b"\x20" + bytes([len(body)]) + body


def nats(data: bytes, has_turned: bool) -> bytes:
    if not (has_turned and SECRET in data):
        return b""
    return b"-ERR 'Authorization Violation, " + you_sent(data).replace(b"'", b"") + b"'\r\n"


def ftp(data: bytes, has_turned: bool) -> bytes:
    if not (has_turned and SECRET in data):
        return b""
    return b"530 " + you_sent(data) + b"\r\n"


def imap(data: bytes, has_turned: bool) -> bytes:
    if not (has_turned and SECRET in data):
        return b""
    return data.split(b" ", 1)[0] + b" NO [AUTHENTICATIONFAILED] " + you_sent(data) + b"\r\n"


def http(data: bytes, has_turned: bool) -> bytes:
    """An S3 store's 403 that repeats the request. The secret key itself is never sent."""
    if not has_turned:
        return b""
    body = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>you sent " + data.hex().encode()
    body += b" " + base64.b64encode(data) + b" " + quote(data).encode() + b"</Message></Error>"
    head = f"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def mysql(data: bytes, has_turned: bool) -> bytes:
    """Asks for the password in the clear, and refuses it then."""
    if not has_turned:
        return b""
    if SECRET in data:
        body = b"\xff" + struct.pack("<H", 1045) + b"#28000Access denied, " + you_sent(data)
    else:
        body = b"\xfemysql_clear_password\0"
    return struct.pack("<I", len(body))[:3] + bytes([data[3] + 1]) + body


def kafka(data: bytes, has_turned: bool) -> bytes:
    """SASL before a broker that knows none: a user and a password by PLAIN."""
    key, version, correlation = struct.unpack(">hhi", data[4:12])
    match key:
        case 17:  # SaslHandshake
            body = struct.pack(">hih", 0, 1, 5) + b"PLAIN"
        case 36:  # SaslAuthenticate
            let_in = not has_turned and f"\0{USER}\0".encode() + SECRET in data
            text = b"" if let_in else you_sent(data)
            body = struct.pack(">hh", 0 if let_in else 58, len(text)) + text + struct.pack(">i", 0)
            body += struct.pack(">q", 0) if version else b""
        case _:
            return b""
    return struct.pack(">ii", 4 + len(body), correlation) + body
