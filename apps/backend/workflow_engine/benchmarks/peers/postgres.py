"""A PostgreSQL of its own for whoever needs one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.postgres_server import postgres_server


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """`postgresql://` URL of a fresh server with PostgreSQL's own defaults: fsync and synchronous_commit are on."""
    with postgres_server(folder / "pg") as server:
        yield server.uri
