"""Getting documents, and carrying out their operations."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field

from workflow_engine.nodes.action.http.answer import Answer, Format, read, refusal
from workflow_engine.nodes.action.http.auth import SLOT, Signature
from workflow_engine.nodes.action.http.body import stored
from workflow_engine.nodes.context import Context, HttpResponse
from workflow_engine.nodes.credentials import check_host
from workflow_engine.nodes.external_action.service import once
from workflow_engine.nodes.openapi.document import Document, Operation, parse
from workflow_engine.nodes.openapi.request import Request, make, signature
from workflow_engine.nodes.spec import Call, CredentialSlot, Json, NodeFailure, Parameters

SIGNED_BY = (CredentialSlot(SLOT.name, (*SLOT.types, "api_key")),)
KEPT = 8
"""Documents that stay in memory: reading a large one takes about a second."""
KEPT_FOR = 300.0
"""Seconds until a document is fetched again from its address."""
LARGE = 1 << 18
"""Bytes from which on a document is read in a thread of its own."""
_kept: dict[str, tuple[float, Document]] = {}


class ByUrl(Parameters):
    """A document at an address."""

    source: Literal["url"]
    """Fetched when it is needed, at most every five minutes."""
    url: str = Field(pattern=r"^https?://\S+$")
    """Where it is."""


class ByText(Parameters):
    """A document that stands here."""

    source: Literal["text"]
    """The document itself."""
    text: str = Field(min_length=2, max_length=5_000_000)
    """JSON or YAML."""


class ByBinary(Parameters):
    """A document in the item's binary data."""

    source: Literal["binary"]
    """A file that a node before this one delivered."""
    slot: str = "data"
    """The item's binary slot."""


Source: TypeAlias = Annotated[ByUrl | ByText | ByBinary, Field(discriminator="source")]


async def document_of(call: Call[Any], source: ByUrl | ByText | ByBinary) -> Document:
    """The document. Raises NodeFailure."""
    match source:
        case ByUrl(url=url):
            return _remembered(url) or _keep(url, await _parsed(await _fetched(call.context, url), url))
        case ByText(text=text):
            return of_text(text)
        case ByBinary(slot=slot):
            ref, blobs = stored(call.item, slot, call.context.blobs, "document.slot")
            if found := _remembered(ref.id):
                return found
            return _keep(ref.id, await _parsed(b"".join([chunk async for chunk in blobs.read(ref)])))


async def _parsed(data: bytes, source: str = "") -> Document:
    # GitHub's own has 13 MB; meanwhile others want to go on.
    return await asyncio.to_thread(parse, data, source) if len(data) > LARGE else parse(data, source)


def of_text(text: str) -> Document:
    """Raises NodeFailure."""
    key = hashlib.sha256(text.encode()).hexdigest()
    return _remembered(key) or _keep(key, parse(text.encode()))


def _remembered(key: str) -> Document | None:
    until, found = _kept.get(key, (0.0, None))
    return found if until > time.monotonic() else None


def _keep(key: str, document: Document) -> Document:
    _kept.pop(key, None)
    while len(_kept) >= KEPT:
        del _kept[next(iter(_kept))]
    _kept[key] = time.monotonic() + KEPT_FOR, document
    return document


async def _fetched(context: Context, url: str) -> bytes:
    if context.http is None:
        raise NodeFailure("CONNECTION_FAILED", "this server gives nodes no way to the network")
    response = await context.http.request("GET", url, headers={"Accept": "application/json, application/yaml"})
    if response.status >= 400:
        raise await refusal(response, "GET", context.now)
    return await response.read()


async def carry_out(
    call: Call[Any],
    document: Document,
    operation: Operation,
    arguments: dict[str, Json],
    body: Json,
    *,
    server: str = "",
    format: Format = "auto",
    timeout: float = 60.0,
) -> Answer:
    """Sends an operation's request and reads what is answered. Raises NodeFailure."""
    try:
        request = make(document, operation, arguments, body, server)
        response = await _respond(call, document, operation, request, timeout)
        if response.status >= 400:
            raise await refusal(response, operation.method, call.context.now)
        return await read(response, format, call.context.blobs)
    except NodeFailure as failed:
        raise failed if operation.is_repeatable else once(failed) from None


async def _respond(
    call: Call[Any], document: Document, operation: Operation, request: Request, timeout: float
) -> HttpResponse:
    id = call.node.credentials.get(SLOT.name)
    secret: dict[str, Any] = {}
    if id:
        if call.context.credentials is None:
            raise NodeFailure("CREDENTIAL_MISSING", "this server keeps no credentials", hint="set SECRET_KEY")
        secret = await call.context.credentials.get(id)
        check_host(secret, urlsplit(request.url).hostname or "", "server")
    signed = signature(document, operation, secret)
    response = await _send(call.context, request, signed, timeout)
    if response.status == 401 and signed.token and id and call.context.credentials:
        renewed = await call.context.credentials.renew(id, signed.token)
        if renewed:
            await response.close()
            return await _send(call.context, request, signature(document, operation, renewed), timeout)
    return response


async def _send(context: Context, request: Request, signed: Signature, timeout: float) -> HttpResponse:
    if context.http is None:
        raise NodeFailure("CONNECTION_FAILED", "this server gives nodes no way to the network")
    headers = {"Accept": "application/json", **request.headers, **signed.headers}
    if "Cookie" in request.headers and "Cookie" in signed.headers:
        headers["Cookie"] = f"{request.headers['Cookie']}; {signed.headers['Cookie']}"
    return await context.http.request(
        request.method,
        request.url,
        headers=headers,
        params=[*request.query, *signed.query] or None,
        body=request.body,
        timeout=timeout,
        login=signed.login,
    )
