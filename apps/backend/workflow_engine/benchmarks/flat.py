"""What a step and a question cost, from ten stored executions to a million.

    python -m benchmarks.flat [--stored 10,1000,100000,1000000] [--database sqlite|postgresql]

The machine is noisy, so cost is not seconds. A step's is CPU time: ours, and a database server's. A question's is what
the database looks at: steps of SQLite's virtual machine, or pages that PostgreSQL touches.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import uvloop
from sqlalchemy import Connection, event, text

from benchmarks import load
from benchmarks.engine import Bench, opened
from workflow_engine.core import interpreter
from workflow_engine.models import retention
from workflow_engine.models.store import ExecutionFilter, Status, Store

SIZES = (10, 1_000, 100_000, 1_000_000)
EVENTS = 4
"""Events of each stored execution."""
AT_ONCE = 50_000
CHAINS = 1_000
ROUNDS = 5
HOUR = 3_600_000

QUESTIONS: dict[str, Callable[[Store], object]] = {
    "newest executions": lambda store: store.executions(ExecutionFilter(), limit=50),
    "newest of a workflow": lambda store: store.executions(ExecutionFilter(workflow_id="stored7"), limit=50),
    "newest that failed": lambda store: store.executions(ExecutionFilter(statuses=(Status.ERROR,)), limit=50),
    "how many there are": lambda store: store.count_executions(ExecutionFilter()),
    "one by its id": lambda store: store.execution("stored5"),
    "one by its key": lambda store: store.execution_by_key("stored5", "key5"),
    "a journal": lambda store: store.read_events(5, 1, 100),
    "who is at work": lambda store: store.busy_executions(0, 100),
    "who sleeps": lambda store: store.digests_asleep(),
    "who is due": lambda store: (store.due((0, 0), HOUR, 100), store.next_due(HOUR)),
    "whose parents to tell": lambda store: store.ended_children_of_open(),
    "what is too old": lambda store: retention.ended_before(store, "stored7", 0, 100),
}


def fill(store: Store, first: int, last: int) -> None:
    """Stores executions `first` to `last` of ten workflows, each of which has ended; one in a thousand failed."""
    is_sqlite = "sqlite" in store.description
    series = (
        "WITH RECURSIVE n(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM n WHERE n < :last) SELECT {} FROM n"
        if is_sqlite
        else "SELECT {} FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n(n)"
    )
    columns = {
        "pk": "n", "id": "'stored' || n", "workflow_id": "'stored' || (n % 10)", "version": "1",
        "digest": f"'{'0' * 64}'", "user_id": "'user' || (n % 100)", "mode": "1",
        "status": "CASE WHEN n % 1000 = 0 THEN 6 ELSE 5 END", "triggered_by": "''", "created_at": "n",
        "started_at": "n", "ended_at": "n", "idempotency_key": "'key' || n", "request_digest": "''",
        "parent_address": "''", "retried_from": "''", "failure_summary": "''", "priority": "0",
    }  # fmt: skip
    blob = "zeroblob(100)" if is_sqlite else "decode(repeat('00', 100), 'hex')"

    def change(connection: Connection, low: int, high: int) -> None:
        bounds = {"first": low, "last": high}
        rows = f"INSERT INTO workflow_execution ({', '.join(columns)}) {series.format(', '.join(columns.values()))}"
        connection.execute(text(rows), bounds)
        for seq in range(1, EVENTS + 1):
            events = f"INSERT INTO execution_event (execution_pk, seq, data) {series.format(f'n, {seq}, {blob}')}"
            connection.execute(text(events), bounds)

    with store._engine.connect().execution_options(writes=True) as connection:
        for low in range(first, last + 1, AT_ONCE):
            with connection.begin():
                change(connection, low, min(low + AT_ONCE - 1, last))
        if not is_sqlite:
            connection.execute(text("ANALYZE"))
            connection.commit()


@dataclass
class Looked:
    """How much the database looked at."""

    at: int = 0


@contextmanager
def looking(store: Store) -> Iterator[Looked]:
    """Counts what the store's questions make the database look at."""
    looked = Looked()
    if "sqlite" in store.description:

        def step() -> int:
            looked.at += 1
            return 0

        def count(driver: Any, *_: Any) -> None:
            driver.set_progress_handler(step, 1)

        event.listen(store._engine, "checkout", count)
        yield looked
        event.remove(store._engine, "checkout", count)
        # Its connections go on counting.
        store._engine.dispose()
        return
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(store._engine, "before_cursor_execute", note)
    yield looked
    event.remove(store._engine, "before_cursor_execute", note)
    with store.reading() as connection:
        for statement, parameters in asked:
            explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
            [plan] = connection.exec_driver_sql(explain, parameters).scalar_one()
            looked.at += plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]


def questions(store: Store) -> dict[str, int]:
    answers: dict[str, int] = {}
    for name, ask in QUESTIONS.items():
        ask(store)
        with looking(store) as looked:
            ask(store)
        answers[name] = looked.at
    return answers


def cpu() -> float:
    """Seconds of CPU that this process and its children have used."""
    mine = time.process_time()
    for child in psutil.Process().children(recursive=True):
        times = child.cpu_times()
        mine += times.user + times.system
    return mine


async def step(bench: Bench) -> float:
    """Microseconds of CPU for one step of the chain: the least of some rounds, for noise only adds."""
    least = float("inf")
    for _ in range(ROUNDS):
        left = CHAINS

        async def caller() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                await bench.chain()

        before = cpu()
        await asyncio.gather(*(caller() for _ in range(load.IN_FLIGHT)))
        least = min(least, (cpu() - before) / CHAINS / load.STEPS * 1e6)
    return least


async def measure(folder: Path, database: str, sizes: list[int]) -> None:
    steps: list[float] = []
    looked: list[dict[str, int]] = []
    async with opened(folder, database) as bench:
        store = bench.runtime._store
        # What the bench itself starts gets its numbers behind all that are stored.
        store._next_pk = max(sizes) + 1
        await step(bench)
        stored = 0
        for size in sizes:
            await asyncio.to_thread(fill, store, stored + 1, size)
            stored = size
            steps.append(await step(bench))
            looked.append(await asyncio.to_thread(questions, store))
    head = " | ".join(f"{size:,}" for size in sizes)
    print(f"\n| {database} | {head} |\n|---|{'---:|' * len(sizes)}")
    print(f"| a step: us of CPU | {' | '.join(f'{each:.1f}' for each in steps)} |")
    unit = "VM steps" if database == "sqlite" else "pages"
    for name in QUESTIONS:
        print(f"| {name}: {unit} | {' | '.join(f'{each[name]:,}' for each in looked)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stored", default=",".join(map(str, SIZES)))
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    chosen = parser.parse_args()
    interpreter.tune()
    for database in chosen.database or ["sqlite", "postgresql"]:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            uvloop.run(measure(Path(name), database, [int(size) for size in chosen.stored.split(",")]))


if __name__ == "__main__":
    main()
