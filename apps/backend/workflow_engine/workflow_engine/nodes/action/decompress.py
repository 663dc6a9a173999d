"""action.decompress: the files of an archive."""

from __future__ import annotations

import asyncio
import gzip
import io
import mimetypes
import tarfile
import zipfile
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, Any, Literal

from pydantic import Field

from workflow_engine.engine.items import Item, Items
from workflow_engine.nodes.action.http.body import stored
from workflow_engine.nodes.action.spool import CHUNK, spooled
from workflow_engine.nodes.context import Blobs
from workflow_engine.nodes.spec import Call, Effect, Emit, Node, NodeFailure, Parameters, Result

HEADER_BYTES = 1 << 20
"""Largest tar header that is read; names and attributes stand in them."""


class DecompressParameters(Parameters):
    binary: str = "data"
    """The binary slot that the archive is in."""
    format: Literal["auto", "zip", "tar", "tar.gz", "gz"] = "auto"
    """What it is; `auto` goes by its first bytes."""
    max_files: int = Field(default=1000, ge=1, le=100_000)
    """More files than this are a failure."""
    max_bytes: int = Field(default=1 << 30, ge=1, le=1 << 40)
    """More bytes than this, unpacked and together, are a failure, whatever the archive says of itself."""


class Decompress(Node[DecompressParameters]):
    """Unpacks a zip, tar, tar.gz or gzip archive: one item for each file, with the file in slot `data`.

    Folders are left out, but stand in `path`. An archive is refused that has a path leading out of it, an absolute
    one, a link or a device, that is encrypted, or that unfolds into more than `max_files` or `max_bytes`.
    """

    type = "action.decompress"
    summary = "Unpacks a zip, tar or gzip archive."
    example = {"binary": "data", "max_files": 100}
    effect = Effect.IDEMPOTENT

    async def run(self, call: Call[DecompressParameters]) -> Result:
        parameters = call.parameters
        ref, blobs = stored(call.item, parameters.binary, call.context.blobs, "binary")
        unpacked = _Unpacked(parameters, blobs)
        async with spooled(ref, blobs) as file:
            with _told():
                format = _format(file) if parameters.format == "auto" else parameters.format
                match format:
                    case "zip":
                        await unpacked.zip(file)
                    case "tar":
                        await unpacked.tar(file)
                    case "tar.gz":
                        await unpacked.tar(gzip.GzipFile(fileobj=file, mode="rb"))
                    case _:
                        name = ref.file_name.removesuffix(".gz") or "file"
                        await unpacked.add(name, gzip.GzipFile(fileobj=file, mode="rb"))
        return Emit({"main": unpacked.items})


class _Unpacked:
    """The files so far, within their limits."""

    def __init__(self, parameters: DecompressParameters, blobs: Blobs) -> None:
        self.items: Items = []
        self._max_files, self._max_bytes, self._left = parameters.max_files, parameters.max_bytes, parameters.max_bytes
        self._blobs = blobs

    async def zip(self, file: IO[bytes]) -> None:
        with await asyncio.to_thread(zipfile.ZipFile, file) as packed:
            for entry in packed.infolist():
                kind = entry.external_attr >> 28
                if entry.is_dir():
                    continue
                if kind not in (0, 0o10):
                    raise _unsafe(entry.filename, "is no plain file")
                if entry.flag_bits & 1:
                    raise _unsafe(entry.filename, "is encrypted")
                with packed.open(entry) as member:
                    await self.add(entry.filename, member)

    async def tar(self, file: Any) -> None:
        bounded = _Bounded(file, self._max_bytes + self._max_files * 4096 + HEADER_BYTES, self._too_large)
        with tarfile.open(fileobj=bounded, mode="r|", tarinfo=_Header) as packed:
            entries = iter(packed)
            while (entry := await asyncio.to_thread(next, entries, None)) is not None:
                if entry.isdir():
                    continue
                if not entry.isreg() or entry.issparse():
                    raise _unsafe(entry.name, "is no plain file")
                member = packed.extractfile(entry)
                assert member
                await self.add(entry.name, member)

    async def add(self, path: str, member: Any) -> None:
        """Stores one file. Raises NodeFailure for a path that leads out, and past the limits."""
        parts = PurePosixPath(path.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in (parts.parts or ("",))[0] or "\0" in path:
            raise _unsafe(path, "leads out of the archive")
        if len(self.items) >= self._max_files:
            raise NodeFailure(
                "ARCHIVE_TOO_LARGE",
                f"it holds more than {self._max_files:,} files",
                field="max_files",
                hint="raise max_files if the archive is meant to hold so many",
            )
        name = parts.name or "file"
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        ref = await self._blobs.write(self._chunks(member), media_type, name)
        self.items.append(Item({"path": str(parts), "file_name": name, "size": ref.size}, {"data": ref}))

    async def _chunks(self, member: Any) -> AsyncIterator[bytes]:
        while chunk := await asyncio.to_thread(member.read, CHUNK):
            self._left -= len(chunk)
            if self._left < 0:
                raise self._too_large()
            yield chunk

    def _too_large(self) -> NodeFailure:
        return NodeFailure(
            "ARCHIVE_TOO_LARGE",
            f"unpacked it would have more than {self._max_bytes:,} bytes",
            field="max_bytes",
            hint="raise max_bytes if the archive is meant to be so large",
        )


class _Header(tarfile.TarInfo):
    """Refuses the headers of a tar that would be read into memory as a whole and are too large for it."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        found = super().frombuf(buf, encoding, errors)
        headers = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME)
        if found.type in (*headers, tarfile.GNUTYPE_LONGLINK) and found.size > HEADER_BYTES:
            raise tarfile.ReadError("a header is too large")
        return found


class _Bounded(io.RawIOBase):
    """Reads no more than `limit` bytes, whatever they are: files, headers, or what lies between."""

    def __init__(self, file: Any, limit: int, too_large: Any) -> None:
        self._file, self._left, self._too_large = file, limit, too_large

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        chunk: bytes = self._file.read(CHUNK if size < 0 else size)
        self._left -= len(chunk)
        if self._left < 0:
            raise self._too_large()
        return chunk


def _format(file: IO[bytes]) -> str:
    head = file.read(4)
    file.seek(0)
    if head[:2] == b"\x1f\x8b":
        try:
            inner = gzip.GzipFile(fileobj=file, mode="rb").read(512)
        finally:
            file.seek(0)
        return "tar.gz" if inner[257:262] == b"ustar" else "gz"
    if head in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    return "tar"


def _unsafe(path: str, why: str) -> NodeFailure:
    return NodeFailure(
        "ARCHIVE_REFUSED",
        f"{path[:200]!r} in the archive {why}",
        field="binary",
        hint="do not trust this archive; ask who sent it for one with plain files only",
    )


@contextmanager
def _told() -> Iterator[None]:
    """What the libraries find wrong, in our words."""
    try:
        yield
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        gzip.BadGzipFile,
        NotImplementedError,
        ValueError,
    ) as error:
        raise NodeFailure(
            "INVALID_DATA",
            f"the archive can not be read: {error or type(error).__name__}",
            field="format",
            hint="see that the file is complete, and a zip, tar, tar.gz or gzip archive",
        ) from None
