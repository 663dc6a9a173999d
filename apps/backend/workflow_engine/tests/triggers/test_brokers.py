"""Triggers on real brokers: what comes starts one execution, and goes on coming after either side was away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.clock import ManualClock
from tests.nodes.action import servers
from tests.nodes.action.world import world
from tests.triggers.rig import Rig, rig
from workflow_engine.engine.events import ExecutionStarted
from workflow_engine.models.store import ExecutionFilter
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.trigger.base import Source
from workflow_engine.runtime.journal import read_page
from workflow_engine.triggers.registered import Registered

Send = Callable[[list[dict[str, Any]]], Awaitable[None]]


class Broker:
    """A server that can go away and come back where it was, and somebody who sends to it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, servers.free_port()
        self.is_listened_to = asyncio.Event()
        self.credential: dict[str, Any] = {}
        self._running = ExitStack()

    async def start(self) -> None:
        self.credential = await asyncio.to_thread(self._running.enter_context, self.server())
        await self.ready()

    async def stop(self) -> None:
        await asyncio.to_thread(self._running.close)

    def server(self) -> Any:
        raise NotImplementedError

    async def ready(self) -> None:
        """Makes what is listened to, once."""

    async def send(self, records: list[dict[str, Any]]) -> None:
        raise NotImplementedError

    trigger: dict[str, Any]
    seen: Callable[[dict[str, Any]], Any] = staticmethod(lambda record: record["value"]["n"])
    """The number in an item."""


class Nats(Broker):
    trigger = {"type": "trigger.nats", "parameters": {"subject": "orders.>", "from_start": True}}

    def server(self) -> Any:
        return servers.nats(self.folder, self.port)

    async def client(self) -> Any:
        import nats

        return await nats.connect(f"nats://127.0.0.1:{self.port}", user=servers.USER, password=servers.PASSWORD)

    async def ready(self) -> None:
        client = await self.client()
        await client.jetstream().add_stream(name="orders", subjects=["orders.>"])
        await client.close()

    async def send(self, records: list[dict[str, Any]]) -> None:
        client = await self.client()
        for record in records:
            await client.jetstream().publish("orders.new", json.dumps(record).encode())
        await client.close()


class Valkey(Broker):
    trigger = {"type": "trigger.redis_stream", "parameters": {"stream": "orders", "from_start": True}}
    seen = staticmethod(lambda record: record["fields"]["n"])

    def server(self) -> Any:
        return servers.valkey(self.folder, self.port)

    async def send(self, records: list[dict[str, Any]]) -> None:
        from redis.asyncio import Redis

        async with Redis(port=self.port, password=servers.PASSWORD) as client:
            for record in records:
                await client.xadd("orders", {"n": record["n"]})


class Rabbit(Broker):
    trigger = {"type": "trigger.amqp", "parameters": {"queue": "orders", "declare": True}}

    def server(self) -> Any:
        return servers.rabbitmq(self.folder, self.port)

    async def send(self, records: list[dict[str, Any]]) -> None:
        import aio_pika

        url = f"amqp://{servers.USER}:{servers.PASSWORD}@127.0.0.1:{self.port}/"
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue("orders", durable=True)
            for record in records:
                body = json.dumps(record).encode()
                message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
                await channel.default_exchange.publish(message, queue.name)


class Mosquitto(Broker):
    trigger = {"type": "trigger.mqtt", "parameters": {"topics": ["orders/+"], "qos": 1}}

    def server(self) -> Any:
        return servers.mosquitto(self.folder, self.port)

    async def send(self, records: list[dict[str, Any]]) -> None:
        from aiomqtt import Client

        async with Client("127.0.0.1", self.port, username=servers.USER, password=servers.PASSWORD) as client:
            for record in records:
                await client.publish("orders/new", json.dumps(record).encode(), qos=1)


@asynccontextmanager
async def running(broker: Broker, url: str, folder: Path, clock: ManualClock) -> AsyncIterator[Rig]:
    """One life of the engine, which knows the broker."""
    async with world(folder / "blobs", broker=broker.credential) as there:

        def services(context: Context) -> Context:
            context.http, context.blobs, context.credentials = there.http, there.blobs, there.credentials
            return context

        async with rig(url, clock=clock, services=services) as made:
            _tell_when_it_listens(made, broker)
            yield made


def _tell_when_it_listens(rig: Rig, broker: Broker) -> None:
    """What is published from now on sets `is_listened_to`: MQTT keeps nothing for who has never listened."""
    sources = rig.triggers._sources
    source_of = sources._source

    def source(trigger: Registered) -> Source:
        made = source_of(trigger)
        listens = made.listens

        def told() -> None:
            listens()
            broker.is_listened_to.set()

        made.listens = told
        return made

    sources._source = source  # type: ignore[method-assign]


def drawing(broker: Broker) -> dict[str, Any]:
    trigger = {"id": "in", "credentials": {"server": "broker"}, **broker.trigger}
    return {"nodes": [trigger, {"id": "out", "type": "flow.no_op"}], "connections": ["in -> out"]}


async def started(rig: Rig, broker: Broker) -> list[Any]:
    """The number of every message that has started an execution, in order."""
    store = rig.engine.store
    rows = await asyncio.to_thread(lambda: store.executions(ExecutionFilter(workflow_id="orders"), limit=10_000))
    numbers = []
    for row in reversed(rows):
        [(_, event)] = await read_page(store, rig.engine.runtime._blobs, row.pk, 1, 1)
        assert isinstance(event, ExecutionStarted)
        numbers.append(broker.seen(event.input[0].json))
    return numbers


async def until(rig: Rig, holds: Callable[[], Awaitable[bool]], what: str) -> None:
    """Lets both sides go on until something holds. The clock moves along, so that a source comes back."""
    for _ in range(600):
        if await holds():
            return
        rig.clock.advance(200)
        await asyncio.sleep(0.03)
    raise AssertionError(f"{what}: {[(each.id, each.problem) for each in rig.triggers.registered.values()]}")


@pytest.fixture(params=[Nats, Valkey, Rabbit, Mosquitto], ids=lambda kind: kind.__name__.lower())
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    made: Broker = request.param(folder)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def test_every_message_starts_one_execution_whoever_was_away(
    broker: Broker, sqlite_url: str, tmp_path: Path
) -> None:
    clock = ManualClock()
    async with running(broker, sqlite_url, tmp_path, clock) as first:
        [trigger] = await first.publish("orders", drawing(broker))
        await broker.is_listened_to.wait()
        await broker.send([{"n": n} for n in range(3)])

        async def all_three() -> bool:
            return await started(first, broker) == [0, 1, 2]

        await until(first, all_three, "the first three did not start")
    # The engine is away, and the broker keeps what comes.
    await broker.send([{"n": n} for n in range(3, 6)])
    async with running(broker, sqlite_url, tmp_path, clock) as second:

        async def all_six() -> bool:
            return sorted(await started(second, broker)) == [0, 1, 2, 3, 4, 5]

        await until(second, all_six, "what came meanwhile did not start")
        [trigger] = second.triggers.registered.values()
        # The broker is away: the trigger says so, and comes back with it.
        await broker.stop()

        async def says_so() -> bool:
            return "127.0.0.1" in trigger.problem

        await until(second, says_so, "it stopped in silence")
        await broker.start()
        await broker.send([{"n": 6}])

        async def all_seven() -> bool:
            return sorted(await started(second, broker)) == [0, 1, 2, 3, 4, 5, 6]

        await until(second, all_seven, "it did not come back")
        assert trigger.problem == ""


async def test_what_is_stored_and_not_acknowledged_does_not_start_twice(
    broker: Broker, sqlite_url: str, tmp_path: Path
) -> None:
    """The connection dies between the commit and the acknowledgement, again and again."""
    clock = ManualClock()
    async with running(broker, sqlite_url, tmp_path, clock) as made:
        deliver = made.triggers.deliveries.deliver
        crashes = iter([True, False, True, True, False])

        async def dies_after(*arguments: Any, **named: Any) -> Any:
            row = await deliver(*arguments, **named)
            if next(crashes, False):
                raise ConnectionError("the process died right after the commit")
            return row

        made.triggers.deliveries.deliver = dies_after  # type: ignore[method-assign]
        await made.publish("orders", drawing(broker))
        await broker.is_listened_to.wait()
        await broker.send([{"n": n} for n in range(5)])

        async def all_five() -> bool:
            return len(await started(made, broker)) >= 5 and next(crashes, None) is None

        await until(made, all_five, "not all started")
        await asyncio.sleep(0.2)
        assert sorted(await started(made, broker)) == [0, 1, 2, 3, 4]
