"""Many submissions, few commits, and what happens when a commit can not be; on each kind of database."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from tests.models.rows import birth, execution, submit
from workflow_engine.models.migrate import upgrade
from workflow_engine.models.store import Append, ExecutionFilter, Store, StoreUnavailable


@contextmanager
def counting_commits(store: Store) -> Iterator[list[Connection]]:
    commits: list[Connection] = []
    note = commits.append
    event.listen(store._engine, "commit", note)
    yield commits
    event.remove(store._engine, "commit", note)


class Busy:
    """Keeps the writer in a transaction until `done` is set, so that a queue builds up behind it."""

    def __init__(self, store: Store) -> None:
        self.begun, self.done = threading.Event(), threading.Event()
        self.change = asyncio.create_task(store.change(self._wait))

    def _wait(self, _: Connection) -> None:
        self.begun.set()
        assert self.done.wait(30)


async def test_what_gathers_during_a_commit_leaves_in_the_next(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, wakes = asyncio.get_running_loop(), []
    wake = loop.call_soon_threadsafe
    busy = Busy(store)
    await asyncio.to_thread(busy.begun.wait, 30)

    def note(callback: Any, *arguments: Any, **options: Any) -> Any:
        wakes.append(callback)
        return wake(callback, *arguments, **options)

    monkeypatch.setattr(loop, "call_soon_threadsafe", note)
    with counting_commits(store) as commits:
        futures = [submit(store, birth(execution(store))) for _ in range(500)]
        busy.done.set()
        await asyncio.gather(busy.change, *futures)

    assert len(commits) == 2  # the one under way, and one for all five hundred
    assert len(wakes) == 2  # and the event loop was woken as often
    assert store.count_executions(ExecutionFilter()) == 500


async def test_a_transaction_is_closed_when_it_is_large(store: Store) -> None:
    busy = Busy(store)
    await asyncio.to_thread(busy.begun.wait, 30)
    with counting_commits(store) as commits:
        large = bytes(5 * 1024 * 1024)
        futures = [submit(store, birth(execution(store), large)) for _ in range(4)]
        busy.done.set()
        await asyncio.gather(busy.change, *futures)

    assert len(commits) == 3


async def test_nothing_can_be_read_before_it_is_committed_and_all_can_after(store: Store) -> None:
    row = execution(store)
    writes = birth(row)
    busy = Busy(store)
    await asyncio.to_thread(busy.begun.wait, 30)
    future = submit(store, writes)

    assert store.execution(row.id) is None
    assert not future.done()
    busy.done.set()
    await future
    assert store.execution(row.id) == row
    await busy.change


async def test_each_event_loop_is_told_in_its_own_thread(store: Store) -> None:
    told: dict[str, int] = {}

    async def one(name: str) -> None:
        for n in range(50):
            await store.change(lambda c, n=n: c.execute(text("SELECT :n"), {"n": n}).scalar())  # type: ignore[misc]
        told[name] = threading.get_ident()

    other = asyncio.to_thread(asyncio.run, one("other"))
    await asyncio.gather(one("this"), other)

    assert told["this"] == threading.get_ident() != told["other"]


def _remount(folder: Path, megabytes: int, *options: str) -> bool:
    size = f"size={megabytes}m"
    command = ["mount", "-t", "tmpfs", "-o", ",".join([size, *options]), "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not _remount(folder, 4):
        pytest.skip("mounting a small disk needs root on Linux")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk_refuses_whole_commits_and_forgets_none(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk}/engine.db"
    upgrade(url)
    store = Store.open(url)
    assert store.acquire_ownership(wait=False)
    long = execution(store)
    await submit(store, birth(long))
    stored, tried = {long.pk}, 0

    async def one() -> None:
        row = execution(store)
        await submit(store, birth(row, bytes(100_000), b"end"))
        stored.add(row.pk)

    async with asyncio.timeout(60):
        while True:
            tried += 5
            answers = await asyncio.gather(*(one() for _ in range(5)), return_exceptions=True)
            if failures := [answer for answer in answers if answer is not None]:
                break
    assert all(isinstance(failure, StoreUnavailable) for failure in failures)
    assert "full" in str(failures[0])
    assert len(stored) < tried + 1

    # Reading goes on; what was acknowledged is there, and nothing else is.
    assert {row.pk for row in store.busy_executions(0, 1_000)} == stored
    assert _remount(small_disk, 64, "remount")
    await submit(store, [Append(long.pk, 2, [b"later"])])
    await one()
    assert {row.pk for row in store.busy_executions(0, 1_000)} == stored
    assert all(store.read_events(pk, 2, 10) == [(2, b"end")] for pk in stored - {long.pk})
    assert store.read_events(long.pk, 2, 10) == [(2, b"later")]
    store.close()
