"""action.kafka_publish on a broker that speaks Kafka's protocol; read back by another client."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from tests.nodes.action import servers
from tests.nodes.action.world import world
from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.shape import Effect
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.registry import installed

TYPE = "action.kafka_publish"


@pytest.fixture
async def context(kafka_server: dict[str, Any], tmp_path: Path) -> AsyncIterator[Context]:
    async with world(
        tmp_path,
        here=kafka_server,
        inner={**kafka_server, "host": "10.0.0.1"},
        gone={**kafka_server, "port": 1},
    ) as made:
        yield made


async def run(context: Context, *items: Any, server: str = "here", **parameters: Any) -> Any:
    drawn = {"topic": "orders", **parameters}
    return await run_node(TYPE, drawn, items or [{"id": 7}], context=context, credentials={"server": server})


@pytest.mark.parametrize("compression", ["none", "gzip"])
async def test_records_are_appended(context: Context, kafka_server: dict[str, Any], compression: str) -> None:
    topic = f"orders-{compression}"
    drawn = {"topic": topic, "key": "k{{ json.id }}", "value": "{{ json }}", "headers": {"kind": "order"}}
    event = await run(context, {"id": 1}, {"id": 2}, **drawn, compression=compression)
    assert [each["published"]["offset"] for each in records(event)] == [0, 1]
    address = f"127.0.0.1:{kafka_server['port']}"
    async with AIOKafkaConsumer(topic, bootstrap_servers=address, auto_offset_reset="earliest") as reader:
        record = await asyncio.wait_for(reader.getone(), 10)
    assert (record.key, record.value, record.headers) == (b"k1", b'{"id":1}', (("kind", b"order"),))


async def test_a_broker_that_leads_to_an_address_which_was_not_checked(tmp_path: Path) -> None:
    with servers.kafka(advertised="tcp://10.0.0.1:9092") as credential:
        async with world(tmp_path, here=credential) as context:
            failed = failure(await run(context, timeout_seconds=10))
        assert (failed.reason, failed.details["host"]) == ("EGRESS_REFUSED", "10.0.0.1")
        async with world(tmp_path, here={**credential, "allowed_hosts": ["127.0.0.1"]}) as context:
            assert failure(await run(context, timeout_seconds=10)).reason == "CREDENTIAL_REFUSED"


@pytest.mark.parametrize(
    ("server", "reason"),
    [("gone", "CONNECTION_FAILED"), ("inner", "EGRESS_REFUSED"), ("", "CREDENTIAL_MISSING")],
)
async def test_where_it_will_not_connect(context: Context, server: str, reason: str) -> None:
    assert failure(await run(context, server=server, timeout_seconds=5)).reason == reason


async def test_a_broker_that_says_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        credential = {"type": "kafka", "host": "127.0.0.1", "port": silent.getsockname()[1], "tls": "off"}
        async with world(tmp_path, here=credential) as context:
            failed = failure(await run(context, timeout_seconds=0.3))
    assert (failed.reason, failed.retryable) == ("TIMEOUT", False)


def test_a_record_is_sent_at_most_once_unless_told_otherwise() -> None:
    kind = installed().find(TYPE)
    assert kind
    assert kind.shape({}).effect is Effect.AT_MOST_ONCE
    assert kind.shape({"idempotent": True}).effect is Effect.IDEMPOTENT


def test_mistakes_are_found_when_saving() -> None:
    assert problems(TYPE, {"topic": "a", "queue": "b"}) == ["parameters.queue: there is no parameter 'queue'"]
    assert problems(TYPE, {"topic": "a b"})[0].startswith("parameters.topic: ")
