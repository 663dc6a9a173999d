"""Bytes are stored once, whole or not at all, and come back as they were."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_engine.engine.items import BinaryRef
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.runtime.blobs import CHUNK, FolderBlobs


async def all_of(blobs: FolderBlobs, ref: BinaryRef) -> bytes:
    return b"".join([chunk async for chunk in blobs.read(ref)])


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


async def test_what_is_written_is_read(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    ref = await blobs.write(b"hello", "text/plain", "hello.txt")
    digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert ref == BinaryRef(f"sha256:{digest}", 5, "text/plain", "hello.txt")
    assert await all_of(blobs, ref) == b"hello"


async def test_nothing_is_something_too(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    ref = await blobs.write(b"", "")
    assert (ref.size, ref.media_type) == (0, "application/octet-stream")
    assert await all_of(blobs, ref) == b""


async def test_the_same_content_is_stored_once_whatever_it_is_called(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    one = await blobs.write(b"same", "text/plain", "a.txt")
    two = await blobs.write(chunks(b"sa", b"me"), "text/csv", "b.csv")
    assert one.id == two.id
    assert len(files(tmp_path)) == 1


async def test_a_stream_larger_than_a_chunk_comes_back_in_chunks(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    ref = await blobs.write(chunks(b"a" * CHUNK, b"b" * CHUNK, b"c"), "application/x-big")
    sizes = [len(chunk) async for chunk in blobs.read(ref)]
    assert sizes == [CHUNK, CHUNK, 1]


async def test_a_stream_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"half of "
        raise ConnectionError("the peer went away")

    with pytest.raises(ConnectionError):
        await FolderBlobs(tmp_path).write(broken(), "text/plain")
    assert files(tmp_path) == []


async def test_a_missing_blob_is_named(tmp_path: Path) -> None:
    ref = BinaryRef("sha256:" + "0" * 64, 3, "text/plain", "report.txt")
    with pytest.raises(NodeFailure) as failed:
        await all_of(FolderBlobs(tmp_path), ref)
    assert failed.value.failure.reason == "BLOB_MISSING"
    assert "report.txt" in failed.value.failure.message


@pytest.mark.parametrize(
    "id", ["../../etc/passwd", "sha256:../../../etc/passwd", "sha256:" + "A" * 64, "sha256:" + "/" * 64, ""]
)
async def test_an_id_is_never_a_path(tmp_path: Path, id: str) -> None:
    with pytest.raises(NodeFailure) as failed:
        await all_of(FolderBlobs(tmp_path), BinaryRef(id, 1))
    assert failed.value.failure.reason == "BLOB_MISSING"


@settings(deadline=None, max_examples=30)  # a busy disk takes its time to sync
@given(parts=st.lists(st.binary(max_size=64), max_size=8))
async def test_how_a_stream_is_cut_makes_no_difference(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]
) -> None:
    blobs = FolderBlobs(tmp_path_factory.mktemp("blobs"))
    whole = await blobs.write(b"".join(parts), "x/y")
    assert await blobs.write(chunks(*parts), "x/y") == whole
    assert await all_of(blobs, whole) == b"".join(parts)
