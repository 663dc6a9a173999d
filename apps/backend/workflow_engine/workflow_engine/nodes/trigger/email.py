"""trigger.email: mail that arrives in a mailbox."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import getaddresses
from functools import partial
from socket import SHUT_RDWR
from typing import Any, Literal, TypeVar

from pydantic import SecretStr

from workflow_engine.engine.items import BinaryRef, Item
from workflow_engine.nodes.action.servers import Server, reached
from workflow_engine.nodes.credentials import CredentialKind
from workflow_engine.nodes.external_action.service import kind
from workflow_engine.nodes.spec import CredentialSlot, Field, NodeFailure
from workflow_engine.nodes.trigger.base import Json, ListenTrigger, Source, TriggerParameters

T = TypeVar("T")

IDLE = 300.0
"""Seconds after which a server that tells nothing is asked, because some forget."""
WITHOUT_IDLE = 60.0
"""The same for a server that can not tell."""
ANSWER = 60.0
"""Seconds that a server may take for an answer."""
AT_ONCE = 20
"""Mails that are fetched at once."""


@kind
class Imap(CredentialKind):
    """A mailbox on an IMAP server."""

    type = "imap"
    title = "IMAP mailbox"
    host: str = Field(pattern=r"^[A-Za-z0-9.:_-]+$", max_length=255)
    """The server, without port."""
    port: int = Field(default=993, ge=1, le=65535)
    """993 for TLS, 143 without."""
    user: str = Field(min_length=1, max_length=1000)
    """The user, mostly the address."""
    password: SecretStr = SecretStr("")
    """The password; many providers want one made for this application."""
    tls: Literal["verify", "encrypt", "off"] = "verify"
    """How the connection is encrypted; `encrypt` takes any certificate."""
    ca_certificate: str = ""
    """Whom to trust, in PEM, instead of whom the system trusts."""


class EmailTriggerParameters(TriggerParameters):
    """Which folder, and what becomes of a mail."""

    folder: str = Field(default="INBOX", min_length=1, max_length=500)
    """The folder."""
    search: str = Field(default="", max_length=1_000, pattern=r"^[^\r\n]*$")
    """Only mails that this IMAP search finds, such as `FROM "orders@example.com" SUBJECT "order"`."""
    mark_seen: bool = False
    """Mark a mail as read once it is stored here."""
    from_start: bool = False
    """Start for what is in the folder already, too."""
    attachments: bool = True
    """Keep attachments as files."""


class EmailTrigger(ListenTrigger[EmailTriggerParameters]):
    """Starts the workflow for every mail that arrives in a folder of a mailbox, as soon as it does.

    Its item is `{"id", "uid", "from", "to", "cc", "reply_to", "subject", "date", "text", "html", "headers"}`; addresses
    are `{"name", "address"}`. Attachments are its binaries `attachment_0` and so on. How far it has read is remembered
    with each mail, so none is lost while this server is away and none starts twice. It reads without marking as read.
    """

    type = "trigger.email"
    name = "Email"
    summary = "Starts for every mail that arrives (IMAP)."
    example = {"folder": "INBOX", "search": 'SUBJECT "invoice"'}
    credentials = (CredentialSlot("server", ("imap",), required=True),)

    async def listen(self, source: Source) -> None:
        server = await reached(source, source.context, "imap")
        box = _Mailbox(server, source)
        try:
            await box.open()
            while True:
                await box.take_new()
                source.listens()
                await box.wait()
        finally:
            await box.close()


class _Mailbox:
    """One connection, whose library blocks and so has a thread of its own."""

    def __init__(self, server: Server, source: Source) -> None:
        self._server, self._source = server, source
        self._asked: EmailTriggerParameters = source.parameters
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="imap")
        self._client: Any = None
        self._validity = 0
        self._last = 0
        """The highest UID that is stored."""

    async def open(self) -> None:
        from imapclient import IMAPClient
        from imapclient.exceptions import LoginError

        server, tls = self._server, self._server.tls()
        self._client = await self._do(
            lambda: IMAPClient(
                server.address, server.port, ssl=tls is not None, ssl_context=tls, timeout=ANSWER, use_uid=True
            )
        )
        try:
            await self._do(self._client.login, server.secret["user"], server.text("password") or "")
        except LoginError as error:
            raise server.refused(str(error), retryable=False) from None
        await self._select()

    async def _select(self) -> None:
        from imapclient.exceptions import IMAPClientError

        try:
            said = await self._do(self._client.select_folder, self._asked.folder)
        except IMAPClientError as error:
            raise NodeFailure(
                "NOT_FOUND", f"the folder can not be read: {error}", field="folder", hint="see its name"
            ) from None
        self._validity = int(said.get(b"UIDVALIDITY", 0))
        newest = max(int(said.get(b"UIDNEXT", 0)), 1) - 1
        known = self._source.cursor if isinstance(self._source.cursor, dict) else None
        if known is None:
            self._last = 0 if self._asked.from_start else newest
            await self._source.save(self._cursor())
        elif known.get("validity") == self._validity:
            self._last = int(known["uid"])
        else:
            # The server has numbered its mails anew; what was there then is not told from what came since.
            self._last = newest
            await self._source.save(self._cursor())

    def _cursor(self) -> dict[str, Json]:
        return {"validity": self._validity, "uid": self._last}

    async def take_new(self) -> None:
        from imapclient.exceptions import IMAPClientError

        asked = self._asked
        try:
            uids = await self._do(
                self._client.search,
                f"UID {self._last + 1}:* {asked.search}".strip(),
                None if asked.search.isascii() else "UTF-8",
            )
        except IMAPClientError as error:
            raise NodeFailure("REFUSED", f"the search is not understood: {error}", field="search") from None
        # `n:*` gives the last mail even when its number is below n.
        for uid in sorted(uid for uid in uids if uid > self._last):
            data = await self._fetched(uid)
            if data is None:
                continue
            item = await _item(self._source, data, uid, asked.attachments)
            self._last = uid
            await self._source.emit([item], delivery_id=f"{self._validity}:{uid}", cursor=self._cursor())
            if asked.mark_seen:
                await self._do(lambda uid=uid: self._client.add_flags([uid], [rb"\Seen"], silent=True))

    async def _fetched(self, uid: int) -> bytes | None:
        """A mail's bytes; None when it is gone."""
        found = await self._do(self._client.fetch, [uid], ["BODY.PEEK[]"])
        data: bytes | None = found.get(uid, {}).get(b"BODY[]")
        return data

    async def wait(self) -> None:
        """Returns when something may have come."""
        if not self._client.has_capability("IDLE"):
            await self._readable(WITHOUT_IDLE)
            return
        await self._do(self._client.idle)
        if not await self._do(self._has_read_more):
            await self._readable(IDLE)
        await self._do(self._client.idle_done)

    def _has_read_more(self) -> bool:
        """Whether more came along with the server's last answer. Nobody is told of that again."""
        connection = self._client.socket()
        connection.settimeout(0)
        try:
            return bool(self._client._imap.file.peek(1))
        except OSError:
            return False
        finally:
            connection.settimeout(ANSWER)

    async def _readable(self, patience: float) -> None:
        """Returns when the server says something, or after so many seconds."""
        loop, said = asyncio.get_running_loop(), asyncio.Event()
        socket = self._client.socket().fileno()
        loop.add_reader(socket, said.set)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(said.wait(), patience)
        finally:
            loop.remove_reader(socket)

    async def _do(self, call: Callable[..., T], *arguments: Any) -> T:
        """What the library answers. Raises its errors, and NodeFailure when the connection does not bear it."""
        from imapclient.exceptions import IMAPClientAbortError

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, partial(call, *arguments))
        except (OSError, IMAPClientAbortError) as error:
            raise self._server.refused(str(error) or "it took too long to answer") from None

    async def close(self) -> None:
        """Hangs up. It may be in the middle of a command, so no good-bye could be said."""
        if self._client is not None:
            with contextlib.suppress(OSError):
                # Wakes the thread, if it reads; before that nothing could be closed.
                self._client.socket().shutdown(SHUT_RDWR)
            with contextlib.suppress(Exception):
                await self._do(self._client.shutdown)
        self._thread.shutdown(wait=False, cancel_futures=True)


async def _item(source: Source, data: bytes, uid: int, with_files: bool) -> Item:
    mail = message_from_bytes(data, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    record: dict[str, Json] = {
        "id": _header(mail, "Message-ID"),
        "uid": uid,
        "from": next(iter(_addresses(mail, "From")), None),
        "to": _addresses(mail, "To"),
        "cc": _addresses(mail, "Cc"),
        "reply_to": _addresses(mail, "Reply-To"),
        "subject": _header(mail, "Subject"),
        "date": _date(mail),
        "text": _body(mail, "plain"),
        "html": _body(mail, "html"),
        "headers": {name.lower(): str(value) for name, value in mail.items()},
    }
    return Item(record, await _files(source, mail) if with_files else {})


def _header(mail: EmailMessage, name: str) -> str:
    return str(mail.get(name, "")).strip()


def _addresses(mail: EmailMessage, name: str) -> list[dict[str, Json]]:
    found = getaddresses([str(value) for value in mail.get_all(name, [])])
    return [{"name": person, "address": address} for person, address in found if address]


def _date(mail: EmailMessage) -> str | None:
    date = getattr(mail.get("Date"), "datetime", None)
    return date.isoformat() if date is not None else None


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, ValueError):
        # The mail names an encoding that there is not.
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


async def _files(source: Source, mail: EmailMessage) -> dict[str, BinaryRef]:
    blobs = source.context.blobs
    if blobs is None:
        return {}
    files: dict[str, BinaryRef] = {}
    for number, part in enumerate(mail.iter_attachments()):
        payload = part.get_payload(decode=True)
        data = payload if isinstance(payload, bytes) else part.as_bytes()
        name = f"attachment_{number}"
        files[name] = await blobs.write(data, part.get_content_type(), part.get_filename() or name)
    return files
