"""What happens to every call, whichever edge it comes by: its caller is let in or not, its request is checked, what it
did is recorded, and its failure is told, as the contract says. gRPC (interceptor.py) and HTTP (api/rest) are two thin
edges around this.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2

from workflow_engine.core import metrics, tracing
from workflow_engine.core.logging import get_logger
from workflow_engine.services.access.audit import Audit
from workflow_engine.services.access.callers import Caller, Incoming, act_for
from workflow_engine.services.access.door import Door
from workflow_engine.services.access.scope import Scope
from workflow_engine.services.errors import ServiceError, known
from workflow_engine.services.request_validation import violations
from workflow_engine.services.rpcs import Rpc

log = get_logger(__name__)

Unary = Callable[[Any, Any], Awaitable[Message]]
Stream = Callable[[Any, Any], AsyncIterator[Message]]


class Refused(Exception):
    """A call that failed, ready for an edge to tell."""

    def __init__(self, code: grpc.StatusCode, status: status_pb2.Status) -> None:
        super().__init__(f"{code.name}: {status.message}")
        self.code, self.status = code, status


class Calls:
    """Carries out calls. Raises Refused, and nothing else, for those that fail."""

    def __init__(self, door: Door, scope: Scope, audit: Audit) -> None:
        self._door, self._scope, self._audit = door, scope, audit

    async def unary(self, rpc: Rpc, behaviour: Unary, request: Message, context: Any, incoming: Incoming) -> Message:
        started = time.perf_counter()
        entry = self._audit.open(rpc, incoming, request)
        try:
            entry.caller = await self._door.recognise(rpc, incoming)
            await self._prepare(entry.caller, incoming, rpc, request)
            entry.watch()
            response = await behaviour(request, context)
        except Exception as error:
            refusal = _refusal(rpc, incoming, error)
            metrics.RPC_SECONDS.labels(rpc.path, refusal.code.name).observe(time.perf_counter() - started)
            await entry.refused(refusal.code.name, _reason(error))
            raise refusal from error
        await entry.done(response)
        seconds = time.perf_counter() - started
        metrics.RPC_SECONDS.labels(rpc.path, "OK").observe(seconds)
        log.debug("rpc", method=rpc.path, ms=round(seconds * 1000, 2))
        return response

    async def stream(
        self, rpc: Rpc, behaviour: Stream, request: Message, context: Any, incoming: Incoming
    ) -> AsyncIterator[Message]:
        entry = self._audit.open(rpc, incoming, request)
        try:
            entry.caller = await self._door.recognise(rpc, incoming)
            await self._prepare(entry.caller, incoming, rpc, request)
            await entry.done(None)
            pulse = self._door.pulse
            async for response in behaviour(request, context):
                if pulse != (pulse := self._door.pulse):
                    await self._still(incoming, rpc, request)
                yield response
        except Exception as error:
            refusal = _refusal(rpc, incoming, error)
            await entry.refused(refusal.code.name, _reason(error))
            raise refusal from error

    async def _prepare(self, caller: Caller, incoming: Incoming, rpc: Rpc, request: Message) -> None:
        self._door.admit(caller, rpc, incoming)
        act_for(caller, incoming)
        check(request)
        self._scope.fill(caller, rpc, request)
        await self._scope.check(caller, rpc, request)

    async def _still(self, incoming: Incoming, rpc: Rpc, request: Message) -> None:
        """Raises ServiceError when whoever began a stream may not see the rest, with a revoked key for example."""
        caller = await self._door.recognise(rpc, incoming)
        self._door.permit(caller, rpc, incoming)
        await self._scope.check(caller, rpc, request)


def check(request: Message) -> None:
    """Raises ServiceError when the request breaks a rule of the contract."""
    if found := violations(request):
        field, wrong = found[0]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise ServiceError("INVALID_REQUEST", f"{field}: {wrong}{more}", violations=found)


def _reason(error: Exception) -> str:
    refusal = known(error)
    return refusal.reason if refusal is not None else ""


def _refusal(rpc: Rpc, incoming: Incoming, error: Exception) -> Refused:
    if isinstance(error, Refused):
        return error
    refusal = known(error)
    if refusal is None:
        log.error("rpc_failed", method=rpc.path, **_trace(incoming), exc_info=error)
        return refused(grpc.StatusCode.INTERNAL, "the server has made a mistake; its log says which, under rpc_failed")
    log.info("rpc_refused", method=rpc.path, reason=refusal.reason, message=refusal.message, **_trace(incoming))
    return Refused(refusal.code, refusal.status())


def _trace(incoming: Incoming) -> dict[str, str]:
    """The caller's trace, for a line in the log."""
    place = tracing.parse(incoming.traceparent) if incoming.traceparent else None
    return {"trace_id": f"{place.trace_id:032x}"} if place is not None else {}


def refused(code: grpc.StatusCode, message: str) -> Refused:
    """A refusal without a reason of our own."""
    return Refused(code, status_pb2.Status(code=code.value[0], message=message))
