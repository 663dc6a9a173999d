"""The client for programs without asyncio."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import grpc

from workflow_engine.client.channel import MORE, Address, metadata_of, options, roots
from workflow_engine.client.errors import EngineError, engine_error
from workflow_engine.client.items import to_items
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import workflow_service_pb2_grpc as stubs

T = TypeVar("T")
LONGEST_WAIT = 60
"""Seconds for which one call waits for the end of an execution; then it is asked again."""


class Client:
    """A connection to a server. Every call raises EngineError when it fails."""

    def __init__(
        self,
        address: str = "localhost:50051",
        *,
        key: str = "",
        ca_file: str | Path | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`key` is an API key, a session's token or a JWT; `ca_file` (PEM) an authority of your own for TLS."""
        where = Address.parse(address)
        self._channel = (
            grpc.secure_channel(where.target, grpc.ssl_channel_credentials(roots(ca_file)), options())
            if where.is_secure
            else grpc.insecure_channel(where.target, options())
        )
        self._target, self._metadata = where.target, metadata_of(key, headers or {})
        self.workflows = self._service(stubs.WorkflowServiceStub(self._channel))
        self.triggers = self._service(stubs.TriggerServiceStub(self._channel))
        self.integrations = self._service(stubs.IntegrationServiceStub(self._channel))
        self.agents = self._service(stubs.AIAgentServiceStub(self._channel))
        self.auth = self._service(stubs.AuthServiceStub(self._channel))
        self.admin = self._service(stubs.AdminServiceStub(self._channel))

    def _service(self, stub: T) -> T:
        return cast("T", _Service(stub, self._metadata, self._target))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._channel.close()

    def start(self, workflow_id: str, *input: Mapping[str, Any], **fields: Any) -> str:
        """Starts an execution and returns its id. `fields` are others of ExecuteWorkflowRequest."""
        fields.setdefault("mode", ex.MANUAL)
        request = ex.ExecuteWorkflowRequest(workflow_id=workflow_id, input=to_items(input), **fields)
        return self.workflows.ExecuteWorkflow(request).execution_id

    def run(
        self, workflow_id: str, *input: Mapping[str, Any], timeout: float | None = None, **fields: Any
    ) -> ex.Execution:
        """Starts an execution and waits for its end, as `wait` does."""
        return self.wait(self.start(workflow_id, *input, **fields), timeout)

    def wait(self, execution_id: str, timeout: float | None = None) -> ex.Execution:
        """The execution once it has ended, well or not: see `status`. Raises TimeoutError after `timeout` seconds."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            request = ex.WaitExecutionRequest(execution_id=execution_id)
            left = LONGEST_WAIT if until is None else max(0.0, min(LONGEST_WAIT, until - time.monotonic()))
            request.timeout.FromMilliseconds(int(left * 1000))
            response = self.workflows.WaitExecution(request)
            if response.success:
                return response.execution
            if until is not None and time.monotonic() >= until:
                raise TimeoutError(f"execution {execution_id} is still {response.message} after {timeout} s")

    def watch(self, execution_id: str, from_seq: int = 1) -> Iterator[ex.WatchExecutionResponse]:
        """Every event from `from_seq` on, live until the end. A connection that breaks is taken up where it was."""
        while True:
            request = ex.WatchExecutionRequest(execution_id=execution_id, from_seq=from_seq)
            try:
                for response in self.workflows.WatchExecution(request):
                    yield response
                    from_seq = response.event.seq + 1
                return
            except EngineError as error:
                if error.code != "UNAVAILABLE" or from_seq == request.from_seq:
                    raise
                time.sleep(MORE)


class _Service:
    """A stub whose calls bring the metadata along, and raise EngineError."""

    def __init__(self, stub: Any, metadata: tuple[tuple[str, str], ...], target: str) -> None:
        self._stub, self._metadata, self._target = stub, metadata, target

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._stub, name)

        def call(request: Any, **options: Any) -> Any:
            metadata = (*self._metadata, *options.pop("metadata", ()))
            try:
                answer = method(request, metadata=metadata, **options)
            except grpc.RpcError as error:
                raise engine_error(error, self._target) from None
            return self._each(answer) if isinstance(method, grpc.UnaryStreamMultiCallable) else answer

        self.__dict__[name] = call
        return call

    def _each(self, answers: Any) -> Iterator[Any]:
        try:
            yield from answers
        except grpc.RpcError as error:
            raise engine_error(error, self._target) from None
        finally:
            answers.cancel()
