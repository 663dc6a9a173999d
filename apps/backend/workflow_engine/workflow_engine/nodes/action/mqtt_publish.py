"""action.mqtt_publish: one message for each item."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from pydantic import Field

from workflow_engine.nodes.action import messages
from workflow_engine.nodes.action.messages import Message, payload
from workflow_engine.nodes.action.results import FieldName, with_field
from workflow_engine.nodes.action.servers import Server, reached
from workflow_engine.nodes.spec import Call, CredentialSlot, Effect, Node, Result, Shape


class MqttPublishParameters(Message):
    topic: str = Field(pattern=r"^[^+#\x00]+$", max_length=65_535)
    """Where it is sent, e.g. `home/kitchen/light`; no wildcards."""
    qos: Literal[0, 1, 2] = 1
    """0: perhaps, and not confirmed; 1: confirmed by the broker; 2: confirmed, and once only."""
    retain: bool = False
    """The broker keeps it for those who subscribe later."""
    expires_in: int | None = Field(default=None, ge=1, le=2**32 - 1)
    """Seconds after which the broker drops it; needs MQTT 5."""
    properties: dict[str, str] = {}
    """User properties of the message; need MQTT 5."""
    version: Literal["5", "3.1.1"] = "5"
    """Of the protocol."""
    output_field: FieldName = "published"
    """Field for what became of it."""
    timeout_seconds: float = Field(default=10, gt=0, le=3600)
    """Most time for connecting and sending."""


class MqttPublish(Node[MqttPublishParameters]):
    """Publishes one message on an MQTT broker for each item.

    With `qos` 1 or 2 it is done when the broker has it. Whether the broker had it before a crash nobody knows, so
    it is sent at most once unless `idempotent` is set.

    The credential in slot `server` has host, port, user, password and tls.
    """

    type = "action.mqtt_publish"
    name = "MQTT publish"
    summary = "Publishes a message on an MQTT broker."
    example = {"topic": "home/{{ json.room }}/light", "value": "on", "retain": True}
    effect = Effect.AT_MOST_ONCE
    credentials = (CredentialSlot("server", ("mqtt",), required=True),)

    def shape(self, parameters: dict[str, Any]) -> Shape:
        return self.shaped(effect=messages.effect(parameters))

    async def run(self, call: Call[MqttPublishParameters]) -> Result:
        parameters = call.parameters
        data = await payload(call, parameters)
        server = await reached(call.node, call.context, "mqtt")
        try:
            async with asyncio.timeout(parameters.timeout_seconds):
                await _publish(server, parameters, data)
        except TimeoutError:
            raise messages.timed_out(server, parameters.timeout_seconds, parameters.idempotent) from None
        told = {"topic": parameters.topic, "bytes": len(data)}
        return with_field(call.item, parameters.output_field, told)


async def _publish(server: Server, parameters: MqttPublishParameters, data: bytes) -> None:
    from aiomqtt import Client, MqttCodeError, MqttError, ProtocolVersion
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = None
    if parameters.version == "5":
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if parameters.expires_in:
            properties.MessageExpiryInterval = parameters.expires_in
        if parameters.properties:
            properties.UserProperty = list(parameters.properties.items())
    client = Client(
        hostname=server.address,
        port=server.port,
        username=server.text("user"),
        password=server.text("password"),
        protocol=ProtocolVersion.V5 if parameters.version == "5" else ProtocolVersion.V311,
        tls_context=server.tls(),
        timeout=parameters.timeout_seconds,
    )
    try:
        await client.__aenter__()
    except (MqttError, OSError) as error:
        raise server.refused(str(error)) from None
    try:
        await client.publish(
            parameters.topic, data, qos=parameters.qos, retain=parameters.retain, properties=properties
        )
    except MqttCodeError as error:
        raise messages.refused(
            f"the broker does not take it: {error}", "see that the user may publish on this topic", field="topic"
        ) from None
    except (MqttError, OSError) as error:
        raise messages.broken(server, error, again=parameters.idempotent) from None
    except ValueError as error:
        raise messages.refused(str(error), "see MQTT's rules for topics and sizes", field="topic") from None
    finally:
        await _ended(client)


async def _ended(client: Any) -> None:
    from aiomqtt import MqttError

    try:
        await client.__aexit__(None, None, None)
    except MqttError:
        return
