"""What a full database and a crowd of waiting executions cost those that run.

    python -m benchmarks.scale [--waiting 1000000]

One process starts so many executions that wait for a signal. Before, and after each tenth of them, it runs the chain of
ten steps: a step should cost the same whatever is stored and whoever waits. Then a thousand of those that wait are
woken, and the runtime is opened anew on the same database.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
import time
from pathlib import Path

import uvloop

from benchmarks import load
from benchmarks.engine import Bench, running
from workflow_engine.engine.events import SignalReceived

BATCH = 500
WOKEN = 1_000


async def crowd(bench: Bench, count: int) -> tuple[float, list[str]]:
    """Starts `count` executions that wait; the seconds it took, and some of their ids."""
    began, ids = time.perf_counter(), list[str]()
    for _ in range(count // BATCH):
        ids = await bench.runtime.start_all([bench.waiting] * BATCH)
    return time.perf_counter() - began, ids


async def steps(bench: Bench) -> float:
    """Steps a second of the chain."""
    chains, seconds = await load.crowd(bench.chain)
    return chains * load.STEPS / seconds


async def measure(url: str, waiting: int) -> None:
    async with running(url) as bench:
        await bench.park()
        await steps(bench)
        gc.collect()
        before, tenth = bench.resident(), waiting // 10
        print("| waiting and stored | chain of 10: steps/s | starts/s | KiB each |\n|---:|---:|---:|---:|")
        print(f"| 1 | {await steps(bench):,.0f} | | |", flush=True)
        woken = list[str]()
        for part in range(1, 11):
            seconds, ids = await crowd(bench, tenth)
            woken += ids[: WOKEN // 10]
            gc.collect()
            each = (bench.resident() - before) / 1024 / (part * tenth)
            rate = await steps(bench)
            print(f"| {part * tenth:,} | {rate:,.0f} | {tenth / seconds:,.0f} | {each:.2f} |", flush=True)
        began = time.perf_counter()
        signal = SignalReceived(at=0, name="go")
        await asyncio.gather(*(bench.runtime.send(id, signal) for id in woken))
        await asyncio.gather(*(bench.runtime.wait(id, 60) for id in woken))
        print(f"\n{len(woken):,} woken and ended in {time.perf_counter() - began:.1f} s")
    began = time.perf_counter()
    async with running(url):
        print(f"opened anew on {waiting:,} waiting in {time.perf_counter() - began:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", type=int, default=1_000_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        uvloop.run(measure(f"sqlite:///{Path(name) / 'scale.db'}", chosen.waiting))


if __name__ == "__main__":
    main()
