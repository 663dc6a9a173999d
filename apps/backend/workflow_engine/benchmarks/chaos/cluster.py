"""Replicas and workers around one PostgreSQL and one Temporal server; whoever ends is started again."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import grpc

from benchmarks.chaos.servers import COME_UP, LOOK, REST, NobodyServes
from tests.forked_server import ForkedServer
from tests.serving import Client, free_port
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as rpc


@dataclass
class Member:
    """A process, and how to start it again."""

    port: int
    """0 for a worker."""
    process: ForkedServer | None = None


class Cluster:
    """Looks like `Servers` to those who put load on it and strike it."""

    def __init__(self, url: str, folder: Path, log: Path, temporal: str, replicas: int = 2, workers: int = 3) -> None:
        self.url, self.folder, self.log, self.temporal = url, folder, log, temporal
        self.ends: Counter[int] = Counter()
        """How many ended by themselves, by exit code."""
        self.members = [Member(free_port()) for _ in range(replicas)] + [Member(0) for _ in range(workers)]
        self._draw = random.Random(7)
        self._starting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        for member in self.members:
            await self._start(member)
        self._keeper = asyncio.create_task(self._keep())
        ports = [member.port for member in self.members if member.port]
        target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
        options = [
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.max_reconnect_backoff_ms", 100),
            ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
        ]
        self._channel = grpc.aio.insecure_channel(target, options=options)
        self.client = Client(rpc.WorkflowServiceStub(self._channel), self._channel, ports[0])
        await self.serving()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._keeper.cancel()
        await asyncio.wait([self._keeper])
        await self._channel.close()
        for member in self.members:
            if member.process is not None:
                await asyncio.to_thread(member.process.kill)

    async def serving(self) -> None:
        """Returns once a replica answers. Raises NobodyServes."""
        try:
            listing = ws.ListWorkflowsRequest(limit=1)
            await self.client.stub.ListWorkflows(listing, wait_for_ready=True, timeout=COME_UP)
        except grpc.aio.AioRpcError as error:
            raise NobodyServes(f"{error.details()}\n{self.log.read_text(errors='replace')[-3000:]}") from error

    async def kill(self) -> None:
        """SIGKILL for one of them. It is started again at once."""
        async with self._starting:
            member = self._draw.choice(self.members)
            process, member.process = member.process, None
            if process is not None:
                await asyncio.to_thread(process.kill)
            await self._start(member)

    async def _start(self, member: Member) -> None:
        more = {"ENGINE_RUNTIME": "temporal", "TEMPORAL_ADDRESS": self.temporal}
        arguments = (self.url, self.folder, member.port, self.log)
        member.process = await asyncio.to_thread(lambda: ForkedServer(*arguments, is_worker=not member.port, **more))

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            for member in self.members:
                if member.process is not None and (code := member.process.exit_code) is not None:
                    self.ends[code] += 1
                    await asyncio.sleep(REST)
                    async with self._starting:
                        await self._start(member)
