"""The HTTP edge as a stranger meets it."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from tests.serving import serving
from workflow_engine import server
from workflow_engine.core.config import Settings
from workflow_engine.server.refusal import RefusedToStart


async def test_the_server_answers_over_http_beside_grpc(sqlite_url: str, tmp_path: Path) -> None:
    async with serving(sqlite_url, tmp_path) as client, aiohttp.ClientSession() as session:
        async with session.get(f"{client.http}/healthz") as alive:
            assert (alive.status, await alive.json()) == (200, {"status": "ok"})
        async with session.get(f"{client.http}/nowhere") as missing:
            assert missing.status == 404


async def test_a_port_that_is_taken_is_said_and_nothing_stays_behind(sqlite_url: str, tmp_path: Path) -> None:
    async with serving(sqlite_url, tmp_path / "first") as first:
        port = int(first.http.rpartition(":")[2])
        other = Settings(_env_file=None, database_url="", data_dir=tmp_path / "second", grpc_port=0, http_port=port)
        (tmp_path / "second").mkdir()
        with pytest.raises(RefusedToStart, match=f"HTTP_PORT={port} .* is taken"):
            await server.start(other)

    # The database of the one that did not start is free again.
    running = await server.start(other)
    await running.close()


def test_http_is_not_opened_to_the_network_without_a_word(tmp_path: Path) -> None:
    with pytest.raises(RefusedToStart, match="HTTP_HOST"):
        server.check_host(Settings(_env_file=None, http_host="0.0.0.0", data_dir=tmp_path))
