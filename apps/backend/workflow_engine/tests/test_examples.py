"""The examples do what they say, against a real server."""

from __future__ import annotations

import ast
import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.serving import ServerProcess
from workflow_engine.proto import workflow_service_pb2 as ws

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


async def run(name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / name)]
    return await asyncio.to_thread(
        subprocess.run, command, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False
    )


async def test_fetch_and_branch_watches_and_prints_its_result(sqlite_url: str, tmp_path: Path) -> None:
    process = ServerProcess(sqlite_url, tmp_path)
    async with process.client():
        done = await run("fetch_and_branch.py", WORKFLOW_ENGINE=f"localhost:{process.port}")
    process.terminate()
    assert done.returncode == 0, done.stderr
    assert "fetch    succeeded" in done.stdout
    assert done.stdout.endswith(
        "order 1: 250 -> shipping free\norder 3: 900 -> shipping free\norder 2: 40 -> shipping 4.0\n"
    )


async def test_without_leave_to_reach_this_machine_it_says_what_to_do(sqlite_url: str, tmp_path: Path) -> None:
    process = ServerProcess(sqlite_url, tmp_path, EGRESS_ALLOW="")
    async with process.client():
        done = await run("fetch_and_branch.py", WORKFLOW_ENGINE=f"localhost:{process.port}")
    process.terminate()
    assert done.returncode == 1
    assert "EGRESS_ALLOW=127.0.0.0/8" in done.stderr


async def test_the_client_of_the_readme(sqlite_url: str, tmp_path: Path) -> None:
    process = ServerProcess(sqlite_url, tmp_path)
    # The client names the default port; a copy of it talks to this server's.
    script = tmp_path / "client.py"
    script.write_text((EXAMPLES / "client.py").read_text().replace("localhost:50051", f"localhost:{process.port}"))
    async with process.client():
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False
        )
    process.terminate()
    assert done.returncode == 0, done.stderr
    assert "Workflow created: wf_" in done.stdout
    assert "Execution started: exec_" in done.stdout


async def test_the_client_for_python(sqlite_url: str, tmp_path: Path) -> None:
    process = ServerProcess(sqlite_url, tmp_path)
    async with process.client():
        done = await run("python_client.py", WORKFLOW_ENGINE_URL=f"localhost:{process.port}")
    process.terminate()
    assert (done.returncode, done.stdout) == (0, "['Hello Ada', 'Hello Alan']\n"), done.stderr


async def test_the_client_for_agents_calls_the_workflow_of_the_readme(sqlite_url: str, tmp_path: Path) -> None:
    process = ServerProcess(sqlite_url, tmp_path)
    async with process.client() as client:
        content = (EXAMPLES / "greeting.yaml").read_text()
        imported = await client.stub.ImportWorkflow(
            ws.ImportWorkflowRequest(content=content, format=ws.WORKFLOW_FORMAT_YAML)
        )
        await client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=imported.workflow.id))
        done = await run("mcp_client.py", WORKFLOW_ENGINE_MCP=f"{client.http}/mcp")
    process.terminate()
    assert done.returncode == 0, done.stderr
    tools, output = done.stdout.splitlines()
    assert tools.startswith("tools: Greeting, ")
    assert ast.literal_eval(output) == [{"name": "Ada", "text": "Hello Ada"}]
