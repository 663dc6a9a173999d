"""Envelope encryption of stored credentials.

Theory. Each credential has a random data key, and only that key is encrypted ("wrapped") with the master key. So a
change of the master key rewraps a few bytes for each credential and touches no secret, which is what makes rotation
cheap enough to do while the server runs. Both layers are AES-256-GCM with the credential's id as associated data: a
row that was copied over another one does not open.

The master key is derived with HKDF from SECRET_KEY, and so is the id by which rows name it; the id tells nothing about
the key. SECRET_KEYS_OLD holds keys that open but no longer seal.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SHORTEST = 32
"""Characters of a SECRET_KEY. HKDF does not slow down a guesser, so the key itself must be beyond guessing."""
HOW_TO_MAKE_ONE = "make one with `workflow-engine keys generate`, put it into SECRET_KEY and restart the server"
_NONCE = 12
_LABEL = b"workflow-engine credentials v1 "


class NoSecretKey(Exception):
    """Nothing can be sealed: SECRET_KEY is missing or too weak."""


class Unreadable(Exception):
    """A sealed value does not open: its key is not among ours, or it was tampered with."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret at rest."""

    key_id: str
    """The master key that wraps the data key."""
    wrapped_key: bytes
    data: bytes


class Keyring:
    """The master keys. `current` seals and opens; `old` ones only open."""

    def __init__(self, current: str = "", old: Iterable[str] = ()) -> None:
        self._keys = dict(map(_derived, old))
        self.current_id = ""
        """The id of the key that seals; empty when there is none."""
        self._weakness = weakness(current)
        if not self._weakness:
            self.current_id, key = _derived(current)
            self._keys[self.current_id] = key

    def seal(self, plain: bytes, owner: str) -> Sealed:
        """Encrypts `plain` for the credential with id `owner`, under a data key of its own.

        Raises NoSecretKey.
        """
        data_key = AESGCM.generate_key(bit_length=256)
        return Sealed(self._sealing_key(), self._wrap(data_key, owner), _encrypt(data_key, plain, b"data", owner))

    def open(self, sealed: Sealed, owner: str) -> bytes:
        """What was sealed for `owner`. Raises Unreadable."""
        return _decrypt(self._unwrap(sealed, owner), sealed.data, b"data", owner)

    def rewrap(self, sealed: Sealed, owner: str) -> Sealed:
        """The same secret with its data key under the current master key. Raises NoSecretKey, Unreadable."""
        data_key = self._unwrap(sealed, owner)
        return replace(sealed, key_id=self._sealing_key(), wrapped_key=self._wrap(data_key, owner))

    def fingerprint(self, data: bytes) -> str:
        """Tells `data` from other data, and nothing about it to whoever has no key. Raises NoSecretKey."""
        return hmac.digest(self._keys[self._sealing_key()], b"fingerprint\0" + data, "sha256").hex()

    def require(self) -> None:
        """Raises NoSecretKey when nothing could be sealed."""
        self._sealing_key()

    def _sealing_key(self) -> str:
        if self._weakness:
            raise NoSecretKey(f"credentials can not be stored: {self._weakness}; {HOW_TO_MAKE_ONE}")
        return self.current_id

    def _wrap(self, data_key: bytes, owner: str) -> bytes:
        return _encrypt(self._keys[self._sealing_key()], data_key, b"key", owner)

    def _unwrap(self, sealed: Sealed, owner: str) -> bytes:
        key = self._keys.get(sealed.key_id)
        if key is None:
            raise Unreadable(
                f"it is encrypted under key {sealed.key_id}, which is neither SECRET_KEY nor in SECRET_KEYS_OLD; "
                "add that key to SECRET_KEYS_OLD, or enter the secrets anew"
            )
        return _decrypt(key, sealed.wrapped_key, b"key", owner)


def weakness(key: str) -> str:
    """Why `key` can not be a master key; empty when it can."""
    if not key:
        return "SECRET_KEY is not set"
    if len(key) < SHORTEST:
        return f"SECRET_KEY has {len(key)} characters and needs {SHORTEST} random ones"
    return ""


def _derived(key: str) -> tuple[str, bytes]:
    """The id and the 256-bit key that stand for a SECRET_KEY."""
    source = key.encode()
    return _hkdf(source, b"id", 8).hex(), _hkdf(source, b"wrap", 32)


def _hkdf(source: bytes, purpose: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt=None, info=_LABEL + purpose).derive(source)


def _encrypt(key: bytes, plain: bytes, layer: bytes, owner: str) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, _bound(layer, owner))


def _decrypt(key: bytes, data: bytes, layer: bytes, owner: str) -> bytes:
    try:
        return AESGCM(key).decrypt(data[:_NONCE], data[_NONCE:], _bound(layer, owner))
    except (InvalidTag, ValueError):
        raise Unreadable("it was changed, or belongs to another credential; enter the secrets anew") from None


def _bound(layer: bytes, owner: str) -> bytes:
    return layer + b"\0" + owner.encode()
