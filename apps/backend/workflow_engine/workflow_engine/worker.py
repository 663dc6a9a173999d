"""A worker of the Temporal runtime: any number of them carry out what the servers accept."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack

from temporalio.client import Client

from workflow_engine.core.clock import SystemClock
from workflow_engine.core.config import Settings
from workflow_engine.core.logging import get_logger
from workflow_engine.nodes.registry import installed
from workflow_engine.runtime.temporal import TemporalRuntime, converter, worker
from workflow_engine.wiring import World, open_store, world

log = get_logger(__name__)


async def connect(settings: Settings, there: World) -> Client:
    """A client of the Temporal server. Raises RuntimeError when it can not be reached."""
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        api_key=settings.temporal_api_key.get_secret_value() or None,
        tls=settings.temporal_tls,
        data_converter=converter(there.blobs),
    )


async def temporal_runtime(settings: Settings, there: World) -> TemporalRuntime:
    return TemporalRuntime(
        await connect(settings, there),
        there.store,
        there.definitions,
        there.clock,
        services=there.services,
        entropy=os.urandom,
        blobs=there.blobs,
        task_queue=settings.temporal_task_queue,
    )


async def work(settings: Settings) -> None:
    """Works until SIGTERM or SIGINT, then lets attempts under way come to their end."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        store = await open_store(settings, stack)
        store.share()
        there = world(settings, store, installed(), SystemClock(), stack)
        there.runtime.append(await temporal_runtime(settings, there))
        running = worker(
            await connect(settings, there),
            store,
            there.definitions,
            there.clock,
            services=there.services,
            blobs=there.blobs,
            task_queue=settings.temporal_task_queue,
            build_id=settings.worker_build_id,
            max_attempts=settings.worker_max_attempts,
        )
        async with running:
            log.info("working", temporal=settings.temporal_address, task_queue=settings.temporal_task_queue)
            await stop.wait()
            log.info("stopping")
    log.info("stopped")
