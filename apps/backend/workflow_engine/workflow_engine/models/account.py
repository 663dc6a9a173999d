"""Users, what they sign in with, the projects that they share, and the record of what they did."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from workflow_engine.models.database import Base

# SQLite counts up by itself in an INTEGER primary key only.
COUNTER = BigInteger().with_variant(Integer, "sqlite")


class User(Base):
    """Someone who uses the server."""

    __tablename__ = "user_account"
    __table_args__ = (
        Index("user_account_by_email", "email", unique=True),
        Index("user_account_by_external_id", "external_id", unique=True),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    email: Mapped[str] = mapped_column(String(255))
    """In lower case."""
    name: Mapped[str] = mapped_column(String(255))
    roles: Mapped[list[int]] = mapped_column(JSON)
    """Numbers of engine.v1.Role."""
    password_hash: Mapped[str] = mapped_column(Text)
    """Argon2id in PHC's format; empty for one who has no password."""
    external_id: Mapped[str | None] = mapped_column(String(255))
    """`issuer subject` of one who signs in by OIDC."""
    disabled: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[int] = mapped_column(BigInteger)
    last_seen_at: Mapped[int | None] = mapped_column(BigInteger)


class ApiKey(Base):
    """A key for programs. Who reads the database can not use it."""

    __tablename__ = "api_key"
    __table_args__ = (
        Index("api_key_by_digest", "digest", unique=True),
        Index("api_key_by_user", "user_id"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the key. It has 256 random bits, so nothing slower is needed."""
    prefix: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(255))
    user_id: Mapped[str] = mapped_column(String(64))
    permissions: Mapped[list[int]] = mapped_column(JSON)
    """Numbers of engine.v1.Permission; empty for all that the user may."""
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int | None] = mapped_column(BigInteger)
    last_used_at: Mapped[int | None] = mapped_column(BigInteger)


class UserSession(Base):
    """A browser or program in which a user is signed in."""

    __tablename__ = "user_session"
    __table_args__ = (
        Index("user_session_by_digest", "digest", unique=True),
        Index("user_session_by_user", "user_id"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[int] = mapped_column(BigInteger)
    last_seen_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    user_agent: Mapped[str] = mapped_column(String(255))
    address: Mapped[str] = mapped_column(String(64))


class Project(Base):
    """An owner that several people share."""

    __tablename__ = "project"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(BigInteger)


class ProjectMember(Base):
    __tablename__ = "project_member"
    __table_args__ = (Index("project_member_by_user", "user_id"),)

    project_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(64), primary_key=True)


class AuditEvent(Base):
    """One thing that someone did, or tried to do."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("audit_event_by_user", "user_id", "pk"),
        Index("audit_event_by_time", "at"),
    )

    pk: Mapped[int] = mapped_column(COUNTER, primary_key=True, autoincrement=True)
    at: Mapped[int] = mapped_column(BigInteger)
    user_id: Mapped[str] = mapped_column(String(64))
    who: Mapped[str] = mapped_column(String(255))
    key_id: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))
    resources: Mapped[str] = mapped_column(Text)
    """Ids, each with a space before and after it."""
    outcome: Mapped[str] = mapped_column(String(32))
    reason: Mapped[str] = mapped_column(String(64))
    request_id: Mapped[str] = mapped_column(String(128))
    address: Mapped[str] = mapped_column(String(64))
    surface: Mapped[str] = mapped_column(String(16))
