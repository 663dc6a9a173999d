"""What processes that share a PostgreSQL tell each other through it, and which one of them leads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import psycopg
from psycopg import sql
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL

from workflow_engine.core.logging import get_logger
from workflow_engine.models.database import libpq_defaults

log = get_logger(__name__)
LONGEST_DELAY = 5.0
"""Seconds between tries to reach the database again."""
PULSE = 5.0
"""Seconds between looks whether a connection is still there."""
LEADER = 0x6C65_6164_6572_0000
"""The advisory lock's number: `leader` in ASCII."""


def notify(connection: Connection, channel: str, payload: str) -> None:
    """Tells all who listen, once the transaction is committed."""
    connection.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": channel, "payload": payload})


class _Watch:
    """A connection of its own that is made anew whenever it is lost."""

    def __init__(self, url: URL) -> None:
        self._conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
        # Who only listens would not notice for hours that the server's machine is gone.
        self._defaults = libpq_defaults(url)
        self._running: asyncio.Task[None] | None = None

    def _start(self) -> None:
        self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running

    async def _run(self) -> None:
        delay = 0.1
        while True:
            try:
                connected = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True, **self._defaults)
                async with connected as connection:
                    delay = 0.1
                    await self._use(connection)
            except (psycopg.Error, OSError) as error:
                log.warning("database_lost", watch=type(self).__name__, error=str(error), again_in=delay)
            except Exception:
                # Whoever is called back may fail; then it begins anew, and so does what it is for.
                log.exception("watch_failed", watch=type(self).__name__, again_in=delay)
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    async def _use(self, connection: psycopg.AsyncConnection) -> None:
        raise NotImplementedError


class Notices(_Watch):
    """Calls back, in the running loop, with what is told on each channel.

    After a lost connection every channel is called back with None: whatever may have been missed has to be looked for.
    """

    def __init__(self, url: URL, channels: Mapping[str, Callable[[str | None], None]]) -> None:
        super().__init__(url)
        self._channels = channels
        self._ready = asyncio.Event()

    async def open(self) -> None:
        """Returns once it listens."""
        self._start()
        await self._ready.wait()

    async def _use(self, connection: psycopg.AsyncConnection) -> None:
        for channel in self._channels:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        self._ready.set()
        for told in self._channels.values():
            told(None)
        async for notice in connection.notifies():
            self._channels[notice.channel](notice.payload)


class Leadership(_Watch):
    """One of all processes leads; when it dies another one does.

    `lead` and `follow` are called in turn; when `lead` fails another process gets its turn. For a moment after a lost
    connection two may believe that they lead: what a leader does must bear that.
    """

    def __init__(self, url: URL, lead: Callable[[], Awaitable[None]], follow: Callable[[], Awaitable[None]]) -> None:
        super().__init__(url)
        self._lead, self._follow = lead, follow

    def open(self) -> None:
        """Returns at once; it may take until another process ends."""
        self._start()

    async def _use(self, connection: psycopg.AsyncConnection) -> None:
        await connection.execute("SELECT pg_advisory_lock(%s)", [LEADER])
        async with self._leading():
            while True:
                await asyncio.sleep(PULSE)
                await connection.execute("SELECT 1")

    @asynccontextmanager
    async def _leading(self) -> AsyncIterator[None]:
        log.info("leads")
        try:
            await self._lead()
            yield
        finally:
            await self._follow()
