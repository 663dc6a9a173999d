"""Ids that sort by the time they were made."""

from __future__ import annotations

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no letter that looks like a digit."""


def new_id(prefix: str, ms: int, entropy: bytes) -> str:
    """`prefix_`, 10 characters of time and 16 of `entropy` (10 bytes): a ULID with a name."""
    return f"{prefix}_{_encode(ms, 10)}{_encode(int.from_bytes(entropy, 'big'), 16)}"


def _encode(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, 32)
        digits = ALPHABET[digit] + digits
    return digits
