"""Where the server is and who calls, for both clients."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from workflow_engine.proto import options_pb2, workflow_service_pb2

DEFAULT_PORT = 50051
MOST = 64 * 1024 * 1024
"""Bytes of a message; the server has a limit of its own."""
MORE = 3.0
"""Seconds between tries to take a broken stream up again."""


@dataclass(frozen=True, slots=True)
class Address:
    target: str
    """`host:port`."""
    is_secure: bool

    @classmethod
    def parse(cls, text: str) -> Address:
        """`host`, `host:port`, `http://host:port` or, with TLS, `https://host:port`. Raises ValueError for others."""
        parts = urlsplit(text if "://" in text else f"http://{text}")
        if parts.scheme not in ("http", "https", "grpc", "grpcs") or not parts.hostname or parts.path.strip("/"):
            raise ValueError(f"{text!r} is no address of a server; localhost:50051 or https://engine.example.com are")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        is_secure = parts.scheme in ("https", "grpcs")
        return cls(f"{host}:{parts.port or (443 if is_secure else DEFAULT_PORT)}", is_secure)


def metadata_of(key: str, more: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What every call sends along."""
    found = dict(more)
    if key:
        found["authorization"] = f"Bearer {key}"
    return tuple(found.items())


def roots(ca_file: str | Path | None) -> bytes | None:
    return Path(ca_file).read_bytes() if ca_file else None


def options() -> list[tuple[str, Any]]:
    """Of the channel: calls that only read are tried again when the server can not be reached."""
    names = [
        {"service": service.full_name, "method": method.name}
        for service in workflow_service_pb2.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if method.GetOptions().Extensions[options_pb2.permission] == options_pb2.PERMISSION_READ
        and not method.name.startswith(("Create", "Revoke", "Change"))
    ]
    retry = {
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 3,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    config = {"methodConfig": [{"name": names, "retryPolicy": retry}]}
    return [
        ("grpc.service_config", json.dumps(config)),
        ("grpc.max_receive_message_length", MOST),
        ("grpc.max_send_message_length", MOST),
    ]
