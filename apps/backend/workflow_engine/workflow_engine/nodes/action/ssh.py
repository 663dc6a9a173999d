"""action.ssh: commands and files on another machine."""

from __future__ import annotations

import asyncio
import secrets
import shlex
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from workflow_engine.engine.items import Item
from workflow_engine.engine.plan import ParameterProblem
from workflow_engine.nodes.action.http.body import stored
from workflow_engine.nodes.action.http.text import Scalar, text
from workflow_engine.nodes.action.messages import written
from workflow_engine.nodes.action.remote_files import CHUNK, add, broken, downloaded, refused, too_slow
from workflow_engine.nodes.action.servers import Server, reached
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

if TYPE_CHECKING:
    from asyncssh import SFTPClient, SSHClientConnection, SSHClientProcess

OUTPUT_BYTES = 8 << 20


class Run(Parameters):
    """A command."""

    operation: Literal["run"]
    """In the user's login shell there."""
    command: str = Field(min_length=1, max_length=10_000)
    """What the shell runs. It takes no expressions, so data can not become a command: put data into `arguments`."""
    arguments: list[Scalar] = Field(default=[], max_length=1000)
    """Put after the command, each one quoted for a POSIX shell."""
    stdin: Json = None
    """What it reads: text as it is, anything else as JSON."""
    check: bool = True
    """Fail when it ends with another status than 0."""
    idempotent: bool = False
    """Running it twice does no harm; otherwise it is run at most once."""


class Upload(Parameters):
    """A file for the other machine."""

    operation: Literal["upload"]
    """By SFTP, as a stream of any size."""
    path: str = Field(min_length=1, max_length=4096)
    """Where to; its folder has to be there. A file that is there is replaced when the new one is complete."""
    binary: str = "data"
    """The binary slot that it is made from."""


class Download(Parameters):
    """A file of the other machine."""

    operation: Literal["download"]
    """By SFTP, as a stream of any size; it comes in slot `data`."""
    path: str = Field(min_length=1, max_length=4096)
    """Where from."""


class ListFiles(Parameters):
    """What is in a folder of the other machine."""

    operation: Literal["list"]
    """By SFTP; one item for each file and folder, by name."""
    path: str = Field(default=".", min_length=1, max_length=4096)
    """The folder; relative ones start at the user's own."""
    pattern: str = Field(default="*", min_length=1, max_length=255)
    """Only names that fit, such as `*.csv`."""


class Move(Parameters):
    """A file or folder of the other machine under another name, or in another folder."""

    operation: Literal["move"]
    """By SFTP. It fails when there is something under the new name, unless `replace` is set."""
    path: str = Field(min_length=1, max_length=4096)
    """What is there."""
    to: str = Field(min_length=1, max_length=4096)
    """Its new path; the folder has to be there."""
    replace: bool = False
    """Take the place of a file that is there."""


class Delete(Parameters):
    """A file of the other machine, or an empty folder."""

    operation: Literal["delete"]
    """By SFTP."""
    path: str = Field(min_length=1, max_length=4096)
    """What to delete."""
    missing_ok: bool = False
    """Do not fail when it is not there."""


class MakeFolder(Parameters):
    """A folder on the other machine."""

    operation: Literal["make_folder"]
    """By SFTP; with those above it. One that is there already is left as it is."""
    path: str = Field(min_length=1, max_length=4096)
    """The folder."""


class SshParameters(Parameters):
    do: Annotated[Run | Upload | Download | ListFiles | Move | Delete | MakeFolder, Field(discriminator="operation")]
    """What to do."""
    timeout_seconds: float = Field(default=60, gt=0, le=86_400)
    """Most time for all of it."""


class Ssh(Node[SshParameters]):
    """Runs a command on another machine by SSH, or works on its files by SFTP, for each item.

    A file that was listed is `{"path", "name", "type", "size", "modified"}`; its type is `file`, `folder`, `link` or
    `other`. A command gives `status`, `stdout` and `stderr`, of at most 8 MiB. At the timeout, and when the execution
    is cancelled, the connection is closed; whether the command then ends is up to the machine.

    The credential in slot `machine` has host, port, user, password or private_key, and the machine's `host_key`: one
    that shows another key is not spoken to. Keys, agents and settings of the server's own user are not used.
    """

    type = "action.ssh"
    name = "SSH"
    summary = "Runs commands and moves files on another machine by SSH."
    example = {"do": {"operation": "run", "command": "systemctl restart", "arguments": ["{{ json.service }}"]}}
    effect = Effect.AT_MOST_ONCE
    credentials = (CredentialSlot("machine", ("ssh",), required=True),)

    def shape(self, parameters: dict[str, Any]) -> Shape:
        do = parameters.get("do")
        repeatable = isinstance(do, dict) and (
            do.get("operation") in ("upload", "download", "list", "make_folder") or do.get("idempotent") is True
        )
        return self.shaped(effect=Effect.IDEMPOTENT if repeatable else Effect.AT_MOST_ONCE)

    def check(self, parameters: dict[str, Any]) -> Sequence[ParameterProblem]:
        found = list(super().check(parameters))
        do = parameters.get("do")
        if isinstance(do, dict) and isinstance(do.get("command"), str) and "{{" in do["command"]:
            found.append(
                ParameterProblem(
                    "do.command",
                    "an expression in a command would let data become a command",
                    "put the expression into do.arguments, or into do.stdin",
                )
            )
        return found

    async def run(self, call: Call[SshParameters]) -> Result:
        server = await reached(call.node, call.context, "ssh", "machine")
        try:
            async with asyncio.timeout(call.parameters.timeout_seconds):
                connection = await _connected(server)
                try:
                    return await _done(call, connection)
                finally:
                    connection.abort()
        except TimeoutError:
            raise too_slow(call, server, hint="raise timeout_seconds; what was begun there may go on") from None


async def _connected(server: Server) -> SSHClientConnection:
    import asyncssh

    try:
        trusted = asyncssh.import_public_key(str(server.secret.get("host_key") or ""))
        key = server.text("private_key")
        keys = [asyncssh.import_private_key(key, server.text("passphrase"))] if key else []
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise NodeFailure(
            "CREDENTIAL_REFUSED",
            f"a key of the credential can not be read: {error}",
            hint="edit host_key, private_key or passphrase of the credential",
        ) from None
    try:
        return await asyncssh.connect(
            server.address,
            server.port,
            username=str(server.secret["user"]),
            password=server.text("password"),
            client_keys=keys,
            known_hosts=([trusted], [], []),
            # Nothing of the server's own user: no settings, no agent.
            config=None,
            agent_path=None,
            encoding=None,
        )
    except asyncssh.HostKeyNotVerifiable:
        raise NodeFailure(
            "HOST_KEY_REFUSED",
            f"{server.host} shows another key than the credential's host_key",
            hint="if it was set up anew, put the key that `ssh-keyscan` prints into the credential; if not, someone "
            "stands between you and it",
        ) from None
    except asyncssh.PermissionDenied as error:
        raise server.refused(str(error), retryable=False) from None
    except (asyncssh.Error, OSError) as error:
        raise server.refused(str(error)) from None


async def _done(call: Call[SshParameters], connection: SSHClientConnection) -> Result:
    import asyncssh

    do = call.parameters.do
    try:
        match do:
            case Run():
                return await _run(connection, do)
            case Upload():
                return await _upload(call, connection, do)
            case Download():
                return await _download(call, connection, do)
            case ListFiles():
                return await _list(connection, do)
            case Move() | Delete() | MakeFolder():
                async with connection.start_sftp_client() as sftp:
                    await _change(sftp, do)
                return emit(Item({**call.item.json, "path": do.to if isinstance(do, Move) else do.path}))
    except asyncssh.SFTPError as error:
        raise refused("the file" if isinstance(do, Run) else do.path, error.reason) from None
    except (asyncssh.Error, OSError) as error:
        raise broken(call, error, hint="what was begun there may go on") from None


async def _run(connection: SSHClientConnection, do: Run) -> Result:
    command = " ".join([do.command, *(shlex.quote(text(each)) for each in do.arguments)])
    process: SSHClientProcess[bytes] = await connection.create_process(command, encoding=None)
    if do.stdin is not None:
        process.stdin.write(written(do.stdin))
    process.stdin.write_eof()
    room = _Room()
    stdout, stderr = await asyncio.gather(room.all_of(process.stdout), room.all_of(process.stderr))
    await process.wait_closed()
    status = process.exit_status if process.exit_status is not None else -1
    said = stderr.decode(errors="replace")
    if status and do.check:
        raise NodeFailure(
            "COMMAND_FAILED",
            f"the command ended with status {status}: {said.strip()[-500:] or 'it says nothing'}",
            field="do.command",
            hint="correct the command, or set check to false to go on with what it wrote",
            details={"status": status, "stderr": said[-4000:], "sent": True},
        )
    return emit({"status": status, "stdout": stdout.decode(errors="replace"), "stderr": said})


class _Room:
    """What a command may write, on both its streams together."""

    def __init__(self) -> None:
        self._left = OUTPUT_BYTES

    async def all_of(self, stream: Any) -> bytes:
        read = bytearray()
        while chunk := await stream.read(CHUNK):
            self._left -= len(chunk)
            if self._left < 0:
                raise NodeFailure(
                    "COMMAND_OUTPUT_TOO_LARGE",
                    f"the command wrote more than {OUTPUT_BYTES >> 20} MiB",
                    field="do.command",
                    hint="let it write into a file, and download that",
                )
            read += chunk
        return bytes(read)


async def _upload(call: Call[SshParameters], connection: SSHClientConnection, do: Upload) -> Result:
    ref, blobs = stored(call.item, do.binary, call.context.blobs, "do.binary")
    unfinished = f"{do.path}.{secrets.token_hex(4)}.part"
    async with connection.start_sftp_client() as sftp:
        try:
            async with sftp.open(unfinished, "wb") as file:
                async for chunk in blobs.read(ref):
                    await file.write(chunk)
            await sftp.posix_rename(unfinished, do.path)
        except BaseException:
            if await sftp.exists(unfinished):
                await sftp.remove(unfinished)
            raise
    return emit(Item({**call.item.json, "path": do.path, "size": ref.size}, call.item.binary))


async def _download(call: Call[SshParameters], connection: SSHClientConnection, do: Download) -> Result:
    async with connection.start_sftp_client() as sftp, sftp.open(do.path, "rb") as opened:
        file: Any = opened

        async def chunks() -> AsyncIterator[bytes]:
            while chunk := await file.read(CHUNK):
                yield chunk

        return await downloaded(call, do.path, chunks())


async def _list(connection: SSHClientConnection, do: ListFiles) -> Result:
    import asyncssh

    types = {
        asyncssh.FILEXFER_TYPE_REGULAR: "file",
        asyncssh.FILEXFER_TYPE_DIRECTORY: "folder",
        asyncssh.FILEXFER_TYPE_SYMLINK: "link",
    }
    found: list[dict[str, Json]] = []
    async with connection.start_sftp_client() as sftp:
        async for entry in sftp.scandir(do.path):
            name = str(entry.filename)
            if name not in (".", "..") and fnmatchcase(name, do.pattern):
                modified = datetime.fromtimestamp(entry.attrs.mtime or 0, UTC).isoformat()
                add(
                    found,
                    {
                        "path": f"{do.path.rstrip('/')}/{name}",
                        "name": name,
                        "type": types.get(entry.attrs.type, "other"),
                        "size": entry.attrs.size,
                        "modified": modified,
                    },
                    do.path,
                )
    return emit(*sorted(found, key=lambda entry: str(entry["name"])))


async def _change(sftp: SFTPClient, do: Move | Delete | MakeFolder) -> None:
    import asyncssh

    match do:
        case Move(replace=True):
            await sftp.posix_rename(do.path, do.to)
        case Move():
            await sftp.rename(do.path, do.to)
        case MakeFolder():
            await sftp.makedirs(do.path, exist_ok=True)
        case Delete():
            try:
                if await sftp.isdir(do.path) and not await sftp.islink(do.path):
                    await sftp.rmdir(do.path)
                else:
                    await sftp.remove(do.path)
            except asyncssh.SFTPNoSuchFile:
                if not do.missing_ok:
                    raise
