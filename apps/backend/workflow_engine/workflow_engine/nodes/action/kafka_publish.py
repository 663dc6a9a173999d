"""action.kafka_publish: one record for each item."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workflow_engine.nodes.action import messages
from workflow_engine.nodes.action.messages import Message, payload
from workflow_engine.nodes.action.results import FieldName, with_field
from workflow_engine.nodes.action.servers import PinnedContext, Server, reached
from workflow_engine.nodes.context import HttpClient
from workflow_engine.nodes.credentials import check_host
from workflow_engine.nodes.spec import Call, CredentialSlot, Effect, Node, NodeFailure, Result, Shape

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer


class KafkaPublishParameters(Message):
    topic: str = Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=249)
    """The topic."""
    key: str | None = None
    """Records with the same key keep their order."""
    partition: int | None = Field(default=None, ge=0)
    """By default the key decides."""
    headers: dict[str, str] = {}
    """Headers of the record."""
    compression: Literal["none", "gzip"] = "none"
    """How it is packed."""
    output_field: FieldName = "published"
    """Field for where it is: topic, partition and offset."""
    timeout_seconds: float = Field(default=15, gt=0, le=3600)
    """Most time for connecting and sending."""


class KafkaPublish(Node[KafkaPublishParameters]):
    """Appends one record to a Kafka topic for each item.

    It is done when all replicas that are in sync have it. Whether they had it before a crash nobody knows, so it is
    sent at most once unless `idempotent` is set.

    The credential in slot `server` names one broker. The others are those that it names; each has to be public or
    allowed by the operator, and within the credential's hosts.
    """

    type = "action.kafka_publish"
    name = "Kafka publish"
    summary = "Appends a record to a Kafka topic."
    example = {"topic": "orders", "key": "{{ json.customer }}", "value": "{{ json }}"}
    effect = Effect.AT_MOST_ONCE
    credentials = (CredentialSlot("server", ("kafka",), required=True),)

    def shape(self, parameters: dict[str, Any]) -> Shape:
        return self.shaped(effect=messages.effect(parameters))

    async def run(self, call: Call[KafkaPublishParameters]) -> Result:
        parameters = call.parameters
        data = await payload(call, parameters)
        server = await reached(call.node, call.context, "kafka")
        assert call.context.http
        try:
            async with asyncio.timeout(parameters.timeout_seconds):
                told = await _publish(server, parameters, data, call.context.http)
        except TimeoutError:
            raise messages.timed_out(server, parameters.timeout_seconds, parameters.idempotent) from None
        return with_field(call.item, parameters.output_field, told)


async def _publish(server: Server, parameters: KafkaPublishParameters, data: bytes, http: HttpClient) -> dict[str, Any]:
    from aiokafka import AIOKafkaProducer

    tls = server.tls()
    mechanism = server.text("mechanism") or "none"
    signed = mechanism != "none"
    producer = AIOKafkaProducer(
        bootstrap_servers=f"{server.address}:{server.port}",
        client_id="workflow-engine",
        acks="all",
        request_timeout_ms=max(1000, round(parameters.timeout_seconds * 1000)),
        max_request_size=messages.MAX_BYTES,
        compression_type=None if parameters.compression == "none" else parameters.compression,
        security_protocol=f"{'SASL_' if signed else ''}{'SSL' if tls else 'PLAINTEXT'}",
        ssl_context=tls,
        sasl_mechanism=mechanism if signed else "PLAIN",
        sasl_plain_username=server.text("user"),
        sasl_plain_password=server.text("password"),
    )
    refusal = _checked(producer, server, tls, http)
    sending = asyncio.create_task(_sent(producer, server, parameters, data))
    try:
        either: list[asyncio.Future[Any]] = [sending, refusal]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if refusal.done() and not sending.done():
            raise refusal.result()
        return await sending
    finally:
        refusal.cancel()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await producer.stop()


async def _sent(
    producer: AIOKafkaProducer, server: Server, parameters: KafkaPublishParameters, data: bytes
) -> dict[str, Any]:
    from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

    try:
        await producer.start()
    except (KafkaError, OSError) as error:
        raise server.refused(str(error) or type(error).__name__) from None
    try:
        stored = await producer.send_and_wait(
            parameters.topic,
            data,
            key=parameters.key.encode() if parameters.key is not None else None,
            partition=parameters.partition,
            headers=[(name, value.encode()) for name, value in parameters.headers.items()],
        )
        return {"topic": stored.topic, "partition": stored.partition, "offset": stored.offset}
    except MessageSizeTooLargeError as error:
        hint = "store it somewhere and send its address"
        raise NodeFailure("TOO_LARGE", str(error), field="value", hint=hint) from None
    except (KafkaConnectionError, KafkaTimeoutError) as error:
        raise messages.broken(server, error, again=parameters.idempotent) from None
    except (KafkaError, AssertionError, ValueError) as error:
        raise messages.refused(
            f"{type(error).__name__}: {error}",
            "see that topic and partition are there, and that the user may write to them",
            field="topic",
        ) from None


def _checked(
    producer: AIOKafkaProducer, server: Server, tls: PinnedContext | None, http: HttpClient
) -> asyncio.Future[NodeFailure]:
    """Lets the client connect to checked addresses only; done when it wanted to connect to another one.

    Brokers tell each other's names, so a cluster could lead the client anywhere.
    """
    refusal: asyncio.Future[NodeFailure] = asyncio.get_running_loop().create_future()
    client: Any = producer.client
    connect = client._get_conn

    async def checked(node_id: int, **options: Any) -> Any:
        broker = client.cluster.broker_metadata(node_id)
        if broker is not None and (broker.host, broker.port) != (server.address, server.port):
            try:
                check_host(server.secret, broker.host)
                address = (await http.addresses(broker.host, broker.port))[0]
            except NodeFailure as failed:
                if not refusal.done():
                    refusal.set_result(failed)
                return None
            if tls:
                tls.names[address] = broker.host
            client.cluster._brokers[node_id] = broker._replace(host=address)
        return await connect(node_id, **options)

    client._get_conn = checked
    return refusal
