"""What happens to every call: its request is checked, and its failure is told, as the contract says."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import Message

from workflow_engine.core.logging import get_logger
from workflow_engine.services.errors import ServiceError, known
from workflow_engine.services.request_validation import violations

log = get_logger(__name__)
STATUS_DETAILS = "grpc-status-details-bin"
"""The trailer in which google.rpc.Status travels."""
Handler = Any
Context = Any


class ContractInterceptor(grpc.aio.ServerInterceptor):
    """Validates requests of our own services, and turns exceptions into google.rpc statuses."""

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Handler]], handler_call_details: Any
    ) -> Handler:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith("/engine."):
            return handler
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                _unary(method, handler.unary_unary),
                request_deserializer=handler.request_deserializer,
                response_serializer=handler.response_serializer,
            )
        return grpc.unary_stream_rpc_method_handler(
            _stream(method, handler.unary_stream),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


def _unary(method: str, behaviour: Callable[[Message, Context], Awaitable[Message]]) -> Any:
    async def call(request: Message, context: Context) -> Message:
        started = time.perf_counter()
        try:
            check(request)
            response = await behaviour(request, context)
        except Exception as error:
            await _refuse(method, error, context)
            raise
        log.debug("rpc", method=method, ms=round((time.perf_counter() - started) * 1000, 2))
        return response

    return call


def _stream(method: str, behaviour: Callable[[Message, Context], AsyncIterator[Message]]) -> Any:
    async def call(request: Message, context: Context) -> AsyncIterator[Message]:
        try:
            check(request)
            async for response in behaviour(request, context):
                yield response
        except Exception as error:
            await _refuse(method, error, context)
            raise

    return call


def check(request: Message) -> None:
    """Raises ServiceError when the request breaks a rule of the contract."""
    if found := violations(request):
        field, wrong = found[0]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise ServiceError("INVALID_REQUEST", f"{field}: {wrong}{more}", violations=found)


async def _refuse(method: str, error: Exception, context: Context) -> None:
    if isinstance(error, grpc.aio.AbortError):
        return
    if isinstance(error, NotImplementedError):
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{method} is not carried out by this release")
    refusal = known(error)
    if refusal is None:
        log.exception("rpc_failed", method=method)
        await context.abort(
            grpc.StatusCode.INTERNAL, "the server has made a mistake; its log says which, under rpc_failed"
        )
    else:
        log.info("rpc_refused", method=method, reason=refusal.reason, message=refusal.message)
        details = ((STATUS_DETAILS, refusal.status().SerializeToString()),)
        await context.abort(refusal.code, refusal.message, details)
