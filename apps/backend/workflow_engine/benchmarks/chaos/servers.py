"""Keeps one server running, whatever is done to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Self

import grpc

from tests.forked_server import ForkedServer
from tests.serving import Client, free_port
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as rpc

LOOK = 0.02
"""Seconds between looks at a process."""
REST = 0.3
"""Seconds before a server is started again that ended by itself: its database may not be back yet."""
COME_UP = 60.0
"""Seconds within which somebody has to serve."""


class NobodyServes(Exception):
    """No server came up; the message ends with the last lines of the log."""


class Servers:
    """One server at a time, always on the same port: when it ends, the next one is started.

    `folder` is its data folder, `log` the file that all of them write to, `offset` what sets their clocks.
    """

    def __init__(self, url: str, folder: Path, log: Path, offset: Path | None = None) -> None:
        self.url, self.folder, self.log, self.offset = url, folder, log, offset
        self.ends: Counter[int] = Counter()
        """How many ended by themselves, by exit code."""
        self._port = free_port()
        self._process: ForkedServer | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._start()
        self._keeper = asyncio.create_task(self._keep())
        # It is expected to be away now and then; ask often.
        soon = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 100)]
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{self._port}", options=soon)
        self.client = Client(rpc.WorkflowServiceStub(self._channel), self._channel, self._port)
        await self.serving()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._keeper is not None
        self._keeper.cancel()
        await asyncio.wait([self._keeper])
        await self._channel.close()
        if self._process is not None:
            await asyncio.to_thread(self._process.kill)

    async def serving(self) -> None:
        """Returns once a server answers and its database is there. Raises NobodyServes."""
        deadline = asyncio.get_running_loop().time() + COME_UP
        while True:
            left = deadline - asyncio.get_running_loop().time()
            try:
                listing = ws.ListWorkflowsRequest(limit=1)
                await self.client.stub.ListWorkflows(listing, wait_for_ready=True, timeout=max(left, 0.1))
                return
            except grpc.aio.AioRpcError as error:
                if left <= 0 or error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise NobodyServes(f"{error.details()}\n{self.last_words()}") from error
                await asyncio.sleep(LOOK)

    async def kill(self) -> None:
        """SIGKILL. The next server is started at once."""
        async with self._starting:
            process, self._process = self._process, None
            if process is not None:
                await asyncio.to_thread(process.kill)
            await self._start()

    def last_words(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    async def _start(self) -> None:
        # Forking waits for the one that has to import everything first.
        self._process = await asyncio.to_thread(ForkedServer, self.url, self.folder, self._port, self.log, self.offset)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            process = self._process
            if process is not None and (code := process.exit_code) is not None:
                self._process = None
                self.ends[code] += 1
                await asyncio.sleep(REST)
                async with self._starting:
                    if self._process is None:
                        await self._start()
