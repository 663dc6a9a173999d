"""trigger.mqtt: messages on an MQTT topic."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import Any, Literal

from workflow_engine.nodes.action.servers import Server, reached
from workflow_engine.nodes.spec import CredentialSlot, Field, NodeFailure
from workflow_engine.nodes.trigger.base import ListenTrigger, Source, TriggerParameters
from workflow_engine.nodes.trigger.received import LastStored, digest, item_of

IN_FLIGHT = 100
"""Messages that a broker may send before the first of them is acknowledged; Mosquitto's own limit is 20."""


class MqttTriggerParameters(TriggerParameters):
    """What to listen to."""

    topics: list[str] = Field(min_length=1, max_length=50)
    """Topics, such as `home/+/temperature` or `alarms/#`."""
    qos: Literal[0, 1, 2] = 1
    """How surely the broker delivers: with 0 a message that is sent while nobody listens is lost."""
    retained: bool = False
    """Also start for the messages that the broker kept from before it was listened to."""


class MqttTrigger(ListenTrigger[MqttTriggerParameters]):
    """Starts the workflow for every message on MQTT topics.

    Its item is `{"topic", "value", "qos", "retained"}`; `value` is the message's JSON, or its text; one that is neither
    is the file `data`. The session outlives connections: with qos 1 or 2 the broker keeps what comes while this server
    is away. A message is acknowledged when it is stored here, and one that comes again is known by the broker's word
    that it does and by its number and content.
    """

    type = "trigger.mqtt"
    name = "MQTT"
    summary = "Starts for every message on MQTT topics."
    example = {"topics": ["alarms/#"]}
    credentials = (CredentialSlot("server", ("mqtt",), required=True),)

    async def listen(self, source: Source) -> None:
        server = await reached(source, source.context, "mqtt")
        listener = _Listener(source, server)
        await listener.run()


class _Listener:
    """One connection.

    paho acknowledges a message by itself when its callback returns; it is told not to, and so that it is done when the
    message is stored, the socket is served here instead of in a client that hides the acknowledgement.
    """

    def __init__(self, source: Source, server: Server) -> None:
        import paho.mqtt.client as paho
        from paho.mqtt.enums import CallbackAPIVersion

        self._source, self._server = source, server
        self._asked: MqttTriggerParameters = source.parameters
        self._loop = asyncio.get_running_loop()
        self._inbox: asyncio.Queue[Any] = asyncio.Queue()
        """Messages, and the exception that ends it."""
        # The same session after every restart, and no name that a broker could find too long.
        id = "we" + hashlib.sha256(source.trigger_id.encode()).hexdigest()[:20]
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=id,
            clean_session=False,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        if user := server.text("user"):
            self._client.username_pw_set(user, server.text("password"))
        if (tls := server.tls()) is not None:
            self._client.tls_set_context(tls)
        self._client.on_connect = self._connected
        self._client.on_message = self._arrived
        self._client.on_subscribe = self._subscribed
        self._client.on_disconnect = self._lost

    async def run(self) -> None:
        last = LastStored(self._source.cursor, IN_FLIGHT)
        try:
            await asyncio.to_thread(self._client.connect, self._server.address, self._server.port, 30)
        except OSError as error:
            raise self._server.refused(str(error)) from None
        self._client.loop_start()
        try:
            while True:
                came = await self._inbox.get()
                if isinstance(came, Exception):
                    raise came
                await self._store(came, last)
                if came.qos:
                    self._client.ack(came.mid, came.qos)
        finally:
            with contextlib.suppress(Exception):
                self._client.disconnect()
                await asyncio.to_thread(self._client.loop_stop)

    async def _store(self, message: Any, last: LastStored) -> None:
        if message.retain and not self._asked.retained:
            return
        known = digest(message.topic, message.payload, str(message.mid))
        if last.is_stored(known, comes_again=bool(message.dup)):
            return
        item = await item_of(
            self._source, message.payload, topic=message.topic, qos=message.qos, retained=bool(message.retain)
        )
        await self._source.emit([item], cursor=last.cursor(known))

    # in paho's thread

    def _put(self, what: Any) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._inbox.put_nowait, what)

    def _connected(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._put(self._server.refused(str(reason), retryable=False))
            return
        client.subscribe([(topic, self._asked.qos) for topic in self._asked.topics])

    def _subscribed(self, client: Any, userdata: Any, mid: Any, reasons: Any, properties: Any) -> None:
        for topic, reason in zip(self._asked.topics, reasons, strict=False):
            if reason.is_failure:
                why = f"the broker does not let us listen to {topic!r}: {reason}"
                self._put(NodeFailure("REFUSED", why, field="topics", hint="see what the user may read"))
                return
        self._loop.call_soon_threadsafe(self._source.listens)

    def _arrived(self, client: Any, userdata: Any, message: Any) -> None:
        self._put(message)

    def _lost(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._put(self._server.refused(f"the connection broke: {reason}"))
