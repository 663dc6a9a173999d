"""The record of who did what, when, and how it ended: everything that changes something, and what was forbidden."""

from __future__ import annotations

from google.protobuf.message import Message

from workflow_engine.core.clock import Clock
from workflow_engine.core.logging import get_logger
from workflow_engine.models import accounts
from workflow_engine.models.store import Store, StoreUnavailable, WriteRefused
from workflow_engine.services.access.callers import EDIT, OPERATE, Caller, Incoming
from workflow_engine.services.rpcs import Rpc

log = get_logger(__name__)
DAY = 86_400_000
FORBIDDEN = ("PERMISSION_DENIED",)
MOST_RESOURCES = 20


class Audit:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def done(
        self, caller: Caller, rpc: Rpc, incoming: Incoming, request: Message, response: Message | None
    ) -> None:
        """Returns once it is stored."""
        if self._is_recorded(caller, rpc):
            await self._record(caller, rpc, incoming, [request, response], "OK", "")

    async def refused(
        self, caller: Caller, rpc: Rpc, incoming: Incoming, request: Message, code: str, reason: str
    ) -> None:
        # Strangers could fill the disk; of them only those are recorded who try to sign in, which is slow.
        if self._is_recorded(caller, rpc) or (caller.is_known and code in FORBIDDEN):
            await self._record(caller, rpc, incoming, [request], code, reason)

    def _is_recorded(self, caller: Caller, rpc: Rpc) -> bool:
        if rpc.name == "SignIn":
            return True
        if rpc.permission == OPERATE:
            # The machine's own people have no names, and their executions are recorded as executions.
            return caller.is_known
        is_change = rpc.permission == EDIT or rpc.service in ("AuthService", "AdminService")
        return is_change and not rpc.http.get and bool(caller.permissions)

    async def _record(
        self, caller: Caller, rpc: Rpc, incoming: Incoming, messages: list[Message | None], outcome: str, reason: str
    ) -> None:
        ids = dict.fromkeys(id for message in messages if message is not None for id in _ids(message))
        who = caller.name
        if rpc.name == "SignIn":
            who = str(getattr(messages[0], "email", ""))
        row = {
            "at": self._clock.now_ms(),
            "user_id": caller.user_id,
            "who": who[:255].replace("\0", ""),
            "key_id": caller.key_id,
            "action": rpc.name,
            "resources": "".join(f" {id} " for id in list(ids)[:MOST_RESOURCES]).replace("\0", ""),
            "outcome": outcome,
            "reason": reason,
            "request_id": incoming.request_id[:128],
            "address": incoming.address[:64],
            "surface": incoming.surface,
        }
        try:
            await self._store.change(lambda connection: accounts.record(connection, row))
        except (StoreUnavailable, WriteRefused) as error:
            log.error(
                "audit_failed", error=str(error), **{name: row[name] for name in ("action", "user_id", "outcome")}
            )

    async def prune(self, days: int) -> None:
        """Forgets what is older than so many days."""
        before = self._clock.now_ms() - days * DAY
        if gone := await self._store.change(lambda connection: accounts.forget_before(connection, before)):
            log.info("audit_pruned", events=gone, days=days)


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
