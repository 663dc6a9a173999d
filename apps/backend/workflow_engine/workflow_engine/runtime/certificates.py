"""TLS with certificates of our own: contexts for them, made once and kept, since connections are kept by context."""

from __future__ import annotations

import hashlib
import os
import secrets
import ssl
import tempfile
from collections import OrderedDict

from cryptography.hazmat.primitives import serialization

from workflow_engine.nodes.context import Certificates
from workflow_engine.nodes.spec import NodeFailure

KEPT = 64
"""Contexts that stay in memory."""


class Contexts:
    """TLS contexts by what they were made of."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, ssl.SSLContext] = OrderedDict()

    def of(self, given: Certificates, *, verify: bool) -> ssl.SSLContext:
        """Raises NodeFailure CREDENTIAL_REFUSED for what is no certificate or key, or does not belong together."""
        parts = (given.certificate, given.private_key, given.passphrase, given.trusted, str(verify))
        name = hashlib.sha256("\0".join(parts).encode()).digest()
        if (known := self._kept.pop(name, None)) is None:
            known = _made(given, verify)
        self._kept[name] = known
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return known


def _made(given: Certificates, verify: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=given.trusted or None)
    except (ssl.SSLError, ValueError) as error:
        raise _refused("ca_certificate", str(error)) from None
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if given.certificate:
        _show(context, given)
    return context


def _show(context: ssl.SSLContext, given: Certificates) -> None:
    try:
        passphrase = given.passphrase.encode() or None
        key = serialization.load_pem_private_key(given.private_key.encode(), passphrase)
    except (ValueError, TypeError) as error:
        raise _refused("private_key", str(error)) from None
    # The library reads files only: there the key is locked by what nobody else ever knows.
    lock = secrets.token_urlsafe(32)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(lock.encode()),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "certificate.pem")
        with open(path, "wb") as file:
            file.write(locked + b"\n" + given.certificate.encode())
        try:
            context.load_cert_chain(path, password=lock)
        except (ssl.SSLError, ValueError) as error:
            raise _refused("certificate", str(error)) from None


def _refused(field: str, why: str) -> NodeFailure:
    return NodeFailure(
        "CREDENTIAL_REFUSED",
        f"{field} of the credential can not be used: {why}",
        hint="paste the whole PEM, from BEGIN to END; the private key has to be the certificate's own",
    )
