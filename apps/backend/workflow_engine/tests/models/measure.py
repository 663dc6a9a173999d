"""How fast the store is here: `python -m tests.models.measure [URL]` (SQLite in the working directory without it).

Each of N executions appends one event of 200 bytes and its row, waits for the commit, and goes on. Prints, for
each N: events/s, commits/s, and the median wait for a commit.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time

from sqlalchemy import Connection, event

from tests.models.rows import birth, execution, submit
from workflow_engine.core.logging import configure
from workflow_engine.models.migrate import upgrade
from workflow_engine.models.store import Append, Store

SECONDS = 4.0


async def measure(store: Store, in_flight: int, events: int) -> str:
    rows = [execution(store) for _ in range(in_flight)]
    await asyncio.gather(*(submit(store, birth(row)) for row in rows))
    commits: list[Connection] = []
    note = commits.append
    event.listen(store._engine, "commit", note)
    waits: list[float] = []
    data = [bytes(200)] * events
    start = time.perf_counter()
    end = start + SECONDS

    async def run(n: int) -> int:
        seq = 2
        while (now := time.perf_counter()) < end:
            await submit(store, [Append(rows[n].pk, seq, data, rows[n])])
            waits.append(time.perf_counter() - now)
            seq += events
        return seq - 2

    stored = sum(await asyncio.gather(*(run(n) for n in range(in_flight))))
    took = time.perf_counter() - start
    event.remove(store._engine, "commit", note)
    return (
        f"{in_flight:6} in flight, {events:3} events each: {stored / took:9,.0f} events/s "
        f"{len(commits) / took:7,.0f} commits/s {statistics.median(waits) * 1000:7.2f} ms"
    )


async def main(url: str) -> None:
    upgrade(url)
    store = Store.open(url)
    store.acquire_ownership()
    for in_flight, events in ((1, 1), (10, 1), (100, 1), (1_000, 1), (100, 10)):
        print(await measure(store, in_flight, events), flush=True)
    store.close()


if __name__ == "__main__":
    configure("ERROR")
    if len(sys.argv) > 1:
        asyncio.run(main(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory(dir=".") as folder:
            asyncio.run(main(f"sqlite:///{folder}/measure.db"))
