"""Files below one folder, for nodes: no path and no symbolic link leads out of it.

Theory. A path is walked folder by folder from a descriptor of the root, and no step follows a symbolic link, so there
is no moment between check and use in which a link could be put in the way. A file is written beside its place and
renamed into it, so a reader sees all of it or nothing.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from workflow_engine.nodes.context import FileEntry
from workflow_engine.nodes.spec import NodeFailure

CHUNK = 1 << 20
_UNFINISHED = ".~unfinished-"
"""How the names of files begin that are being written."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class FolderFiles:
    """Implements `nodes.context.Files` on a folder, which has to be there."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    async def read(self, path: str) -> AsyncIterator[bytes]:
        return _chunks(await asyncio.to_thread(self._open, path))

    async def write(
        self, path: str, data: AsyncIterator[bytes], *, size: int, media_type: str, sha256: str, replace: bool
    ) -> None:
        folder, name = await asyncio.to_thread(self._parent, path, make=True)
        unfinished = _UNFINISHED + secrets.token_hex(8)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with _told(path), os.fdopen(os.open(unfinished, flags, 0o640, dir_fd=folder), "wb") as file:
                async for chunk in data:
                    await asyncio.to_thread(file.write, chunk)
                await asyncio.to_thread(_synced, file)
            with _told(path):
                await asyncio.to_thread(_place, folder, unfinished, folder, name, path, replace=replace)
        finally:
            _gone(folder, unfinished)
            os.close(folder)

    async def entries(self, folder: str, *, recursive: bool) -> AsyncIterator[FileEntry]:
        parts = _parts(folder) if folder else []
        open_folders = [parts]
        while open_folders:
            parts = open_folders.pop()
            files, folders = await asyncio.to_thread(self._scan, parts)
            for entry in files:
                yield entry
            if recursive:
                open_folders += [[*parts, name] for name in reversed(folders)]

    async def delete(self, path: str) -> bool:
        try:
            folder, name = await asyncio.to_thread(self._parent, path)
        except NodeFailure as failed:
            if failed.failure.reason == "FILE_MISSING":
                return False
            raise
        try:
            with _told(path):
                # A folder is no file, and a link is no file of ours.
                _regular(os.stat(name, dir_fd=folder, follow_symlinks=False), path)
                os.unlink(name, dir_fd=folder)
                return True
        except NodeFailure as failed:
            if failed.failure.reason == "FILE_MISSING":
                return False
            raise
        finally:
            os.close(folder)

    async def move(self, path: str, to: str, *, replace: bool) -> None:
        old, old_name = await asyncio.to_thread(self._parent, path)
        try:
            with _told(path):
                _regular(os.stat(old_name, dir_fd=old, follow_symlinks=False), path)
            new, new_name = await asyncio.to_thread(self._parent, to, make=True)
            try:
                with _told(to):
                    await asyncio.to_thread(_place, old, old_name, new, new_name, to, replace=replace)
            finally:
                os.close(new)
        finally:
            os.close(old)

    def place(self, path: str) -> Path:
        """Where a file is or would be, for libraries that open files by name; links on the way there are refused.

        Raises NodeFailure.
        """
        folder, name = self._parent(path)
        try:
            with suppress(FileNotFoundError):
                _regular(os.stat(name, dir_fd=folder, follow_symlinks=False), path)
        finally:
            os.close(folder)
        return self.root.joinpath(*_parts(path))

    def _open(self, path: str) -> int:
        folder, name = self._parent(path)
        try:
            with _told(path):
                # A pipe would wait for its other end.
                handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        finally:
            os.close(folder)
        try:
            _regular(os.fstat(handle), path)
        except NodeFailure:
            os.close(handle)
            raise
        return handle

    def folder(self, path: str) -> Path:
        """Where a folder is, for libraries that watch it; links on the way there are refused. Raises NodeFailure."""
        parts = _parts(path) if path else []
        os.close(self._folder(parts, path))
        return self.root.joinpath(*parts)

    def _parent(self, path: str, *, make: bool = False) -> tuple[int, str]:
        """A descriptor of the folder that holds `path`, and the name there."""
        *folders, name = _parts(path)
        return self._folder(folders, path, make=make), name

    def _folder(self, parts: list[str], path: str, *, make: bool = False) -> int:
        with _told(path):
            here = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            for part in parts:
                try:
                    if make:
                        _made(part, here)
                    deeper = os.open(part, _FOLDER, dir_fd=here)
                finally:
                    os.close(here)
                here = deeper
        return here

    def _scan(self, parts: list[str]) -> tuple[list[FileEntry], list[str]]:
        folder = self._folder(parts, "/".join(parts))
        files: list[FileEntry] = []
        folders: list[str] = []
        try:
            with os.scandir(folder) as found:
                for each in sorted(found, key=lambda entry: entry.name):
                    if each.is_dir(follow_symlinks=False):
                        folders.append(each.name)
                    elif each.is_file(follow_symlinks=False) and not each.name.startswith(_UNFINISHED):
                        files.append(_entry("/".join([*parts, each.name]), each.stat(follow_symlinks=False)))
        finally:
            os.close(folder)
        return files, folders


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    if not all(parts) or any(part in (".", "..") or "\0" in part for part in parts):
        raise NodeFailure(
            "FILE_REFUSED",
            f"{path!r} is no path below the folder for files",
            field="path",
            hint="write it like reports/2025/june.csv: no slash at its ends, no . and no ..",
        )
    return parts


def _entry(path: str, found: os.stat_result) -> FileEntry:
    return FileEntry(path, found.st_size, found.st_mtime_ns // 1_000_000)


def _regular(found: os.stat_result, path: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _refused(path)


def _refused(path: str) -> NodeFailure:
    return NodeFailure(
        "FILE_REFUSED",
        f"{path} is, or leads through, something that is no plain file or folder",
        field="path",
        hint="symbolic links are not followed; copy what they lead to into the folder for files",
    )


@contextmanager
def _told(path: str) -> Iterator[None]:
    """The system's errors in our words."""
    try:
        yield
    except FileNotFoundError:
        raise NodeFailure(
            "FILE_MISSING", f"there is no {path or 'folder for files'}", field="path", hint="see how it is spelled"
        ) from None
    except FileExistsError:
        raise NodeFailure(
            "FILE_EXISTS", f"{path} is there already", field="path", hint="set replace, or choose another name"
        ) from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EISDIR):
            raise _refused(path) from None
        raise NodeFailure(
            "FILE_FAILED",
            f"{path}: {error.strerror}",
            field="path",
            hint="see the rights and the free space of FILES_ROOT",
            retryable=error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE),
        ) from None


async def _chunks(handle: int) -> AsyncIterator[bytes]:
    with os.fdopen(handle, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk


def _made(name: str, folder: int) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, 0o750, dir_fd=folder)


def _synced(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _place(old: int, old_name: str, new: int, new_name: str, path: str, *, replace: bool) -> None:
    if replace:
        with suppress(FileNotFoundError):
            _regular(os.stat(new_name, dir_fd=new, follow_symlinks=False), path)
        os.rename(old_name, new_name, src_dir_fd=old, dst_dir_fd=new)
    else:
        # A link fails where something is there already; a rename would not.
        os.link(old_name, new_name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)
        os.unlink(old_name, dir_fd=old)
    os.fsync(new)


def _gone(folder: int, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
