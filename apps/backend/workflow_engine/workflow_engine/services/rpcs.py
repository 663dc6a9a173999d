"""The RPCs of the contract, and what their options say of them."""

from __future__ import annotations

from functools import cached_property

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from workflow_engine.proto import options_pb2, workflow_service_pb2


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
