"""Webhooks beside a bare handler on the same HTTP server, and what thousands of triggers cost while nothing happens.

    python -m benchmarks.webhooks [--rounds 3] [--seconds 4] [--postgres]

Servers run in processes of their own; the load comes from this one, over connections that are kept, without pipelining.
A call of ours is answered when it is stored and its execution has started. CPU is the server process's, all threads.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import uvloop
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.chaos.database import database
from tests.serving import LOOPBACK, free_port
from workflow_engine import server
from workflow_engine.api.edge import HttpServer, application
from workflow_engine.api.middleware import middleware
from workflow_engine.core import interpreter, logging
from workflow_engine.core.clock import SystemClock
from workflow_engine.core.config import Settings
from workflow_engine.engine.planning import build
from workflow_engine.models import triggers as stored
from workflow_engine.models.migrate import upgrade
from workflow_engine.models.store import Store
from workflow_engine.nodes.registry import installed
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.services.backend import canonical
from workflow_engine.triggers.registration import wanted
from workflow_engine.utils.structs import to_struct

CONNECTIONS = 256
BODY = json.dumps(
    {"id": "evt_1", "type": "order.created", "order": {"id": 7, "lines": [1, 2, 3], "total": 99.5}}
).encode()
MANY = 10_000
IDLE = 10.0
"""Seconds that an idle server is watched."""


@dataclass
class Load:
    """What one round of load did."""

    rate: float
    """Answers a second."""
    cpu: float
    """Microseconds of the server for each answer."""
    p50: float
    p99: float
    """Milliseconds."""


class _Caller(asyncio.Protocol):
    """Sends one request after the other over one connection."""

    def __init__(self, request: bytes, taken: list[float], status: bytes) -> None:
        self.request, self.taken, self.status = request, taken, status
        self.buffer = b""
        self.stopped = False
        self.began = 0.0
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.send()

    def send(self) -> None:
        self.began = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        assert head[9:12] == self.status, self.buffer
        self.buffer = b""
        self.taken.append(time.perf_counter() - self.began)
        if self.stopped:
            self.transport.close()
        else:
            self.send()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(None)


async def load(port: int, path: str, seconds: float, pid: int) -> Load:
    request = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(BODY)}\r\n\r\n"
    ).encode() + BODY
    taken: list[float] = []
    loop = asyncio.get_running_loop()
    process = psutil.Process(pid)
    callers = [
        (await loop.create_connection(lambda: _Caller(request, taken, b"202"), "127.0.0.1", port))[1]
        for _ in range(CONNECTIONS)
    ]
    await asyncio.sleep(min(seconds / 4, 1))
    taken.clear()
    began, cpu = time.perf_counter(), sum(process.cpu_times()[:2])
    await asyncio.sleep(seconds)
    count, elapsed, used = len(taken), time.perf_counter() - began, sum(process.cpu_times()[:2]) - cpu
    for caller in callers:
        caller.stopped = True
    await asyncio.gather(*(caller.lost for caller in callers))
    quantiles = statistics.quantiles(taken, n=100)
    return Load(count / elapsed, used / count * 1e6, quantiles[49] * 1000, quantiles[98] * 1000)


def _serve_bare(port: int) -> None:
    interpreter.tune()

    async def answer(request: Request) -> Response:
        json.loads(await request.body())
        return Response(b'{"event_id":"evt_1","decision":"STARTED"}', 202, media_type="application/json")

    async def serve() -> None:
        settings = Settings(_env_file=None)
        routes = [Route("/webhooks/{path:path}", answer, methods=["POST"])]
        await HttpServer(application(routes, middleware(settings)), "127.0.0.1", port).open()
        await asyncio.Event().wait()

    uvloop.run(serve())


def _serve_ours(port: int, url: str, folder: str) -> None:
    logging.configure("WARNING")
    interpreter.tune()

    async def serve() -> None:
        settings = Settings(
            _env_file=None, database_url=url, data_dir=Path(folder), grpc_port=0, http_port=port, egress_allow=LOOPBACK
        )
        await server.start(settings)
        await asyncio.Event().wait()

    uvloop.run(serve())


@asynccontextmanager
async def _process(target: Callable[..., None], *arguments: str) -> AsyncIterator[tuple[int, int]]:
    """A server in a process of its own, once it answers: its port and its process."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=target, args=(port, *arguments), daemon=True)
    process.start()
    assert process.pid is not None
    try:
        for _ in range(600):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                break
        yield port, process.pid
    finally:
        process.kill()
        process.join()


def _workflow(id: str, type: str, parameters: dict[str, Any]) -> pb.Workflow:
    assignment = {"assignments": [{"name": "seen", "value": True}]}
    return pb.Workflow(
        id=id,
        nodes=[
            pb.Node(id="start", type=type, parameters=to_struct(parameters)),
            pb.Node(id="set", type="flow.set", parameters=to_struct(assignment)),
        ],
        connections=[pb.Connection(from_node="start", from_port="main", to_node="set", to_port="main")],
    )


async def publish(url: str, workflows: list[pb.Workflow]) -> None:
    """Stores published workflows with their triggers, as the service does."""
    store = Store.open(url)
    await asyncio.to_thread(store.acquire_ownership)
    now = SystemClock().now_ms()

    async def one(workflow: pb.Workflow) -> None:
        plan = build(workflow, installed()).plan
        assert plan is not None
        draft = canonical(workflow)
        row = {"id": workflow.id, "name": workflow.id, "description": "", "user_id": "", "draft": draft}
        row |= {"draft_revision": 1, "created_at": now, "updated_at": now}
        await store.create_workflow(row)
        also = stored.register(workflow.id, wanted(workflow, plan), now)
        await store.publish(workflow.id, draft, revision=1, message="", by="", now=now, also=also)

    for start in range(0, len(workflows), 500):
        await asyncio.gather(*(one(each) for each in workflows[start : start + 500]))
    await asyncio.to_thread(store.close)


async def rates(url: str, folder: Path, seconds: float, rounds: int) -> list[tuple[Load, Load]]:
    await publish(url, [_workflow("wf", "trigger.webhook", {"path": "orders"})])
    found = []
    async with (
        _process(_serve_ours, url, str(folder)) as (port, pid),
        _process(_serve_bare) as (bare_port, bare_pid),
    ):
        for _ in range(rounds):
            bare = await load(bare_port, "/webhooks/orders", seconds, bare_pid)
            ours = await load(port, "/webhooks/orders", seconds, pid)
            found.append((bare, ours))
    return found


async def idle(url: str, folder: Path, many: int) -> dict[str, float]:
    """What `many` schedules and as many webhooks cost a server that has nothing to do."""
    workflows = [_workflow(f"cron{n}", "trigger.cron", {"expression": f"{n % 60} 5 1 1 *"}) for n in range(many)]
    workflows += [_workflow(f"hook{n}", "trigger.webhook", {"path": f"orders/{n}/:id"}) for n in range(many)]
    await publish(url, workflows)
    began = time.perf_counter()
    async with _process(_serve_ours, url, str(folder)) as (port, pid):
        up = time.perf_counter() - began
        process = psutil.Process(pid)
        # What was left to do after the start is not what idling costs.
        await asyncio.sleep(8)
        cpu = sum(process.cpu_times()[:2])
        await asyncio.sleep(IDLE)
        used = (sum(process.cpu_times()[:2]) - cpu) / IDLE
        memory = process.memory_info().rss / 2**20
        busy = await load(port, f"/webhooks/orders/{max(many - 1, 0)}/x", 2, pid) if many else None
    figures = {"start: s": up, "idle CPU: % of a core": used * 100, "memory: MiB": memory}
    return figures | ({"calls /s": busy.rate} if busy else {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--no-idle", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if chosen.postgres:
            with database() as there:
                pairs = _rates(there.url, folder, chosen)
        else:
            pairs = _rates(f"sqlite:///{folder / 'rates.db'}", folder, chosen)
        shares = [ours.rate / bare.rate for bare, ours in pairs]
        for bare, ours in pairs:
            print("bare", bare)
            print("ours", ours)
        print(f"stored and started, of the bare rate: {statistics.median(shares):.0%}")
        if not chosen.no_idle:
            for many in (0, MANY):
                url = f"sqlite:///{folder / f'idle{many}.db'}"
                upgrade(url)
                print(f"{many} schedules and {many} webhooks:", uvloop.run(idle(url, folder, many)))


def _rates(url: str, folder: Path, chosen: argparse.Namespace) -> list[tuple[Load, Load]]:
    upgrade(url)
    return uvloop.run(rates(url, folder, chosen.seconds, chosen.rounds))


if __name__ == "__main__":
    main()
