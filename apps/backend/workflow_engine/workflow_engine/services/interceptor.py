"""The gRPC edge: every call of our own services goes through `Calls`, and its refusals become google.rpc statuses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf.message import Message

from workflow_engine.services.access.callers import Incoming
from workflow_engine.services.calls import Calls, Refused, Stream, Unary
from workflow_engine.services.rpcs import RPCS, Rpc

STATUS_DETAILS = "grpc-status-details-bin"
"""The trailer in which google.rpc.Status travels."""
Handler = Any
Context = Any


class ContractInterceptor(grpc.aio.ServerInterceptor):
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Handler]], handler_call_details: Any
    ) -> Handler:
        handler = await continuation(handler_call_details)
        rpc = RPCS.get(handler_call_details.method)
        if handler is None or rpc is None:
            return handler
        serializers = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(self._unary(rpc, handler.unary_unary), **serializers)
        return grpc.unary_stream_rpc_method_handler(self._stream(rpc, handler.unary_stream), **serializers)

    def _unary(self, rpc: Rpc, behaviour: Unary) -> Any:
        async def call(request: Message, context: Context) -> Message:
            try:
                return await self._calls.unary(rpc, behaviour, request, context, _incoming(context))
            except Refused as refused:
                await _abort(context, refused)
                raise

        return call

    def _stream(self, rpc: Rpc, behaviour: Stream) -> Any:
        async def call(request: Message, context: Context) -> AsyncIterator[Message]:
            try:
                async for response in self._calls.stream(rpc, behaviour, request, context, _incoming(context)):
                    yield response
            except Refused as refused:
                await _abort(context, refused)
                raise

        return call


def _incoming(context: Context) -> Incoming:
    given = {str(key): value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
    kind, _, token = given.get("authorization", "").partition(" ")
    return Incoming(
        surface="grpc",
        token=token.strip() if kind.lower() == "bearer" else given.get("x-api-key", ""),
        address=_address(context.peer()),
        request_id=given.get("x-request-id", ""),
        user_agent=given.get("user-agent", ""),
        traceparent=given.get("traceparent", ""),
    )


def _address(peer: str) -> str:
    """The host of `ipv4:127.0.0.1:50123` or `ipv6:%5B::1%5D:50123`."""
    host = unquote(peer).partition(":")[2].rpartition(":")[0]
    return host.strip("[]")


async def _abort(context: Context, refused: Refused) -> None:
    # A status without details says no more than code and message do.
    details = ((STATUS_DETAILS, refused.status.SerializeToString()),) if refused.status.details else ()
    await context.abort(refused.code, refused.status.message, details)
