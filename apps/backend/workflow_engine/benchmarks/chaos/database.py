"""A PostgreSQL of our own, which can be stopped as an accident would."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import psycopg

from tests.postgres_server import PostgresServer, postgres_server

COME_BACK = 30.0
"""Seconds that a database may take to start: it reads its log first."""


class Database:
    """A running server. Its address stays the same, however often it is started."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.url = server.uri.replace("postgresql://", "postgresql+psycopg://", 1)
        self.folder = server.folder

    def swallow_answers(self) -> None:
        """From now on commits are stored, and nobody is told so: they wait for a standby that does not exist."""
        with psycopg.connect(self._server.uri, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            connection.execute("SELECT pg_reload_conf()")

    def stop(self, *, gently: bool) -> None:
        """Ends it at once, without a checkpoint. `gently`: its immediate mode; otherwise SIGKILL."""
        postmaster = psutil.Process(self._server.pid)
        family = [postmaster, *postmaster.children(recursive=True)]
        os.kill(postmaster.pid, signal.SIGQUIT if gently else signal.SIGKILL)
        for process in family:
            _await_end(process)
        # While nobody has reaped it, the next one would think that it still runs.
        for lock in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (self.folder / lock).unlink(missing_ok=True)

    def start(self) -> None:
        """Starts it, as it was before anything was done to it."""
        (self.folder / "postgresql.auto.conf").write_text("")
        deadline = time.monotonic() + COME_BACK
        while not self._server.start():
            if time.monotonic() > deadline:
                raise TimeoutError("the database does not start")


def _await_end(process: psutil.Process) -> None:
    deadline = time.monotonic() + COME_BACK
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {process.pid} of the database does not end")
        time.sleep(0.01)


@contextmanager
def database() -> Iterator[Database]:
    """A fresh PostgreSQL with an empty database."""
    with postgres_server() as server:
        yield Database(server)
