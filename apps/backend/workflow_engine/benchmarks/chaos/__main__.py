"""Strikes the engine in every way, or in those that are asked for, and counts what was lost.

    python -m benchmarks.chaos [--kills 200] [--disk-full] [--restart-database] [--clock-jumps] [--cluster]
        [--deliveries 100] [--rounds 20]

Without a choice it does all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.chaos import Load, Report, chaos, deliveries
from benchmarks.chaos.blows import FillDisk, JumpClock, Kill, NoSmallDisk, RestartDatabase, small_disk
from benchmarks.chaos.database import database
from tests.forked_server import write_offset
from tests.temporal_server import temporal_server

Kind = Callable[[Path, int, int], Report | deliveries.Report]
"""Strikes a fresh engine in an empty folder, with a seed, so many times."""
KILLS, DELIVERIES, ROUNDS = 200, 100, 20
SMALL = Load(callers=4, pause=0.3)
"""What a small disk has room for."""
WIDE = Load(callers=40, pause=0.5, at_least=5_000, stay=10)
"""What two replicas and three workers beside their Temporal and PostgreSQL can do on a small machine."""


def kills(folder: Path, seed: int, times: int, url: str = "") -> Report:
    return asyncio.run(chaos(url or f"sqlite:///{folder / 'chaos.db'}", folder, Kill(), times, seed=seed))


def kills_postgresql(folder: Path, seed: int, times: int) -> Report:
    with database() as there:
        return kills(folder, seed, times, there.url)


def disk_full(folder: Path, seed: int, times: int) -> Report:
    with small_disk(folder / "small") as small:
        url = f"sqlite:///{small / 'chaos.db'}"
        return asyncio.run(chaos(url, folder, FillDisk(small), times, data=small, load=SMALL, seed=seed))


def restart_database(folder: Path, seed: int, times: int) -> Report:
    with database() as there:
        return asyncio.run(chaos(there.url, folder, RestartDatabase(there), times, seed=seed))


def clock_jumps(folder: Path, seed: int, times: int) -> Report:
    offset = folder / "offset"
    write_offset(offset, 0)
    url = f"sqlite:///{folder / 'chaos.db'}"
    return asyncio.run(chaos(url, folder, JumpClock(offset, times), times, offset=offset, seed=seed))


def cluster(folder: Path, seed: int, times: int) -> Report:
    with database() as there, temporal_server(folder) as temporal:
        return asyncio.run(chaos(there.url, folder, Kill((3, 10)), times, temporal=temporal, load=WIDE, seed=seed))


def delivered(folder: Path, seed: int, times: int) -> deliveries.Report:
    return asyncio.run(deliveries.strike(f"sqlite:///{folder / 'chaos.db'}", folder, times, seed=seed))


def delivered_to_standby(folder: Path, seed: int, times: int) -> deliveries.Report:
    with database() as there:
        return asyncio.run(deliveries.strike(there.url, folder, times, standby=True, seed=seed))


@contextmanager
def _timed() -> Iterator[Callable[[], float]]:
    began = time.monotonic()
    yield lambda: time.monotonic() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, help=f"SIGKILL so many times ({KILLS})")
    parser.add_argument("--url", default="", help="the database for the kills; one of SQLite, then one of PostgreSQL")
    parser.add_argument("--disk-full", action="store_true", help="SQLite on a small disk that fills up (needs root)")
    parser.add_argument("--restart-database", action="store_true", help="a PostgreSQL that dies and comes back")
    parser.add_argument("--clock-jumps", action="store_true", help="a clock that is set hours forward and back")
    parser.add_argument("--cluster", action="store_true", help="replicas and workers on Temporal are killed")
    parser.add_argument("--deliveries", type=int, help=f"SIGKILL on a delivery's way so many times ({DELIVERIES})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"blows of each kind but kills ({ROUNDS})")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    some = (
        chosen.deliveries is not None
        or chosen.disk_full
        or chosen.restart_database
        or chosen.clock_jumps
        or chosen.cluster
    )
    count = chosen.kills if chosen.kills is not None else 0 if some else KILLS
    on_their_way = chosen.deliveries if chosen.deliveries is not None else 0 if some or chosen.kills else DELIVERIES
    kinds: dict[str, tuple[Kind, int]] = {
        "kills": (partial(kills, url=chosen.url), count),
        "kills-postgresql": (kills_postgresql, 0 if chosen.url else count),
        "deliveries": (delivered, on_their_way),
        "deliveries-standby-postgresql": (delivered_to_standby, on_their_way),
        "disk-full": (disk_full, chosen.rounds if chosen.disk_full or not some else 0),
        "restart-database": (restart_database, chosen.rounds if chosen.restart_database or not some else 0),
        # It takes a quarter of an hour, so it is asked for by name.
        "cluster": (cluster, chosen.rounds if chosen.cluster else 0),
        "clock-jumps": (clock_jumps, chosen.rounds if chosen.clock_jumps or not some else 0),
    }
    faults = 0
    for name, (kind, times) in kinds.items():
        if not times:
            continue
        with tempfile.TemporaryDirectory() as folder, _timed() as seconds:
            try:
                report = kind(Path(folder), chosen.seed, times)
            except NoSmallDisk as reason:
                print(f"{name}: skipped: {reason}", flush=True)
                continue
        print(f"{name}: {report}, {seconds():.0f} s", flush=True)
        for fault in report.faults[:20]:
            print("-", fault, flush=True)
        faults += len(report.faults)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
