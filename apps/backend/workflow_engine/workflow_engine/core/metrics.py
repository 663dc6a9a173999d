"""What Prometheus may ask: how much of what, and how long it took. Labels have few values: no ids, no addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Histogram, start_http_server

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

RPC_SECONDS = Histogram(
    "workflow_engine_rpc_seconds", "Calls, by RPC and canonical status code.", ["method", "code"], buckets=SECONDS
)
STARTED = Counter("workflow_engine_executions_started_total", "Executions accepted.")
ENDED = Counter("workflow_engine_executions_ended_total", "Executions that have ended, by how.", ["status"])
ATTEMPT_SECONDS = Histogram(
    "workflow_engine_attempt_seconds",
    "Attempts of nodes with an effect, by node type and outcome.",
    ["type", "outcome"],
    buckets=SECONDS,
)
COMMIT_SECONDS = Histogram(
    "workflow_engine_commit_seconds", "Transactions of the one writer, to the answer of the database.", buckets=SECONDS
)
COMMIT_SIZE = Histogram(
    "workflow_engine_commit_submissions",
    "What shared a transaction: the larger, the better the group commit works.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000),
)


@contextmanager
def served(host: str, port: int) -> Iterator[int]:
    """Answers `GET /metrics` on a port of its own, in a thread of its own; yields the port. 0: any free one."""
    server, thread = start_http_server(port, addr=host)
    try:
        yield server.server_port
    finally:
        close: Callable[[], None] = server.shutdown
        close()
        server.server_close()
        thread.join()
