"""API keys and session tokens: 256 random bits with a name in front; only their digests are stored."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

KEY, SESSION = "wfe_", "wfs_"
SHOWN = len(KEY) + 6
"""Characters by which a person knows a key again."""


@dataclass(frozen=True, slots=True)
class Token:
    text: str

    @classmethod
    def new(cls, kind: str) -> Token:
        return cls(kind + secrets.token_urlsafe(32))

    @property
    def digest(self) -> str:
        return digest(self.text)

    @property
    def prefix(self) -> str:
        return self.text[:SHOWN]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def csrf_of(session: str) -> str:
    """The CSRF token of a session: whoever knows the session's token can tell it, and nobody the other way round."""
    return hashlib.sha256(b"csrf " + session.encode()).hexdigest()[:32]
