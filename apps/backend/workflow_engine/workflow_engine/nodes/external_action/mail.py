"""Mail messages, for the node types that send them."""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import formataddr, parseaddr
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from workflow_engine.nodes.spec import Parameters


def _address(value: str) -> str:
    if "{{" in value:
        return value
    name, address = parseaddr(value)
    if "@" not in address or any(sign in value for sign in "\r\n"):
        raise ValueError(f"{value!r} is no e-mail address")
    return formataddr((name, address))


Address: TypeAlias = Annotated[str, AfterValidator(_address), Field(max_length=500)]
"""`ada@example.com` or `Ada <ada@example.com>`."""


class Mail(Parameters):
    """Whom a mail goes to, and what it says."""

    leading = ("from", "to", "subject", "text", "html")
    to: list[Address] = Field(min_length=1, max_length=500)
    """To whom."""
    cc: list[Address] = Field(default=[], max_length=500)
    """Who else sees it."""
    bcc: list[Address] = Field(default=[], max_length=500)
    """Who sees it without the others knowing."""
    reply_to: Address | None = None
    """Where answers go."""
    subject: str = Field(max_length=998)
    """What it is about."""
    text: str = ""
    """The plain text."""
    html: str = ""
    """The same as HTML; mail programs show it in place of the text."""


def message(mail: Mail, sender: str = "") -> EmailMessage:
    """The message as it is sent. Line breaks in the subject become spaces: a header is one line."""
    made = EmailMessage()
    if sender:
        made["From"] = sender
    made["To"] = ", ".join(mail.to)
    if mail.cc:
        made["Cc"] = ", ".join(mail.cc)
    if mail.bcc:
        made["Bcc"] = ", ".join(mail.bcc)
    if mail.reply_to:
        made["Reply-To"] = mail.reply_to
    made["Subject"] = " ".join(mail.subject.split())
    made.set_content(mail.text)
    if mail.html:
        made.add_alternative(mail.html, subtype="html")
    return made
