"""Where nodes get credentials from: stored rows, opened with the master keys, kept for a moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from workflow_engine.core.logging import get_logger
from workflow_engine.core.redaction import LOGS, Redactor
from workflow_engine.core.secrets import Keyring, Sealed, Unreadable
from workflow_engine.models import credentials
from workflow_engine.models.credential import Credential
from workflow_engine.models.store import Store
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.utils.json import dumps, loads

log = get_logger(__name__)

KEPT = 256
"""Credentials that stay open in memory."""
KEPT_FOR = 30.0
"""Seconds, so that what another process changes is seen soon. Changes by this process are seen at once."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A credential that can be used."""

    fields: dict[str, Any]
    """All of them, with `type` and `allowed_hosts`."""
    secret: tuple[str, ...]
    """What must not be shown."""


class Vault:
    """Opens credentials. One for a server."""

    def __init__(self, store: Store, keys: Keyring) -> None:
        self._store, self._keys = store, keys
        self._kept: dict[str, tuple[float, Opened]] = {}
        """By id, with the time until which they are good; the latest used one stands last."""
        self._changes = 0

    async def open(self, id: str) -> Opened:
        """A credential ready for use. Raises NodeFailure CREDENTIAL_MISSING."""
        until, found = self._kept.pop(id, (0.0, None))
        if found is None or until < time.monotonic():
            until, changes = time.monotonic() + KEPT_FOR, self._changes
            found = self._read(id, await asyncio.to_thread(credentials.get, self._store, id))
            if changes != self._changes:
                # What was read may be older than the change, so it serves this once.
                return found
        self._kept[id] = until, found
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return found

    def forget(self, id: str) -> None:
        """To be called after a credential has changed."""
        self._changes += 1
        self._kept.pop(id, None)

    def seal(self, id: str, secrets: dict[str, str]) -> dict[str, Any]:
        """The columns that keep `secrets`. Raises NoSecretKey."""
        sealed = self._keys.seal(dumps(secrets, sort=True), id)
        return {
            "secret_fields": sorted(secrets),
            "key_id": sealed.key_id,
            "wrapped_key": sealed.wrapped_key,
            "secrets": sealed.data,
        }

    def fingerprint(self, data: bytes) -> str:
        """See Keyring.fingerprint."""
        return self._keys.fingerprint(data)

    def secrets(self, row: Credential) -> dict[str, str]:
        """The secret fields of a row. Raises Unreadable."""
        opened: dict[str, str] = loads(self._keys.open(Sealed(row.key_id, row.wrapped_key, row.secrets), row.id))
        LOGS.add(telling(row.fields, opened))
        return opened

    def _read(self, id: str, row: Credential | None) -> Opened:
        if row is None:
            raise NodeFailure(
                "CREDENTIAL_MISSING", f"there is no credential {id!r}", hint="choose another one in the node"
            )
        try:
            secrets = self.secrets(row)
        except Unreadable as error:
            log.error("credential_unreadable", id=id, key_id=row.key_id, why=str(error))
            raise NodeFailure(
                "CREDENTIAL_MISSING",
                f"the credential {row.name!r} can not be read",
                hint="enter its secrets anew, or have the operator see to SECRET_KEYS_OLD; the log says why",
            ) from None
        fields = {**row.fields, **secrets, "type": row.type, "allowed_hosts": row.allowed_hosts}
        return Opened(fields, tuple(telling(row.fields, secrets)))

    def handing_to(self, handed_out: Redactor) -> Handing:
        """The credentials as one attempt gets them."""
        return Handing(self, handed_out)


class Handing:
    """Implements `nodes.context.Credentials`: remembers for one attempt what it was given."""

    __slots__ = ("_handed_out", "_vault")

    def __init__(self, vault: Vault, handed_out: Redactor) -> None:
        self._vault, self._handed_out = vault, handed_out

    async def get(self, id: str) -> dict[str, Any]:
        opened = await self._vault.open(id)
        self._handed_out.add(opened.secret)
        return dict(opened.fields)


def telling(fields: dict[str, Any], secrets: dict[str, str]) -> Iterable[str]:
    """What must not be shown: the secrets, and what a node makes of them."""
    yield from secrets.values()
    if "password" in secrets and "username" in fields:
        yield f"{fields['username']}:{secrets['password']}"
