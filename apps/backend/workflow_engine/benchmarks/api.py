"""The whole way over gRPC: our server in a process of its own, beside a bare gRPC server that only answers."""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import uvloop

from benchmarks.engine import Step
from tests.serving import Client, free_port
from workflow_engine import server
from workflow_engine.core import interpreter, logging
from workflow_engine.core.config import Settings
from workflow_engine.nodes.registry import Registry, installed
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as rpc

ONE_STEP = {
    "nodes": [
        {"id": "start", "type": "trigger.manual"},
        {"id": "step", "type": "action.step"},
    ],
    "connections": ["start -> step"],
}
CALLS, AT_ONCE = 2_000, 50


async def latency(call: Callable[[], Awaitable[Any]]) -> float:
    """Milliseconds a call, one after the other: the median of 300."""
    taken = []
    for _ in range(300):
        began = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1_000


async def load(call: Callable[[], Awaitable[Any]]) -> float:
    """Calls a second, fifty at a time."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with room:
            await call()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(CALLS)))
    return CALLS / (time.perf_counter() - began)


async def ours(url: str, folder: Path) -> dict[str, float]:
    async with (
        _process(_serve_ours, url, str(folder)) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        client = Client(rpc.WorkflowServiceStub(channel), channel, port)
        await client.stub.ListWorkflows(ws.ListWorkflowsRequest(limit=1), wait_for_ready=True)
        workflow = await client.create(ONE_STEP)
        waiting = ex.ExecuteWorkflowRequest(workflow_id=workflow.id, mode=ex.MANUAL)
        waiting.wait.FromSeconds(10)
        starting = ex.ExecuteWorkflowRequest(workflow_id=workflow.id, mode=ex.MANUAL)
        seeing = ex.GetExecutionStatusRequest(execution_id=(await client.stub.ExecuteWorkflow(waiting)).execution_id)
        return {
            "ExecuteWorkflow and its result: ms": await latency(lambda: _done(client, waiting)),
            "ExecuteWorkflow /s": await load(lambda: client.stub.ExecuteWorkflow(starting)),
            "ExecuteWorkflow and its result /s": await load(lambda: _done(client, waiting)),
            "GetExecutionStatus /s": await load(lambda: client.stub.GetExecutionStatus(seeing)),
        }


async def _done(client: Client, request: ex.ExecuteWorkflowRequest) -> None:
    response = await client.stub.ExecuteWorkflow(request)
    assert response.status == ex.SUCCESS, response


class _Bare(rpc.WorkflowServiceServicer):  # type: ignore[misc]
    async def ExecuteWorkflow(self, request: ex.ExecuteWorkflowRequest, context: Any) -> ex.ExecuteWorkflowResponse:
        return ex.ExecuteWorkflowResponse(success=True, execution_id="none", status=ex.SUCCESS)


def _serve_bare(port: int) -> None:
    async def serve() -> None:
        bare_server = grpc.aio.server()
        rpc.add_WorkflowServiceServicer_to_server(_Bare(), bare_server)  # type: ignore[abstract]
        bare_server.add_insecure_port(f"127.0.0.1:{port}")
        await bare_server.start()
        await bare_server.wait_for_termination()

    uvloop.run(serve())


def _serve_ours(port: int, url: str, folder: str) -> None:
    logging.configure("WARNING")
    interpreter.tune()

    async def serve() -> None:
        registry = Registry(installed())
        registry.add(Step())
        settings = Settings(_env_file=None, database_url=url, data_dir=Path(folder), grpc_port=port, http_port=0)
        serving = await server.start(settings, registry)
        await asyncio.Event().wait()
        await serving.close()

    uvloop.run(serve())


@asynccontextmanager
async def _process(target: Callable[..., None], *arguments: str) -> AsyncIterator[int]:
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=target, args=(port, *arguments), daemon=True)
    process.start()
    try:
        yield port
    finally:
        process.kill()
        process.join()


async def bare() -> dict[str, float]:
    """What the gRPC library itself does here with the same messages."""
    async with _process(_serve_bare) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = rpc.WorkflowServiceStub(channel)
        request = ex.ExecuteWorkflowRequest(workflow_id="none")
        await stub.ExecuteWorkflow(request, wait_for_ready=True)
        return {
            "bare gRPC call: ms": await latency(lambda: stub.ExecuteWorkflow(request)),
            "bare gRPC calls /s": await load(lambda: stub.ExecuteWorkflow(request)),
        }


def measure() -> dict[str, float]:
    """Ours, on a fresh SQLite database."""
    with tempfile.TemporaryDirectory() as name:
        return uvloop.run(ours(f"sqlite:///{Path(name) / 'api.db'}", Path(name)))


def main() -> None:
    for what, figure in (measure() | uvloop.run(bare())).items():
        print(f"{what}: {figure:,.2f}")


if __name__ == "__main__":
    main()
