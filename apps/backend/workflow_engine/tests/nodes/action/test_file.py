"""action.file in a folder and on S3: the same stories on both, and what only a folder has."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.nodes.action.world import content, world
from tests.nodes.harness import failure, problems, records, run_node
from tests.runtime.peers import peer
from workflow_engine.engine.events import NodeSucceeded
from workflow_engine.engine.items import Item
from workflow_engine.engine.shape import Effect
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.registry import installed
from workflow_engine.runtime.files import FolderFiles

TYPE = "action.file"


@pytest.fixture
async def context(tmp_path: Path, files_root: Path) -> AsyncIterator[Context]:
    async with world(tmp_path / "blobs") as made:
        yield replace(made, files=FolderFiles(files_root))


@pytest.fixture(params=["folder", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, files_root: Path) -> AsyncIterator[Any]:
    """Runs an operation in the store."""
    secrets: dict[str, Any] = {}
    if request.param == "s3":
        secrets["bucket"] = request.getfixturevalue("s3_server")
    async with world(tmp_path / "blobs", **secrets) as made:
        context = replace(made, files=FolderFiles(files_root))

        async def do(operation: str, item: Any = None, **parameters: Any) -> Any:
            drawn = {"do": {"operation": operation, **parameters}, "store": request.param}
            return await run_node(TYPE, drawn, [item or {}], context=context, credentials={"s3": "bucket"})

        do.context = context  # type: ignore[attr-defined]
        yield do
        for record in records(await do("list", recursive=True)):
            await do("delete", path=record["path"])


async def run(context: Context, operation: str, item: Any = None, **parameters: Any) -> Any:
    return await run_node(TYPE, {"do": {"operation": operation, **parameters}}, [item or {}], context=context)


# in any store


NASTY = "a b/d+é~(1)*'!&=%2F$#?.csv"


async def test_what_is_written_is_read(store: Any) -> None:
    ref = await store.context.blobs.write(b"\x00\xff" * 70_000, "image/png", "p.png")
    written = await store("write", Item({}, {"data": ref}), path=NASTY)
    assert records(written) == [{"path": NASTY, "size": 140_000}]
    event = await store("read", path=NASTY)
    assert records(event) == [{"path": NASTY, "file_name": NASTY[4:], "size": 140_000}]
    assert isinstance(event, NodeSucceeded)
    assert await content(store.context, event.outputs["main"][0].binary["data"]) == b"\x00\xff" * 70_000


async def test_text_is_read_as_text(store: Any) -> None:
    await store("write", path="a.txt", text="déjà")
    assert records(await store("read", path="a.txt", into="text")) == [{"path": "a.txt", "size": 6, "text": "déjà"}]
    await store("write", path="a.txt", text="")
    assert records(await store("read", path="a.txt", into="text")) == [{"path": "a.txt", "size": 0, "text": ""}]


async def test_a_file_that_is_there_is_replaced_only_where_that_is_meant(store: Any) -> None:
    await store("write", path="a.txt", text="old")
    assert failure(await store("write", path="a.txt", text="new", replace=False)).reason == "FILE_EXISTS"
    assert records(await store("read", path="a.txt", into="text"))[0]["text"] == "old"
    await store("write", path="a.txt", text="new")
    assert records(await store("read", path="a.txt", into="text"))[0]["text"] == "new"


async def test_files_are_listed(store: Any) -> None:
    for path in ("a.csv", "b.txt", "sub/c.csv", "sub/deep/d.csv", "subway/e.csv"):
        await store("write", path=path, text=path)

    async def paths(**parameters: Any) -> list[str]:
        found = records(await store("list", **parameters))
        assert all(set(each) == {"path", "size", "modified"} and each["size"] == len(each["path"]) for each in found)
        return [each["path"] for each in found]

    assert await paths() == ["a.csv", "b.txt"]
    assert await paths(folder="sub") == ["sub/c.csv"]
    assert await paths(folder="sub", recursive=True) == ["sub/c.csv", "sub/deep/d.csv"]
    assert await paths(pattern="*.csv", recursive=True) == ["a.csv", "sub/c.csv", "sub/deep/d.csv", "subway/e.csv"]
    assert failure(await store("list", recursive=True, limit=4)).reason == "TOO_MANY_FILES"


async def test_a_file_that_is_deleted_is_gone(store: Any) -> None:
    await store("write", path="a/b.txt", text="x")
    assert records(await store("delete", path="a/b.txt")) == [{"path": "a/b.txt", "deleted": True}]
    assert records(await store("delete", path="a/b.txt")) == [{"path": "a/b.txt", "deleted": False}]
    assert records(await store("delete", path="none/b.txt")) == [{"path": "none/b.txt", "deleted": False}]
    assert failure(await store("read", path="a/b.txt")).reason == "FILE_MISSING"


async def test_a_file_is_moved(store: Any) -> None:
    await store("write", path="in/a b.txt", text="x")
    await store("write", path="there.txt", text="y")
    assert failure(await store("move", path="in/a b.txt", to="there.txt")).reason == "FILE_EXISTS"
    assert records(await store("move", path="in/a b.txt", to="done/ü.txt")) == [{"path": "done/ü.txt"}]
    assert records(await store("read", path="done/ü.txt", into="text"))[0]["text"] == "x"
    assert failure(await store("move", path="in/a b.txt", to="again.txt")).reason == "FILE_MISSING"
    assert records(await store("move", path="done/ü.txt", to="there.txt", replace=True))
    assert records(await store("read", path="there.txt", into="text"))[0]["text"] == "x"


# in a folder


@pytest.mark.parametrize("path", ["../secret", "a/../../secret", "/etc/passwd", "a//b", "./a", "a/", "."])
async def test_no_path_leads_out(context: Context, path: str) -> None:
    assert problems(TYPE, {"do": {"operation": "read", "path": path}})
    by_expression = {"do": {"operation": "read", "path": "{{ json.path }}"}}
    assert failure(await run_node(TYPE, by_expression, [{"path": path}], context=context)).reason == "INVALID_PARAMETER"
    assert context.files
    with pytest.raises(Exception, match="no path below"):
        await context.files.read(path)


async def test_no_link_leads_out(context: Context, files_root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("hidden")
    (files_root / "file").symlink_to(secret / "key")
    (files_root / "folder").symlink_to(secret)
    (files_root / "loop").symlink_to("loop")
    for operation in ("read", "delete"):
        for path in ("file", "folder", "folder/key", "loop"):
            assert failure(await run(context, operation, path=path)).reason == "FILE_REFUSED", (operation, path)
    for path in ("file", "folder", "folder/new"):
        assert failure(await run(context, "write", path=path, text="x")).reason == "FILE_REFUSED"
    assert failure(await run(context, "move", path="folder/key", to="mine")).reason == "FILE_REFUSED"
    assert failure(await run(context, "list", folder="folder")).reason == "FILE_REFUSED"
    assert records(await run(context, "list", recursive=True)) == []
    assert os.listdir(secret) == ["key"]
    assert (secret / "key").read_text() == "hidden"


async def test_what_is_no_file_is_refused(context: Context, files_root: Path) -> None:
    os.mkfifo(files_root / "pipe")
    (files_root / "folder").mkdir()
    for path in ("pipe", "folder"):
        assert failure(await run(context, "read", path=path)).reason == "FILE_REFUSED"
        assert failure(await run(context, "write", path=path, text="x")).reason == "FILE_REFUSED"
    (files_root / "a").write_text("x")
    assert failure(await run(context, "write", path="a/b", text="x")).reason == "FILE_REFUSED"


async def test_a_write_that_breaks_off_leaves_nothing(context: Context, files_root: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("the peer is gone")

    assert context.files
    (files_root / "a").write_text("old")
    with pytest.raises(RuntimeError):
        await context.files.write("a", broken(), size=8, media_type="", sha256="", replace=True)
    assert os.listdir(files_root) == ["a"]
    assert (files_root / "a").read_text() == "old"


async def test_where_there_is_no_folder(tmp_path: Path) -> None:
    async with world(tmp_path) as bare:
        failed = failure(await run(bare, "list"))
    assert failed.reason == "FILES_UNAVAILABLE"
    assert "FILES_ROOT" in failed.hint


# on S3


async def s3(context: Context, **parameters: Any) -> Any:
    drawn = {"do": {"operation": "read", "path": "a"}, "store": "s3", **parameters}
    return await run_node(TYPE, drawn, context=context, credentials={"s3": "bucket"})


async def test_a_wrong_key_is_refused(s3_server: dict[str, Any], tmp_path: Path) -> None:
    async with world(tmp_path, bucket={**s3_server, "secret_access_key": "wrong"}) as context:
        failed = failure(await s3(context))
    assert (failed.reason, failed.details["status"]) == ("HTTP_4XX", 403)
    assert "SignatureDoesNotMatch" in failed.message


async def test_a_bucket_that_is_not_there(s3_server: dict[str, Any], tmp_path: Path) -> None:
    async with world(tmp_path, bucket={**s3_server, "bucket": "none"}) as context:
        assert failure(await s3(context, do={"operation": "list"})).reason == "FILE_MISSING"


async def test_a_store_that_asks_to_wait_or_answers_nonsense(s3_server: dict[str, Any], tmp_path: Path) -> None:
    answers = [web.Response(status=503, headers={"Retry-After": "7"}), web.Response(text="<html/>")]

    async def handler(_: web.Request) -> web.StreamResponse:
        return answers.pop(0)

    async with peer(handler) as server, world(tmp_path, bucket={**s3_server, "endpoint": server.url}) as context:
        failed = failure(await s3(context, do={"operation": "list"}))
        assert (failed.reason, failed.retryable, failed.retry_after) == ("HTTP_5XX", True, 7000)
        assert failure(await s3(context, do={"operation": "list"})).reason == "INVALID_RESPONSE"


async def test_a_key_goes_to_its_own_hosts_only(s3_server: dict[str, Any], tmp_path: Path) -> None:
    async with world(tmp_path, bucket={**s3_server, "allowed_hosts": ["s3.example.com"]}) as context:
        assert failure(await s3(context)).reason == "CREDENTIAL_REFUSED"
    async with world(tmp_path, bucket={**s3_server, "endpoint": "http://10.0.0.1"}) as context:
        assert failure(await s3(context)).reason == "EGRESS_REFUSED"


def test_only_what_can_be_repeated_is_repeated() -> None:
    kind = installed().find(TYPE)
    assert kind
    for operation in ("read", "write", "list", "delete"):
        assert kind.shape({"do": {"operation": operation}}).effect is Effect.IDEMPOTENT
    assert kind.shape({"do": {"operation": "move"}}).effect is Effect.AT_MOST_ONCE
    assert kind.shape({"do": {"operation": "write", "replace": False}}).effect is Effect.AT_MOST_ONCE
    assert kind.shape({"do": "{{ json }}"}).effect is Effect.AT_MOST_ONCE


def test_mistakes_are_found_when_saving() -> None:
    do = {"operation": "read", "path": "a"}
    assert problems(TYPE, {"do": {**do, "mode": "r"}}) == ["parameters.do.mode: there is no parameter 'do.mode'"]
    assert problems(TYPE, {"do": {"operation": "chmod", "path": "a"}})[0].startswith("parameters.do: ")
