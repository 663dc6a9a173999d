"""Every kind of runtime, alive: what the contract suite runs on."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client

from tests.runtime.engine import Engine
from workflow_engine.core.clock import SystemClock
from workflow_engine.models.store import Store
from workflow_engine.nodes.registry import Registry
from workflow_engine.runtime.blobs import FolderBlobs
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.runtime.local import LocalRuntime
from workflow_engine.runtime.temporal import TemporalRuntime, worker
from workflow_engine.runtime.temporal.wire import converter

KINDS = ("local-sqlite", "local-postgres", "temporal")


@dataclass(frozen=True)
class Place:
    """Where a runtime of some kind keeps what it must not lose."""

    url: str
    folder: Path
    temporal: str = ""
    """The address of a Temporal server; empty for the local runtime."""
    task_queue: str = ""


@asynccontextmanager
async def life(place: Place, registry: Registry) -> AsyncIterator[Engine]:
    """One life of a process that runs executions."""
    opened = _temporal(place, registry) if place.temporal else _local(place, registry)
    async with opened as engine:
        yield engine


@asynccontextmanager
async def _local(place: Place, registry: Registry) -> AsyncIterator[Engine]:
    store, clock = Store.open(place.url), SystemClock()
    await asyncio.to_thread(store.acquire_ownership)
    blobs = FolderBlobs(place.folder)
    runtime = LocalRuntime(store, Definitions(store, registry), clock, entropy=os.urandom, blobs=blobs)
    await runtime.open()
    try:
        yield Engine(store, runtime, clock)
    finally:
        await runtime.close(grace=0)
        await asyncio.to_thread(store.close)


@asynccontextmanager
async def _temporal(place: Place, registry: Registry) -> AsyncIterator[Engine]:
    store, clock, blobs = Store.open(place.url), SystemClock(), FolderBlobs(place.folder)
    store.share()
    client = await Client.connect(place.temporal, data_converter=converter(blobs))
    definitions, queue = Definitions(store, registry), place.task_queue
    runtime = TemporalRuntime(client, store, definitions, clock, entropy=os.urandom, blobs=blobs, task_queue=queue)
    running = worker(
        client, store, definitions, clock, services=lambda context: context, blobs=blobs, task_queue=queue, grace=0
    )
    async with running:
        await runtime.open()
        try:
            yield Engine(store, runtime, clock)
        finally:
            await runtime.close(grace=0)
    await asyncio.to_thread(store.close)


def new_queue() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"
