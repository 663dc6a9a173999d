"""Restate: its server and a worker, each a process of its own, called over HTTP as an application calls it.

RESTATE_SERVER=/path/to/restate-server python -m benchmarks.peers.restate_peer FOLDER
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import uvloop

from benchmarks import load


class Peer:
    def __init__(self, session: aiohttp.ClientSession, ingress: str, processes: list[int]) -> None:
        self.session, self.ingress, self.processes = session, ingress, processes

    async def chain(self) -> None:
        assert await self._call("chained", load.STEPS) == load.STEPS

    async def one(self) -> None:
        assert await self._call("chained", 1) == 1

    async def fan_out(self) -> None:
        assert await self._call("fanned", load.FAN_OUT) == load.FAN_OUT

    async def park(self) -> None:
        # A handler without input refuses the content type that aiohttp would name.
        url = f"{self.ingress}/bench/parked/send"
        async with self.session.post(url, skip_auto_headers=["Content-Type"]) as response:
            assert response.status == 202, await response.text()

    def resident(self) -> int:
        return sum(load.resident(pid) for pid in self.processes)

    async def _call(self, handler: str, n: int) -> object:
        async with self.session.post(f"{self.ingress}/bench/{handler}", json=n) as response:
            assert response.status == 200, await response.text()
            return await response.json()


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Peer]:
    ingress, admin, node, worker = (free_port() for _ in range(4))
    settings = {
        "RESTATE_BASE_DIR": str(folder / "restate"),
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_BIND_ADDRESS": f"127.0.0.1:{node}",
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RESTATE_LOG_FILTER": "error",
        "RUST_LOG": "error",
    }
    with (
        process([os.environ["RESTATE_SERVER"]], settings) as server_pid,
        process([sys.executable, "-m", "benchmarks.peers.restate_worker", str(worker)], {}) as worker_pid,
    ):
        everybody = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=everybody) as session:
            await soon(session, f"http://127.0.0.1:{admin}/deployments", {"uri": f"http://127.0.0.1:{worker}"})
            yield Peer(session, f"http://127.0.0.1:{ingress}", [server_pid, worker_pid])


@contextmanager
def process(command: list[str], environment: dict[str, str]) -> Iterator[int]:
    started = subprocess.Popen(command, env=os.environ | environment, stdout=sys.stderr)
    try:
        yield started.pid
    finally:
        started.kill()
        started.wait()


async def soon(session: aiohttp.ClientSession, url: str, body: dict[str, str]) -> None:
    """Posts until the server is there, and the worker that it then asks for its handlers."""
    said = "nobody listens"
    for _ in range(300):
        try:
            async with session.post(url, json=body) as response:
                said = await response.text()
                if response.status < 300:
                    return
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.1)
    raise SystemExit(f"the worker can not be registered: {said}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    uvloop.run(load.report(opened(Path(sys.argv[1]))))
