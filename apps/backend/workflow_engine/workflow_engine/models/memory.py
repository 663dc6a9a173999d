"""What workflows and agents remember, and what was said in conversations with the server's assistant.

A space is the SHA-256 of an owner and a name: who reads a name in a workflow can not reach the space of another owner.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, REAL, BigInteger, Index, LargeBinary, String, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from workflow_engine.models.database import Base

SPACE = 64
"""Characters of a space."""


class Conversation(Base):
    """A conversation with an agent."""

    __tablename__ = "conversation"
    __table_args__ = (Index("conversation_by_user", "user_id", "updated_at"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(255))
    workflow_id: Mapped[str] = mapped_column(String(64))
    """Whose agent talks; empty for the server's assistant."""
    created_at: Mapped[int] = mapped_column(BigInteger)
    """Epoch milliseconds, like every time in the database."""
    updated_at: Mapped[int] = mapped_column(BigInteger)


class ConversationTurn(Base):
    """What a person said, what the agent answered, and what that took."""

    __tablename__ = "conversation_turn"

    conversation_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    said: Mapped[str] = mapped_column(Text)
    answer: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    """`tool_calls` and `usage`."""
    at: Mapped[int] = mapped_column(BigInteger)


class MemoryTurn(Base):
    """One message that an agent in a workflow remembers."""

    __tablename__ = "memory_turn"

    space: Mapped[str] = mapped_column(String(SPACE), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    role: Mapped[str] = mapped_column(String(16))
    """`user`, `assistant` or `summary`."""
    text: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(String(512))
    """What wrote it; the same work does not write twice."""


class MemoryValue(Base):
    """A value under a key."""

    __tablename__ = "memory_value"

    space: Mapped[str] = mapped_column(String(SPACE), primary_key=True)
    key: Mapped[str] = mapped_column(String(512), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
    updated_at: Mapped[int] = mapped_column(BigInteger)


class MemoryDocument(Base):
    """A document, whole."""

    __tablename__ = "memory_document"

    space: Mapped[str] = mapped_column(String(SPACE), primary_key=True)
    id: Mapped[str] = mapped_column(String(512), primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    updated_at: Mapped[int] = mapped_column(BigInteger)


class MemoryPassage(Base):
    """A part of a document, and where it lies among all that can be said."""

    __tablename__ = "memory_passage"

    space: Mapped[str] = mapped_column(String(SPACE), primary_key=True)
    document: Mapped[str] = mapped_column(String(512), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    dimensions: Mapped[int] = mapped_column()
    """Vectors of another model have another number of them, or mean something else: see `model`."""
    model: Mapped[str] = mapped_column(String(255))
    embedding: Mapped[Any] = mapped_column(LargeBinary().with_variant(ARRAY(REAL), "postgresql"))
    """Float32, little-endian; a `real[]` on PostgreSQL, which pgvector casts."""


class MemoryFact(Base):
    """An edge of a knowledge graph."""

    __tablename__ = "memory_fact"
    __table_args__ = (Index("memory_fact_by_object", "space", "object"),)

    space: Mapped[str] = mapped_column(String(SPACE), primary_key=True)
    subject: Mapped[str] = mapped_column(String(512), primary_key=True)
    relation: Mapped[str] = mapped_column(String(255), primary_key=True)
    object: Mapped[str] = mapped_column(String(512), primary_key=True)
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    updated_at: Mapped[int] = mapped_column(BigInteger)
