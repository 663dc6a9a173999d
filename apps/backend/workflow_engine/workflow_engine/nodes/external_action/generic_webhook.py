"""external_action.generic_webhook: tells another system that something happened."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field

from workflow_engine.nodes.action.http.answer import read, refusal
from workflow_engine.nodes.action.http.auth import CERTIFICATE, SLOT, Signature, certificates, signature
from workflow_engine.nodes.credentials import check_host
from workflow_engine.nodes.spec import (
    Call,
    CredentialSlot,
    Effect,
    Emit,
    Json,
    Node,
    NodeFailure,
    Parameters,
    Result,
)
from workflow_engine.utils import json


class GenericWebhookParameters(Parameters):
    """Where to, and what."""

    url: str
    """Absolute http or https address."""
    event: str = Field(default="", max_length=255)
    """What happened, e.g. `order.paid`; sent as `type` beside the data. Empty to send the data alone."""
    data: Json = None
    """What is told; the item by default."""
    headers: dict[str, str] = {}
    """Further headers."""
    timeout_seconds: float = Field(default=30, gt=0, le=600)
    """Most time for one delivery."""


class GenericWebhook(Node[GenericWebhookParameters]):
    """Delivers a signed webhook for each item, as the Standard Webhooks specification has it.

    The headers `webhook-id`, `webhook-timestamp` and, with a credential in slot `signing`, `webhook-signature` go with
    it: HMAC-SHA256 over `id.timestamp.body` (a key that begins with `whsec_` is Base64). The id is the same however
    often a delivery is repeated, so a receiver that keeps to the specification acts once, and a delivery is repeated
    after a crash. An answer of 400 and above fails; give the node a retry policy to try later again.
    """

    type = "external_action.generic_webhook"
    name = "Webhook"
    summary = "Tells another system that something happened, signed."
    example = {"url": "https://partner.example.com/hooks", "event": "order.paid", "data": "{{ json }}"}
    effect = Effect.IDEMPOTENT
    credentials = (CredentialSlot("signing", ("crypto_key",)), SLOT, CERTIFICATE)

    async def run(self, call: Call[GenericWebhookParameters]) -> Result:
        parameters, context = call.parameters, call.context
        if context.http is None:
            raise NodeFailure("CONNECTION_FAILED", "this server gives nodes no way to the network")
        data = call.item.json if parameters.data is None else parameters.data
        body = json.dumps({"type": parameters.event, "data": data} if parameters.event else data)
        id = f"msg_{hashlib.sha256(call.idempotency_key.encode()).hexdigest()[:32]}"
        sent_at = str(context.now // 1000)
        signed = await signature(call.node, context, parameters.url) or Signature()
        headers = {
            "Content-Type": "application/json",
            **parameters.headers,
            "webhook-id": id,
            "webhook-timestamp": sent_at,
            **await self._signature(call, f"{id}.{sent_at}.".encode() + body),
            **signed.headers,
        }
        response = await context.http.request(
            "POST",
            parameters.url,
            headers=headers,
            params=signed.query or None,
            body=body,
            timeout=parameters.timeout_seconds,
            login=signed.login,
            certificates=await certificates(call.node, context, parameters.url),
        )
        if response.status >= 400:
            raise await refusal(response, "POST", context.now)
        answer = await read(response, "text", None)
        return Emit({"main": answer.items(full=True)})

    async def _signature(self, call: Call[Any], content: bytes) -> dict[str, str]:
        id = call.node.credentials.get("signing")
        if not id:
            return {}
        if call.context.credentials is None:
            raise NodeFailure("CREDENTIAL_MISSING", "this server keeps no credentials", hint="set SECRET_KEY")
        secret = await call.context.credentials.get(id)
        check_host(secret, urlsplit(call.parameters.url).hostname or "", "url")
        digest = hmac.digest(_key(secret["key"]), content, "sha256")
        return {"webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}


def _key(text: str) -> bytes:
    if not text.startswith("whsec_"):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise NodeFailure(
            "CREDENTIAL_REFUSED", "the signing key begins with whsec_, and what follows is no Base64", field="signing"
        ) from None
