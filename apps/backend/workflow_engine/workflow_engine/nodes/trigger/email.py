"""trigger.email: mail that arrives in a mailbox."""

from __future__ import annotations

import asyncio
import contextlib
import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import getaddresses
from typing import Any, Literal

from pydantic import SecretStr

from workflow_engine.engine.items import BinaryRef, Item
from workflow_engine.nodes.action.servers import Server, reached
from workflow_engine.nodes.credentials import CredentialKind
from workflow_engine.nodes.external_action.service import kind
from workflow_engine.nodes.spec import CredentialSlot, Field, NodeFailure
from workflow_engine.nodes.trigger.base import Json, ListenTrigger, Source, TriggerParameters

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
        except (OSError, TimeoutError) as error:
            raise server.refused(str(error) or "it took too long to answer") from None
        finally:
            await box.close()


class _Mailbox:
    def __init__(self, server: Server, source: Source) -> None:
        self._server, self._source = server, source
        self._asked: EmailTriggerParameters = source.parameters
        self._lost = asyncio.Event()
        self._client: Any = None
        self._validity = 0
        self._last = 0
        """The highest UID that is stored."""

    async def open(self) -> None:
        import aioimaplib

        server = self._server
        tls = server.tls()
        if tls is not None:
            client = aioimaplib.IMAP4_SSL(server.address, server.port, timeout=ANSWER, ssl_context=tls)
        else:
            client = aioimaplib.IMAP4(server.address, server.port, timeout=ANSWER)
        self._client = client
        client.protocol.conn_lost_cb = lambda error: self._lost.set()
        await self._done(client.wait_hello_from_server())
        said = await self._done(client.login(server.secret["user"], server.text("password") or ""))
        if said.result != "OK":
            raise server.refused(_words(said), retryable=False)
        await self._select()

    async def _select(self) -> None:
        folder = '"' + self._asked.folder.replace("\\", "\\\\").replace('"', '\\"') + '"'
        said = await self._done(self._client.select(folder))
        if said.result != "OK":
            raise NodeFailure(
                "NOT_FOUND", f"the folder can not be read: {_words(said)}", field="folder", hint="see its name"
            )
        text = " ".join(_texts(said))
        self._validity = _number(r"UIDVALIDITY (\d+)", text)
        known = self._source.cursor if isinstance(self._source.cursor, dict) else None
        if known is None:
            self._last = 0 if self._asked.from_start else max(_number(r"UIDNEXT (\d+)", text), 1) - 1
            await self._source.save(self._cursor())
        elif known.get("validity") == self._validity:
            self._last = int(known["uid"])
        else:
            # The server has numbered its mails anew; what was there then is not told from what came since.
            self._last = max(_number(r"UIDNEXT (\d+)", text), 1) - 1
            await self._source.save(self._cursor())

    def _cursor(self) -> dict[str, Json]:
        return {"validity": self._validity, "uid": self._last}

    async def take_new(self) -> None:
        said = await self._done(
            self._client.uid_search(f"UID {self._last + 1}:* {self._asked.search}".strip(), charset=None)
        )
        if said.result != "OK":
            raise NodeFailure("REFUSED", f"the search is not understood: {_words(said)}", field="search")
        # `n:*` gives the last mail even when its number is below n.
        uids = sorted(
            uid for text in _texts(said) for uid in map(int, re.findall(r"\b\d+\b", text)) if uid > self._last
        )
        for uid in uids:
            data = await self._fetched(uid)
            if data is None:
                continue
            item = await _item(self._source, data, uid, self._asked.attachments)
            self._last = uid
            await self._source.emit([item], delivery_id=f"{self._validity}:{uid}", cursor=self._cursor())
            if self._asked.mark_seen:
                await self._done(self._client.uid("store", str(uid), "+FLAGS.SILENT", r"(\Seen)"))

    async def _fetched(self, uid: int) -> bytes | None:
        """A mail's bytes; None when it is gone."""
        said = await self._done(self._client.uid("fetch", str(uid), "(UID BODY.PEEK[])"))
        return max((bytes(line) for line in said.lines if isinstance(line, bytearray)), key=len, default=None)

    async def wait(self) -> None:
        """Returns when something may have come."""
        client = self._client
        if not client.has_capability("IDLE"):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._lost.wait(), WITHOUT_IDLE)
        else:
            idle = await client.idle_start(timeout=IDLE + ANSWER)
            pushed = asyncio.ensure_future(client.wait_server_push(IDLE))
            lost = asyncio.ensure_future(self._lost.wait())
            try:
                await asyncio.wait([pushed, lost], return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in (pushed, lost):
                    each.cancel()
                await asyncio.gather(pushed, lost, return_exceptions=True)
            if not self._lost.is_set():
                client.idle_done()
                await asyncio.wait_for(idle, ANSWER)
        if self._lost.is_set():
            raise self._server.refused("the connection broke")

    async def _done(self, asking: Any) -> Any:
        """The answer, or that there will be none."""
        import aioimaplib

        answer, lost = asyncio.ensure_future(asking), asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait([answer, lost], timeout=ANSWER, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise self._server.refused("the connection broke" if self._lost.is_set() else "it does not answer")
            return answer.result()
        except (aioimaplib.Error, aioimaplib.Abort, aioimaplib.CommandTimeout) as error:
            raise self._server.refused(str(error)) from None
        finally:
            for each in (answer, lost):
                each.cancel()

    async def close(self) -> None:
        if self._client is None:
            return
        with contextlib.suppress(Exception):
            if not self._lost.is_set():
                await asyncio.wait_for(self._client.logout(), 1)
        with contextlib.suppress(Exception):
            self._client.protocol.transport.close()


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


def _texts(said: Any) -> list[str]:
    return [line.decode(errors="replace") for line in said.lines if isinstance(line, bytes)]


def _words(said: Any) -> str:
    return " ".join(_texts(said))[:300] or str(said.result)


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(found[1]) if found else 0
