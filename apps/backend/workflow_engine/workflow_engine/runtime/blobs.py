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
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

from workflow_engine.engine.items import BinaryRef
from workflow_engine.nodes.context import Blobs
from workflow_engine.nodes.spec import NodeFailure

CHUNK = 1 << 20
PREFIX = "sha256:"


class BlobStore(Blobs, Protocol):
    """A blob store that can be cleared of what nobody needs. Times are epoch milliseconds."""

    def written_between(self, start: int, end: int) -> AsyncIterator[Sequence[str]]:
        """The digests of all blobs that were last written at `start` or later and before `end`, page by page.

        Raises OSError.
        """
        ...

    async def remove(self, digest: str, before: int) -> bool:
        """Removes a blob, unless it was written again at `before` or later: then somebody counts on it.

        Raises OSError.
        """
        ...


def digest_of(ref: BinaryRef) -> str:
    """The digest in a blob's id. Raises NodeFailure for an id that is none: it could be a path instead."""
    name = ref.id.removeprefix(PREFIX)
    if not ref.id.startswith(PREFIX) or len(name) != 64 or not set(name) <= set("0123456789abcdef"):
        raise NodeFailure(
            "BLOB_MISSING",
            f"{ref.id[:80]!r} is no blob id",
            hint="binary references come from nodes; do not write them by hand",
        )
    return name


def missing(ref: BinaryRef, hint: str) -> NodeFailure:
    """What to raise for a blob that is not there."""
    called = ref.file_name or "the binary data"
    return NodeFailure("BLOB_MISSING", f"the content of {called} ({ref.id}) is not in the blob store", hint=hint)


async def fill(file: IO[bytes], data: bytes | AsyncIterator[bytes]) -> tuple[str, int]:
    """Writes all of `data`, chunk by chunk; returns its SHA-256 in hexadecimal, and how many bytes there were."""
    digest, size = hashlib.sha256(), 0

    def take(chunk: bytes) -> None:
        digest.update(chunk)
        file.write(chunk)

    if isinstance(data, bytes):
        await asyncio.to_thread(take, data)
        return digest.hexdigest(), len(data)
    async for chunk in data:
        await asyncio.to_thread(take, chunk)
        size += len(chunk)
    return digest.hexdigest(), size


class FolderBlobs:
    """Implements `nodes.context.Blobs` on a folder, which is made when the first blob is written."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._tmp = root / "tmp"
        self._moving = threading.Lock()
        """Held while a blob comes to its place or goes: none that has just come goes."""

    async def write(self, data: bytes | AsyncIterator[bytes], media_type: str, file_name: str = "") -> BinaryRef:
        """Stores the bytes; they are on disk when this returns. An iterator is never held in memory as a
        whole.
        """
        file, temporary = await asyncio.to_thread(self._open)
        try:
            digest, size = await fill(file, data)
            await asyncio.to_thread(self._keep, file, temporary, digest)
        finally:
            file.close()
            temporary.unlink(missing_ok=True)
        return BinaryRef(PREFIX + digest, size, media_type or "application/octet-stream", file_name)

    async def read(self, ref: BinaryRef) -> AsyncIterator[bytes]:
        """The bytes in chunks of up to 1 MiB. Raises NodeFailure BLOB_MISSING when they are not there (any
        more).
        """
        path = self.path(ref)
        try:
            file = await asyncio.to_thread(open, path, "rb")
        except FileNotFoundError:
            hint = "it was pruned, or comes from another DATA_DIR; run the node that made it again"
            raise missing(ref, hint) from None
        try:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk
        finally:
            file.close()

    def path(self, ref: BinaryRef) -> Path:
        """Where the blob's bytes are. Raises NodeFailure for an id that is no digest."""
        name = digest_of(ref)
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
        with self._moving:
            temporary.replace(place)
        _sync_folder(place.parent)

    async def written_between(self, start: int, end: int) -> AsyncIterator[Sequence[str]]:
        """See BlobStore. What a crash left half written goes on the way."""
        folders = await asyncio.to_thread(lambda: sorted(self._root.glob("[0-9a-f][0-9a-f]")))
        for folder in folders:
            if names := await asyncio.to_thread(_written_between, folder, start, end):
                yield [folder.name + name for name in names]
        await asyncio.to_thread(self._clear_up, end)

    async def remove(self, digest: str, before: int) -> bool:
        """See BlobStore."""
        return await asyncio.to_thread(self._remove, self._root / digest[:2] / digest[2:], before)

    def _remove(self, place: Path, before: int) -> bool:
        with self._moving, suppress(FileNotFoundError):
            if place.stat().st_mtime_ns < before * 1_000_000:
                place.unlink()
                return True
        return False

    def _clear_up(self, time: int) -> None:
        if self._tmp.is_dir():
            for name in _written_between(self._tmp, 0, time):
                (self._tmp / name).unlink(missing_ok=True)


def _written_between(folder: Path, start: int, end: int) -> list[str]:
    names: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.is_file() and start * 1_000_000 <= entry.stat().st_mtime_ns < end * 1_000_000:
                    names.append(entry.name)
    return names


def _sync_folder(folder: Path) -> None:
    """A rename is on disk only when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
