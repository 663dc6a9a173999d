"""action.file: files in the operator's folder, or in a bucket."""

from __future__ import annotations

import fnmatch
import mimetypes
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field

from workflow_engine.engine.items import Item
from workflow_engine.nodes.action.http.body import required, stored
from workflow_engine.nodes.action.servers import credential
from workflow_engine.nodes.action.stores.s3 import S3Files
from workflow_engine.nodes.context import FileEntry, Files
from workflow_engine.nodes.spec import (
    Call,
    CredentialSlot,
    Effect,
    Json,
    Node,
    NodeFailure,
    Parameters,
    Result,
    Shape,
    emit,
)

MAX_TEXT = 8 << 20


def _stays_inside(path: str) -> str:
    if "{{" not in path and any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError("write it like reports/june.csv: no slash at its ends, no . and no ..")
    return path


Path: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]+$"), AfterValidator(_stays_inside)
]


class Read(Parameters):
    """A file's content."""

    operation: Literal["read"]
    """Gives the file in a binary slot, or its text."""
    path: Path
    """The file, e.g. `reports/june.csv`."""
    into: Literal["binary", "text"] = "binary"
    """Slot `data`, or field `text` for UTF-8 text of up to 8 MiB."""


class Write(Parameters):
    """A new file."""

    operation: Literal["write"]
    """Puts it there as a whole; folders are made."""
    path: Path
    """The file, e.g. `reports/{{ json.month }}.csv`."""
    text: str | None = None
    """What it holds, in UTF-8."""
    binary: str = "data"
    """The binary slot that it is made from, when there is no text."""
    replace: bool = True
    """Take the place of a file that is there; otherwise that is a failure."""


class List(Parameters):
    """Which files there are."""

    operation: Literal["list"]
    """Gives one item for each file."""
    folder: Annotated[str, AfterValidator(lambda path: _stays_inside(path) if path else path)] = ""
    """Where to look; everywhere by default."""
    pattern: str = "*"
    """What a file's name has to match, e.g. `*.csv`."""
    recursive: bool = False
    """Look into the folders below, too."""
    limit: int = Field(default=10_000, ge=1, le=1_000_000)
    """More files than this are a failure, not a part of the result."""


class Delete(Parameters):
    """A file that is to go."""

    operation: Literal["delete"]
    """Gives `deleted`: false when it was not there."""
    path: Path
    """The file."""


class Move(Parameters):
    """Another name for a file."""

    operation: Literal["move"]
    """In the same store."""
    path: Path
    """The file."""
    to: Path
    """Its new name, with its folder."""
    replace: bool = False
    """Take the place of a file that is there; otherwise that is a failure."""


class FileParameters(Parameters):
    do: Annotated[Read | Write | List | Delete | Move, Field(discriminator="operation")]
    """What to do."""
    store: Literal["folder", "s3"] = "folder"
    """The folder that the operator set aside (FILES_ROOT), or the bucket of the credential in slot `s3`."""
    timeout_seconds: float = Field(default=300, gt=0, le=86_400)
    """Most time for one request to a bucket."""


class File(Node[FileParameters]):
    """Reads, writes, lists, deletes and moves files in the operator's folder or in an S3 bucket.

    No path leads out of the folder and symbolic links are not followed. Files pass through as a stream, of any size. A
    file is written beside its place and moved into it when it is complete, so nobody reads half of one. On S3 a move is
    a copy and a deletion.
    """

    type = "action.file"
    name = "File"
    summary = "Reads, writes, lists, deletes and moves files in a folder or on S3."
    example = {"do": {"operation": "write", "path": "reports/{{ json.month }}.csv"}}
    effect = Effect.AT_MOST_ONCE
    credentials = (CredentialSlot("s3", ("s3",)),)

    def shape(self, parameters: dict[str, Any]) -> Shape:
        do = parameters.get("do")
        operation = do.get("operation") if isinstance(do, dict) else None
        # A file that was moved is no longer where it would be moved from, and one that is written only once is there.
        once = operation not in ("read", "list", "delete", "write") or (
            operation == "write" and isinstance(do, dict) and do.get("replace", True) is not True
        )
        return self.shaped(effect=Effect.AT_MOST_ONCE if once else Effect.IDEMPOTENT)

    async def run(self, call: Call[FileParameters]) -> Result:
        files = await _files(call)
        match call.parameters.do:
            case Read() as do:
                return await _read(call, files, do)
            case Write() as do:
                return await _write(call, files, do)
            case List() as do:
                return emit(*[_shown(entry) async for entry in _listed(files, do)])
            case Delete() as do:
                return emit({"path": do.path, "deleted": await files.delete(do.path)})
            case Move() as do:
                await files.move(do.path, do.to, replace=do.replace)
                return emit({"path": do.to})


async def _files(call: Call[FileParameters]) -> Files:
    context = call.context
    if call.parameters.store == "s3":
        secret = await credential(call.node, context, "s3", "s3")
        if context.http is None:
            raise NodeFailure("CONNECTION_FAILED", "this server gives nodes no way to the network")
        return S3Files(context.http, secret, call.parameters.timeout_seconds, context.now)
    if context.files is None:
        raise NodeFailure(
            "FILES_UNAVAILABLE",
            "no folder is set aside for files of workflows",
            field="store",
            hint="the operator names one in FILES_ROOT; or set store to s3",
        )
    return context.files


async def _read(call: Call[FileParameters], files: Files, do: Read) -> Result:
    data = await files.read(do.path)
    name = do.path.rpartition("/")[2]
    if do.into == "text":
        content = b""
        async for chunk in data:
            content += chunk
            if len(content) > MAX_TEXT:
                raise NodeFailure("TOO_LARGE", f"{do.path} has more than {MAX_TEXT:,} bytes", field="do.into")
        try:
            return emit({"path": do.path, "size": len(content), "text": content.decode("utf-8-sig")})
        except UnicodeDecodeError as error:
            raise NodeFailure(
                "INVALID_DATA", f"{do.path} is no UTF-8 text: {error}", field="do.into", hint="read it as binary"
            ) from None
    ref = await required(call.context.blobs).write(data, _media_type(name), name)
    return emit(Item({"path": do.path, "file_name": name, "size": ref.size}, {"data": ref}))


async def _write(call: Call[FileParameters], files: Files, do: Write) -> Result:
    if do.text is not None:
        content = do.text.encode()
        size, media_type, sha256, data = len(content), _media_type(do.path), "", _once(content)
    else:
        ref, blobs = stored(call.item, do.binary, call.context.blobs, "do.binary")
        size, media_type, data = ref.size, ref.media_type, blobs.read(ref)
        sha256 = ref.id.removeprefix("sha256:") if ref.id.startswith("sha256:") else ""
    await files.write(do.path, data, size=size, media_type=media_type, sha256=sha256, replace=do.replace)
    return emit(Item({"path": do.path, "size": size}, call.item.binary))


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _listed(files: Files, do: List) -> AsyncIterator[FileEntry]:
    count = 0
    async for entry in files.entries(do.folder, recursive=do.recursive):
        if fnmatch.fnmatchcase(entry.path.rpartition("/")[2], do.pattern):
            count += 1
            if count > do.limit:
                raise NodeFailure(
                    "TOO_MANY_FILES",
                    f"there are more than {do.limit:,} files",
                    field="do.limit",
                    hint="narrow folder or pattern, or raise the limit",
                )
            yield entry


def _shown(entry: FileEntry) -> dict[str, Json]:
    modified = datetime.fromtimestamp(entry.modified / 1000, UTC)
    return {"path": entry.path, "size": entry.size, "modified": modified.isoformat(timespec="milliseconds")}


def _media_type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
