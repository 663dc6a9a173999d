"""What the access services stand on: rows for new users, keys and sessions, and the database to put them into."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection

from workflow_engine.core.clock import Clock
from workflow_engine.core.ids import new_id
from workflow_engine.models import accounts
from workflow_engine.models.store import Store
from workflow_engine.proto import access_pb2
from workflow_engine.services.access.door import Door
from workflow_engine.services.access.tokens import KEY, SESSION, Token
from workflow_engine.services.errors import ServiceError

T = TypeVar("T")
ADMIN = access_pb2.ROLE_ADMIN


@dataclass(frozen=True, slots=True)
class Accounts:
    store: Store
    clock: Clock
    door: Door
    session_ms: int
    announce: Callable[[Connection], None] | None = None
    """Called in each change's transaction, so that other servers hear of it with the commit."""

    async def read(self, query: Callable[[Connection], T]) -> T:
        def run() -> T:
            with self.store.reading() as connection:
                return query(connection)

        return await asyncio.to_thread(run)

    async def change(self, change: Callable[[Connection], T]) -> T:
        """Carries out a change, from whose commit on the door knows of it. Raises ServiceError."""

        def announced(connection: Connection) -> T:
            changed = change(connection)
            if self.announce is not None:
                self.announce(connection)
            return changed

        try:
            return await self.store.change(announced)
        except accounts.Taken as taken:
            raise ServiceError(
                "EMAIL_TAKEN", f"email: there is a user {taken}", metadata={"email": str(taken)}
            ) from None
        except accounts.LastAdmin:
            raise ServiceError(
                "LAST_ADMIN", "nobody would be left who can manage this server; make somebody else an admin first"
            ) from None
        finally:
            self.door.forget()

    async def open_session(self, user_id: str, *, user_agent: str, address: str) -> tuple[Token, int]:
        """The token of a new session, and when it ends (epoch milliseconds)."""
        now, token = self.clock.now_ms(), Token.new(SESSION)
        row = {
            "id": new_id("sess", now, os.urandom(10)),
            "digest": token.digest,
            "user_id": user_id,
            "created_at": now,
            "last_seen_at": now,
            "expires_at": now + self.session_ms,
            "user_agent": user_agent[:255].replace("\0", ""),
            "address": address[:64],
        }
        await self.change(lambda connection: accounts.add_session(connection, row))
        return token, now + self.session_ms


def user_row(now: int, *, email: str, name: str, roles: list[int], password_hash: str) -> dict[str, Any]:
    return {
        "id": new_id("user", now, os.urandom(10)),
        "email": email.lower(),
        "name": name,
        "roles": sorted(set(roles)) or [access_pb2.ROLE_VIEWER],
        "password_hash": password_hash,
        "external_id": None,
        "disabled": False,
        "created_at": now,
        "last_seen_at": None,
    }


def key_row(
    now: int, *, name: str, user_id: str, permissions: list[int], expires_at: int | None
) -> tuple[dict[str, Any], Token]:
    token = Token.new(KEY)
    row = {
        "id": new_id("key", now, os.urandom(10)),
        "digest": token.digest,
        "prefix": token.prefix,
        "name": name,
        "user_id": user_id,
        "permissions": sorted(set(permissions)),
        "created_at": now,
        "expires_at": expires_at,
        "last_used_at": None,
    }
    return row, token
