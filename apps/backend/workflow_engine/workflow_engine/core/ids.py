"""Ids that sort by the time they were made."""

from __future__ import annotations

from base64 import b32hexencode
from functools import lru_cache

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no letter that looks like a digit."""
_CROCKFORD = bytes.maketrans(b"0123456789ABCDEFGHIJKLMNOPQRSTUV", ALPHABET.encode())


def new_id(prefix: str, ms: int, entropy: bytes) -> str:
    """`prefix_`, 10 characters of time and 16 of `entropy` (10 bytes): a ULID with a name."""
    return f"{prefix}_{_time(ms)}{b32hexencode(entropy).translate(_CROCKFORD).decode()}"


@lru_cache(16)
def _time(ms: int) -> str:
    # Many ids are made in one millisecond.
    return "".join(ALPHABET[ms >> shift & 31] for shift in range(45, -1, -5))
