"""Eight hours of work in minutes: does a server that never stops grow?

    python -m benchmarks.soak [--database sqlite|postgresql] [--hours 8] [--rate 1]

One real server process, whose clock is made to run: eight days pass while as many executions are made as `hours` at
`rate` a second would bring. They come by gRPC, by webhooks, from schedules, and as children; some wait for a time, some
for somebody and are cancelled, some carry large data. Retention keeps a day, and blobs a day longer, so after warm-up
as much goes as comes: memory and disk must stay as they are. It fails when either has grown by more than its bound, or
when an execution did not come to its end.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

import aiohttp
import grpc
import psutil
import psycopg
from sqlalchemy import create_engine
from sqlalchemy import text as sql

from benchmarks.chaos.database import database
from benchmarks.chaos.settle import OPEN
from tests.forked_server import ForkedServer, ShiftedClock, serve_here, write_offset
from tests.serving import Client, free_port
from workflow_engine import wiring
from workflow_engine.core.clock import Clock
from workflow_engine.models.migrate import upgrade
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as rpc
from workflow_engine.runtime.blobs import FolderBlobs

HOUR = 3_600_000
"""Milliseconds."""
DAYS = 8
"""How long the server believes it has run."""
KEPT = 1.0
"""Days that retention keeps."""
WARM = 3.5
"""Days until as much goes as comes: what retention keeps, what blobs stay for, and looks for them every six hours."""
SAMPLES = 8
"""A day."""
TICK = 0.25
"""Seconds between moves of the clock."""
MEMORY = (1.05, 8 * 2**20)
"""RSS may be this many times what it was, and so many bytes on top: the allocator's noise."""
DISK = (1.10, 4 * 2**20)
"""The same for database and blobs together."""
SCHEDULES, CALLERS = 10, 12
LARGE = 300_000
"""Bytes of an input that lies in the blob store."""


class DatedBlobs(FolderBlobs):
    """Blobs whose files are dated by the server's clock, which the file system knows nothing of."""

    clock: Clock

    def _keep(self, file: IO[bytes], temporary: Path, digest: str) -> None:
        file.flush()
        os.utime(temporary, ns=(now := self.clock.now_ms() * 1_000_000, now))
        super()._keep(file, temporary, digest)

    def _clear_up(self, time: int) -> None:
        """What is being written is dated by the file system as yet, and would seem to be days old."""


def serve(environment: dict[str, str], log: Path, offset: Path | None) -> None:
    assert offset is not None
    DatedBlobs.clock = ShiftedClock(offset)
    wiring.FolderBlobs = DatedBlobs  # type: ignore[misc]
    serve_here(environment, log, offset)


@dataclass
class Sample:
    day: float
    memory: int
    disk: int


@dataclass
class Soak:
    """One server, and what is asked of it."""

    client: Client
    http: aiohttp.ClientSession
    workflows: dict[str, str]
    wanted: int
    done: Counter[str] = field(default_factory=Counter[str])
    faults: list[str] = field(default_factory=list[str])

    async def caller(self, draw: random.Random) -> None:
        kinds = {"chain": 8, "webhook": 6, "parent": 3, "sleep": 2, "asked": 2, "large": 1}
        while self.done.total() < self.wanted:
            [kind] = draw.choices(list(kinds), list(kinds.values()))
            self.done[kind] += 1
            try:
                await getattr(self, kind)(draw)
            except (grpc.aio.AioRpcError, AssertionError, aiohttp.ClientError) as error:
                self.faults.append(f"{kind}: {error!r}")

    async def chain(self, draw: random.Random) -> None:
        execution = await self.client.run(self.workflows["chain"], {"n": draw.random()}, seconds=60)
        assert execution.status == ex.SUCCESS, execution.failure.message

    async def parent(self, draw: random.Random) -> None:
        self.done["child"] += 1
        execution = await self.client.run(self.workflows["parent"], {"n": 1}, seconds=60)
        assert execution.status == ex.SUCCESS, execution.failure.message

    async def webhook(self, draw: random.Random) -> None:
        async with self.http.post(f"{self.client.http}/webhooks/soak", json={"n": draw.random()}) as answer:
            assert answer.status == 202, await answer.text()

    async def sleep(self, draw: random.Random) -> None:
        # Nobody waits for it: it ends by itself, hours later, and is counted at the end.
        await self.client.start(self.workflows["sleep"], {"n": 1})

    async def asked(self, draw: random.Random) -> None:
        id = await self.client.start(self.workflows["asked"], {"n": 1})
        await self.client.stub.CancelExecution(ex.CancelExecutionRequest(execution_id=id, reason="nobody answers"))
        assert (await self.client.wait(id, 60)).status == ex.CANCELED

    async def large(self, draw: random.Random) -> None:
        # Never twice the same: equal bytes are stored once.
        record = {"text": draw.randbytes(LARGE // 2).hex()}
        execution = await self.client.run(self.workflows["chain"], record, seconds=60)
        assert execution.status == ex.SUCCESS, execution.failure.message


async def create(client: Client) -> dict[str, str]:
    """The workflows, published, by name."""
    start = {"id": "start", "type": "trigger.manual"}

    def chain(*nodes: dict[str, Any], first: dict[str, Any] = start) -> dict[str, Any]:
        path = " -> ".join([first["id"], *(node["id"] for node in nodes)])
        return {"nodes": [first, *nodes], "connections": [path] if nodes else []}

    def wait(**parameters: Any) -> dict[str, Any]:
        return {"id": "wait", "type": "flow.wait", "parameters": parameters}

    steps = [
        {"id": f"set{n}", "type": "flow.set", "parameters": {"assignments": [{"name": "n", "value": n}]}}
        for n in range(3)
    ]
    made: dict[str, str] = {}

    async def publish(name: str, drawing: dict[str, Any]) -> None:
        made[name] = (await client.create(drawing, name=name)).id
        await client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=made[name]))

    await publish("chain", chain(*steps))
    await publish("sleep", chain(wait(duration="3h")))
    await publish("asked", chain(wait(signal="answer")))
    sub = {"id": "sub", "type": "flow.subworkflow", "parameters": {"workflow_id": made["chain"]}}
    await publish("parent", chain(sub))
    hook = {"id": "hook", "type": "trigger.webhook", "parameters": {"path": "soak"}}
    await publish("webhook", chain(*steps, first=hook))
    for number in range(SCHEDULES):
        every = {"id": "tick", "type": "trigger.interval", "parameters": {"every": "1h"}}
        await publish(f"schedule{number}", chain(steps[0], first=every))
    return made


def _size(path: Path) -> int:
    """Bytes of a file, which may go at any time."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0


@dataclass
class Place:
    """Where the server keeps what it must not lose."""

    url: str
    folder: Path

    def disk(self) -> int:
        """Bytes of the database and of all blobs."""
        blobs = sum(map(_size, (self.folder / "blobs").rglob("*")))
        if self.url.startswith("sqlite"):
            return blobs + sum(map(_size, self.folder.glob("soak.db*")))
        engine = create_engine(self.url)
        with engine.connect() as connection:
            size = connection.execute(sql("SELECT pg_database_size(current_database())")).scalar()
        engine.dispose()
        return blobs + int(size or 0)


@contextmanager
def place(kind: str) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        if kind == "sqlite":
            yield Place(f"sqlite:///{Path(name) / 'soak.db'}", Path(name))
            return
        with database() as there:
            with psycopg.connect(there.url.replace("+psycopg", ""), autocommit=True) as connection:
                # Days pass in minutes, so what PostgreSQL does once a minute it has to do more often.
                connection.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
                connection.execute("SELECT pg_reload_conf()")
            yield Place(there.url, Path(name))


async def soak(where: Place, wanted: int, samples: list[Sample]) -> Soak:
    """Runs it; what was seen joins `samples`."""
    await asyncio.to_thread(upgrade, where.url)
    offset, port, http = where.folder / "offset", free_port(), free_port()
    write_offset(offset, 0)
    server = ForkedServer(
        where.url,
        where.folder,
        port,
        where.folder / "server.log",
        offset,
        serve=serve,
        HTTP_PORT=str(http),
        RETENTION_MAX_AGE_DAYS=str(KEPT),
    )
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel, aiohttp.ClientSession() as session:
            client = Client(rpc.WorkflowServiceStub(channel), channel, port, f"http://127.0.0.1:{http}")
            await client.stub.ListWorkflows(ws.ListWorkflowsRequest(limit=1), wait_for_ready=True, timeout=60)
            work = Soak(client, session, await create(client), wanted)
            callers = asyncio.gather(*(work.caller(random.Random(n)) for n in range(CALLERS)))
            process = psutil.Process(server._process.pid or 0)
            while not callers.done():
                await asyncio.sleep(TICK)
                day = DAYS * min(work.done.total() / wanted, 1)
                await asyncio.to_thread(write_offset, offset, round(day * 24 * HOUR))
                if day >= len(samples) / SAMPLES:
                    disk = await asyncio.to_thread(where.disk)
                    samples.append(Sample(day, process.memory_info().rss, disk))
            await callers
            # What sleeps has three hours left.
            await asyncio.to_thread(write_offset, offset, round((DAYS + 0.25) * 24 * HOUR))
            await settled(work)
            log = (where.folder / "server.log").read_text(errors="replace").splitlines()
            work.faults += [line for line in log if '"level": "error"' in line]
            return work
    finally:
        await asyncio.to_thread(server.terminate)


async def settled(work: Soak) -> None:
    request = ex.GetExecutionHistoryRequest(limit=10, statuses=OPEN)
    deadline = time.monotonic() + 60
    while (found := await work.client.stub.GetExecutionHistory(request)).total:
        if time.monotonic() > deadline:
            work.faults.append(f"{found.total} executions do not end, {found.executions[0].id} among them")
            return
        await asyncio.sleep(TICK)


def grown(name: str, before: int, after: int, bound: tuple[float, int]) -> str:
    """What is wrong; empty when nothing is."""
    most = before * bound[0] + bound[1]
    return f"{name} grew from {before:,} to {after:,} bytes; {most:,.0f} are allowed" if after > most else ""


def verdict(samples: list[Sample], work: Soak) -> list[str]:
    first = [each for each in samples if WARM <= each.day < WARM + 1]
    last = [each for each in samples if each.day >= DAYS - 1]
    faults = list(work.faults)
    for name, bound in (("memory", MEMORY), ("disk", DISK)):
        before, after = (round(statistics.median(getattr(each, name) for each in some)) for some in (first, last))
        print(f"{name}: {before / 2**20:.1f} MiB on day {WARM:g} to {WARM + 1:g}, {after / 2**20:.1f} on the last day")
        faults += [fault] if (fault := grown(name, before, after, bound)) else []
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    parser.add_argument("--hours", type=float, default=8)
    parser.add_argument("--rate", type=float, default=1, help="executions a second")
    chosen = parser.parse_args()
    wanted, failed = round(chosen.hours * 3600 * chosen.rate), False
    for kind in chosen.database or ["sqlite", "postgresql"]:
        began, samples = time.monotonic(), list[Sample]()
        with place(kind) as where:
            work = asyncio.run(soak(where, wanted, samples))
        print(f"\n{kind}: {work.done.total():,} executions in {time.monotonic() - began:.0f} s: {dict(work.done)}")
        print("| day | RSS, MiB | disk, MiB |\n|---:|---:|---:|")
        for each in samples[:: SAMPLES // 2]:
            print(f"| {each.day:.1f} | {each.memory / 2**20:.1f} | {each.disk / 2**20:.1f} |")
        faults = verdict(samples, work)
        for fault in faults[:20]:
            print(f"FAULT: {fault}")
        failed = failed or bool(faults)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
