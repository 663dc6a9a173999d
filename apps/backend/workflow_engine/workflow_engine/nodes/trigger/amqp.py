"""trigger.amqp: messages of a queue."""

from __future__ import annotations

from typing import Any

from workflow_engine.nodes.action.servers import Server, reached
from workflow_engine.nodes.spec import CredentialSlot, Field, NodeFailure
from workflow_engine.nodes.trigger.base import Json, ListenTrigger, Source, TriggerParameters
from workflow_engine.nodes.trigger.received import LastStored, digest, item_of


class AmqpTriggerParameters(TriggerParameters):
    """Which queue."""

    queue: str = Field(min_length=1, max_length=255)
    """The queue."""
    declare: bool = False
    """Make the queue, durable, when it is not there."""
    exchange: str = Field(default="", max_length=255)
    """Bind the queue to this exchange first."""
    routing_keys: list[str] = Field(default=["#"], min_length=1, max_length=100)
    """With `exchange`: the keys that it is bound by."""


class AmqpTrigger(ListenTrigger[AmqpTriggerParameters]):
    """Starts the workflow for every message of a queue on RabbitMQ or another AMQP 0-9-1 broker.

    Its item is `{"routing_key", "exchange", "message_id", "value", "headers"}`; `value` is the message's JSON, or its
    text; one that is neither is the file `data`. Messages are taken one after the other and acknowledged when they are
    stored here. A message that comes again is known by its `message_id`; where senders give none, the one message
    that a crash can have left in doubt is known by its content.
    """

    type = "trigger.amqp"
    name = "AMQP"
    summary = "Starts for every message of an AMQP queue."
    example = {"queue": "orders"}
    credentials = (CredentialSlot("server", ("amqp",), required=True),)

    async def listen(self, source: Source) -> None:
        from aio_pika.exceptions import AMQPError, ChannelClosed

        server = await reached(source, source.context, "amqp")
        connection = await _connected(server)
        last = LastStored(source.cursor, 1)
        try:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=1)
            queue = await _queue(channel, source.parameters)
            async with queue.iterator() as messages:
                source.listens()
                async for message in messages:
                    await _store(source, message, last)
                    await message.ack()
        except ChannelClosed as error:
            raise NodeFailure(
                "NOT_FOUND", str(error), field="queue", hint="see that the queue is there and that the user may read it"
            ) from None
        except (AMQPError, OSError) as error:
            raise server.refused(str(error) or type(error).__name__) from None
        finally:
            await connection.close()


async def _connected(server: Server) -> Any:
    import aio_pika
    from aio_pika.exceptions import AMQPError

    tls = server.tls()
    try:
        return await aio_pika.connect(
            host=server.address,
            port=server.port,
            login=server.text("user") or "guest",
            password=server.text("password") or "guest",
            virtualhost=server.text("virtual_host") or "/",
            ssl=tls is not None,
            ssl_context=tls,
            timeout=10,
        )
    except (AMQPError, OSError, TimeoutError) as error:
        raise server.refused(str(error) or type(error).__name__) from None


async def _queue(channel: Any, asked: AmqpTriggerParameters) -> Any:
    queue = await channel.declare_queue(asked.queue, durable=True, passive=not asked.declare)
    if asked.exchange:
        for key in asked.routing_keys:
            await queue.bind(asked.exchange, key)
    return queue


async def _store(source: Source, message: Any, last: LastStored) -> None:
    known = digest(
        message.body, message.exchange or "", message.routing_key or "", repr(sorted(message.headers.items()))
    )
    id = message.message_id or ""
    if not id and last.is_stored(known, comes_again=bool(message.redelivered)):
        return
    item = await item_of(
        source,
        message.body,
        media_type=message.content_type or "",
        routing_key=message.routing_key or "",
        exchange=message.exchange or "",
        message_id=id,
        headers={str(name): _shown(value) for name, value in message.headers.items()},
    )
    await source.emit([item], delivery_id=id, cursor=last.cursor(known))


def _shown(value: Any) -> Json:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
