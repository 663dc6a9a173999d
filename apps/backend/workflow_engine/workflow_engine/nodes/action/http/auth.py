"""Credentials on a request."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from workflow_engine.engine.plan import PlanNode
from workflow_engine.nodes.context import Certificates, Context, Login
from workflow_engine.nodes.credentials import Custom, check_host
from workflow_engine.nodes.spec import CredentialSlot, Json, NodeFailure

IN_HEADERS = CredentialSlot("auth", ("http_basic", "http_bearer", "http_header", "http_query", "oauth2"))
"""For nodes that can add to headers and query, no more."""
SLOT = CredentialSlot("auth", (*IN_HEADERS.types, "http_digest"))
REQUEST = CredentialSlot(SLOT.name, (*SLOT.types, "http_custom"))
"""The same for nodes whose body a credential may add to."""
CERTIFICATE = CredentialSlot("certificate", ("tls_certificate",))


@dataclass(frozen=True, slots=True)
class Signature:
    """What a credential adds to a request."""

    headers: dict[str, str] = field(default_factory=dict[str, str])
    query: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    body: dict[str, Json] = field(default_factory=dict[str, Json])
    """Members of a body that is JSON or a form."""
    login: Login | None = None
    """What the egress client answers the peer's question with."""
    token: str = ""
    """The OAuth token that is among them; a peer that refuses it may take its successor."""


async def signature(node: PlanNode, context: Context, url: str, refused: str = "") -> Signature | None:
    """What the credential in slot `auth` adds; nothing when the node has none.

    `refused` is the token that the peer did not take: then the one after it, or None when there is none.

    Raises NodeFailure: CREDENTIAL_MISSING, CREDENTIAL_REFUSED for a host that the credential is not meant
    for.
    """
    id = node.credentials.get(SLOT.name)
    if not id:
        return Signature()
    if context.credentials is None:
        raise NodeFailure("CREDENTIAL_MISSING", "this server keeps no credentials", hint="set SECRET_KEY")
    secret = await context.credentials.renew(id, refused) if refused else await context.credentials.get(id)
    if secret is None:
        return None
    check_host(secret, urlsplit(url).hostname or "", "url")
    return signed(secret)


async def certificates(node: PlanNode, context: Context, url: str) -> Certificates | None:
    """What the credential in slot `certificate` holds; None when the node has none.

    Raises NodeFailure: CREDENTIAL_MISSING, CREDENTIAL_REFUSED for a host that it is not meant for.
    """
    id = node.credentials.get(CERTIFICATE.name)
    if not id:
        return None
    if context.credentials is None:
        raise NodeFailure("CREDENTIAL_MISSING", "this server keeps no credentials", hint="set SECRET_KEY")
    secret = await context.credentials.get(id)
    check_host(secret, urlsplit(url).hostname or "", "url")
    if secret["type"] not in CERTIFICATE.types:
        raise NodeFailure(
            "CREDENTIAL_REFUSED",
            f"a credential of type {secret['type']!r} is no certificate",
            field=CERTIFICATE.name,
            hint=f"choose one of type {CERTIFICATE.types[0]}",
        )
    given = ("certificate", "private_key", "passphrase", "ca_certificate")
    return Certificates(*(str(secret.get(name) or "") for name in given))


def in_headers(signature: Signature) -> Signature:
    """A signature for what can send headers and a query, no more. Raises NodeFailure CREDENTIAL_REFUSED."""
    if signature.login or signature.body:
        raise NodeFailure(
            "CREDENTIAL_REFUSED",
            "this node can send a credential in headers and in the query only",
            field=SLOT.name,
            hint="choose another type of credential",
        )
    return signature


def signed(secret: dict[str, Any]) -> Signature:
    """What the secret fields of a credential add to a request."""
    try:
        match secret["type"]:
            case "http_basic":
                pair = f"{secret['username']}:{secret['password']}".encode()
                return Signature({"Authorization": f"Basic {base64.b64encode(pair).decode()}"})
            case "http_digest":
                return Signature(login=Login(secret["username"], secret["password"]))
            case "http_custom":
                custom = Custom.of(secret["request"])
                return Signature(dict(custom.headers), list(custom.query.items()), dict(custom.body))
            case "http_bearer":
                return Signature({"Authorization": f"Bearer {secret['token']}"})
            case "oauth2":
                token = secret["access_token"]
                return Signature({"Authorization": f"Bearer {token}"}, token=token)
            case "http_header":
                return Signature({secret["name"]: secret["value"]})
            case "http_query":
                return Signature(query=[(secret["name"], secret["value"])])
            case other:
                raise NodeFailure(
                    "CREDENTIAL_REFUSED",
                    f"a credential of type {other!r} can not sign an HTTP request",
                    hint=f"choose one of {', '.join(REQUEST.types)}",
                )
    except KeyError as missing:
        raise NodeFailure(
            "CREDENTIAL_MISSING",
            f"the credential has no {missing.args[0]}",
            hint="edit the credential and fill it in",
        ) from None
