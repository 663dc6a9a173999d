"""action.amqp_publish on a real RabbitMQ."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from tests.nodes.action.world import world
from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.items import Item
from workflow_engine.engine.shape import Effect
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.registry import installed

TYPE = "action.amqp_publish"


@pytest.fixture
async def context(amqp_server: dict[str, Any], tmp_path: Path) -> AsyncIterator[Context]:
    async with world(
        tmp_path,
        here=amqp_server,
        wrong={**amqp_server, "password": "no"},
        nowhere={**amqp_server, "virtual_host": "none"},
        inner={**amqp_server, "host": "10.0.0.1"},
        gone={**amqp_server, "port": 1},
    ) as made:
        yield made


@pytest.fixture
async def queue(amqp_server: dict[str, Any]) -> AsyncIterator[aio_pika.abc.AbstractQueue]:
    connection = await aio_pika.connect(
        host="127.0.0.1", port=amqp_server["port"], login=amqp_server["user"], password=amqp_server["password"]
    )
    async with connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange("orders", aio_pika.ExchangeType.TOPIC)
        queue = await channel.declare_queue("new-orders", exclusive=True)
        await queue.bind(exchange, "orders.*")
        yield queue


async def run(context: Context, *items: Any, server: str = "here", **parameters: Any) -> Any:
    drawn = {"exchange": "orders", "routing_key": "orders.created", **parameters}
    return await run_node(TYPE, drawn, items or [{"id": 7}], context=context, credentials={"server": server})


async def test_a_bound_queue_gets_it(context: Context, queue: aio_pika.abc.AbstractQueue) -> None:
    event = await run(context, {"id": 1}, {"id": 2}, value="{{ json }}", headers={"n": 3}, expires_in=60)
    first, second = records(event)
    assert first["published"] != second["published"]
    message = await queue.get(timeout=5)
    assert message
    assert (message.body, message.content_type, message.headers) == (b'{"id":1}', "application/json", {"n": 3})
    assert message.message_id == first["published"]["message_id"]
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT


async def test_a_file_goes_to_a_queue_by_its_name(context: Context, queue: aio_pika.abc.AbstractQueue) -> None:
    assert context.blobs
    ref = await context.blobs.write(b"\x00\xff", "image/png")
    await run(context, Item({}, {"data": ref}), exchange="", routing_key="new-orders", binary="data", persistent=False)
    message = await queue.get(timeout=5)
    assert message
    assert (message.body, message.content_type) == (b"\x00\xff", "image/png")


async def test_a_message_that_no_queue_takes_is_not_lost_in_silence(
    context: Context, queue: aio_pika.abc.AbstractQueue
) -> None:
    failed = failure(await run(context, routing_key="elsewhere", value="x"))
    assert (failed.reason, failed.field, failed.retryable) == ("PUBLISH_FAILED", "routing_key", False)
    assert records(await run(context, routing_key="elsewhere", value="x", mandatory=False))


async def test_an_exchange_that_is_not_there(context: Context) -> None:
    failed = failure(await run(context, exchange="none", value="x"))
    assert (failed.reason, failed.field) == ("PUBLISH_FAILED", "exchange")
    assert "none" in failed.message


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ("wrong", "CONNECTION_FAILED"),
        ("nowhere", "CONNECTION_FAILED"),
        ("gone", "CONNECTION_FAILED"),
        ("inner", "EGRESS_REFUSED"),
        ("", "CREDENTIAL_MISSING"),
    ],
)
async def test_where_it_will_not_connect(context: Context, server: str, reason: str) -> None:
    failed = failure(await run(context, server=server, timeout_seconds=5))
    assert failed.reason == reason
    assert "s3cret" not in str(failed)


def test_a_message_is_sent_at_most_once_unless_told_otherwise() -> None:
    kind = installed().find(TYPE)
    assert kind
    assert kind.shape({}).effect is Effect.AT_MOST_ONCE
    assert kind.shape({"idempotent": True}).effect is Effect.IDEMPOTENT


def test_mistakes_are_found_when_saving() -> None:
    assert problems(TYPE, {"queue": "b"}) == ["parameters.queue: there is no parameter 'queue'"]
    assert problems(TYPE, {"priority": 300})[0].startswith("parameters.priority: ")
