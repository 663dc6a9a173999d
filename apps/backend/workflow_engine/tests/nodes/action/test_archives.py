"""action.compress and action.decompress: ordinary archives and hostile ones."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.nodes.action.world import content, world
from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.events import NodeSucceeded
from workflow_engine.engine.items import BinaryRef, Item
from workflow_engine.nodes.context import Context


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    async with world(tmp_path) as made:
        yield made


async def kept(context: Context, data: bytes, name: str = "") -> BinaryRef:
    assert context.blobs
    return await context.blobs.write(data, "application/octet-stream", name)


async def compress(context: Context, items: list[Any], **parameters: Any) -> Any:
    return await run_node("action.compress", parameters, items, context=context)


async def decompress(context: Context, data: bytes, name: str = "archive", **parameters: Any) -> Any:
    item = Item({}, {"data": await kept(context, data, name)})
    return await run_node("action.decompress", parameters, [item], context=context)


def archive(event: Any) -> BinaryRef:
    assert isinstance(event, NodeSucceeded), event
    [item] = event.outputs["main"]
    return item.binary["data"]


# the usual case


@pytest.mark.parametrize("format", ["zip", "tar", "tar.gz"])
async def test_what_is_packed_is_unpacked(context: Context, format: str) -> None:
    large = bytes(range(256)) * 20_000
    items = [
        Item({}, {"a": await kept(context, b"first", "x.txt"), "b": await kept(context, large, "in/x.txt")}),
        Item({}, {"a": await kept(context, b"", "é.csv"), "c": await kept(context, b"left out")}),
    ]
    packed = await compress(context, items, format=format, slots=["a", "b"])
    [record] = records(packed)
    assert (record["file_name"], record["files"]) == (f"files.{format}", 3)
    event = await decompress(context, await content(context, archive(packed)))
    assert [(each["path"], each["size"]) for each in records(event)] == [
        ("x.txt", 5),
        ("x (2).txt", len(large)),
        ("é.csv", 0),
    ]
    assert isinstance(event, NodeSucceeded)
    assert await content(context, event.outputs["main"][1].binary["data"]) == large


async def test_other_programs_understand_it(context: Context) -> None:
    item = Item({}, {"data": await kept(context, b"hello", "x.txt")})
    data = await content(context, archive(await compress(context, [item])))
    assert zipfile.ZipFile(io.BytesIO(data)).read("x.txt") == b"hello"
    data = await content(context, archive(await compress(context, [item], format="tar.gz")))
    with tarfile.open(fileobj=io.BytesIO(data)) as packed:
        assert packed.extractfile("x.txt").read() == b"hello"  # type: ignore[union-attr]


async def test_gzip_holds_one_file(context: Context) -> None:
    item = Item({}, {"data": await kept(context, b"hello", "x.txt")})
    packed = await compress(context, [item], format="gz")
    assert records(packed)[0]["file_name"] == "x.txt.gz"
    assert gzip.decompress(await content(context, archive(packed))) == b"hello"
    event = await decompress(context, gzip.compress(b"hello"), "x.txt.gz")
    assert records(event) == [{"path": "x.txt", "file_name": "x.txt", "size": 5}]
    assert failure(await compress(context, [item, item], format="gz")).reason == "TOO_MANY_FILES"


async def test_nothing_to_pack_makes_nothing(context: Context) -> None:
    assert records(await compress(context, [])) == []
    assert records(await compress(context, [{"n": 1}])) == []


async def test_the_same_files_make_the_same_archive(context: Context) -> None:
    item = Item({}, {"data": await kept(context, b"hello", "x.txt")})
    for format in ("zip", "tar", "tar.gz", "gz"):
        assert archive(await compress(context, [item], format=format)) == archive(
            await compress(context, [item], format=format)
        )


# hostile archives


def zipped(*files: tuple[str, bytes], kind: int = 0) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files:
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = kind << 16
            packed.writestr(entry, data)
    return out.getvalue()


def tarred(name: str, data: bytes = b"", **fields: Any) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        for field, value in fields.items():
            setattr(entry, field, value)
        packed.addfile(entry, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        zipped(("../x", b"")),
        zipped(("a/../../x", b"")),
        zipped(("/etc/passwd", b"")),
        zipped(("..\\x", b"")),
        zipped(("C:\\x", b"")),
        zipped(("link", b"/etc/passwd"), kind=0o120777),
        tarred("../x"),
        tarred("/etc/passwd"),
        tarred("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        tarred("link", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
        tarred("device", type=tarfile.CHRTYPE),
        tarred("pipe", type=tarfile.FIFOTYPE),
    ],
)
async def test_an_archive_that_leads_out_is_refused(context: Context, data: bytes) -> None:
    assert failure(await decompress(context, data)).reason == "ARCHIVE_REFUSED"


def _lying() -> bytes:
    """A zip whose directory says that its 10 MiB are 10 bytes."""
    data = bytearray(zipped(("zeros", bytes(10 << 20))))
    directory = data.index(b"PK\x01\x02")
    for place in (22, directory + 24):
        data[place : place + 4] = (10).to_bytes(4, "little")
    return bytes(data)


BOMBS = {
    "zip": zipped(("zeros", bytes(10 << 20))),
    "many in a zip": zipped(*((f"zeros {n}", bytes(1 << 20)) for n in range(10))),
    "gz": gzip.compress(bytes(10 << 20)),
    "tar.gz": gzip.compress(tarred("zeros", bytes(10 << 20))),
}


@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_bomb_is_stopped(context: Context, bomb: str) -> None:
    assert len(BOMBS[bomb]) < 100_000
    failed = failure(await decompress(context, BOMBS[bomb], max_bytes=5 << 20))
    assert (failed.reason, failed.field) == ("ARCHIVE_TOO_LARGE", "max_bytes")
    assert records(await decompress(context, BOMBS[bomb], max_bytes=10 << 20))


async def test_what_an_archive_says_of_its_sizes_counts_for_nothing(context: Context) -> None:
    assert failure(await decompress(context, _lying(), max_bytes=1000)).reason == "INVALID_DATA"


async def test_too_many_files_are_stopped(context: Context) -> None:
    data = zipped(*((str(n), b"") for n in range(11)))
    assert len(records(await decompress(context, data, max_files=11))) == 11
    assert failure(await decompress(context, data, max_files=10)).reason == "ARCHIVE_TOO_LARGE"


async def test_a_header_that_would_fill_the_memory_is_refused(context: Context) -> None:
    entry = tarfile.TarInfo("././@PaxHeader")
    entry.type, entry.size = tarfile.XHDTYPE, 1 << 40
    data = gzip.compress(entry.tobuf() + bytes(10 << 20))
    assert failure(await decompress(context, data)).reason == "INVALID_DATA"


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", zipped(("x", b"hello"))[:-30], gzip.compress(b"hello" * 100)[:-9], tarred("x", b"y" * 999)[:600]],
    ids=["empty", "text", "zip", "gzip", "tar"],
)
async def test_a_broken_archive_is_told_apart(context: Context, data: bytes) -> None:
    assert failure(await decompress(context, data)).reason == "INVALID_DATA"


async def test_an_item_without_a_file_is_told(context: Context) -> None:
    assert failure(await run_node("action.decompress", {}, context=context)).reason == "BINARY_MISSING"


def test_mistakes_are_found_when_saving() -> None:
    for type in ("action.compress", "action.decompress"):
        assert problems(type, {"password": "x"}) == ["parameters.password: there is no parameter 'password'"]
    assert problems("action.compress", {"format": "rar"})[0].startswith("parameters.format: ")
