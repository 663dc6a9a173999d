"""Server processes that are there at once, and whose clock can be set while they run.

A server takes one and a half seconds of CPU to import its libraries: more than all else that a round of chaos does.
So a process imports them once (Python's forkserver), and every server is a fork of it. From there on it is the
server that the command line starts: it reads the environment, listens on a port, and dies alone.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import uvloop

from tests.serving import LOOPBACK
from workflow_engine import server
from workflow_engine.core.clock import Alarm, SystemClock
from workflow_engine.core.config import Settings
from workflow_engine.core.logging import configure
from workflow_engine.nodes.registry import installed

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])
# Node types bring libraries of their own: these too are to be imported once only.
installed()

Serve = Callable[[dict[str, str], Path, Path | None], None]
"""What a server process does, given its environment, its log and what sets its clock."""

SOON = 0.5
"""Seconds. SystemClock notices within a minute that somebody has set the clock; a test shall not take that long."""


class ShiftedClock(SystemClock):
    """The machine's clock, off by the milliseconds that a file tells; they may change at any time."""

    def __init__(self, offset: Path) -> None:
        self._offset = offset

    def now_ms(self) -> int:
        return super().now_ms() + read_offset(self._offset)

    def call_at(self, at: int, callback: Callable[[], None]) -> Alarm:
        delay = min(max(at - self.now_ms(), 0) / 1000, SOON)
        return asyncio.get_running_loop().call_later(delay, callback)


def read_offset(file: Path) -> int:
    return int(file.read_text())


def write_offset(file: Path, ms: int) -> None:
    """Sets the clocks that read `file`; none of them sees half a number."""
    fresh = file.with_suffix(".new")
    fresh.write_text(str(ms))
    fresh.replace(file)


class ForkedServer:
    """One server process, or a worker of the Temporal runtime. Its log is appended to the file `log`."""

    def __init__(
        self,
        url: str,
        folder: Path,
        port: int,
        log: Path,
        offset: Path | None = None,
        *,
        is_worker: bool = False,
        serve: Serve | None = None,
        **more: str,
    ) -> None:
        environment = {
            "DATABASE_URL": url,
            "DATA_DIR": str(folder),
            "GRPC_HOST": "127.0.0.1",
            "GRPC_PORT": str(port),
            "HTTP_PORT": "0",
            "EGRESS_ALLOW": ",".join(LOOPBACK),
            **more,
        }
        target = _work if is_worker else serve or serve_here
        self._process = _processes.Process(target=target, args=(environment, log, offset), daemon=True)
        self._process.start()

    def kill(self) -> None:
        """As a power cut would: no goodbye."""
        self._process.kill()
        self._process.join()

    def terminate(self) -> None:
        """Asks it to end, and waits for it."""
        self._process.terminate()
        self._process.join(30)

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.exitcode


def serve_here(environment: dict[str, str], log: Path, offset: Path | None) -> None:
    _become(environment, log)
    uvloop.run(server.serve(Settings(), ShiftedClock(offset) if offset else None))


def _work(environment: dict[str, str], log: Path, offset: Path | None) -> None:
    from workflow_engine.worker import work

    _become(environment, log)
    uvloop.run(work(Settings()))


def _become(environment: dict[str, str], log: Path) -> None:
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(environment)
    os.chdir(environment["DATA_DIR"])
    configure("INFO")
