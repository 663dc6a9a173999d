"""action.mqtt_publish on a real Mosquitto."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiomqtt import Client, Message, ProtocolVersion

from tests.nodes.action.world import world
from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.items import Item
from workflow_engine.engine.shape import Effect
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.registry import installed

TYPE = "action.mqtt_publish"


@pytest.fixture
async def context(mqtt_server: dict[str, Any], tmp_path: Path) -> AsyncIterator[Context]:
    async with world(
        tmp_path,
        here=mqtt_server,
        wrong={**mqtt_server, "password": "no"},
        inner={**mqtt_server, "host": "10.0.0.1"},
        gone={**mqtt_server, "port": 1},
    ) as made:
        yield made


@pytest.fixture
async def listener(mqtt_server: dict[str, Any]) -> AsyncIterator[Client]:
    async with Client(
        "127.0.0.1",
        mqtt_server["port"],
        username=mqtt_server["user"],
        password=mqtt_server["password"],
        protocol=ProtocolVersion.V5,
    ) as client:
        yield client


async def heard(listener: Client) -> Message:
    async for message in listener.messages:
        return message
    raise AssertionError("the listener was closed")


async def run(context: Context, *items: Any, server: str = "here", **parameters: Any) -> Any:
    drawn = {"topic": "home/light", **parameters}
    return await run_node(TYPE, drawn, items or [{"id": 7}], context=context, credentials={"server": server})


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_who_listens_gets_it(context: Context, listener: Client, qos: int) -> None:
    await listener.subscribe("home/#", qos=2)
    event = await run(context, value="{{ json }}", qos=qos, properties={"kind": "lamp"}, expires_in=60)
    assert records(event) == [{"id": 7, "published": {"topic": "home/light", "bytes": 8}}]
    message = await heard(listener)
    assert (str(message.topic), message.payload, message.qos) == ("home/light", b'{"id":7}', qos)
    assert message.properties
    assert message.properties.UserProperty == [("kind", "lamp")]


async def test_what_is_retained_is_there_for_those_who_come_later(context: Context, listener: Client) -> None:
    assert context.blobs
    ref = await context.blobs.write(b"\x00\xff", "image/png")
    await run(context, Item({}, {"data": ref}), topic="kept", binary="data", retain=True, version="3.1.1")
    await listener.subscribe("kept")
    message = await heard(listener)
    assert (message.payload, message.retain) == (b"\x00\xff", True)


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ("wrong", "CONNECTION_FAILED"),
        ("gone", "CONNECTION_FAILED"),
        ("inner", "EGRESS_REFUSED"),
        ("", "CREDENTIAL_MISSING"),
    ],
)
async def test_where_it_will_not_connect(context: Context, server: str, reason: str) -> None:
    failed = failure(await run(context, server=server, timeout_seconds=5))
    assert failed.reason == reason
    assert not failed.details.get("sent")


async def test_a_broker_that_says_nothing(context: Context, mqtt_server: dict[str, Any], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        credential = {**mqtt_server, "port": silent.getsockname()[1]}
        async with world(tmp_path, here=credential) as quiet:
            failed = failure(await run(quiet, timeout_seconds=0.3))
    assert failed.reason in ("TIMEOUT", "CONNECTION_FAILED")


def test_a_message_is_sent_at_most_once_unless_told_otherwise() -> None:
    kind = installed().find(TYPE)
    assert kind
    assert kind.shape({"qos": 2}).effect is Effect.AT_MOST_ONCE
    assert kind.shape({"idempotent": True}).effect is Effect.IDEMPOTENT


def test_mistakes_are_found_when_saving() -> None:
    assert problems(TYPE, {"topic": "a", "subject": "b"}) == ["parameters.subject: there is no parameter 'subject'"]
    assert problems(TYPE, {"topic": "a/#"})[0].startswith("parameters.topic: ")
