"""A server to test against: inside the test's own event loop, or as a process that can be killed."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format

from tests.engine.rig import workflow as drawn
from workflow_engine import server
from workflow_engine.core.clock import Clock
from workflow_engine.core.config import Settings
from workflow_engine.nodes.registry import Registry
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as rpc
from workflow_engine.utils.structs import struct_to_dict, to_struct

LOOPBACK = ["127.0.0.0/8", "::1"]
PORTS = range(11_000, 31_000)
_ports = itertools.count(os.getpid() * 977)
"""Test runs that go on side by side begin far from each other."""


@dataclass
class Client:
    """A stranger's client, with shorthand for what every test does."""

    stub: Any
    channel: grpc.aio.Channel
    port: int
    http: str = ""
    """Where HTTP is served, e.g. `http://127.0.0.1:8080`."""

    async def create(self, drawing: dict[str, Any], **fields: Any) -> pb.Workflow:
        workflow = drawn({**drawing, "id": ""})
        response = await self.stub.CreateWorkflow(
            ws.CreateWorkflowRequest(name=fields.pop("name", "Test"), workflow=workflow, **fields)
        )
        assert response.success
        return response.workflow  # type: ignore[no-any-return]

    async def run(self, workflow_id: str, *input: dict[str, Any], seconds: int = 20, **fields: Any) -> ex.Execution:
        """Executes a workflow and waits for its end."""
        request = ex.ExecuteWorkflowRequest(workflow_id=workflow_id, mode=ex.MANUAL, input=items(*input), **fields)
        request.wait.FromSeconds(seconds)
        response = await self.stub.ExecuteWorkflow(request)
        assert response.HasField("execution"), "it has not ended in time"
        return response.execution  # type: ignore[no-any-return]

    async def start(self, workflow_id: str, *input: dict[str, Any], **fields: Any) -> str:
        request = ex.ExecuteWorkflowRequest(workflow_id=workflow_id, mode=ex.MANUAL, input=items(*input), **fields)
        return str((await self.stub.ExecuteWorkflow(request)).execution_id)

    async def status(self, execution_id: str) -> ex.Execution:
        request = ex.GetExecutionStatusRequest(execution_id=execution_id)
        return (await self.stub.GetExecutionStatus(request)).execution  # type: ignore[no-any-return]

    async def wait(self, execution_id: str, seconds: int = 20) -> ex.Execution:
        request = ex.WaitExecutionRequest(execution_id=execution_id)
        request.timeout.FromSeconds(seconds)
        response = await self.stub.WaitExecution(request)
        assert response.success, f"still {response.message}: {response.execution}"
        return response.execution  # type: ignore[no-any-return]


def items(*records: dict[str, Any]) -> list[pb.Item]:
    return [pb.Item(json=to_struct(record)) for record in records]


def output(execution: ex.Execution) -> list[dict[str, Any]]:
    return [struct_to_dict(item.json) for item in execution.output]


def runs(execution: ex.Execution) -> dict[str, str]:
    """Every run's status by address."""
    return {
        run.address: ex.NodeRunStatus.Name(run.status).removeprefix("NODE_RUN_STATUS_") for run in execution.node_runs
    }


def as_dict(message: Any) -> dict[str, Any]:
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


@asynccontextmanager
async def serving(
    url: str, folder: Path, registry: Registry | None = None, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Client]:
    """A server in this process, on a free port."""
    chosen = Settings(
        _env_file=None, database_url=url, data_dir=folder, grpc_port=0, http_port=0, egress_allow=LOOPBACK, **settings
    )
    running = await server.start(chosen, registry, clock=clock)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{running.port}") as channel:
        yield Client(rpc.WorkflowServiceStub(channel), channel, running.port, f"http://127.0.0.1:{running.http_port}")
    await running.close()


class ServerProcess:
    """`workflow-engine serve`, or another command, as a person would run it."""

    def __init__(
        self, url: str, folder: Path, port: int | None = None, command: str = "serve", **environment: str
    ) -> None:
        self.port = port or free_port()
        self.http_port = free_port()
        self._said: list[str] = []
        self._more = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "workflow_engine.cli", command],
            env=os.environ
            | {"DATABASE_URL": url, "DATA_DIR": str(folder), "GRPC_PORT": str(self.port)}
            | {"GRPC_HOST": "127.0.0.1", "HTTP_PORT": str(self.http_port), "EGRESS_ALLOW": ",".join(LOOPBACK)}
            | environment,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._more:
                self._said.append(line)
                self._more.notify_all()

    def wait_for_log(self, event: str, seconds: float = 30) -> None:
        """Returns when the log has told of `event`."""
        with self._more:
            told = self._more.wait_for(lambda: any(f'"{event}"' in line for line in self._said), seconds)
        assert told, "".join(self._said)

    def kill(self) -> None:
        """As a power cut would: no goodbye."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def terminate(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=30)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """A client of the server, once it serves."""
        # It is expected not to be there yet; ask often.
        soon = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 200)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.port}", options=soon) as channel:
            stub = rpc.WorkflowServiceStub(channel)
            try:
                await stub.ListWorkflows(ws.ListWorkflowsRequest(limit=1), wait_for_ready=True, timeout=60)
            except grpc.aio.AioRpcError as error:
                raise AssertionError("the server does not serve:\n" + "".join(self._said)) from error
            yield Client(stub, channel, self.port, f"http://127.0.0.1:{self.http_port}")


def free_port() -> int:
    """A port that nobody listens on; no two calls get the same.

    It is below those that the system gives to clients: one of these could take it before the server comes to it.
    """
    while True:
        port = PORTS.start + next(_ports) % len(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
