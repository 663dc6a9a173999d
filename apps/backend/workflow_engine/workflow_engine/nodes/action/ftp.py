"""action.ftp: files on an FTP server."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from workflow_engine.engine.items import Item
from workflow_engine.nodes.action.http.body import stored
from workflow_engine.nodes.action.remote_files import CHUNK, add, broken, downloaded, refused, too_slow
from workflow_engine.nodes.action.servers import Server, reached
from workflow_engine.nodes.spec import (
    Call,
    CredentialSlot,
    Effect,
    Json,
    Node,
    Parameters,
    Result,
    Shape,
    emit,
)

if TYPE_CHECKING:
    from aioftp import Client

# A line break in a path would be a command of its own.
_PATH = r"^[^\r\n\x00]+$"


class Upload(Parameters):
    """A file for the server."""

    operation: Literal["upload"]
    """As a stream of any size."""
    path: str = Field(min_length=1, max_length=4096, pattern=_PATH)
    """Where to; its folder is made when it is not there. The file takes its place when it is complete."""
    binary: str = "data"
    """The binary slot that it is made from."""


class Download(Parameters):
    """A file of the server."""

    operation: Literal["download"]
    """As a stream of any size; it comes in slot `data`."""
    path: str = Field(min_length=1, max_length=4096, pattern=_PATH)
    """Where from."""


class ListFiles(Parameters):
    """What is in a folder of the server."""

    operation: Literal["list"]
    """One item for each file and folder, by name."""
    path: str = Field(default=".", min_length=1, max_length=4096, pattern=_PATH)
    """The folder; relative ones start at the user's own."""
    pattern: str = Field(default="*", min_length=1, max_length=255)
    """Only names that fit, such as `*.csv`."""
    recursive: bool = False
    """What is in the folders below, too."""


class Move(Parameters):
    """A file or folder of the server under another name, or in another folder."""

    operation: Literal["move"]
    """What becomes of a file that has the new name is up to the server."""
    path: str = Field(min_length=1, max_length=4096, pattern=_PATH)
    """What is there."""
    to: str = Field(min_length=1, max_length=4096, pattern=_PATH)
    """Its new path."""


class Delete(Parameters):
    """A file of the server, or a folder with all that is in it."""

    operation: Literal["delete"]
    """There is no way back."""
    path: str = Field(min_length=1, max_length=4096, pattern=_PATH)
    """What to delete."""


class MakeFolder(Parameters):
    """A folder on the server."""

    operation: Literal["make_folder"]
    """With those above it. One that is there already is left as it is."""
    path: str = Field(min_length=1, max_length=4096, pattern=_PATH)
    """The folder."""


class FtpParameters(Parameters):
    do: Annotated[Upload | Download | ListFiles | Move | Delete | MakeFolder, Field(discriminator="operation")]
    """What to do."""
    timeout_seconds: float = Field(default=60, gt=0, le=86_400)
    """Most time for all of it."""


class Ftp(Node[FtpParameters]):
    """Works on the files of an FTP server, for each item; encrypted (FTPS) unless the credential says otherwise.

    A file that was listed is `{"path", "name", "type", "size", "modified"}`; its type is `file`, `folder` or `other`.
    For SFTP, which is another protocol, use action.ssh.

    The credential in slot `server` has host, port, user, password and tls. Its host must be public or allowed by the
    operator; data connections go to no other host, whatever the server says.
    """

    type = "action.ftp"
    name = "FTP"
    summary = "Moves files to and from an FTP or FTPS server."
    example = {"do": {"operation": "upload", "path": "reports/{{ json.month }}.csv"}}
    effect = Effect.AT_MOST_ONCE
    credentials = (CredentialSlot("server", ("ftp",), required=True),)

    def shape(self, parameters: dict[str, Any]) -> Shape:
        do = parameters.get("do")
        repeatable = isinstance(do, dict) and do.get("operation") in ("upload", "download", "list", "make_folder")
        return self.shaped(effect=Effect.IDEMPOTENT if repeatable else Effect.AT_MOST_ONCE)

    async def run(self, call: Call[FtpParameters]) -> Result:
        server = await reached(call.node, call.context, "ftp")
        try:
            async with asyncio.timeout(call.parameters.timeout_seconds), _connected(server) as client:
                return await _done(call, client)
        except TimeoutError:
            hint = "raise timeout_seconds, or see whether the server's firewall lets data connections through"
            raise too_slow(call, server, hint=hint) from None


@asynccontextmanager
async def _connected(server: Server) -> AsyncIterator[Client]:
    import aioftp

    tls = server.tls()
    implicit = tls is not None and server.text("mode") == "implicit"
    # The address of a passive connection is the one that was checked, not what the server says.
    client = aioftp.Client(ssl=tls if implicit else None, trust_server_pasv_ipv4_address=False)
    try:
        await client.connect(server.address, server.port)
        if tls is not None and not implicit:
            await client.upgrade_to_tls(tls)
        await client.login(server.text("user") or "anonymous", server.text("password") or "")
    except aioftp.StatusCodeError as error:
        client.close()
        raise server.refused(_said(error), retryable=False) from None
    except (OSError, EOFError, aioftp.AIOFTPException) as error:
        client.close()
        raise server.refused(str(error)) from None
    try:
        yield client
    finally:
        # A good-bye could wait for ever; the server takes a closed connection for one.
        client.close()


def _said(error: Any) -> str:
    """The server's own words."""
    lines = error.info if isinstance(error.info, list) else [str(error.info)]
    return " ".join(str(line).strip(" -") for line in lines)[:500]


async def _done(call: Call[FtpParameters], client: Client) -> Result:
    import aioftp

    do = call.parameters.do
    try:
        match do:
            case Upload():
                return await _upload(call, client, do)
            case Download():
                return await _download(call, client, do)
            case ListFiles():
                return await _list(client, do)
            case Move():
                await client.rename(do.path, do.to)
            case Delete():
                if not await client.exists(do.path):
                    raise refused(do.path, "there is no such file")
                await client.remove(do.path)
            case MakeFolder():
                if not await _is(client, do.path, "dir"):
                    await client.make_directory(do.path)
        return emit(Item({**call.item.json, "path": do.to if isinstance(do, Move) else do.path}))
    except aioftp.StatusCodeError as error:
        raise refused(do.path, _said(error)) from None
    except (OSError, EOFError, aioftp.AIOFTPException) as error:
        raise broken(call, error, hint="what was begun there may be unfinished") from None


async def _is(client: Client, path: str, type: str) -> bool:
    return await client.exists(path) and (await client.stat(path))["type"] == type


async def _upload(call: Call[FtpParameters], client: Client, do: Upload) -> Result:
    ref, blobs = stored(call.item, do.binary, call.context.blobs, "do.binary")
    unfinished = f"{do.path}.{secrets.token_hex(4)}.part"
    folder = str(PurePosixPath(do.path).parent)
    if folder not in (".", "/") and not await _is(client, folder, "dir"):
        await client.make_directory(folder)
    try:
        async with client.upload_stream(unfinished) as stream:
            async for chunk in blobs.read(ref):
                await stream.write(chunk)
        await client.rename(unfinished, do.path)
    except BaseException:
        if await _is(client, unfinished, "file"):
            await client.remove_file(unfinished)
        raise
    return emit(Item({**call.item.json, "path": do.path, "size": ref.size}, call.item.binary))


async def _download(call: Call[FtpParameters], client: Client, do: Download) -> Result:
    async with client.download_stream(do.path) as stream:

        async def chunks() -> AsyncIterator[bytes]:
            async for chunk in stream.iter_by_block(CHUNK):
                yield chunk

        return await downloaded(call, do.path, chunks())


async def _list(client: Client, do: ListFiles) -> Result:
    if do.path != "." and not await _is(client, do.path, "dir"):
        raise refused(do.path, "there is no such folder")
    found: list[dict[str, Json]] = []
    async for path, about in client.list(do.path, recursive=do.recursive):
        if not fnmatchcase(path.name, do.pattern):
            continue
        add(
            found,
            {
                "path": str(path),
                "name": path.name,
                "type": {"file": "file", "dir": "folder"}.get(about["type"], "other"),
                "size": int(about.get("size", 0)),
                "modified": _moment(str(about.get("modify", ""))),
            },
            do.path,
        )
    return emit(*sorted(found, key=lambda entry: str(entry["path"])))


def _moment(said: str) -> str | None:
    """`20260131094500` in ISO 8601; null when the server does not say."""
    try:
        return datetime.strptime(said[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC).isoformat()
    except ValueError:
        return None
