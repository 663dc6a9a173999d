"""A real network, a real blob folder and a few credentials for nodes under test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.nodes.harness import NOW
from workflow_engine.engine.items import BinaryRef
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.runtime.blobs import FolderBlobs
from workflow_engine.runtime.egress import EgressClient


class Keyring:
    """Credentials by id."""

    def __init__(self, secrets: dict[str, dict[str, Any]]) -> None:
        self._secrets = secrets

    async def get(self, id: str) -> dict[str, Any]:
        if id not in self._secrets:
            raise NodeFailure("CREDENTIAL_MISSING", f"there is no credential {id!r}")
        return self._secrets[id]

    async def renew(self, id: str, used: str) -> dict[str, Any] | None:
        return None


@asynccontextmanager
async def world(folder: Path, **secrets: dict[str, Any]) -> AsyncIterator[Context]:
    """A context whose nodes may reach this machine, and keep binary data in `folder`."""
    http = EgressClient(["127.0.0.1"])
    try:
        yield Context("exec", "wf", NOW, http=http, blobs=FolderBlobs(folder), credentials=Keyring(secrets))
    finally:
        await http.close()


async def content(context: Context, ref: BinaryRef) -> bytes:
    """The bytes behind a reference."""
    assert context.blobs
    return b"".join([chunk async for chunk in context.blobs.read(ref)])
