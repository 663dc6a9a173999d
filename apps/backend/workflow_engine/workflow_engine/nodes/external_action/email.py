"""external_action.email: mail by SMTP."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from email.utils import formatdate, make_msgid, parseaddr
from typing import Any, Literal

from pydantic import Field, SecretStr

from workflow_engine.engine.items import BinaryRef, Item
from workflow_engine.nodes.action.http.body import stored
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.credentials import CredentialKind, check_host
from workflow_engine.nodes.external_action.mail import Address, Mail, message
from workflow_engine.nodes.external_action.service import kind
from workflow_engine.nodes.spec import Call, CredentialSlot, Effect, Emit, Node, NodeFailure, Result

MOST_ATTACHED = 25 << 20
"""Bytes of all attachments; few mail servers take more."""


@kind
class Smtp(CredentialKind):
    """A mail server and who we are there."""

    type = "smtp"
    title = "SMTP server"
    host: str = Field(pattern=r"^[A-Za-z0-9.:_-]+$", max_length=255)
    """The server, without port."""
    port: int = Field(default=587, ge=1, le=65535)
    """587 for STARTTLS, 465 for TLS, 25 between servers."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is encrypted; a server that can not is refused, unless it is `none`."""
    verify_tls: bool = True
    """Refuse a server whose certificate is not trusted."""
    username: str = Field(default="", max_length=1000)
    """The user; no sign-in when empty."""
    password: SecretStr = SecretStr("")
    """The password."""


class EmailParameters(Mail):
    """A mail."""

    sender: Address = Field(alias="from")
    """From whom; most servers insist on one of the user's own addresses."""
    attachments: list[str] = Field(default=[], max_length=50)
    """The item's binary slots to attach."""
    timeout_seconds: float = Field(default=60, gt=0, le=600)
    """Most time for the whole sending."""


class Email(Node[EmailParameters]):
    """Sends a mail for each item through a mail server.

    It gives the item, with `email` telling its `message_id` and which addresses the server refused; when it refuses all
    of them, the node fails. The `Message-ID` is the same at every attempt of the same run. A mail is not sent again
    after a crash, because nobody could take it back.
    """

    type = "external_action.email"
    summary = "Sends mail by SMTP."
    example = {
        "from": "Shop <shop@example.com>",
        "to": ["{{ json.email }}"],
        "subject": "Your order {{ json.id }}",
        "text": "It is on its way.",
    }
    effect = Effect.AT_MOST_ONCE
    credentials = (CredentialSlot("server", ("smtp",), required=True),)

    async def run(self, call: Call[EmailParameters]) -> Result:
        import aiosmtplib

        asked, context = call.parameters, call.context
        made = message(asked, asked.sender)
        made["Date"] = formatdate(context.now / 1000)
        made["Message-ID"] = _message_id(call)
        await _attach(made, call.item, asked.attachments, context)
        secret = await _server(call)
        recipients = [parseaddr(each)[1] for each in (*asked.to, *asked.cc, *asked.bcc)]
        del made["Bcc"]
        client = await _client(secret, context, asked.timeout_seconds)
        sent = False
        try:
            async with client:
                if secret.get("username"):
                    await client.login(secret["username"], secret.get("password", ""))
                sent = True
                refused, _ = await client.send_message(made, sender=parseaddr(asked.sender)[1], recipients=recipients)
        except aiosmtplib.SMTPException as error:
            raise _failure(error, secret["host"], sent=sent) from None
        except (OSError, TimeoutError) as error:
            raise _lost(error, secret["host"], sent=sent) from None
        told = {"message_id": str(made["Message-ID"]), "refused": {each: str(why) for each, why in refused.items()}}
        return Emit({"main": [Item({**call.item.json, "email": told}, call.item.binary)]})


def _message_id(call: Call[EmailParameters]) -> str:
    domain = parseaddr(call.parameters.sender)[1].rpartition("@")[2]
    if not call.idempotency_key:
        return make_msgid(domain=domain)
    return f"<{hashlib.sha256(call.idempotency_key.encode()).hexdigest()[:32]}@{domain}>"


async def _attach(made: Any, item: Item, slots: list[str], context: Context) -> None:
    files: list[tuple[BinaryRef, bytes]] = []
    total = 0
    for index, slot in enumerate(slots):
        ref, blobs = stored(item, slot, context.blobs, f"attachments[{index}]")
        total += ref.size
        if total > MOST_ATTACHED:
            raise NodeFailure(
                "ATTACHMENTS_TOO_LARGE",
                f"the attachments have more than {MOST_ATTACHED} bytes",
                field="attachments",
                hint="send a link instead",
            )
        files.append((ref, b"".join([chunk async for chunk in blobs.read(ref)])))
    for ref, data in files:
        main, _, sub = ref.media_type.partition("/")
        made.add_attachment(
            data,
            maintype=main or "application",
            subtype=sub.partition(";")[0] or "octet-stream",
            filename=ref.file_name,
        )


async def _server(call: Call[EmailParameters]) -> dict[str, Any]:
    id = call.node.credentials.get("server")
    if not id or call.context.credentials is None:
        raise NodeFailure(
            "CREDENTIAL_MISSING", "a mail needs a server", field="server", hint="choose a credential of type smtp"
        )
    secret = await call.context.credentials.get(id)
    check_host(secret, secret["host"], "server")
    return secret


async def _client(secret: dict[str, Any], context: Context, timeout: float) -> Any:
    """A client on a connection to an address that was checked; TLS expects the certificate of the server's name."""
    import aiosmtplib

    host, port = secret["host"], int(secret.get("port", 587))
    connected = await _connected(context, host, port, timeout)
    tls = ssl.create_default_context()
    if not secret.get("verify_tls", True):
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    security = secret.get("security", "starttls")
    return aiosmtplib.SMTP(
        hostname=host,
        port=None,
        timeout=timeout,
        use_tls=security == "tls",
        start_tls=security == "starttls",
        tls_context=tls,
        sock=connected,
    )


async def _connected(context: Context, host: str, port: int, timeout: float) -> socket.socket:
    if context.http is None:
        raise NodeFailure("CONNECTION_FAILED", "this server gives nodes no way to the network")
    loop = asyncio.get_running_loop()
    why: Exception | None = None
    for address in await context.http.addresses(host, port):
        one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        one.setblocking(False)
        try:
            async with asyncio.timeout(timeout):
                await loop.sock_connect(one, (address, port))
            return one
        except (OSError, TimeoutError) as error:
            one.close()
            why = error
    raise _lost(why, host, sent=False)


def _lost(error: Exception | None, host: str, *, sent: bool) -> NodeFailure:
    timed_out = isinstance(error, TimeoutError)
    return NodeFailure(
        "TIMEOUT" if timed_out else "CONNECTION_FAILED",
        f"the mail server {host} " + ("took too long" if timed_out else f"can not be reached: {error}"),
        hint=_PERHAPS if sent else "see host and port, and that a firewall lets us through",
        retryable=not sent,
        details={"host": host, "sent": sent},
    )


_PERHAPS = "the mail may have been sent: look before you send it again"


def _failure(error: Exception, host: str, *, sent: bool) -> NodeFailure:
    import aiosmtplib

    match error:
        case aiosmtplib.SMTPAuthenticationError():
            return NodeFailure(
                "CREDENTIAL_REFUSED",
                f"{host} does not let the user in: {error.code} {error.message}",
                field="server",
                hint="see user and password; many providers want a password made for this application",
            )
        case aiosmtplib.SMTPRecipientsRefused():
            refused = {each.recipient: f"{each.code} {each.message}" for each in error.recipients}
            return NodeFailure(
                "MAIL_REFUSED",
                f"{host} takes none of the addresses: {'; '.join(f'{to}: {why}' for to, why in refused.items())[:500]}",
                field="to",
                hint="see that they are spelled right, and that the server may send there",
                retryable=all(400 <= each.code < 500 for each in error.recipients),
                details={"refused": refused},
            )
        case aiosmtplib.SMTPResponseException():
            return NodeFailure(
                "MAIL_REFUSED",
                f"{host} answered {error.code} {error.message}"[:500],
                hint="the server says why; codes of 400 to 499 may pass by themselves",
                retryable=400 <= error.code < 500,
                details={"code": error.code},
            )
        case aiosmtplib.SMTPTimeoutError() | aiosmtplib.SMTPServerDisconnected():
            return _lost(TimeoutError() if "imed out" in str(error) else error, host, sent=sent)
        case _:
            return NodeFailure("MAIL_REFUSED", f"{host}: {error}"[:500], hint="see the credential's port and security")
