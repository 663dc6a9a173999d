"""action.compress: files into an archive."""

from __future__ import annotations

import asyncio
import gzip
import tarfile
import zipfile
from datetime import UTC, datetime
from typing import IO, Any, Literal

from pydantic import Field

from workflow_engine.engine.items import BinaryRef, Item
from workflow_engine.nodes.action.http.body import required
from workflow_engine.nodes.action.spool import chunks, empty, spooled
from workflow_engine.nodes.context import Blobs
from workflow_engine.nodes.spec import Call, Effect, Node, NodeFailure, Parameters, Result, RunMode, emit

_MEDIA_TYPES = {
    "zip": "application/zip",
    "tar": "application/x-tar",
    "tar.gz": "application/gzip",
    "gz": "application/gzip",
}


class CompressParameters(Parameters):
    format: Literal["zip", "tar", "tar.gz", "gz"] = "zip"
    """`gz` holds one file and no name; the others hold many."""
    slots: list[str] = []
    """Which binary slots of each item to take; all of them by default."""
    file_name: str = Field(default="", max_length=255)
    """By default `files` with the format's extension, or for `gz` the file's own name with it."""
    level: int = Field(default=6, ge=1, le=9)
    """From fast to small; a plain tar has none."""
    binary: str = Field(default="data", min_length=1)
    """The binary slot to put the archive into."""


class Compress(Node[CompressParameters]):
    """Puts the files of all items into one archive: zip, tar, tar.gz or gzip.

    Files pass through as a stream, of any size. Of files with the same name the later ones get a number. Gives one item
    with the archive, and none when there are no files.
    """

    type = "action.compress"
    summary = "Puts files into a zip, tar or gzip archive."
    example = {"format": "zip", "file_name": "reports.zip"}
    effect = Effect.IDEMPOTENT
    run_mode = RunMode.BATCH

    async def run(self, call: Call[CompressParameters]) -> Result:
        parameters, blobs = call.parameters, required(call.context.blobs)
        files = _named(list(_chosen(call.items, parameters.slots)))
        if not files:
            return emit()
        if parameters.format == "gz" and len(files) > 1:
            raise NodeFailure(
                "TOO_MANY_FILES",
                f"gz holds one file, and there are {len(files)}",
                field="format",
                hint="use zip or tar.gz, or run this node for each item by flow.map",
            )
        [first, *_] = files
        name = parameters.file_name or (f"{first}.gz" if parameters.format == "gz" else f"files.{parameters.format}")
        async with empty() as archive:
            await _written(archive, files, parameters, blobs, call.context.now)
            archive.seek(0)
            ref = await blobs.write(chunks(archive), _MEDIA_TYPES[parameters.format], name)
        told = {"file_name": name, "media_type": ref.media_type, "size": ref.size, "files": len(files)}
        return emit(Item(told, {parameters.binary: ref}, tuple(range(len(call.items)))))


def _chosen(items: list[Item], slots: list[str]) -> Any:
    for item in items:
        for slot in slots or sorted(item.binary):
            if slot in item.binary:
                yield item.binary[slot].file_name or slot, item.binary[slot]


def _named(files: list[tuple[str, BinaryRef]]) -> dict[str, BinaryRef]:
    """Files by a name of their own, without folders."""
    named: dict[str, BinaryRef] = {}
    for name, ref in files:
        name = name.replace("\\", "/").rpartition("/")[2] or "file"
        stem, dot, extension = name.partition(".")
        number = 1
        while name in named:
            number += 1
            name = f"{stem} ({number}){dot}{extension}"
        named[name] = ref
    return named


async def _written(
    archive: IO[bytes], files: dict[str, BinaryRef], parameters: CompressParameters, blobs: Blobs, now: int
) -> None:
    match parameters.format:
        case "zip":
            await _zip(archive, files, parameters.level, blobs, now)
        case "gz":
            [ref] = files.values()
            with gzip.GzipFile(fileobj=archive, mode="wb", filename="", compresslevel=parameters.level, mtime=0) as out:
                async for chunk in blobs.read(ref):
                    await asyncio.to_thread(out.write, chunk)
        case "tar":
            with tarfile.open(fileobj=archive, mode="w") as tar:
                await _tar(tar, files, blobs, now)
        case "tar.gz":
            with (
                gzip.GzipFile(fileobj=archive, mode="wb", filename="", compresslevel=parameters.level, mtime=0) as out,
                tarfile.open(fileobj=out, mode="w") as tar,
            ):
                await _tar(tar, files, blobs, now)


async def _zip(archive: IO[bytes], files: dict[str, BinaryRef], level: int, blobs: Blobs, now: int) -> None:
    made = datetime.fromtimestamp(now / 1000, UTC).timetuple()[:6]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as packed:
        for name, ref in files.items():
            entry = zipfile.ZipInfo(name, made)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            entry.file_size = ref.size
            with packed.open(entry, "w") as out:
                async for chunk in blobs.read(ref):
                    await asyncio.to_thread(out.write, chunk)


async def _tar(tar: tarfile.TarFile, files: dict[str, BinaryRef], blobs: Blobs, now: int) -> None:
    for name, ref in files.items():
        entry = tarfile.TarInfo(name)
        entry.size, entry.mtime, entry.mode = ref.size, now // 1000, 0o644
        async with spooled(ref, blobs) as file:
            await asyncio.to_thread(tar.addfile, entry, file)
