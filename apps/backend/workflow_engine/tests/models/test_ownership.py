"""One process writes, others stand by; whoever has lost the database can not write."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, event, text

from tests.models.process import EVENTS
from tests.models.rows import birth, execution, submit
from workflow_engine.models.ownership import LOCK
from workflow_engine.models.store import Append, ExecutionFilter, OwnershipLost, Store, StoreUnavailable

BACKEND = Path(__file__).parents[2]


class Process:
    """A process that we tell, in lines, what to do."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def says(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            return (await self.process.stdout.readline()).decode().strip()

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def spawn(role: str, url: str) -> AsyncIterator[Process]:
    process = Process(
        await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.models.process", role, url),
            cwd=BACKEND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
    )
    try:
        yield process
    finally:
        await process.kill()


async def takes_over(store: Store) -> bool:
    try:
        async with asyncio.timeout(30):
            return await asyncio.to_thread(store.acquire_ownership)
    finally:
        store.give_up()


async def test_a_standby_takes_over_when_the_owner_is_killed(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        owner = await stack.enter_async_context(spawn("own", database_url))
        assert await owner.says() == "owner"
        standby = await stack.enter_async_context(spawn("own", database_url))
        assert await standby.says() == "waiting"
        owner.tell("write")
        assert await owner.says() == "stored 1"

        await owner.kill()

        assert await standby.says() == "owner"
        standby.tell("write")
        assert await standby.says() == "stored 2"  # it has seen what the first one stored


async def test_a_killed_writer_leaves_all_it_acknowledged_and_nothing_by_halves(database_url: str) -> None:
    acknowledged: set[int] = set()
    async with spawn("write", database_url) as writer:
        while len(acknowledged) < 500:
            acknowledged.add(int((await writer.says()).removeprefix("stored ")))
        writer.process.send_signal(signal.SIGKILL)
        assert writer.process.stdout is not None
        rest = (await writer.process.stdout.read()).decode().splitlines()
        acknowledged |= {int(line.removeprefix("stored ")) for line in rest if line.startswith("stored ")}

    survivor = Store.open(database_url)
    assert await takes_over(survivor)
    try:
        found = survivor.executions(ExecutionFilter(), limit=1_000_000)
        assert acknowledged <= {row.pk for row in found}
        for row in found:
            assert survivor.read_events(row.pk, 1, 100) == list(enumerate(EVENTS, 1))
        newborn = execution(survivor)
        assert newborn.pk > max(acknowledged)
        await submit(survivor, birth(newborn))
    finally:
        survivor.close()


async def test_a_second_process_does_not_become_owner(store: Store, database_url: str) -> None:
    second = Store.open(database_url)

    assert second.acquire_ownership(wait=False) is False
    with pytest.raises(RuntimeError, match="acquire_ownership"):
        second.submit([], lambda _: None)
    second.close()


async def test_a_standby_can_be_told_to_stop(store: Store, database_url: str) -> None:
    standby = Store.open(database_url)
    waits = threading.Event()
    waiting = asyncio.create_task(asyncio.to_thread(standby.acquire_ownership, on_wait=waits.set))
    await asyncio.to_thread(waits.wait, 10)

    standby.give_up()

    assert await waiting is False
    standby.close()


async def test_closing_hands_over(store: Store, database_url: str) -> None:
    await submit(store, birth(execution(store)))
    store.close()

    second = Store.open(database_url)
    assert await takes_over(second)
    assert second.next_execution_pk() == 2
    second.close()


def _end_writers_connection(url: str) -> None:
    """As an administrator or a network would: the owner's connection, with its lock, is gone."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        query = text(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        assert connection.execute(query).scalars().all() == [True]
    engine.dispose()


def _take_the_lock_away(url: str) -> None:
    if url.startswith("sqlite"):
        # What a cleaning script, or a file system without locks, does to us.
        Path(f"{url.removeprefix('sqlite:///')}.lock").unlink()
    else:
        _end_writers_connection(url)


async def test_an_owner_that_was_stalled_while_another_took_over_can_not_write(database_url: str) -> None:
    async with spawn("own", database_url) as stalled:
        assert await stalled.says() == "owner"
        stalled.process.send_signal(signal.SIGSTOP)
        _take_the_lock_away(database_url)
        second = Store.open(database_url)
        assert second.acquire_ownership(wait=False)
        row = execution(second)
        await submit(second, birth(row, b"by the second"))

        stalled.process.send_signal(signal.SIGCONT)
        answers: list[str] = []
        while "OwnershipLost" not in answers:
            stalled.tell("write")
            answers.append(await stalled.says())

        # On PostgreSQL it first finds its connection gone.
        assert [answer for answer in answers if answer != "StoreUnavailable"] == ["lost", "OwnershipLost"]
        assert second.read_events(row.pk, 1, 10) == [(1, b"by the second")]
        assert second.count_executions(ExecutionFilter()) == 1
        second.close()


async def test_a_loser_does_not_keep_the_lock_from_others(store: Store, database_url: str) -> None:
    _take_the_lock_away(database_url)
    second = Store.open(database_url)
    assert second.acquire_ownership(wait=False)
    second.close()  # it came and went, and now the first one writes again

    for _ in range(3):
        with pytest.raises((OwnershipLost, StoreUnavailable)) as refused:
            await submit(store, birth(execution(store)))
    assert refused.type is OwnershipLost

    third = Store.open(database_url)
    assert await takes_over(third)
    third.close()


async def test_a_lost_connection_fails_one_commit_and_is_made_anew(postgres_url: str) -> None:
    lost: list[str] = []
    store = Store.open(postgres_url)
    assert store.acquire_ownership(on_lost=lambda: lost.append("lost"))
    _end_writers_connection(postgres_url)

    with pytest.raises(StoreUnavailable, match="nothing of this change is stored"):
        await submit(store, birth(execution(store, id="exec_first")))
    await submit(store, birth(execution(store, id="exec_again")))

    assert [row.id for row in store.busy_executions(0, 10)] == ["exec_again"]
    assert lost == []
    store.close()


async def test_a_lock_that_is_held_without_a_takeover_is_waited_for(postgres_url: str) -> None:
    """The server may take a while to notice that our old connection is dead: that is not a takeover."""
    store = Store.open(postgres_url)
    assert store.acquire_ownership()
    ghost = create_engine(postgres_url)
    _end_writers_connection(postgres_url)
    with ghost.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await submit(store, birth(execution(store)))
        connection.invalidate()

    async with asyncio.timeout(30):
        while True:
            try:
                await submit(store, birth(execution(store)))
                break
            except StoreUnavailable:  # the server is still ending the ghost's session
                continue
    store.close()
    ghost.dispose()


async def test_a_server_that_answers_before_its_disk_is_told_not_to(
    postgres_url: str,
) -> None:
    engine = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        name = engine.url.database
        connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    engine.dispose()
    store = Store.open(postgres_url)
    assert store.acquire_ownership()

    assert await store.change(lambda c: c.execute(text("SHOW synchronous_commit")).scalar()) == "on"
    store.close()


async def test_a_commit_whose_answer_was_lost_is_not_called_a_failure(store: Store) -> None:
    """The connection breaks after the database has committed: the truth is asked for before anyone is told."""
    row = execution(store)

    def commit_then_break(connection: Connection) -> None:
        event.remove(store._engine, "commit", commit_then_break)
        connection.connection.commit()
        raise connection.dialect.loaded_dbapi.OperationalError("the connection was lost")

    event.listen(store._engine, "commit", commit_then_break)
    await submit(store, birth(row))

    assert store.execution(row.id) == row
    await submit(store, [Append(row.pk, 2, [b"next"])])
    assert [seq for seq, _ in store.read_events(row.pk, 1, 10)] == [1, 2]


async def test_a_commit_that_broke_before_it_was_done_is_a_failure(store: Store) -> None:
    row = execution(store)

    def break_first(connection: Connection) -> None:
        event.remove(store._engine, "commit", break_first)
        raise connection.dialect.loaded_dbapi.OperationalError("the connection was lost")

    event.listen(store._engine, "commit", break_first)
    with pytest.raises(StoreUnavailable):
        await submit(store, birth(row))

    assert store.execution(row.id) is None
    await submit(store, birth(row))
    assert store.execution(row.id) == row
