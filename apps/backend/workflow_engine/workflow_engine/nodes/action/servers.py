"""Servers that speak a protocol of their own: which one a credential names, and a checked way to it.

Clients are given a checked address, never a name that they could resolve to another one. So that certificates are
still verified for the name, TLS goes through a context that knows which name an address was resolved from.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import Any, Protocol

from workflow_engine.nodes.context import Context
from workflow_engine.nodes.credentials import KINDS, check_host
from workflow_engine.nodes.spec import NodeFailure


class Bound(Protocol):
    """A node, or a trigger that listens: who has credentials."""

    @property
    def credentials(self) -> dict[str, str]:
        """Their ids by slot."""
        ...


@dataclass(frozen=True, slots=True)
class Server:
    """Where to connect to, and as whom."""

    host: str
    """For people and for certificates."""
    address: str
    """What to connect to."""
    port: int
    secret: dict[str, Any] = field(repr=False)
    """The credential's fields."""

    def text(self, name: str) -> str | None:
        """A field of the credential; None when it is empty."""
        return str(self.secret[name]) if self.secret.get(name) else None

    def tls(self) -> PinnedContext | None:
        """How the connection is encrypted; None when the credential says that it is not."""
        mode = self.secret.get("tls") or "verify"
        if mode == "off":
            return None
        return PinnedContext.of({self.address: self.host}, self.text("ca_certificate"), verify=mode == "verify")

    def refused(self, why: str, *, retryable: bool = True) -> NodeFailure:
        """The failure to connect."""
        return NodeFailure(
            "CONNECTION_FAILED",
            f"{self.host} port {self.port} lets us not in: {why.strip()[:300] or 'no answer'}",
            hint="see that the server runs, and that host, port, user, password and tls of the credential are right",
            retryable=retryable,
            details={"host": self.host, "sent": False},
        )


class PinnedContext(ssl.SSLContext):
    """Checks a certificate for the name that the address was resolved from."""

    names: dict[str, str]
    """Names by address."""

    @classmethod
    def of(cls, names: dict[str, str], ca_certificate: str | None = None, *, verify: bool = True) -> PinnedContext:
        """Trusts `ca_certificate` (PEM), by default what the system trusts. Raises NodeFailure CREDENTIAL_REFUSED."""
        made = cls(ssl.PROTOCOL_TLS_CLIENT)
        made.names = names
        if not verify:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        elif ca_certificate:
            try:
                made.load_verify_locations(cadata=ca_certificate)
            except (ssl.SSLError, ValueError) as error:
                raise NodeFailure(
                    "CREDENTIAL_REFUSED",
                    f"ca_certificate of the credential is no certificate: {error}",
                    hint="paste the whole PEM, from BEGIN CERTIFICATE to END CERTIFICATE",
                ) from None
        else:
            made.load_default_certs()
        return made

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        return super().wrap_socket(*args, **self._named(kwargs))

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return super().wrap_bio(*args, **self._named(kwargs))

    def _named(self, options: dict[str, Any]) -> dict[str, Any]:
        address = options.get("server_hostname")
        return options | {"server_hostname": self.names.get(address, address)} if address else options


async def reached(node: Bound, context: Context, kind: str, slot: str = "server") -> Server:
    """The server that the credential in `slot` names, at a checked address.

    Raises NodeFailure CREDENTIAL_MISSING, CREDENTIAL_REFUSED, EGRESS_REFUSED, CONNECTION_FAILED.
    """
    secret = await credential(node, context, kind, slot)
    host = str(secret.get("host") or "")
    if not re.fullmatch(r"[A-Za-z0-9.:_-]+", host):
        # Anything with a slash could be a socket of this machine, a comma a second host that was not checked.
        raise NodeFailure(
            "CREDENTIAL_REFUSED", f"{host!r} is no host name", hint="edit the credential: one host, without port"
        )
    port = int(secret.get("port") or KINDS[kind].model_fields["port"].default)
    check_host(secret, host)
    if context.http is None:
        raise NodeFailure("CONNECTION_FAILED", "this server gives nodes no way to the network")
    addresses = await context.http.addresses(host, port)
    return Server(host, addresses[0], port, secret)


async def credential(node: Bound, context: Context, kind: str, slot: str) -> dict[str, Any]:
    """The fields of the credential in `slot`. Raises NodeFailure CREDENTIAL_MISSING, CREDENTIAL_REFUSED."""
    id = node.credentials.get(slot)
    if not id or context.credentials is None:
        raise NodeFailure(
            "CREDENTIAL_MISSING",
            f"no {KINDS[kind].title} is chosen",
            hint=f"put a credential of type {kind} into slot `{slot}`",
        )
    secret = await context.credentials.get(id)
    if secret.get("type") != kind:
        raise NodeFailure(
            "CREDENTIAL_REFUSED",
            f"a credential of type {secret.get('type')!r} does not fit here",
            hint=f"slot `{slot}` takes one of type {kind}",
        )
    return secret
