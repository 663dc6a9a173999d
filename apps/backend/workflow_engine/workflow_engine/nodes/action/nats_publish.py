"""action.nats_publish: one message for each item."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import Field

from workflow_engine.nodes.action import messages
from workflow_engine.nodes.action.messages import Message, payload
from workflow_engine.nodes.action.results import FieldName, with_field
from workflow_engine.nodes.action.servers import Server, reached
from workflow_engine.nodes.spec import Call, CredentialSlot, Effect, Node, NodeFailure, Result, Shape


class NatsPublishParameters(Message):
    subject: str = Field(pattern=r"^[^\s*>]+$", max_length=1000)
    """Where it is sent, e.g. `orders.created`; no wildcards."""
    headers: dict[str, str] = {}
    """Headers of the message."""
    jet_stream: bool = False
    """Wait until a stream has stored it; it is sent with an id, by which the stream drops a repetition."""
    output_field: FieldName = "published"
    """Field for what became of it."""
    timeout_seconds: float = Field(default=10, gt=0, le=3600)
    """Most time for connecting and sending."""


class NatsPublish(Node[NatsPublishParameters]):
    """Publishes one message on NATS for each item.

    Without `jet_stream` it goes to whoever listens at that moment, and to nobody if nobody does. With it, the answer
    tells the `stream` and the sequence number, and sending again after a crash or a failure stores nothing twice
    (within the stream's duplicate window), so it may be retried.

    The credential in slot `server` has host, port, tls, and a user with a password or a token.
    """

    type = "action.nats_publish"
    name = "NATS publish"
    summary = "Publishes a message on NATS or NATS JetStream."
    example = {"subject": "orders.created", "value": "{{ json }}", "jet_stream": True}
    effect = Effect.AT_MOST_ONCE
    credentials = (CredentialSlot("server", ("nats",), required=True),)

    def shape(self, parameters: dict[str, Any]) -> Shape:
        if parameters.get("jet_stream") is True:
            return self.shaped(effect=Effect.IDEMPOTENT)
        return self.shaped(effect=messages.effect(parameters))

    async def run(self, call: Call[NatsPublishParameters]) -> Result:
        parameters = call.parameters
        data = await payload(call, parameters)
        server = await reached(call.node, call.context, "nats")
        try:
            async with asyncio.timeout(parameters.timeout_seconds):
                told = await _publish(server, parameters, data, call.idempotency_key)
        except TimeoutError:
            raise messages.timed_out(server, parameters.timeout_seconds, parameters.jet_stream) from None
        return with_field(call.item, parameters.output_field, told)


async def _publish(server: Server, parameters: NatsPublishParameters, data: bytes, id: str) -> dict[str, Any]:
    import nats
    from nats.errors import Error, MaxPayloadError
    from nats.js.errors import APIError, NoStreamResponseError

    errors: list[Exception] = []

    async def seen(error: Exception) -> None:
        errors.append(error)

    tls = server.tls()
    try:
        client = await nats.connect(
            f"{'tls' if tls else 'nats'}://{_bracketed(server.address)}:{server.port}",
            tls=tls,
            tls_hostname=server.host if tls else None,
            user=server.text("user"),
            password=server.text("password"),
            token=server.text("token"),
            name="workflow-engine",
            # Other servers that this one names have not been checked.
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=max(1, round(parameters.timeout_seconds)),
            error_cb=seen,
        )
    except (Error, OSError, EOFError) as error:
        raise server.refused(str(errors[-1] if errors else error) or type(error).__name__) from None
    try:
        if parameters.jet_stream:
            headers = {"Nats-Msg-Id": id, **parameters.headers}
            stored = await client.jetstream(timeout=parameters.timeout_seconds).publish(
                parameters.subject, data, headers=headers
            )
            return {"stream": stored.stream, "sequence": stored.seq, "duplicate": bool(stored.duplicate)}
        await client.publish(parameters.subject, data, headers=parameters.headers or None)
        await client.flush(max(1, round(parameters.timeout_seconds)))
        if errors:
            raise messages.refused(str(errors[-1]), "see that the user may publish on this subject", field="subject")
        return {"subject": parameters.subject}
    except MaxPayloadError:
        raise NodeFailure(
            "TOO_LARGE",
            f"the message has {len(data):,} bytes; {server.host} takes {client.max_payload:,}",
            field="value",
            hint="store it somewhere and send its address",
        ) from None
    except NoStreamResponseError:
        raise messages.refused(
            f"no stream stores {parameters.subject!r}",
            "see that the stream's subjects include it, or turn jet_stream off",
            field="subject",
        ) from None
    except APIError as error:
        raise messages.refused(error.description or str(error), "see the stream's limits", field="subject") from None
    except (Error, OSError, ValueError) as error:
        raise messages.broken(server, errors[-1] if errors else error, again=parameters.jet_stream) from None
    finally:
        await client.close()


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
