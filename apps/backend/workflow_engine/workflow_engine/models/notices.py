"""PostgreSQL tells us which journals have grown, whoever wrote them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import psycopg
from sqlalchemy.engine import URL

from workflow_engine.core.logging import get_logger
from workflow_engine.models.projection import CHANNEL

log = get_logger(__name__)
LONGEST_DELAY = 5.0
"""Seconds between tries to listen again."""


class Notices:
    """Calls back, in the running loop, with the pk of each journal that has grown.

    After a lost connection it calls back with None: whatever may have been missed has to be looked for.
    """

    def __init__(self, url: URL, told: Callable[[int | None], None]) -> None:
        self._conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._told = told
        self._listening: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def open(self) -> None:
        """Returns once it listens."""
        self._listening = asyncio.create_task(self._listen())
        await self._ready.wait()

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening

    async def _listen(self) -> None:
        delay = 0.1
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    delay = 0.1
                    self._ready.set()
                    self._told(None)
                    async for notice in connection.notifies():
                        self._told(int(notice.payload))
            except (psycopg.Error, OSError) as error:
                log.warning("notices_lost", error=str(error), again_in=delay)
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)
