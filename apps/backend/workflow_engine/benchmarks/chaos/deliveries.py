"""Kills the server at chosen points of a delivery's way: before it is stored, acknowledged, or started.

Callers and a schedule deliver all the while. Those that name their deliveries call again until they are answered; each
of these, and each tick, must have started exactly one execution. A call without a name that was answered has started
one, and one that got no answer at most one. With a standby, another process waits and takes over at each kill.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import uvloop
from sqlalchemy import select

from tests.forked_server import become, processes
from tests.serving import LOOPBACK, Client, free_port
from workflow_engine import server
from workflow_engine.api import webhooks
from workflow_engine.core.config import Settings
from workflow_engine.engine.events import ExecutionStarted, decode
from workflow_engine.models.execution import ExecutionEvent, WorkflowExecution
from workflow_engine.models.migrate import upgrade
from workflow_engine.models.store import Store
from workflow_engine.models.trigger import TriggerEvent
from workflow_engine.models.writes import Decision, Status
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as rpc
from workflow_engine.triggers import deliver
from workflow_engine.triggers.deliver import Deliveries
from workflow_engine.triggers.intake import Intake

POINTS = ("receipt", "stored", "acknowledged", "tick", "tick stored", "anywhere")
"""Where a server dies: a call has come in; it is stored; it is answered and has not started; a tick is due; it is
stored; or at any instant.
"""
EVERY = 1
"""Seconds between ticks."""
COME_UP = 60.0
"""Seconds within which a server has to answer."""


@dataclass
class Report:
    """What was done and seen."""

    kills: Counter[str] = field(default_factory=Counter)
    """By point."""
    named: set[int] = field(default_factory=set[int])
    """Calls with a delivery id; all were answered in the end."""
    answered: set[int] = field(default_factory=set[int])
    """Calls without one that were answered."""
    unanswered: set[int] = field(default_factory=set[int])
    calls_again: int = 0
    received: int = 0
    """Calls that were acknowledged before they were started."""
    ticks: int = 0
    faults: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        kills = ", ".join(f"{count} at {point}" for point, count in sorted(self.kills.items()))
        return (
            f"{self.kills.total()} kills ({kills}), {len(self.named)} named calls ({self.calls_again} made again), "
            f"{len(self.answered)} others answered ({self.received} before they started), {len(self.unanswered)} not, "
            f"{self.ticks} ticks, {len(self.faults)} faults"
        )


# the servers


def _serve(environment: dict[str, str], log: Path, point: str, passes: int) -> None:
    become(environment, log)
    _arm(point, passes)
    uvloop.run(server.serve(Settings()))


def _arm(point: str, passes: int) -> None:
    """Has this process kill itself when it comes to a point for the `passes`th time."""
    left = passes

    def pass_by() -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(owner: Any, name: str, *, when: Callable[..., bool] = lambda *_: True) -> None:
        inner = getattr(owner, name)

        def outer(*arguments: Any, **named: Any) -> Any:
            if when(*arguments):
                pass_by()
            return inner(*arguments, **named)

        setattr(owner, name, outer)

    def is_tick(_: Any, trigger: Any, *__: Any) -> bool:
        return bool(trigger.kind.mode == "schedule")

    match point:
        case "receipt":
            before(Deliveries, "deliver", when=lambda *given: not is_tick(*given))
        case "stored":
            before(webhooks, "_told")
        case "acknowledged":
            before_starting = Intake._drain

            async def drain(self: Intake) -> None:
                # Long enough for the answers to be on their way.
                await asyncio.sleep(0.05)
                pass_by()
                await before_starting(self)

            Intake._drain = drain  # type: ignore[method-assign]
            # As if many came at once: each is stored and told of first.
            deliver.BUSY = 0
        case "tick":
            before(Deliveries, "deliver", when=is_tick)
        case "tick stored":
            from workflow_engine.triggers.scheduler import Scheduler

            before(Scheduler, "_move")


class Fleet:
    """One server that serves, and perhaps one that waits to take over."""

    def __init__(self, url: str, folder: Path, draw: random.Random, report: Report, standby: bool) -> None:
        self.url, self.folder, self.draw, self.report, self.standby = url, folder, draw, report, standby
        self.port, self.http_port = free_port(), free_port()
        self.log = folder / "servers.log"
        self.processes: list[tuple[str, Any]] = []

    def start(self, point: str = "") -> None:
        environment = {
            "DATABASE_URL": self.url,
            "DATA_DIR": str(self.folder),
            "GRPC_HOST": "127.0.0.1",
            "GRPC_PORT": str(self.port),
            "HTTP_PORT": str(self.http_port),
            "EGRESS_ALLOW": ",".join(LOOPBACK),
        }
        passes = self.draw.randint(1, 2) if point.startswith(("tick", "ack")) else self.draw.randint(1, 40)
        arguments = (environment, self.log, point, passes)
        process = processes.Process(target=_serve, args=arguments, daemon=True)
        process.start()
        self.processes.append((point, process))

    def one(self) -> str:
        """A point, none more often than the others."""
        return min(POINTS, key=lambda point: (self.report.kills[point] + self.waiting(point), self.draw.random()))

    def waiting(self, point: str) -> int:
        return sum(each == point for each, _ in self.processes)

    async def killed(self) -> None:
        """Returns when the server that serves has died at its point."""
        point, process = self.processes[0]
        if point == "anywhere":
            await asyncio.sleep(self.draw.uniform(0.1, 1.5))
            process.kill()
        deadline = asyncio.get_running_loop().time() + COME_UP
        while process.exitcode is None:
            if asyncio.get_running_loop().time() > deadline:
                self.report.faults.append(f"a server never came to the point {point!r}")
                process.kill()
            await asyncio.sleep(0.01)
        process.join()
        if process.exitcode != -signal.SIGKILL:
            self.report.faults.append(f"a server ended by itself: {self.log.read_text(errors='replace')[-2000:]}")
        self.report.kills[point] += 1
        del self.processes[0]

    async def serving(self) -> None:
        async with aiohttp.ClientSession() as http:
            deadline = asyncio.get_running_loop().time() + COME_UP
            while True:
                with suppress(aiohttp.ClientError):
                    async with http.get(f"http://127.0.0.1:{self.http_port}/healthz") as response:
                        if response.status == 200:
                            return
                if asyncio.get_running_loop().time() > deadline:
                    raise AssertionError(self.log.read_text(errors="replace")[-4000:])
                await asyncio.sleep(0.02)

    def stop(self) -> None:
        for _, process in self.processes:
            process.kill()
            process.join()


# the load


async def _publish(client: Client, type: str, parameters: dict[str, Any]) -> None:
    workflow = await client.create({"nodes": [{"id": "start", "type": type, "parameters": parameters}]}, name=type)
    await client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=workflow.id))


async def _call(http: aiohttp.ClientSession, url: str, number: int, named: bool) -> dict[str, Any] | None:
    headers = {"X-Delivery": str(number)} if named else {}
    try:
        async with http.post(url, json={"n": number}, headers=headers) as response:
            return await response.json() if response.status in (200, 202) else None
    except (aiohttp.ClientError, TimeoutError):
        return None


async def _caller(
    http: aiohttp.ClientSession, base: str, numbers: Any, report: Report, stop: asyncio.Event, named: bool
) -> None:
    url = f"{base}/{'named' if named else 'bare'}"
    while not stop.is_set():
        number = next(numbers)
        answer = await _call(http, url, number, named)
        if not named:
            (report.answered if answer else report.unanswered).add(number)
            report.received += answer is not None and answer["decision"] == "RECEIVED"
        while named and answer is None:
            report.calls_again += 1
            await asyncio.sleep(0.02)
            answer = await _call(http, url, number, named)
        if named:
            report.named.add(number)
        await asyncio.sleep(0.002 if answer else 0.02)


async def strike(
    url: str, folder: Path, kills: int, *, standby: bool = False, seed: int = 1, callers: int = 12
) -> Report:
    """Kills `kills` servers under load and counts what went wrong."""
    draw, report = random.Random(seed), Report()
    await asyncio.to_thread(upgrade, url)
    fleet = Fleet(url, folder, draw, report, standby)
    fleet.start()
    try:
        await fleet.serving()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{fleet.port}") as channel:
            client = Client(rpc.WorkflowServiceStub(channel), channel, fleet.port)
            await _publish(client, "trigger.webhook", {"path": "named", "delivery_id": "json.headers['x-delivery']"})
            await _publish(client, "trigger.webhook", {"path": "bare"})
            schedule = {"every": EVERY, "overlap": "allow", "catch_up_window": "1h", "catch_up_limit": 10_000}
            await _publish(client, "trigger.interval", schedule)
        # The first one has no point of its own.
        fleet.stop()
        fleet.processes.clear()
        await _load(fleet, kills, callers)
    finally:
        fleet.stop()
    await asyncio.to_thread(_audit, url, report)
    return report


async def _load(fleet: Fleet, kills: int, callers: int) -> None:
    stop, numbers, report = asyncio.Event(), iter(range(10**9)), fleet.report
    base = f"http://127.0.0.1:{fleet.http_port}/webhooks"
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as http:
        fleet.start(fleet.one())
        calling = [
            asyncio.create_task(_caller(http, base, numbers, report, stop, named=number % 3 == 0))
            for number in range(callers * 3)
        ]
        for number in range(kills):
            if fleet.standby and number + 1 < kills:
                fleet.start(fleet.one())
            await fleet.killed()
            if not fleet.processes and number + 1 < kills:
                fleet.start(fleet.one())
        fleet.start()
        await fleet.serving()
        stop.set()
        await asyncio.gather(*calling)
        # What was received has to start, and one more tick has to come.
        await _until(lambda: _settled(fleet.url), report)


async def _until(done: Callable[[], Awaitable[bool]], report: Report) -> None:
    deadline = asyncio.get_running_loop().time() + COME_UP
    while not await done():
        if asyncio.get_running_loop().time() > deadline:
            report.faults.append("not everything that was stored has started and ended in time")
            return
        await asyncio.sleep(0.2)


async def _settled(url: str) -> bool:
    return await asyncio.to_thread(_is_settled, url)


def _is_settled(url: str) -> bool:
    store = Store.open(url)
    try:
        with store.reading() as connection:
            waiting = select(TriggerEvent.pk).where(TriggerEvent.decision.in_((Decision.RECEIVED, Decision.BUFFERED)))
            open_ = select(WorkflowExecution.pk).where(WorkflowExecution.status < Status.SUCCESS)
            return connection.execute(waiting).first() is None and connection.execute(open_).first() is None
    finally:
        store.close()


def _audit(url: str, report: Report) -> None:
    """Counts the executions that every delivery has started."""
    store = Store.open(url)
    calls: Counter[int] = Counter()
    ticks: Counter[str] = Counter()
    with store.reading() as connection:
        query = (
            select(WorkflowExecution.id, WorkflowExecution.mode, ExecutionEvent.data)
            .join(ExecutionEvent, ExecutionEvent.execution_pk == WorkflowExecution.pk)
            .where(ExecutionEvent.seq == 1)
        )
        ids = set()
        for id, mode, data in connection.execute(query):
            ids.add(id)
            started = decode(data)
            assert isinstance(started, ExecutionStarted)
            record = started.input[0].json
            if mode == 3:
                calls[record["body"]["n"]] += 1
            else:
                ticks[record["scheduled_at"]] += 1
        events = list(
            connection.execute(
                select(TriggerEvent.execution_id, TriggerEvent.decision).where(TriggerEvent.execution_id != "")
            )
        )
        decisions = select(TriggerEvent.at, TriggerEvent.detail).where(
            TriggerEvent.decision.in_((Decision.FAILED, Decision.SKIPPED_CATCH_UP))
        )
        report.faults += [f"{row.at}: {row.detail}" for row in connection.execute(decisions)]
    store.close()
    report.faults += [f"an event names execution {id}, which is not there" for id, _ in events if id not in ids]
    told = {id for id, decision in events if decision == Decision.STARTED}
    report.faults += [f"execution {id} has no event that started it" for id in ids - told]
    report.faults += [f"named call {n} started {calls[n]} executions" for n in report.named if calls[n] != 1]
    report.faults += [f"answered call {n} started {calls[n]} executions" for n in report.answered if calls[n] != 1]
    report.faults += [f"unanswered call {n} started {calls[n]} executions" for n in report.unanswered if calls[n] > 1]
    report.faults += [f"tick {at} started {count} executions" for at, count in ticks.items() if count != 1]
    seconds = sorted(_seconds(at) for at in ticks)
    report.faults += [f"no tick between {one} and {two}" for one, two in pairwise(seconds) if two - one != EVERY]
    report.ticks = len(ticks)


def _seconds(at: str) -> int:
    return int(datetime.fromisoformat(at).timestamp())
