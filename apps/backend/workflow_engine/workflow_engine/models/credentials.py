"""What is asked of the database about credentials. Reads block; call them through `asyncio.to_thread`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, Engine, and_, delete, insert, or_, select, update
from sqlalchemy.orm import Session

from workflow_engine.models.credential import Credential, OAuthGrant
from workflow_engine.models.store import KeyReused, NotFound, Store
from workflow_engine.models.workflow import Idempotency

Columns = dict[str, Any]
SCOPE = "credential"


async def create(store: Store, row: Columns, *, key: str = "", digest: str = "") -> str:
    """Stores a credential and returns its id, or the id that the same idempotency key made before.

    Raises KeyReused when the key came with another request, as `digest` tells.
    """

    def change(connection: Connection) -> str:
        if key:
            where = and_(Idempotency.scope == SCOPE, Idempotency.key == key)
            found = connection.execute(select(Idempotency.request_digest, Idempotency.result).where(where)).first()
            if found is not None:
                if found.request_digest != digest:
                    raise KeyReused(key)
                return str(found.result)
            made = {"scope": SCOPE, "key": key, "request_digest": digest, "result": row["id"]}
            connection.execute(insert(Idempotency).values(**made, created_at=row["created_at"]))
        connection.execute(insert(Credential).values(**row))
        return str(row["id"])

    return await store.change(change)


async def edit(store: Store, id: str, edited: Callable[[Credential], Columns]) -> None:
    """Replaces the columns that `edited` gives for the row as it is now; nobody can change it in between.

    Raises NotFound, and whatever `edited` raises.
    """

    def change(connection: Connection) -> None:
        with Session(connection, expire_on_commit=False) as session:
            # The row is locked against `rewrap`, which is another process.
            row = session.get(Credential, id, with_for_update=True)
        if row is None:
            raise NotFound(id)
        connection.execute(update(Credential).where(Credential.id == id).values(**edited(row)))

    await store.change(change)


async def remove(store: Store, id: str) -> None:
    """Raises NotFound."""

    def change(connection: Connection) -> None:
        if not connection.execute(delete(Credential).where(Credential.id == id)).rowcount:
            raise NotFound(id)

    await store.change(change)


def get(store: Store, id: str) -> Credential | None:
    with store.reading() as connection, Session(connection, expire_on_commit=False) as session:
        return session.get(Credential, id)


def page(
    store: Store,
    *,
    user_id: str = "",
    type: str = "",
    owners: frozenset[str] | None = None,
    limit: int,
    after: tuple[int, str] | None = None,
) -> list[Credential]:
    """Latest change first, of some owners only unless None; `after` is the (updated_at, id) of the last one seen."""
    query = select(Credential).order_by(Credential.updated_at.desc(), Credential.id.desc()).limit(limit)
    if user_id:
        query = query.where(Credential.user_id == user_id)
    if owners is not None:
        query = query.where(Credential.user_id.in_(owners))
    if type:
        query = query.where(Credential.type == type)
    if after is not None:
        at, id = after
        query = query.where(or_(Credential.updated_at < at, and_(Credential.updated_at == at, Credential.id < id)))
    with store.reading() as connection, Session(connection, expire_on_commit=False) as session:
        return list(session.scalars(query))


# grants of access under way


async def begin_grant(store: Store, row: Columns, *, now: int) -> None:
    """Stores a grant, and forgets those that nobody came back for. Raises NotFound without its credential."""

    def change(connection: Connection) -> None:
        connection.execute(delete(OAuthGrant).where(OAuthGrant.expires_at <= now))
        if connection.execute(select(Credential.id).where(Credential.id == row["credential_id"])).first() is None:
            raise NotFound(row["credential_id"])
        connection.execute(insert(OAuthGrant).values(**row))

    await store.change(change)


async def take_grant(store: Store, state_digest: str, *, now: int) -> OAuthGrant | None:
    """The grant with this state, which is gone then; None when there is none, or it came too late."""
    # Anybody may come with a state: only one that is ours is worth a place in the writer's queue.
    if not await asyncio.to_thread(_has_grant, store, state_digest):
        return None

    def change(connection: Connection) -> OAuthGrant | None:
        with Session(connection, expire_on_commit=False) as session:
            row = session.get(OAuthGrant, state_digest)
        connection.execute(delete(OAuthGrant).where(OAuthGrant.state_digest == state_digest))
        return row if row is not None and row.expires_at > now else None

    return await store.change(change)


def _has_grant(store: Store, state_digest: str) -> bool:
    query = select(OAuthGrant.expires_at).where(OAuthGrant.state_digest == state_digest)
    with store.reading() as connection:
        return connection.execute(query).first() is not None


# rotation, which runs beside the server


def not_under(engine: Engine, key_id: str, size: int = 500) -> Iterator[Credential]:
    """Every credential that another key wraps, by id; `size` are read at once."""
    last = ""
    while True:
        query = select(Credential).where(Credential.key_id != key_id, Credential.id > last)
        with engine.connect() as connection, Session(connection, expire_on_commit=False) as session:
            rows = list(session.scalars(query.order_by(Credential.id).limit(size)))
        if not rows:
            return
        yield from rows
        last = rows[-1].id


def rewrap(engine: Engine, row: Credential, key_id: str, wrapped_key: bytes) -> bool:
    """Stores a rewrapped data key unless the row has changed since it was read; returns whether it did.

    It writes beside the server, without owning the database: this one statement is right whoever else writes.
    """
    statement = (
        update(Credential)
        .where(Credential.id == row.id, Credential.wrapped_key == row.wrapped_key)
        .values(key_id=key_id, wrapped_key=wrapped_key)
    )
    with engine.execution_options(writes=True).begin() as connection:
        return connection.execute(statement).rowcount == 1
