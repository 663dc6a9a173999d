"""What the machine itself can do: no engine that keeps its word on it can do better.

python -m benchmarks.limits
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from pathlib import Path

import uvloop

from benchmarks import api

EVENT = b"x" * 128
BATCH = 500
SECONDS = 2.0


def flushes(folder: Path) -> float:
    """Flushes to disk a second, one after the other: the most single commits that there can be."""
    made, began = 0, time.perf_counter()
    with (folder / "flush").open("wb") as file:
        while time.perf_counter() - began < SECONDS:
            file.write(EVENT)
            file.flush()
            os.fdatasync(file.fileno())
            made += 1
    return made / (time.perf_counter() - began)


def rows(folder: Path) -> float:
    """Journal rows a second in SQLite, written as ours are: WAL, every commit flushed, 500 rows a commit."""
    database = sqlite3.connect(folder / "rows.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE event (execution INTEGER, seq INTEGER, body BLOB, PRIMARY KEY (execution, seq))")
    commits, began = 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        database.execute("BEGIN")
        batch = ((commits, seq, EVENT) for seq in range(BATCH))
        database.executemany("INSERT INTO event VALUES (?, ?, ?)", batch)
        database.execute("COMMIT")
        commits += 1
    taken = time.perf_counter() - began
    database.close()
    return commits * BATCH / taken


def measure() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        disk = {"flushes to disk /s": flushes(folder), "SQLite journal rows /s, 500 a commit": rows(folder)}
    return disk | uvloop.run(api.bare())


if __name__ == "__main__":
    for what, figure in measure().items():
        print(f"{what}: {figure:,.2f}")
