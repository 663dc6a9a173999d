"""What a step costs in bytes and in CPU time, and what that makes of a day: the figures behind docs/capacity.md.

    python -m benchmarks.capacity [--executions 2000] [--only sqlite|postgresql|temporal]

Executions of ten durable steps whose item is a KiB. Measured: the size of the database before and after, PostgreSQL's
write-ahead log, and the CPU time of our process and of the servers beside it. Then, on paper, what days of so many
executions ask for.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import psycopg
import uvloop

from benchmarks.chaos.database import database
from benchmarks.engine import Step, chained, running
from benchmarks.load import IN_FLIGHT, STEPS
from tests.engine.rig import items
from tests.runtime.lives import Place, life, new_queue
from tests.temporal_server import temporal_server
from workflow_engine.core import interpreter
from workflow_engine.models.migrate import upgrade
from workflow_engine.nodes.registry import Registry, installed
from workflow_engine.runtime.contract import Start

ITEM = {"text": "x" * 1000}
DAY = 86_400
PEAK = 3
"""How much busier the busiest hour is than the day."""
BUSY = 0.6
"""The share of a core that one plans with."""


@dataclass(frozen=True)
class Cost:
    """Of one step, bookkeeping of its execution included."""

    name: str
    seconds: float
    bytes: float
    wal: float
    ours: float
    """CPU seconds of our processes."""
    theirs: float
    """CPU seconds of database and Temporal."""


class Meter:
    """What has been used so far."""

    def __init__(self, size: Callable[[], tuple[int, int]]) -> None:
        self._size = size
        self.began, self.stored, self.cpu = time.perf_counter(), size(), _cpu()

    def cost(self, name: str, steps: int) -> Cost:
        ours, theirs = (after - before for after, before in zip(_cpu(), self.cpu, strict=True))
        stored, wal = (after - before for after, before in zip(self._size(), self.stored, strict=True))
        each = (time.perf_counter() - self.began, stored, wal, ours, theirs)
        return Cost(name, *(value / steps for value in each))


def _cpu() -> tuple[float, float]:
    """Of this process, and of all that it started."""
    me = psutil.Process()
    others = [each.cpu_times() for each in psutil.process_iter() if me in each.parents() or _is_beside(each)]
    mine = me.cpu_times()
    return mine.user + mine.system, sum(each.user + each.system for each in others)


_beside: set[str] = set()
"""Folders of databases that put themselves into the background; their processes name them."""


def _is_beside(process: psutil.Process) -> bool:
    try:
        root = next((each for each in (process, *process.parents()) if _beside & set(each.cmdline())), None)
    except psutil.Error:
        return False
    return root is not None


async def _crowd(call: Callable[[], Awaitable[Any]], count: int) -> None:
    left = iter(range(count))

    async def caller() -> None:
        for _ in left:
            await call()

    await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))


async def local(name: str, url: str, size: Callable[[], tuple[int, int]], count: int) -> Cost:
    async with running(url) as bench:
        start = replace(bench.chaining, input=items([ITEM]))

        async def one() -> None:
            ended = await bench.runtime.wait(await bench.runtime.start(start), 60)
            assert ended is not None
            assert ended.status == "SUCCESS"

        await _crowd(one, IN_FLIGHT)
        meter = Meter(size)
        await _crowd(one, count)
        return meter.cost(name, count * STEPS)


async def temporal(url: str, address: str, folder: Path, size: Callable[[], tuple[int, int]], count: int) -> Cost:
    await asyncio.to_thread(upgrade, url)
    registry = Registry(installed())
    registry.add(Step())
    async with life(Place(url, folder, address, new_queue()), registry) as engine:
        digest = await engine.save(chained(STEPS))
        start = Start("chain", digest, input=items([ITEM]))

        async def one() -> None:
            ended = await engine.runtime.wait(await engine.runtime.start(start), 120)
            assert ended is not None
            assert ended.status == "SUCCESS"

        await _crowd(one, IN_FLIGHT)
        meter = Meter(size)
        await _crowd(one, count)
        return meter.cost("Temporal", count * STEPS)


@contextmanager
def _postgresql() -> Iterator[tuple[str, Callable[[], tuple[int, int]]]]:
    with database() as there:
        plain = there.url.replace("+psycopg", "")
        _beside.add(str(there.folder))

        def size() -> tuple[int, int]:
            with psycopg.connect(plain, autocommit=True) as connection:
                connection.execute("CHECKPOINT")
                query = "SELECT pg_database_size(current_database()), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"
                found = connection.execute(query).fetchone()
            assert found is not None
            return int(found[0]), int(found[1])

        yield there.url, size


def measured(only: str, count: int) -> Iterator[Cost]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if only in ("", "sqlite"):
            size = lambda: (sum(each.stat().st_size for each in folder.glob("capacity.db")), 0)  # noqa: E731
            yield uvloop.run(local("SQLite", f"sqlite:///{folder / 'capacity.db'}", size, count))
        if only in ("", "postgresql"):
            with _postgresql() as (url, grown):
                yield uvloop.run(local("PostgreSQL", url, grown, count))
        if only in ("", "temporal"):
            with _postgresql() as (url, grown), temporal_server() as address:
                yield uvloop.run(temporal(url, address, folder, grown, count // 10))


def paper(cost: Cost, executions: int, steps: int, days: float) -> str:
    """A row: what `executions` a day, of so many steps, ask for when they are kept for `days`."""
    rate = executions * steps / DAY * PEAK
    cores = rate * cost.ours / BUSY
    stored = executions * steps * cost.bytes * days
    wal = rate * cost.wal
    return (
        f"| {executions:,} | {rate:,.0f} | {max(1, math.ceil(cores)):,} | {rate * cost.theirs / BUSY:,.1f} "
        f"| {stored / 1e12:,.2f} | {wal / 1e6:,.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=2_000)
    parser.add_argument("--only", choices=["sqlite", "postgresql", "temporal"], default="")
    chosen = parser.parse_args()
    interpreter.tune()
    costs = list(measured(chosen.only, chosen.executions))
    print("| a step | steps/s | bytes stored | bytes of WAL | our CPU, us | database and Temporal, us |")
    print("|---|---:|---:|---:|---:|---:|")
    for each in costs:
        numbers = f"{each.bytes:,.0f} | {each.wal:,.0f} | {each.ours * 1e6:,.0f} | {each.theirs * 1e6:,.0f}"
        print(f"| {each.name} | {1 / each.seconds:,.0f} | {numbers} |")
    for each in costs:
        print(
            f"\n{each.name}, {STEPS} steps an execution, the busiest hour {PEAK} times the average, kept for 7 days:\n"
        )
        print("| executions a day | steps/s at the peak | our cores | their cores | TB stored | MB/s of WAL |")
        print("|---:|---:|---:|---:|---:|---:|")
        for executions in (1_000_000, 10_000_000, 100_000_000, 1_000_000_000):
            print(paper(each, executions, STEPS, 7))


if __name__ == "__main__":
    main()
