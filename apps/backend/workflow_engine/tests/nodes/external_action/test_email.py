"""external_action.email against a real SMTP server on this machine."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.nodes.action.world import world
from tests.nodes.harness import failure, problems, records, run_node
from tests.serving import free_port
from workflow_engine.engine.events import AnyEvent
from workflow_engine.engine.items import Item
from workflow_engine.nodes.context import Context

MAIL = {
    "from": "Shop <shop@example.com>",
    "to": ["Ada <ada@example.com>"],
    "subject": "Order {{ json.id }}",
    "text": "Grüße",
}


class Box:
    """What arrived, and what the server refuses."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []
        self.refuses: dict[str, str] = {}
        self.at_end = "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if said := self.refuses.get(address):
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))  # type: ignore[arg-type]
        return self.at_end


@asynccontextmanager
async def mail_server(tmp_path: Path, *, tls: bool = True, **secret: Any) -> AsyncIterator[tuple[Box, Context]]:
    """A server that wants a user and, with `tls`, an encrypted connection; and a context that knows it."""
    box = Box()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    def let_in(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        good = (data.login, data.password) == (b"shop", b"s3cret-word")
        return AuthResult(success=good, handled=False)

    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=context if tls else None,
        require_starttls=tls,
        authenticator=let_in,
        auth_required=tls,
        auth_require_tls=tls,
    )
    controller.start()
    account = {
        "type": "smtp",
        "host": "127.0.0.1",
        "port": controller.port,
        "security": "starttls" if tls else "none",
        "verify_tls": False,
        **({"username": "shop", "password": "s3cret-word"} if tls else {}),
        **secret,
    }
    try:
        async with world(tmp_path, server=account) as made:
            made.handed_out.add([account.get("password", "")])
            yield box, made
    finally:
        controller.stop()


async def send(
    context: Context, parameters: dict[str, Any], items: Sequence[Item | dict[str, Any]] = ({"id": 7},)
) -> AnyEvent:
    return await run_node(
        "external_action.email", {**MAIL, **parameters}, items, context=context, credentials={"server": "server"}
    )


async def test_a_mail_arrives_with_text_html_and_files(tmp_path: Path) -> None:
    async with mail_server(tmp_path) as (box, context):
        assert context.blobs
        bill = await context.blobs.write(b"%PDF-1.7", "application/pdf", "bill.pdf")
        more = {
            "html": "<p>Grüße</p>",
            "attachments": ["bill"],
            "bcc": ["boss@example.com"],
            "reply_to": "help@example.com",
        }
        event = await send(context, more, [Item({"id": 7}, {"bill": bill})])
    (record,) = records(event)
    ((recipients, mail),) = box.mails
    assert record["id"] == 7
    assert record["email"] == {"message_id": mail["Message-ID"], "refused": {}}
    assert recipients == ["ada@example.com", "boss@example.com"]
    assert mail["Bcc"] is None
    assert mail["From"] == "Shop <shop@example.com>"
    assert mail["Reply-To"] == "help@example.com"
    assert mail["Subject"] == "Order 7"
    assert mail.get_body(("plain",)).get_content().strip() == "Grüße"  # type: ignore[union-attr]
    assert mail.get_body(("html",)).get_content().strip() == "<p>Grüße</p>"  # type: ignore[union-attr]
    (file,) = mail.iter_attachments()
    assert (file.get_filename(), file.get_content_type(), file.get_content()) == (
        "bill.pdf",
        "application/pdf",
        b"%PDF-1.7",
    )


async def test_a_subject_can_not_smuggle_in_a_header(tmp_path: Path) -> None:
    async with mail_server(tmp_path, tls=False) as (box, context):
        await send(context, {"subject": "{{ json.title }}"}, [{"title": "Hi\r\nBcc: thief@example.com"}])
        failed = failure(
            await send(context, {"to": ["{{ json.to }}"]}, [{"id": 1, "to": "a@b.example\r\nBcc: thief@example.com"}])
        )
    ((recipients, mail),) = box.mails
    assert recipients == ["ada@example.com"]
    assert mail["Subject"] == "Hi Bcc: thief@example.com"
    assert failed.reason == "INVALID_PARAMETER"
    assert failed.field == "to[0]"


async def test_an_address_that_is_refused_is_told_and_the_others_get_it(tmp_path: Path) -> None:
    async with mail_server(tmp_path) as (box, context):
        box.refuses = {"gone@example.com": "550 no such user"}
        (record,) = records(await send(context, {"to": ["ada@example.com", "gone@example.com"]}))
        assert list(record["email"]["refused"]) == ["gone@example.com"]
        failed = failure(await send(context, {"to": ["gone@example.com"]}))
        assert failed.reason == "MAIL_REFUSED"
        assert not failed.retryable
        assert "no such user" in failed.message
        box.refuses = {"ada@example.com": "451 try later"}
        assert failure(await send(context, {})).retryable


async def test_a_wrong_password_is_told_and_not_shown(tmp_path: Path) -> None:
    async with mail_server(tmp_path, password="wrong-word") as (box, context):
        failed = failure(await send(context, {}))
    assert failed.reason == "CREDENTIAL_REFUSED"
    assert "wrong-word" not in str(failed)
    assert box.mails == []


async def test_a_server_that_can_not_encrypt_is_refused(tmp_path: Path) -> None:
    async with mail_server(tmp_path, tls=False, security="starttls") as (box, context):
        assert failure(await send(context, {})).reason == "MAIL_REFUSED"
    assert box.mails == []


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    async with mail_server(tmp_path, verify_tls=True) as (box, context):
        failed = failure(await send(context, {}))
    assert failed.reason in ("CONNECTION_FAILED", "MAIL_REFUSED")
    assert box.mails == []


async def test_a_server_that_is_not_there_can_be_tried_again(tmp_path: Path) -> None:
    async with world(tmp_path, server={"type": "smtp", "host": "127.0.0.1", "port": free_port()}) as context:
        failed = failure(await send(context, {}))
    assert failed.reason == "CONNECTION_FAILED"
    assert failed.retryable


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"colour": "red"}, "parameters.colour: there is no parameter 'colour'"),
        ({"to": ["nobody"]}, "'nobody' is no e-mail address"),
        ({"to": []}, "at least 1 item"),
    ],
)
def test_what_is_refused_when_it_is_saved(parameters: dict[str, Any], says: str) -> None:
    assert any(says in each for each in problems("external_action.email", {**MAIL, **parameters}))
