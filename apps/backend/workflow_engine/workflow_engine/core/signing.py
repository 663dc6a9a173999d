"""Tokens that only this server can have made, and that need no place to be kept: for links that people are sent.

A token is a MessagePack array and a MAC over it, in URL-safe base64. The MAC's key is derived from SECRET_KEY, one for
each purpose; tokens that a former key made are good as long as that key is in SECRET_KEYS_OLD.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable
from typing import Any

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from workflow_engine.core.secrets import HOW_TO_MAKE_ONE, NoSecretKey, weakness

_MAC = 16
"""Bytes: 128 bits are beyond guessing."""
_LABEL = b"workflow-engine tokens v1 "


class Signer:
    """Makes and reads tokens of one purpose."""

    def __init__(self, purpose: str, current: str = "", old: Iterable[str] = ()) -> None:
        self._weakness = weakness(current)
        accepted = [*([] if self._weakness else [current]), *old]
        self._keys = [
            HKDF(SHA256(), 32, salt=None, info=_LABEL + purpose.encode()).derive(k.encode()) for k in accepted
        ]

    def sign(self, *content: Any) -> str:
        """A token that holds `content`, which everyone can read. Raises NoSecretKey."""
        if self._weakness:
            raise NoSecretKey(f"links can not be signed: {self._weakness}; {HOW_TO_MAKE_ONE}")
        data = msgspec.msgpack.encode(content)
        return base64.urlsafe_b64encode(self._mac(self._keys[0], data) + data).rstrip(b"=").decode()

    def read(self, token: str) -> list[Any] | None:
        """What the token holds; None when it is none of ours."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        mac, data = raw[:_MAC], raw[_MAC:]
        if not any(hmac.compare_digest(self._mac(key, data), mac) for key in self._keys):
            return None
        content: list[Any] = msgspec.msgpack.decode(data)
        return content

    @staticmethod
    def _mac(key: bytes, data: bytes) -> bytes:
        return hmac.digest(key, data, "sha256")[:_MAC]
