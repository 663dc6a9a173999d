"""What Prometheus is told."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import grpc
import pytest

from tests.serving import free_port, serving
from workflow_engine.proto import execution_pb2 as ex


async def _scraped(port: int) -> dict[str, float]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        assert answer.status == 200
        text = await answer.text()
    return {name: float(value) for name, value in re.findall(r"^(workflow_engine\S*) (\S+)$", text, re.MULTILINE)}


async def test_a_run_and_a_refusal_are_counted(sqlite_url: str, tmp_path: Path) -> None:
    port = free_port()
    async with serving(sqlite_url, tmp_path, metrics_port=port) as client:
        before = await _scraped(port)
        workflow = await client.create({"nodes": [{"id": "start", "type": "trigger.manual"}]})
        await client.run(workflow.id)
        with pytest.raises(grpc.aio.AioRpcError):
            await client.stub.GetExecutionStatus(ex.GetExecutionStatusRequest(execution_id="nobody"))
        after = await _scraped(port)

    def grew(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert grew("workflow_engine_executions_started_total") == 1
    assert grew('workflow_engine_executions_ended_total{status="SUCCESS"}') == 1
    status = "/engine.v1.WorkflowService/GetExecutionStatus"
    assert grew(f'workflow_engine_rpc_seconds_count{{code="NOT_FOUND",method="{status}"}}') == 1
    assert grew("workflow_engine_commit_seconds_count") >= 2
