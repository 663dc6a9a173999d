"""action.nats_publish on a real NATS server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client

from tests.nodes.action.world import content, world
from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.items import Item
from workflow_engine.engine.shape import Effect
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.registry import installed

TYPE = "action.nats_publish"


@pytest.fixture
async def context(nats_server: dict[str, Any], tmp_path: Path) -> AsyncIterator[Context]:
    async with world(
        tmp_path,
        here=nats_server,
        wrong={**nats_server, "password": "no"},
        inner={**nats_server, "host": "10.0.0.1"},
        gone={**nats_server, "port": 1},
    ) as made:
        yield made


@pytest.fixture
async def listener(nats_server: dict[str, Any]) -> AsyncIterator[Client]:
    client = await nats.connect(
        f"nats://127.0.0.1:{nats_server['port']}", user=nats_server["user"], password=nats_server["password"]
    )
    yield client
    await client.close()


async def run(context: Context, *items: Any, server: str = "here", **parameters: Any) -> Any:
    drawn = {"subject": "orders.new", **parameters}
    return await run_node(TYPE, drawn, items or [{"id": 7}], context=context, credentials={"server": server})


async def test_who_listens_gets_it(context: Context, listener: Client) -> None:
    seen = await listener.subscribe("orders.>")
    await listener.flush()
    event = await run(context, {"id": 1}, {"id": 2}, value="{{ json }}", headers={"X-Kind": "order"})
    assert records(event) == [{"id": each, "published": {"subject": "orders.new"}} for each in (1, 2)]
    message = await seen.next_msg(5)
    assert (message.subject, message.data, message.headers) == ("orders.new", b'{"id":1}', {"X-Kind": "order"})
    assert (await seen.next_msg(5)).data == b'{"id":2}'


async def test_a_file_is_sent_as_it_is(context: Context, listener: Client) -> None:
    assert context.blobs
    ref = await context.blobs.write(b"\x00\xff", "image/png")
    seen = await listener.subscribe("orders.new")
    await listener.flush()
    await run(context, Item({}, {"data": ref}), binary="data")
    assert (await seen.next_msg(5)).data == b"\x00\xff"
    assert await content(context, ref) == b"\x00\xff"


async def test_a_stream_stores_it_once(context: Context, listener: Client) -> None:
    await listener.jetstream().add_stream(name="PAID", subjects=["paid.>"])
    first = await run(context, subject="paid.now", value="x", jet_stream=True, output_field="s")
    again = await run(context, subject="paid.now", value="x", jet_stream=True, output_field="s")
    assert records(first) == [{"id": 7, "s": {"stream": "PAID", "sequence": 1, "duplicate": False}}]
    assert records(again) == [{"id": 7, "s": {"stream": "PAID", "sequence": 1, "duplicate": True}}]


async def test_what_no_stream_stores_is_a_failure(context: Context) -> None:
    failed = failure(await run(context, subject="nowhere", value="x", jet_stream=True))
    assert (failed.reason, failed.field) == ("PUBLISH_FAILED", "subject")
    assert "nowhere" in failed.message


async def test_what_the_server_finds_too_large_is_refused(context: Context) -> None:
    failed = failure(await run(context, value="x" * 1_100_000))
    assert (failed.reason, failed.field) == ("TOO_LARGE", "value")


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
    failed = failure(await run(context, server=server, timeout_seconds=2))
    assert failed.reason == reason
    assert not failed.details.get("sent")


def test_only_what_can_be_repeated_is_repeated() -> None:
    kind = installed().find(TYPE)
    assert kind
    assert kind.shape({}).effect is Effect.AT_MOST_ONCE
    assert kind.shape({"idempotent": True}).effect is Effect.IDEMPOTENT
    assert kind.shape({"jet_stream": True}).effect is Effect.IDEMPOTENT


def test_mistakes_are_found_when_saving() -> None:
    assert problems(TYPE, {"subject": "a", "topic": "b"}) == ["parameters.topic: there is no parameter 'topic'"]
    assert problems(TYPE, {"subject": "a.*"})[0].startswith("parameters.subject: ")
