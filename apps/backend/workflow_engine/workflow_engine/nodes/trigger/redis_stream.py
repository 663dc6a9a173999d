"""trigger.redis_stream: entries of a Redis stream."""

from __future__ import annotations

from typing import Any

from workflow_engine.engine.items import Item
from workflow_engine.nodes.action.servers import Server, reached
from workflow_engine.nodes.spec import CredentialSlot, Field
from workflow_engine.nodes.trigger.base import Json, ListenTrigger, Source, TriggerParameters

BLOCK = 5_000
"""Milliseconds that the server holds a read for which there is nothing."""


class RedisStreamParameters(TriggerParameters):
    """Which stream, and as which of its groups."""

    stream: str = Field(min_length=1, max_length=1000)
    """The stream's key. It is made when it is not there."""
    group: str = Field(default="", max_length=200)
    """The consumer group; the trigger's own when left out, so that it sees every entry. Consumers of one group share
    the entries."""
    from_start: bool = False
    """Begin with what the stream holds already; otherwise with what comes from now on."""
    batch: int = Field(default=50, ge=1, le=1_000)
    """How many entries are read at once; each starts an execution of its own."""


class RedisStreamTrigger(ListenTrigger[RedisStreamParameters]):
    """Starts the workflow for every entry that is added to a stream on Redis or Valkey.

    Its item is `{"id", "stream", "fields"}`; fields whose text is JSON are values. An entry is acknowledged when it is
    stored here; entries that were read before a crash and not acknowledged are read again first.
    """

    type = "trigger.redis_stream"
    name = "Redis stream"
    summary = "Starts for every new entry of a Redis stream."
    example = {"stream": "orders"}
    credentials = (CredentialSlot("server", ("redis",), required=True),)

    async def listen(self, source: Source) -> None:
        from redis.exceptions import RedisError

        asked: RedisStreamParameters = source.parameters
        server = await reached(source, source.context, "redis")
        client = await _connected(server)
        try:
            group = asked.group or source.trigger_id
            await _grouped(client, asked.stream, group, "0" if asked.from_start else "$")
            source.listens()
            position = "0"
            while True:
                read = await client.xreadgroup(
                    group, source.trigger_id, {asked.stream: position}, count=asked.batch, block=BLOCK
                )
                entries = _entries(read)
                if not entries and position == "0":
                    # Nothing is left of what was read in an earlier life.
                    position = ">"
                for id, fields in entries:
                    await source.emit([_item(asked.stream, id, fields)], delivery_id=f"{asked.stream}:{id}")
                    await client.xack(asked.stream, group, id)
        except (RedisError, OSError) as error:
            raise server.refused(str(error) or type(error).__name__) from None
        finally:
            await client.aclose()


async def _connected(server: Server) -> Any:
    from redis.asyncio import Connection, ConnectionPool, Redis
    from redis.exceptions import AuthenticationError, RedisError

    tls = server.tls()

    class Checked(Connection):
        def _connection_arguments(self) -> dict[str, Any]:
            named = {"ssl": tls, "server_hostname": server.host} if tls else {}
            return {"host": server.address, "port": server.port, **named}

    pool: Any = ConnectionPool(
        connection_class=Checked,
        host=server.address,
        port=server.port,
        db=int(server.secret.get("database") or 0),
        username=server.text("user"),
        password=server.text("password"),
        socket_connect_timeout=10,
        socket_timeout=BLOCK / 1000 + 10,
        protocol=3,
        client_name="workflow-engine",
        driver_info=None,
        retry=None,
    )
    client = Redis.from_pool(pool)
    try:
        await client.ping()
    except AuthenticationError as error:
        raise server.refused(str(error), retryable=False) from None
    except (RedisError, OSError, TimeoutError) as error:
        raise server.refused(str(error) or type(error).__name__) from None
    return client


async def _grouped(client: Any, stream: str, group: str, begin: str) -> None:
    from redis.exceptions import ResponseError

    try:
        await client.xgroup_create(stream, group, id=begin, mkstream=True)
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


def _entries(read: Any) -> list[tuple[str, Any]]:
    """The entries of one stream, however this protocol version tells them."""
    if not read:
        return []
    [streams] = read.values() if isinstance(read, dict) else [read[0][1]]
    if streams and isinstance(streams[0], list) and (not streams[0] or isinstance(streams[0][0], list | tuple)):
        streams = streams[0]
    return [(_text(id), fields) for id, fields in streams]


def _item(stream: str, id: str, fields: Any) -> Item:
    # An entry that was deleted while it waited to be acknowledged has no fields any more.
    shown: dict[str, Json] = {_text(name): _value(value) for name, value in (fields or {}).items()}
    return Item({"id": id, "stream": stream, "fields": shown})


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _value(value: Any) -> Json:
    from workflow_engine.utils import json

    text = _text(value)
    try:
        return json.loads(text)
    except ValueError:
        return text
