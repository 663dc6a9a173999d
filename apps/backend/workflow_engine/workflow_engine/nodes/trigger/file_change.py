"""trigger.file_change: files that come, change or go."""

from __future__ import annotations

import asyncio
import mimetypes
from fnmatch import fnmatch
from typing import Any, Literal

from workflow_engine.engine.items import Item
from workflow_engine.nodes.spec import Field, NodeFailure
from workflow_engine.nodes.trigger.base import Json, ListenTrigger, Source, TriggerParameters

MOST = 20_000
"""Files of a folder whose state is remembered."""
SETTLED = 500
"""Milliseconds for which nothing must happen to a file before it is taken to be written."""

Change = Literal["added", "modified", "deleted"]
State = dict[str, list[int]]
"""Modification time and size of each file, by path."""


class FileChangeParameters(TriggerParameters):
    """Which files, and what has to happen to them."""

    folder: str = Field(default="", max_length=1_000)
    """The folder, below the one that the operator has opened to workflows (FILES_ROOT); all of it when empty."""
    pattern: str = Field(default="*", min_length=1, max_length=200)
    """Only files whose name is like this: `*.csv`, `report-??.pdf`."""
    recursive: bool = True
    """Files of folders within the folder, too."""
    changes: list[Change] = Field(default=["added", "modified"], min_length=1)
    """What has to happen."""
    content: bool = False
    """Give the file along, as the binary `file`."""
    from_start: bool = False
    """Start for the files that are there already, too."""


class FileChangeTrigger(ListenTrigger[FileChangeParameters]):
    """Starts the workflow for every file that comes, changes or goes in a folder.

    Its item is `{"path", "name", "folder", "change", "size", "modified"}`; the path is relative to the operator's
    folder, as `action.file` takes it. What happened while this server was away is found by comparing: a file that
    changed several times starts once then. A file counts when nothing has happened to it for half a second.
    """

    type = "trigger.file_change"
    name = "File change"
    summary = "Starts when files come, change or go."
    example = {"folder": "inbox", "pattern": "*.csv"}

    async def listen(self, source: Source) -> None:
        from watchfiles import awatch

        asked: FileChangeParameters = source.parameters
        files = source.context.files
        if files is None:
            raise NodeFailure(
                "FILES_NOT_OPEN", "no folder is open to workflows", hint="the operator sets FILES_ROOT to open one"
            )
        root = await asyncio.to_thread(files.folder, asked.folder)
        stop = asyncio.Event()
        known: State | None = source.cursor.get("files") if isinstance(source.cursor, dict) else None
        # The watch begins before the first look, so that nothing falls between them.
        watching = awatch(
            root,
            recursive=asked.recursive,
            debounce=SETTLED,
            step=100,
            stop_event=stop,
            rust_timeout=5_000,
            yield_on_timeout=True,
        )
        try:
            upcoming = asyncio.ensure_future(anext(watching))
            await asyncio.sleep(0)
            if known is None:
                known = {} if asked.from_start else await _state(source, asked)
                await source.save({"files": known})
            known = await _compare(source, asked, known)
            source.listens()
            while True:
                if await upcoming:
                    known = await _compare(source, asked, known)
                elif not await asyncio.to_thread(root.is_dir):
                    raise NodeFailure("NOT_FOUND", f"the folder {asked.folder!r} is gone", field="folder")
                upcoming = asyncio.ensure_future(anext(watching))
        finally:
            stop.set()
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)


async def _state(source: Source, asked: FileChangeParameters) -> State:
    files = source.context.files
    assert files is not None
    state: State = {}
    async for entry in files.entries(asked.folder, recursive=asked.recursive):
        if fnmatch(entry.path.rpartition("/")[2], asked.pattern):
            state[entry.path] = [entry.modified, entry.size]
            if len(state) > MOST:
                raise NodeFailure(
                    "TOO_MANY_FILES",
                    f"the folder has more than {MOST:,} files",
                    field="folder",
                    hint="watch a part of it",
                )
    return state


async def _compare(source: Source, asked: FileChangeParameters, known: State) -> State:
    """Tells of everything that is not as it was, and remembers each with its delivery."""
    now = await _state(source, asked)
    known = dict(known)
    changes: list[tuple[str, Change]] = [(path, "deleted") for path in known if path not in now]
    changes += [(path, "modified" if path in known else "added") for path in now if known.get(path) != now[path]]
    for path, change in sorted(changes):
        state = now.get(path)
        if state is None:
            del known[path]
        else:
            known[path] = state
        if change in asked.changes:
            item = await _item(source, asked, path, change, state)
            id = f"{change}:{path}:{state}"
            await source.emit([item], delivery_id=id if state else "", cursor={"files": known})
    if changes:
        await source.save({"files": known})
    return known


async def _item(source: Source, asked: FileChangeParameters, path: str, change: Change, state: Any) -> Item:
    folder, _, name = path.rpartition("/")
    record: dict[str, Json] = {"path": path, "name": name, "folder": folder, "change": change}
    if state is not None:
        record |= {"modified": state[0], "size": state[1]}
    files, blobs = source.context.files, source.context.blobs
    if not asked.content or state is None or files is None or blobs is None:
        return Item(record)
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Item(record, {"file": await blobs.write(await files.read(path), media_type, name)})
