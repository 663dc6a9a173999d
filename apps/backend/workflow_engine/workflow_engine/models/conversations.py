"""What is asked of the database about conversations. Reads block; call them through `asyncio.to_thread`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from workflow_engine.models.memory import Conversation, ConversationTurn
from workflow_engine.models.store import NotFound, Store


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a person said, and what the agent answered."""

    said: str
    answer: str
    data: dict[str, Any]
    at: int


@dataclass(frozen=True, slots=True)
class Found:
    """A conversation with its latest exchanges, oldest first."""

    user_id: str
    workflow_id: str
    exchanges: list[Exchange]


def get(store: Store, id: str, limit: int) -> Found | None:
    """The conversation with its last `limit` exchanges; None when there is none."""
    with store.reading() as connection:
        columns = (Conversation.user_id, Conversation.workflow_id)
        row = connection.execute(select(*columns).where(Conversation.id == id)).first()
        if row is None:
            return None
        turn = ConversationTurn
        query = select(turn.said, turn.answer, turn.data, turn.at).where(turn.conversation_id == id)
        rows = connection.execute(query.order_by(turn.number.desc()).limit(limit)).all()
    exchanges = [Exchange(each.said, each.answer, each.data, each.at) for each in reversed(rows)]
    return Found(row.user_id, row.workflow_id, exchanges)


async def create(store: Store, id: str, user_id: str, workflow_id: str, now: int) -> None:
    row = {"id": id, "user_id": user_id, "workflow_id": workflow_id, "created_at": now, "updated_at": now}

    def change(connection: Connection) -> None:
        connection.execute(insert(Conversation).values(row))

    await store.change(change)


async def add(store: Store, id: str, exchange: Exchange) -> None:
    """Adds an exchange. Raises NotFound."""

    def change(connection: Connection) -> None:
        # The row is locked first, so that two turns at once get two numbers.
        changed = update(Conversation).where(Conversation.id == id).values(updated_at=exchange.at)
        if not connection.execute(changed).rowcount:
            raise NotFound(id)
        mine = ConversationTurn.conversation_id == id
        number = (connection.scalar(select(func.max(ConversationTurn.number)).where(mine)) or 0) + 1
        row = {"said": exchange.said, "answer": exchange.answer, "data": exchange.data, "at": exchange.at}
        connection.execute(insert(ConversationTurn).values(conversation_id=id, number=number, **row))

    await store.change(change)
