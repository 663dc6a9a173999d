"""Credentials at rest: what is secret about them is encrypted."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from workflow_engine.models.database import Base


class Credential(Base):
    """A credential. Only the owner of a master key can read `secrets`; see core.secrets."""

    __tablename__ = "credential"
    __table_args__ = (
        Index("credential_by_change", "updated_at", "id"),
        Index("credential_by_user", "user_id", "updated_at"),
        Index("credential_by_key", "key_id"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    type: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[str] = mapped_column(String(255))
    fields: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Those that are not secret."""
    secret_fields: Mapped[list[str]] = mapped_column(JSON)
    """Names of those that are."""
    allowed_hosts: Mapped[list[str]] = mapped_column(JSON)
    key_id: Mapped[str] = mapped_column(String(64))
    """The master key that wraps the data key."""
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    secrets: Mapped[bytes] = mapped_column(LargeBinary)
    """The secret fields as JSON, encrypted with the data key."""
    expires_at: Mapped[int | None] = mapped_column(BigInteger)
    """When its token ends. Epoch milliseconds, like every time in the database."""
    created_at: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[int] = mapped_column(BigInteger)


class OAuthGrant(Base):
    """A grant of access that someone has begun: what has to fit when the person comes back. Used once."""

    __tablename__ = "oauth_grant"
    __table_args__ = (Index("oauth_grant_by_end", "expires_at"),)

    state_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the state; who reads the database can not come back in the person's place."""
    credential_id: Mapped[str] = mapped_column(String(64))
    redirect_uri: Mapped[str] = mapped_column(Text)
    key_id: Mapped[str] = mapped_column(String(64))
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    verifier: Mapped[bytes] = mapped_column(LargeBinary)
    """The PKCE verifier, encrypted like a secret."""
    expires_at: Mapped[int] = mapped_column(BigInteger)
