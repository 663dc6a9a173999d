"""The blob store in a bucket, against a server that speaks S3's protocol and checks signatures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from sqlalchemy import update

from tests.clock import ManualClock
from tests.nodes.action.servers import free_port, s3
from tests.runtime.engine import World, engine
from tests.runtime.test_local import SIGNAL, chain
from workflow_engine.core.config import Settings
from workflow_engine.engine.events import SignalReceived
from workflow_engine.engine.items import BinaryRef, Item
from workflow_engine.models.execution import BlobTracking
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.runtime.blobs import CHUNK, FolderBlobs
from workflow_engine.runtime.contract import Start
from workflow_engine.runtime.retention import Policy, Retention
from workflow_engine.runtime.s3_blobs import S3Blobs, StoreOutOfReach
from workflow_engine.wiring import blob_store

DAY = 86_400_000


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, Any]]:
    with s3() as made:
        yield made


@pytest.fixture
def blobs(server: dict[str, Any], request: pytest.FixtureRequest) -> S3Blobs:
    """An empty prefix of its own."""
    return store(server, f"s3://files/{request.node.name}")


def store(server: dict[str, Any], url: str, **other: str) -> S3Blobs:
    options = {"endpoint": server["endpoint"], "key": server["access_key_id"], "secret": server["secret_access_key"]}
    return S3Blobs(url, **(options | other))


async def all_of(blobs: S3Blobs, ref: BinaryRef) -> bytes:
    return b"".join([chunk async for chunk in blobs.read(ref)])


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def names(blobs: S3Blobs, start: int = 0, end: int = 2**50) -> list[str]:
    return [each async for page in blobs.written_between(start, end) for each in page]


async def test_what_is_written_is_read_and_stored_once(blobs: S3Blobs) -> None:
    one = await blobs.write(b"hello", "text/plain", "hello.txt")
    two = await blobs.write(pieces(b"hel", b"lo"), "")
    assert one.id == two.id == "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert (one.size, one.media_type, one.file_name) == (5, "text/plain", "hello.txt")
    assert await all_of(blobs, one) == b"hello"
    assert await names(blobs) == [one.id.removeprefix("sha256:")]


async def test_a_large_stream_comes_back_in_chunks(blobs: S3Blobs) -> None:
    ref = await blobs.write(pieces(*(bytes([n]) * CHUNK for n in range(6)), b"end"), "application/x-big")
    sizes = [len(chunk) async for chunk in blobs.read(ref)]
    assert (ref.size, sum(sizes), max(sizes)) == (6 * CHUNK + 3, 6 * CHUNK + 3, CHUNK)


async def test_a_stream_that_breaks_off_leaves_nothing(blobs: S3Blobs) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("the peer hung up")

    with pytest.raises(RuntimeError):
        await blobs.write(broken(), "")
    assert await names(blobs) == []


async def test_what_is_not_there_is_missed_in_words(blobs: S3Blobs) -> None:
    for id in ("sha256:" + "0" * 64, "../../etc/passwd"):
        with pytest.raises(NodeFailure) as failed:
            await all_of(blobs, BinaryRef(id, 1))
        assert failed.value.failure.reason == "BLOB_MISSING"


async def test_it_goes_unless_it_was_written_again(blobs: S3Blobs) -> None:
    ref = await blobs.write(b"once", "")
    digest = ref.id.removeprefix("sha256:")
    now = time.time_ns() // 1_000_000
    assert await names(blobs, 0, now - DAY) == []
    assert not await blobs.remove(digest, now - DAY)
    assert await all_of(blobs, ref) == b"once"
    assert await blobs.remove(digest, now + DAY)
    assert not await blobs.remove(digest, now + DAY)
    assert await names(blobs) == []


async def test_who_writes_while_it_goes_finds_it_there(blobs: S3Blobs) -> None:
    ref = await blobs.write(b"contended", "")
    digest = ref.id.removeprefix("sha256:")
    later = time.time_ns() // 1_000_000 + DAY
    for _ in range(10):
        # Whoever comes last, the writer's word counts: it was told that the bytes are stored.
        await asyncio.gather(blobs.remove(digest, later), blobs.write(b"contended", ""))
        assert await names(blobs) == [digest]


async def test_prefixes_keep_apart(server: dict[str, Any]) -> None:
    one, two = store(server, "s3://files/one/"), store(server, "s3://files/two")
    await one.write(b"first", "")
    await two.write(b"second", "")
    assert len(await names(one)) == 1
    assert set(await names(one)).isdisjoint(await names(two))


async def test_a_store_out_of_reach_is_an_error_that_passes(server: dict[str, Any]) -> None:
    nowhere = store(server, "s3://files/x", endpoint=f"http://127.0.0.1:{free_port()}")
    wrong = store(server, "s3://files/x", secret="not the secret")
    absent = store(server, "s3://no-such-bucket/x")
    for blobs in (nowhere, wrong, absent):
        with pytest.raises(StoreOutOfReach) as failed:
            await blobs.write(b"x", "")
        assert isinstance(failed.value, OSError)
        assert failed.value.failure.retryable
        assert server["secret_access_key"] not in failed.value.failure.message


async def test_executions_live_on_it_through_a_restart_and_retention_clears_it(sqlite_url: str, blobs: S3Blobs) -> None:
    world, clock = World(), ManualClock(time.time_ns() // 1_000_000)
    async with engine(sqlite_url, world, clock, blobs=blobs) as first:
        # S3 tells whole seconds, and the database may have been made in this very one: then its blobs would stay.
        await first.store.change(lambda connection: connection.execute(update(BlobTracking).values(since=0)).rowcount)
        digest = await first.save(chain(SIGNAL, "a"))
        ref = await blobs.write(b"attached", "text/plain")
        large = Item({"text": "x" * 300_000}, {"file": ref})
        id = await first.runtime.start(Start("wf", digest, input=[large]))
        await first.quiet()
    async with engine(sqlite_url, world, clock, blobs=blobs) as second:
        await second.runtime.send(id, SignalReceived(at=0, name="go"))
        ended = await second.end(id)
        assert ended.output[0].json["text"] == "x" * 300_000
        await second.quiet()
        assert len(await names(blobs)) >= 3  # what is attached, and events too large for the journal
        kept = Retention(second.store, clock, Policy(max_age=1), runtime=second.runtime, blobs=blobs)
        for step in (kept.sweep, kept.prune, kept.sweep, kept.sweep):
            clock.advance(2 * DAY)
            await step()
        assert await names(blobs) == []


def test_the_settings_name_it(server: dict[str, Any]) -> None:
    assert isinstance(blob_store(Settings(_env_file=None)), FolderBlobs)
    named = Settings(_env_file=None, blobs_url="s3://files/prefix", blobs_endpoint=server["endpoint"])
    assert isinstance(blob_store(named), S3Blobs)
    with pytest.raises(ValueError, match="blobs_url"):
        Settings(_env_file=None, blobs_url="files/prefix")
