"""The server as a process: killed, stopped, and waited for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.runtime.peers import peer
from tests.serving import ServerProcess, output, runs
from workflow_engine import server
from workflow_engine.core.config import Settings
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.server.refusal import RefusedToStart


def fetching(url: str) -> dict[str, Any]:
    """Fetches JSON, branches on it, merges and responds."""
    return {
        "nodes": [
            {"id": "start", "type": "trigger.manual"},
            {"id": "fetch", "type": "action.http_request", "parameters": {"url": url}},
            {"id": "warm", "type": "flow.if", "parameters": {"condition": "{{ json.celsius >= 20 }}"}},
            {"id": "yes", "type": "flow.set", "parameters": {"assignments": [{"name": "wear", "value": "a shirt"}]}},
            {"id": "no", "type": "flow.set", "parameters": {"assignments": [{"name": "wear", "value": "a coat"}]}},
            {"id": "both", "type": "flow.merge", "parameters": {"mode": "append", "inputs": 2}},
            {"id": "answer", "type": "flow.respond"},
        ],
        "connections": [
            "start -> fetch -> warm",
            "warm.true -> yes",
            "warm.false -> no",
            "yes -> both.input_1",
            "no -> both.input_2",
            "both -> answer",
        ],
    }


async def test_kill_9_in_mid_execution_and_the_next_start_finishes_it(database_url: str, tmp_path: Path) -> None:
    calls, arrived = 0, asyncio.Event()

    async def weather(request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        arrived.set()
        if calls == 1:
            # The first caller never gets its answer: it is dead before.
            await asyncio.Event().wait()
        return web.json_response({"celsius": 7})

    async with peer(weather) as there:
        first = ServerProcess(database_url, tmp_path)
        async with first.client() as client:
            workflow = await client.create(fetching(there.url))
            id = await client.start(workflow.id)
            await asyncio.wait_for(arrived.wait(), 20)
            assert runs(await client.status(id))["fetch"] == "RUNNING"
            first.kill()
        second = ServerProcess(database_url, tmp_path)
        async with second.client() as client:
            execution = await client.wait(id)
            assert execution.status == ex.SUCCESS
            assert output(execution) == [{"celsius": 7, "wear": "a coat"}]
            assert runs(execution)["yes"] == "SKIPPED"
        assert second.terminate() == 0
    assert calls == 2


async def test_sigterm_lets_what_runs_come_to_its_end(sqlite_url: str, tmp_path: Path) -> None:
    arrived, answer = asyncio.Event(), asyncio.Event()

    async def weather(request: web.Request) -> web.Response:
        arrived.set()
        await answer.wait()
        return web.json_response({"celsius": 25})

    async with peer(weather) as there:
        process = ServerProcess(sqlite_url, tmp_path)
        async with process.client() as client:
            workflow = await client.create(fetching(there.url))
            id = await client.start(workflow.id)
            await asyncio.wait_for(arrived.wait(), 20)
        stopping = asyncio.create_task(asyncio.to_thread(process.terminate))
        await asyncio.to_thread(process.wait_for_log, "stopping")
        answer.set()
        assert await stopping == 0
        again = ServerProcess(sqlite_url, tmp_path)
        async with again.client() as client:
            assert (await client.wait(id)).status == ex.SUCCESS
        again.terminate()
    assert len(there.seen) == 1, "the attempt that was under way is not repeated"


async def test_a_second_process_stands_by_and_takes_over(database_url: str, tmp_path: Path) -> None:
    owner = ServerProcess(database_url, tmp_path)
    async with owner.client() as client:
        workflow = await client.create({"nodes": [{"id": "start", "type": "trigger.manual"}]})
    (tmp_path / "standby").mkdir()
    standby = ServerProcess(database_url, tmp_path / "standby")
    await asyncio.to_thread(standby.wait_for_log, "standby")
    tired = ServerProcess(database_url, tmp_path)
    await asyncio.to_thread(tired.wait_for_log, "standby")
    assert tired.terminate() == 0, "who waits can be told to stop"
    owner.kill()
    async with standby.client() as client:
        assert (await client.run(workflow.id)).status == ex.SUCCESS
    assert standby.terminate() == 0


def test_a_network_address_without_authentication_is_refused(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, grpc_host="0.0.0.0", data_dir=tmp_path)
    with pytest.raises(RefusedToStart, match="ALLOW_UNAUTHENTICATED"):
        server.check_host(settings)
    server.check_host(settings.model_copy(update={"allow_unauthenticated": True}))
    for host in ("127.0.0.1", "::1", "localhost"):
        server.check_host(settings.model_copy(update={"grpc_host": host}))
