"""action.redis on a real Valkey."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.nodes.action.world import world
from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.shape import Effect
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.registry import installed

TYPE = "action.redis"


@pytest.fixture
async def context(redis_server: dict[str, Any], tmp_path: Path) -> AsyncIterator[Context]:
    async with world(
        tmp_path,
        here=redis_server,
        wrong={**redis_server, "password": "no"},
        inner={**redis_server, "host": "10.0.0.1"},
        gone={**redis_server, "port": 1},
        tls={**redis_server, "tls": "verify"},
        other={"type": "postgres", "host": "127.0.0.1"},
        bound={**redis_server, "allowed_hosts": ["redis.example.com"]},
    ) as made:
        yield made


async def run(context: Context, command: str, *arguments: Any, server: str = "here", **parameters: Any) -> Any:
    drawn = {"command": command, "arguments": list(arguments), **parameters}
    return await run_node(TYPE, drawn, [{"id": 7}], context=context, credentials={"server": server})


async def value(context: Context, command: str, *arguments: Any) -> Any:
    [record] = records(await run(context, command, *arguments))
    assert record["id"] == 7
    return record["value"]


async def test_what_is_set_is_got(context: Context) -> None:
    nasty = "a b\r\nDEL k\r\n"
    assert await value(context, "set", "k", nasty) == "OK"
    assert await value(context, "GET", "k") == nasty
    assert await value(context, "GET", "none") is None


async def test_each_kind_of_answer_is_json(context: Context) -> None:
    await value(context, "DEL", "h", "l", "s", "z")
    assert await value(context, "HSET", "h", "a", 1, "b", {"x": [True]}) == 2
    assert await value(context, "HGETALL", "h") == {"a": "1", "b": '{"x":[true]}'}
    assert await value(context, "RPUSH", "l", "x", "y") == 2
    assert await value(context, "LRANGE", "l", 0, -1) == ["x", "y"]
    await value(context, "SADD", "s", "b", "a")
    assert sorted(await value(context, "SMEMBERS", "s")) == ["a", "b"]
    await value(context, "ZADD", "z", 1.5, "m")
    assert await value(context, "ZSCORE", "z", "m") == 1.5
    assert await value(context, "EVAL", "return {KEYS[1], ARGV[1], 3}", 1, "k", "v") == ["k", "v", 3]
    await value(context, "EVAL", "redis.call('SET', 'raw', '\\255\\0')", 0)
    assert await value(context, "GET", "raw") == "/wA="


async def test_a_mistake_is_told_in_the_server_s_words(context: Context) -> None:
    await value(context, "SET", "text", "x")
    failed = failure(await run(context, "INCR", "text"))
    assert (failed.reason, failed.field, failed.retryable) == ("COMMAND_FAILED", "command", False)
    assert "not an integer" in failed.message


async def test_a_command_that_waits_is_stopped(context: Context) -> None:
    failed = failure(await run(context, "BLPOP", "nothing", 0, timeout_seconds=0.5))
    assert (failed.reason, failed.retryable) == ("TIMEOUT", False)
    failed = failure(await run(context, "BLPOP", "nothing", 0, timeout_seconds=0.5, idempotent=True))
    assert failed.retryable


async def test_the_node_s_own_timeout_ends_it_too(context: Context) -> None:
    drawn = {"command": "BLPOP", "arguments": ["nothing", 0]}
    event = await run_node(TYPE, drawn, context=context, credentials={"server": "here"}, timeout="0.3s")
    assert failure(event).reason == "TIMEOUT"


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ("wrong", "CONNECTION_FAILED"),
        ("gone", "CONNECTION_FAILED"),
        ("tls", "CONNECTION_FAILED"),
        ("inner", "EGRESS_REFUSED"),
        ("other", "CREDENTIAL_REFUSED"),
        ("bound", "CREDENTIAL_REFUSED"),
        ("", "CREDENTIAL_MISSING"),
    ],
)
async def test_where_it_will_not_connect(context: Context, server: str, reason: str) -> None:
    failed = failure(await run(context, "PING", server=server, timeout_seconds=1))
    assert failed.reason == reason
    assert "s3cret" not in str(failed)


def test_only_what_can_be_repeated_is_repeated() -> None:
    kind = installed().find(TYPE)
    assert kind
    assert kind.shape({"command": "get"}).effect is Effect.IDEMPOTENT
    assert kind.shape({"command": "INCR"}).effect is Effect.AT_MOST_ONCE
    assert kind.shape({"command": "INCR", "idempotent": True}).effect is Effect.IDEMPOTENT
    assert kind.shape({"command": "{{ json.command }}"}).effect is Effect.AT_MOST_ONCE


def test_mistakes_are_found_when_saving() -> None:
    assert problems(TYPE, {"command": "GET", "argument": "x"}) == [
        "parameters.argument: there is no parameter 'argument'"
    ]
    assert "about the connection" in problems(TYPE, {"command": "subscribe"})[0]
    assert problems(TYPE, {"command": "GET k"})[0].startswith("parameters.command: ")
