"""What happens to every call, whichever edge it comes by: its request is checked, and its failure is told, as the
contract says. gRPC (interceptor.py) and HTTP (api/rest) are two thin edges around this.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cached_property
from typing import Any

import grpc
from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2

from workflow_engine.core.logging import get_logger
from workflow_engine.proto import options_pb2, workflow_service_pb2
from workflow_engine.services.errors import ServiceError, known
from workflow_engine.services.request_validation import violations

log = get_logger(__name__)

Unary = Callable[[Any, Any], Awaitable[Message]]
Stream = Callable[[Any, Any], AsyncIterator[Message]]


class Rpc:
    """One RPC, as the contract has it."""

    def __init__(self, descriptor: MethodDescriptor) -> None:
        self.descriptor = descriptor
        self.service: str = descriptor.containing_service.name
        """For example WorkflowService."""
        self.name: str = descriptor.name
        self.path = f"/{descriptor.containing_service.full_name}/{self.name}"
        """As gRPC addresses it."""
        self.is_stream: bool = descriptor.server_streaming
        self.permission: options_pb2.Permission.ValueType = descriptor.GetOptions().Extensions[options_pb2.permission]

    @property
    def input(self) -> Descriptor:
        return self.descriptor.input_type

    @property
    def output(self) -> Descriptor:
        return self.descriptor.output_type

    @cached_property
    def request_class(self) -> type[Message]:
        return GetMessageClass(self.input)

    @property
    def http(self) -> http_pb2.HttpRule:
        rule: http_pb2.HttpRule = self.descriptor.GetOptions().Extensions[annotations_pb2.http]
        return rule

    @property
    def resume(self) -> options_pb2.StreamResume | None:
        """How a broken stream is taken up again; None when it can not be."""
        options = self.descriptor.GetOptions()
        return options.Extensions[options_pb2.resume] if options.HasExtension(options_pb2.resume) else None


RPCS: dict[str, Rpc] = {
    rpc.path: rpc
    for service in workflow_service_pb2.DESCRIPTOR.services_by_name.values()
    for rpc in map(Rpc, service.methods)
}
"""Every RPC of our contract, by gRPC path."""


class Refused(Exception):
    """A call that failed, ready for an edge to tell."""

    def __init__(self, code: grpc.StatusCode, status: status_pb2.Status) -> None:
        super().__init__(f"{code.name}: {status.message}")
        self.code, self.status = code, status


class Calls:
    """Carries out calls. Raises Refused, and nothing else, for those that fail."""

    async def unary(self, rpc: Rpc, behaviour: Unary, request: Message, context: Any) -> Message:
        started = time.perf_counter()
        try:
            check(request)
            response = await behaviour(request, context)
        except Exception as error:
            raise _refusal(rpc, error) from error
        log.debug("rpc", method=rpc.path, ms=round((time.perf_counter() - started) * 1000, 2))
        return response

    async def stream(self, rpc: Rpc, behaviour: Stream, request: Message, context: Any) -> AsyncIterator[Message]:
        try:
            check(request)
            async for response in behaviour(request, context):
                yield response
        except Exception as error:
            raise _refusal(rpc, error) from error


def check(request: Message) -> None:
    """Raises ServiceError when the request breaks a rule of the contract."""
    if found := violations(request):
        field, wrong = found[0]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise ServiceError("INVALID_REQUEST", f"{field}: {wrong}{more}", violations=found)


def _refusal(rpc: Rpc, error: Exception) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, NotImplementedError):
        return refused(grpc.StatusCode.UNIMPLEMENTED, f"{rpc.path} is not carried out by this release")
    refusal = known(error)
    if refusal is None:
        log.error("rpc_failed", method=rpc.path, exc_info=error)
        return refused(grpc.StatusCode.INTERNAL, "the server has made a mistake; its log says which, under rpc_failed")
    log.info("rpc_refused", method=rpc.path, reason=refusal.reason, message=refusal.message)
    return Refused(refusal.code, refusal.status())


def refused(code: grpc.StatusCode, message: str) -> Refused:
    """A refusal without a reason of our own."""
    return Refused(code, status_pb2.Status(code=code.value[0], message=message))
