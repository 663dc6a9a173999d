"""Why a server does not start."""

from __future__ import annotations

import errno
import os
import socket
from typing import Literal


class RefusedToStart(Exception):
    """With these settings, or on this machine as it is. Says what to change."""


def try_to_listen(protocol: Literal["GRPC", "HTTP"], host: str, port: int) -> None:
    """Raises RefusedToStart where the address can not be had: gRPC itself would only say that it failed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise RefusedToStart(_why(protocol, host, port, error)) from error


def _why(protocol: str, host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"{protocol}_PORT={port} on {host} is taken: another program listens there, perhaps another engine. "
            f"Stop it, or set {protocol}_PORT to another port"
        )
    if error.errno == errno.EACCES:
        return f"{protocol}_PORT={port} may not be opened by this user: set {protocol}_PORT to 1024 or above"
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    return f"{protocol}_HOST={host} is no address of this machine ({reason}): set {protocol}_HOST"
