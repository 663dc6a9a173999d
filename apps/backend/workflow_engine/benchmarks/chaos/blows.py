"""What is done to the engine under load: kills, a full disk, a database that dies, a clock that jumps."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.chaos.cluster import Cluster
from benchmarks.chaos.database import Database
from benchmarks.chaos.servers import Servers
from tests.forked_server import write_offset

Struck = Servers | Cluster
Blow = Callable[[Any, random.Random], Awaitable[None]]
"""One blow. It may return while the server is still down."""
HOUR = 3_600_000
"""Milliseconds."""
CHUNK = 64 * 1024
"""Bytes that the ballast grows by."""


@dataclass
class Kill:
    """SIGKILL, some time after a server has come up; `pace` bounds those seconds."""

    pace: tuple[float, float] = (0.1, 1.2)

    async def __call__(self, servers: Struck, draw: random.Random) -> None:
        await asyncio.sleep(draw.uniform(*self.pace))
        await servers.kill()


class NoSmallDisk(Exception):
    """This machine does not let us mount a file system of our own."""


@contextmanager
def small_disk(folder: Path, megabytes: int = 24) -> Iterator[Path]:
    """A file system in memory that is easily filled, mounted at `folder`. Raises NoSmallDisk."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "chaos", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise NoSmallDisk("a small disk can not be mounted: this system has no `mount`") from None
    if done.returncode:
        raise NoSmallDisk(f"a small disk can not be mounted, which root may on Linux: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        # Lazy: a process that was killed a moment ago may still be leaving.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@dataclass
class FillDisk:
    """A ballast file takes all room on the disk `folder` for a while; every other time the server is killed then."""

    folder: Path
    pace: tuple[float, float] = (0.2, 1.0)
    count: int = 0

    async def __call__(self, servers: Struck, draw: random.Random) -> None:
        self.count += 1
        ballast = self.folder / "ballast"
        await asyncio.sleep(draw.uniform(*self.pace))
        try:
            ending = asyncio.get_running_loop().time() + draw.uniform(*self.pace)
            while asyncio.get_running_loop().time() < ending:
                # Again and again: a database gives some room back when it rolls back.
                _fill(ballast)
                if self.count % 2 == 0 and draw.random() < 0.2:
                    await servers.kill()
                await asyncio.sleep(0.02)
        finally:
            ballast.unlink(missing_ok=True)


def _fill(ballast: Path) -> None:
    handle = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        while True:
            os.write(handle, bytes(CHUNK))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    finally:
        os.close(handle)


@dataclass
class JumpClock:
    """The servers' clock is set hours forward or back; every third time the server is killed as well.

    The last of `count` jumps leads to the latest time there has been. A wait is stored as the time of its end, so
    what began to wait before the clock was set back ends when the clock gets there.
    """

    offset: Path
    count: int
    pace: tuple[float, float] = (0.2, 1.0)
    _done: int = 0
    _latest: int = 0

    async def __call__(self, servers: Struck, draw: random.Random) -> None:
        self._done += 1
        await asyncio.sleep(draw.uniform(*self.pace))
        jump = draw.randint(-5 * HOUR, 5 * HOUR)
        self._latest = max(self._latest, jump)
        write_offset(self.offset, jump if self._done < self.count else self._latest)
        if self._done % 3 == 0:
            await servers.kill()


@dataclass
class RestartDatabase:
    """PostgreSQL is stopped without a goodbye to its clients, and started again.

    Every other time it has stored commits before without telling: the engine must find out that they are stored.
    """

    database: Database
    pace: tuple[float, float] = (0.2, 1.0)
    away: float = 0.5
    """Seconds that it stays away at most, and that it may keep its answers to itself."""
    count: int = field(default=0, init=False)

    async def __call__(self, servers: Struck, draw: random.Random) -> None:
        self.count += 1
        await asyncio.sleep(draw.uniform(*self.pace))
        if self.count % 2:
            await asyncio.to_thread(self.database.swallow_answers)
            await asyncio.sleep(draw.uniform(0, self.away))
        await asyncio.to_thread(self.database.stop, gently=self.count % 4 < 2)
        await asyncio.sleep(draw.uniform(0, self.away))
        await asyncio.to_thread(self.database.start)
