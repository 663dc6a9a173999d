"""Binary data in a temporary file, for libraries that want to read it in any order."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO

from workflow_engine.engine.items import BinaryRef
from workflow_engine.nodes.context import Blobs

CHUNK = 1 << 20
IN_MEMORY = 4 << 20
"""Bytes of a file that are not worth a place on disk."""


@asynccontextmanager
async def empty() -> AsyncIterator[IO[bytes]]:
    """A file that is gone after the block."""
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
        yield file


@asynccontextmanager
async def spooled(ref: BinaryRef, blobs: Blobs) -> AsyncIterator[IO[bytes]]:
    """What `ref` refers to, from its beginning."""
    async with empty() as file:
        async for chunk in blobs.read(ref):
            await asyncio.to_thread(file.write, chunk)
        file.seek(0)
        yield file


async def chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    """The rest of the file."""
    while chunk := await asyncio.to_thread(file.read, CHUNK):
        yield chunk
