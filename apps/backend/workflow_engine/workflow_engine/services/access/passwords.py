"""Passwords as Argon2id hashes, with the library's own parameters (RFC 9106's low-memory ones)."""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

_hasher = PasswordHasher()
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$MIIRqgvgQbgj220jfp0MPA$YfwJSVjtjSU0zzV/P3S9nnQ/USre2wvJMjfCIjrTQbg"
"""What the password of nobody is compared with, so that time does not tell who exists."""
# 64 MiB each: a crowd at the door must not take all of the memory.
_AT_ONCE = 2
_room: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


def hashed(password: str) -> str:
    """Takes tens of milliseconds."""
    return _hasher.hash(password)


async def hash_password(password: str) -> str:
    async with _semaphore():
        return await asyncio.to_thread(hashed, password)


async def fits(password: str, stored: str) -> bool:
    """Whether a password is the one that was hashed; takes as long when there is none stored."""
    async with _semaphore():
        return await asyncio.to_thread(_fits, password, stored) and bool(stored)


def _fits(password: str, stored: str) -> bool:
    try:
        return _hasher.verify(stored or _NOBODY, password)
    except (Argon2Error, InvalidHashError):
        return False


def _semaphore() -> asyncio.Semaphore:
    loop = asyncio.get_running_loop()
    for old in [each for each in _room if each.is_closed()]:
        del _room[old]
    return _room.setdefault(loop, asyncio.Semaphore(_AT_ONCE))
