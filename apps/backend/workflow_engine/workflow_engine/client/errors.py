"""Refusals as exceptions, with the reason and the fields that the server names."""

from __future__ import annotations

from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

STATUS_DETAILS = "grpc-status-details-bin"


class EngineError(Exception):
    """A call that failed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        """Of google.rpc, for example NOT_FOUND."""
        self.message = message
        """What was wrong, where, and what to do."""
        self.reason = ""
        """Stable, for programs; for example WORKFLOW_NOT_FOUND. Empty when the server gave none."""
        self.metadata: dict[str, str] = {}
        """Facts that help, for example the workflow's id."""
        self.violations: list[tuple[str, str]] = []
        """Each field that is wrong: its path, and what is wrong with it."""
        self.retry_after: float | None = None
        """Seconds after which to try again."""

    def __str__(self) -> str:
        return f"{self.reason or self.code}: {self.message}"


def engine_error(error: grpc.RpcError, address: str) -> EngineError:
    """What gRPC raised, as an EngineError."""
    call: Any = error
    code: grpc.StatusCode = call.code()
    message: str = call.details() or code.name
    trailers = {str(key): value for key, value in call.trailing_metadata() or ()}
    if code is grpc.StatusCode.UNAVAILABLE and STATUS_DETAILS not in trailers:
        # gRPC names every address that it tried; the last says as much.
        cause = message.rpartition("last error: ")[2].rstrip(")")
        message = f"no server answers at {address} ({cause}); is it the address that it serves gRPC on?"
    made = EngineError(code.name, message)
    for detail in status_pb2.Status.FromString(trailers.get(STATUS_DETAILS, b"")).details:
        _add(made, detail)
    return made


def _add(made: EngineError, detail: Any) -> None:
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    if detail.Unpack(info):
        made.reason, made.metadata = info.reason, dict(info.metadata)
    elif detail.Unpack(bad):
        made.violations = [(each.field, each.description) for each in bad.field_violations]
    elif detail.Unpack(retry):
        made.retry_after = retry.retry_delay.ToNanoseconds() / 1e9
