"""A process of its own that opens a store: `python -m tests.models.process write|own URL`.

`write` acknowledges executions on stdout until it is killed. `own` says how it waits for ownership, then
stores one execution for each line on stdin.
"""

from __future__ import annotations

import asyncio
import sys

from tests.models.rows import birth, execution, submit
from workflow_engine.core.logging import configure
from workflow_engine.models.store import Store

EVENTS = [b"event %d" % n for n in range(1, 6)]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def write(store: Store) -> None:
    async def one_after_the_other() -> None:
        while True:
            row = execution(store)
            await submit(store, birth(row, *EVENTS))
            say(f"stored {row.pk}")

    store.acquire_ownership()
    await asyncio.gather(*(one_after_the_other() for _ in range(20)))


async def own(store: Store) -> None:
    await asyncio.to_thread(store.acquire_ownership, on_wait=lambda: say("waiting"), on_lost=lambda: say("lost"))
    say("owner")
    while await asyncio.to_thread(sys.stdin.readline):
        row = execution(store)
        try:
            await submit(store, birth(row))
        except Exception as error:
            say(type(error).__name__)
        else:
            say(f"stored {row.pk}")
    store.close()


if __name__ == "__main__":
    role, url = sys.argv[1:]
    configure("ERROR")  # to stderr: stdout is for what we say
    asyncio.run({"write": write, "own": own}[role](Store.open(url)))
