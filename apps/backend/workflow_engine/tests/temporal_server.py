"""A real Temporal server of this test run's own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from temporalio.client import Client

from tests.serving import free_port

TEMPORAL = str(Path(sys.executable).parent / "temporal")


@contextmanager
def temporal_server(folder: Path | None = None, port: int = 0) -> Iterator[str]:
    """The address of Temporal's development server; it keeps its data in `folder`, or in memory."""
    port = port or free_port()
    command = [TEMPORAL, "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)]
    command += ["--log-level", "error"]
    if folder is not None:
        command += ["--db-filename", str(folder / "temporal.db")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"127.0.0.1:{port}"
        asyncio.run(_until_up(address))
        yield address
    finally:
        process.terminate()
        process.wait(20)


async def _until_up(address: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                client = await Client.connect(address)
                await client.count_workflows()
                return
            except RuntimeError:
                # It does not listen yet.
                await asyncio.sleep(0.1)
