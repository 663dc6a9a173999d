"""Large bytes in a folder, stored once by content: `<root>/ab/cdef...` holds what hashes to `abcdef...`.

A blob is written beside its place under a name of its own, forced to disk, and renamed into place, so a
reader never sees half of one and a crash leaves at most a stray file in `<root>/tmp`. Two writers of the same
bytes both win.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

from workflow_engine.engine.items import BinaryRef
from workflow_engine.nodes.spec import NodeFailure

CHUNK = 1 << 20
PREFIX = "sha256:"


class FolderBlobs:
    """Implements `nodes.context.Blobs` on a folder, which is made when the first blob is written."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._tmp = root / "tmp"

    async def write(self, data: bytes | AsyncIterator[bytes], media_type: str, file_name: str = "") -> BinaryRef:
        """Stores the bytes; they are on disk when this returns. An iterator is never held in memory as a
        whole.
        """
        digest, size = hashlib.sha256(), 0
        file, temporary = await asyncio.to_thread(self._open)
        try:
            if isinstance(data, bytes):
                await asyncio.to_thread(_take, file, digest, data)
                size = len(data)
            else:
                async for chunk in data:
                    await asyncio.to_thread(_take, file, digest, chunk)
                    size += len(chunk)
            await asyncio.to_thread(self._keep, file, temporary, digest.hexdigest())
        finally:
            file.close()
            temporary.unlink(missing_ok=True)
        return BinaryRef(PREFIX + digest.hexdigest(), size, media_type or "application/octet-stream", file_name)

    async def read(self, ref: BinaryRef) -> AsyncIterator[bytes]:
        """The bytes in chunks of up to 1 MiB. Raises NodeFailure BLOB_MISSING when they are not there (any
        more).
        """
        path = self.path(ref)
        try:
            file = await asyncio.to_thread(open, path, "rb")
        except FileNotFoundError:
            raise NodeFailure(
                "BLOB_MISSING",
                f"the content of {ref.file_name or 'the binary data'} ({ref.id}) is not in the blob store",
                hint="it was pruned, or comes from another DATA_DIR; run the node that made it again",
            ) from None
        try:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk
        finally:
            file.close()

    def path(self, ref: BinaryRef) -> Path:
        """Where the blob's bytes are. Raises NodeFailure for an id that is no digest: it could be a path
        instead.
        """
        name = ref.id.removeprefix(PREFIX)
        if not ref.id.startswith(PREFIX) or len(name) != 64 or not set(name) <= set("0123456789abcdef"):
            raise NodeFailure(
                "BLOB_MISSING",
                f"{ref.id[:80]!r} is no blob id",
                hint="binary references come from nodes; do not write them by hand",
            )
        return self._root / name[:2] / name[2:]

    def _open(self) -> tuple[IO[bytes], Path]:
        self._tmp.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=self._tmp)
        return os.fdopen(handle, "wb"), Path(name)

    def _keep(self, file: IO[bytes], temporary: Path, digest: str) -> None:
        file.flush()
        os.fsync(file.fileno())
        place = self._root / digest[:2] / digest[2:]
        if not place.parent.exists():
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _sync_folder(self._root)
        temporary.replace(place)
        _sync_folder(place.parent)


def _take(file: IO[bytes], digest: hashlib._Hash, chunk: bytes) -> None:
    digest.update(chunk)
    file.write(chunk)


def _sync_folder(folder: Path) -> None:
    """A rename is on disk only when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
