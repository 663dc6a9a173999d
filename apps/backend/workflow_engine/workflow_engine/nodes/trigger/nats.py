"""trigger.nats: messages on NATS."""

from __future__ import annotations

import contextlib
from typing import Any

from workflow_engine.nodes.action.servers import Server, reached
from workflow_engine.nodes.spec import CredentialSlot, Field, NodeFailure
from workflow_engine.nodes.trigger.base import ListenTrigger, Source, TriggerParameters
from workflow_engine.nodes.trigger.received import item_of

ACK_WAIT = 30
"""Seconds after which a message that was taken by a process that died comes again."""
LOOK = 5.0
"""Seconds to wait for a message before the connection is looked at again."""


class NatsTriggerParameters(TriggerParameters):
    """What to listen to."""

    subject: str = Field(pattern=r"^[^\s]+$", max_length=1000)
    """The subject, such as `orders.created`; `*` stands for one word, `>` at the end for all that follow."""
    jet_stream: bool = True
    """Take the messages from the stream that stores the subject, and miss none. Otherwise hear only what is sent while
    this server listens."""
    from_start: bool = False
    """With `jet_stream`: begin with what the stream holds already; otherwise with what comes from now on."""
    queue: str = Field(default="", pattern=r"^[^\s*>]*$", max_length=200)
    """Without `jet_stream`: share the messages with all others who listen under this name."""


class NatsTrigger(ListenTrigger[NatsTriggerParameters]):
    """Starts the workflow for every message on a subject.

    Its item is `{"subject", "value", "headers", "stream", "sequence"}`; `value` is the message's JSON, or its text; one
    that is neither is the file `data`. With `jet_stream` a message is acknowledged when it is stored here, so that none
    is lost and each starts one execution, also when it comes again.
    """

    type = "trigger.nats"
    name = "NATS"
    summary = "Starts for every message on a NATS subject."
    example = {"subject": "orders.>"}
    credentials = (CredentialSlot("server", ("nats",), required=True),)

    async def listen(self, source: Source) -> None:
        server = await reached(source, source.context, "nats")
        client = await _connected(server)
        try:
            if source.parameters.jet_stream:
                await _take(client, source)
            else:
                await _hear(client, source)
        finally:
            await client.close()


async def _connected(server: Server) -> Any:
    import nats
    from nats.errors import Error

    tls = server.tls()
    address = f"[{server.address}]" if ":" in server.address else server.address
    errors: list[Exception] = []

    async def seen(error: Exception) -> None:
        errors.append(error)

    try:
        return await nats.connect(
            f"{'tls' if tls else 'nats'}://{address}:{server.port}",
            tls=tls,
            tls_hostname=server.host if tls else None,
            user=server.text("user"),
            password=server.text("password"),
            token=server.text("token"),
            name="workflow-engine",
            # Other servers that this one names have not been checked; we come back by ourselves.
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=10,
            error_cb=seen,
        )
    except (Error, OSError, EOFError) as error:
        raise server.refused(str(errors[-1] if errors else error) or type(error).__name__) from None


async def _take(client: Any, source: Source) -> None:
    from nats.js.api import ConsumerConfig, DeliverPolicy
    from nats.js.errors import NotFoundError

    asked = source.parameters
    config = ConsumerConfig(
        deliver_policy=DeliverPolicy.ALL if asked.from_start else DeliverPolicy.NEW, ack_wait=ACK_WAIT
    )
    # The broker remembers how far the durable consumer has come.
    try:
        taking = await client.jetstream().pull_subscribe(asked.subject, durable=source.trigger_id, config=config)
    except NotFoundError:
        raise NodeFailure(
            "NOT_FOUND",
            f"no stream stores {asked.subject!r}",
            field="subject",
            hint="make a stream whose subjects include it, or turn jet_stream off",
        ) from None
    source.listens()
    while not client.is_closed:
        try:
            messages = await taking.fetch(50, timeout=LOOK)
        except TimeoutError:
            continue
        await _store(source, messages)
    raise NodeFailure("CONNECTION_FAILED", "the connection to the server broke")


async def _store(source: Source, messages: list[Any]) -> None:
    left = list(messages)
    try:
        while left:
            message = left[0]
            about = message.metadata
            item = await _item(source, message, stream=about.stream, sequence=about.sequence.stream)
            await source.emit([item], delivery_id=f"{about.stream}:{about.sequence.stream}")
            await message.ack()
            left.pop(0)
    finally:
        # What is not stored may come again at once, also to somebody else.
        for message in left:
            with contextlib.suppress(Exception):
                await message.nak()


async def _hear(client: Any, source: Source) -> None:

    hearing = await client.subscribe(source.parameters.subject, queue=source.parameters.queue)
    source.listens()
    while not client.is_closed:
        try:
            message = await hearing.next_msg(LOOK)
        except TimeoutError:
            continue
        await source.emit([await _item(source, message)])
    raise NodeFailure("CONNECTION_FAILED", "the connection to the server broke")


async def _item(source: Source, message: Any, **about: Any) -> Any:
    headers = dict(message.headers or {})
    return await item_of(source, message.data, subject=message.subject, headers=headers, **about)
