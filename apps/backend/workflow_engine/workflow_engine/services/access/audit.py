"""The record of who did what, when, and how it ended: everything that changes something, and what was forbidden.

What is changed in the database is recorded in the transaction of its first change, so that nothing is changed without
a word of who did it, whenever the server dies. Executions have journals, which say who started and steered them; their
record here comes right after.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

from google.protobuf.message import Message
from sqlalchemy import Connection

from workflow_engine.core.clock import Clock
from workflow_engine.core.logging import get_logger
from workflow_engine.models import accounts
from workflow_engine.models.store import Store, StoreUnavailable, WriteRefused
from workflow_engine.models.witness import Witness, present
from workflow_engine.services.access.callers import EDIT, OPERATE, STRANGER, Caller, Incoming
from workflow_engine.services.rpcs import Rpc

log = get_logger(__name__)
DAY = 86_400_000
FORBIDDEN = ("PERMISSION_DENIED",)
MOST_RESOURCES = 20


_at_hand: ContextVar[Entry | None] = ContextVar("entry", default=None)
"""What is recorded of the call that is being carried out."""


def touches_nothing() -> None:
    """Said by the code of a call that may change something, and this time does not."""
    if entry := _at_hand.get():
        entry.idle()


class Audit:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def open(self, rpc: Rpc, incoming: Incoming, request: Message) -> Entry:
        """For a call that has come in; who calls is not known yet."""
        return Entry(self._store, self._clock, rpc, incoming, request)

    async def prune(self, days: int) -> None:
        """Forgets what is older than so many days."""
        before = self._clock.now_ms() - days * DAY
        if gone := await self._store.change(lambda connection: accounts.forget_before(connection, before)):
            log.info("audit_pruned", events=gone, days=days)


class Entry:
    """What is recorded of one call, if anything."""

    def __init__(self, store: Store, clock: Clock, rpc: Rpc, incoming: Incoming, request: Message) -> None:
        self._store, self._clock = store, clock
        self._rpc, self._incoming, self._request = rpc, incoming, request
        self._witness: Witness | None = None
        self._told: set[str] = set()
        """The ids that the witness has stored."""
        self.caller: Caller = STRANGER
        self._is_idle = False

    def watch(self) -> None:
        """From here on the first change that this call makes takes its record along."""
        _at_hand.set(self)
        self._witness = Witness(self._record) if self._is_recorded() else None
        present.set(self._witness)

    async def done(self, response: Message | None) -> None:
        """Returns once it is stored."""
        if self._is_recorded() and not self._is_idle:
            # First what was made.
            ids = [*(_ids(response) if response is not None else []), *_ids(self._request)]
            if (pk := self._witnessed()) is None or not self._told.issuperset(ids):
                await self._store_row(self._row(ids), pk)

    async def refused(self, code: str, reason: str) -> None:
        pk = self._witnessed()
        # Strangers could fill the disk; of them only those are recorded who try to sign in, while that is slow.
        if not self.caller.is_known and code == "RESOURCE_EXHAUSTED":
            return
        if self._is_recorded() or (self.caller.is_known and code in FORBIDDEN):
            await self._store_row(self._row(_ids(self._request), code, reason), pk)

    def idle(self) -> None:
        """The call turns out to touch nothing: that it went well is not recorded."""
        self._is_idle = True

    def _witnessed(self) -> int | None:
        """The call is over. The record that went along with its first change, if it has made one."""
        if self._witness is None:
            return None
        self._witness.leave()
        return self._witness.pk

    def _is_recorded(self) -> bool:
        caller, rpc = self.caller, self._rpc
        if rpc.name == "SignIn":
            return True
        if rpc.permission == OPERATE:
            # The machine's own people have no names, and their executions are recorded as executions.
            return caller.is_known
        is_change = rpc.permission == EDIT or rpc.service in ("AuthService", "AdminService")
        return is_change and not rpc.http.get and bool(caller.permissions)

    def _record(self, connection: Connection, result: object) -> int:
        ids = [*([result] if isinstance(result, str) else []), *_ids(self._request)]
        self._told = set(ids)
        return accounts.record(connection, self._row(ids))

    def _row(self, ids: Iterable[str], outcome: str = "OK", reason: str = "") -> dict[str, Any]:
        caller, incoming = self.caller, self._incoming
        who = str(getattr(self._request, "email", "")) if self._rpc.name == "SignIn" else caller.name
        distinct = list(dict.fromkeys(ids))[:MOST_RESOURCES]
        return {
            "at": self._clock.now_ms(),
            "user_id": caller.user_id,
            "who": who[:255].replace("\0", ""),
            "key_id": caller.key_id,
            "action": self._rpc.name,
            "resources": "".join(f" {id} " for id in distinct).replace("\0", ""),
            "outcome": outcome,
            "reason": reason,
            "request_id": incoming.request_id[:128],
            "address": incoming.address[:64],
            "surface": incoming.surface,
        }

    async def _store_row(self, row: dict[str, Any], pk: int | None) -> None:
        """Stores a record, in place of the one with this pk."""

        def change(connection: Connection) -> None:
            if pk is None:
                accounts.record(connection, row)
            else:
                accounts.amend(connection, pk, row)

        try:
            await self._store.change(change)
        except (StoreUnavailable, WriteRefused) as error:
            log.error(
                "audit_failed", error=str(error), **{name: row[name] for name in ("action", "user_id", "outcome")}
            )


def _ids(message: Message) -> list[str]:
    """The ids that a message names at its top, and those of what it answers with."""
    found: list[str] = []
    for field in message.DESCRIPTOR.fields:
        if field.is_repeated:
            continue
        if field.message_type is None:
            if field.name.endswith("_id") and field.name != "conversation_id":
                found.append(str(getattr(message, field.name)))
        elif message.HasField(field.name) and "id" in field.message_type.fields_by_name:
            found.append(str(getattr(message, field.name).id))
    return [id[:128] for id in found if id]
