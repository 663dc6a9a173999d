"""A large file passes through download, store and upload, and the memory stays as it was."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

MiB = 1 << 20
MOST_GROWTH = 32 * MiB


@asynccontextmanager
async def storage() -> AsyncIterator[str]:
    """Gives and takes files of any size; a file that comes back changed is refused."""
    given: dict[str, str] = {}

    async def give(request: web.Request) -> web.StreamResponse:
        size = int(request.match_info["size"])
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream", "Content-Length": str(size)})
        await response.prepare(request)
        digest = hashlib.sha256()
        for number in range(size // MiB):
            chunk = number.to_bytes(8, "big") * (MiB // 8)
            digest.update(chunk)
            await response.write(chunk)
        given[request.path] = digest.hexdigest()
        return response

    async def take(request: web.Request) -> web.StreamResponse:
        digest, received = hashlib.sha256(), 0
        async for chunk in request.content.iter_any():
            digest.update(chunk)
            received += len(chunk)
        if digest.hexdigest() != given[request.path]:
            return web.Response(status=422, text="it has changed on its way")
        return web.json_response({"received": received})

    app = web.Application()
    app.router.add_get("/{size}", give)
    app.router.add_put("/{size}", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def passes(size: int, folder: Path) -> None:
    async with storage() as url:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.nodes.action.big_binary", url, str(size), str(folder)),
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        )
        told, _ = await process.communicate()
    assert process.returncode == 0
    measured = json.loads(told)
    print(f"{size >> 20} MiB: {measured['growth'] / MiB:.1f} MiB more than {measured['before'] / MiB:.0f} MiB")
    assert measured["received"] == size
    assert measured["growth"] < MOST_GROWTH


async def test_64_mib_pass_with_flat_memory(tmp_path: Path) -> None:
    await passes(64 * MiB, tmp_path)


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="make soak")
@pytest.mark.timeout(1800)
async def test_1_gib_passes_with_flat_memory(tmp_path: Path) -> None:
    await passes(1024 * MiB, tmp_path)
