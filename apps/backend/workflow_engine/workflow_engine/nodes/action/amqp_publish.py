"""action.amqp_publish: one message for each item."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import Field

from workflow_engine.nodes.action import messages
from workflow_engine.nodes.action.messages import Message, payload
from workflow_engine.nodes.action.results import FieldName, with_field
from workflow_engine.nodes.action.servers import Server, reached
from workflow_engine.nodes.spec import Call, CredentialSlot, Effect, Node, Result, Shape


class AmqpPublishParameters(Message):
    exchange: str = Field(default="", max_length=127)
    """The exchange, which has to be there; the empty one leads to the queue that `routing_key` names."""
    routing_key: str = Field(default="", max_length=255)
    """What the exchange goes by."""
    headers: dict[str, str | int | float | bool] = {}
    """Headers of the message."""
    content_type: str = Field(default="", max_length=255)
    """By default application/json, text/plain or the file's own."""
    persistent: bool = True
    """The broker keeps it on disk, in queues that are durable."""
    priority: int | None = Field(default=None, ge=0, le=255)
    """Higher ones first, in queues that know priorities."""
    expires_in: float | None = Field(default=None, gt=0)
    """Seconds after which the broker drops it."""
    mandatory: bool = True
    """Fail when no queue gets it, instead of losing it in silence."""
    output_field: FieldName = "published"
    """Field for what became of it."""
    timeout_seconds: float = Field(default=10, gt=0, le=3600)
    """Most time for connecting and sending."""


class AmqpPublish(Node[AmqpPublishParameters]):
    """Publishes one message on RabbitMQ, or another AMQP 0-9-1 broker, for each item.

    It is done when the broker has confirmed it. `message_id` is the same at every attempt, so receivers can
    deduplicate; set `idempotent` where they do, otherwise it is sent at most once.

    The credential in slot `server` has host, port, virtual_host, user, password and tls.
    """

    type = "action.amqp_publish"
    name = "AMQP publish"
    summary = "Publishes a message on RabbitMQ or another AMQP broker."
    example = {"exchange": "orders", "routing_key": "orders.created", "value": "{{ json }}"}
    effect = Effect.AT_MOST_ONCE
    credentials = (CredentialSlot("server", ("amqp",), required=True),)

    def shape(self, parameters: dict[str, Any]) -> Shape:
        return self.shaped(effect=messages.effect(parameters))

    async def run(self, call: Call[AmqpPublishParameters]) -> Result:
        parameters = call.parameters
        data = await payload(call, parameters)
        content_type = parameters.content_type
        if not content_type and parameters.binary:
            content_type = call.item.binary[parameters.binary].media_type
        server = await reached(call.node, call.context, "amqp")
        try:
            async with asyncio.timeout(parameters.timeout_seconds):
                await _publish(server, parameters, data, content_type, call.idempotency_key)
        except TimeoutError:
            raise messages.timed_out(server, parameters.timeout_seconds, parameters.idempotent) from None
        return with_field(call.item, parameters.output_field, {"message_id": call.idempotency_key})


async def _publish(
    server: Server, parameters: AmqpPublishParameters, data: bytes, content_type: str, message_id: str
) -> None:
    import aio_pika
    from aio_pika.exceptions import AMQPError, ChannelClosed, DeliveryError

    tls = server.tls()
    try:
        connection = await aio_pika.connect(
            host=server.address,
            port=server.port,
            login=server.text("user") or "guest",
            password=server.text("password") or "guest",
            virtualhost=server.text("virtual_host") or "/",
            ssl=tls is not None,
            ssl_context=tls,
            timeout=parameters.timeout_seconds,
        )
    except (AMQPError, OSError) as error:
        raise server.refused(str(error) or type(error).__name__) from None
    sent = False
    try:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        exchange = await channel.get_exchange(parameters.exchange) if parameters.exchange else channel.default_exchange
        sent = True
        await exchange.publish(
            aio_pika.Message(
                data,
                headers=dict(parameters.headers),
                content_type=content_type
                or ("text/plain" if isinstance(parameters.value, str) else "application/json"),
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT
                if parameters.persistent
                else aio_pika.DeliveryMode.NOT_PERSISTENT,
                priority=parameters.priority,
                expiration=parameters.expires_in,
                message_id=message_id,
            ),
            parameters.routing_key,
            mandatory=parameters.mandatory,
        )
    except DeliveryError as error:
        raise messages.refused(
            f"no queue took the message: {error}",
            "bind a queue to the exchange for this routing_key, or turn mandatory off",
            field="routing_key",
        ) from None
    except ChannelClosed as error:
        raise messages.refused(
            str(error), "see that the exchange is there and that the user may write to it", field="exchange"
        ) from None
    except (AMQPError, OSError) as error:
        raise messages.broken(server, error, again=parameters.idempotent or not sent) from None
    finally:
        await connection.close()
