"""TLS by settings, the same certificate for gRPC and HTTP."""

from __future__ import annotations

import ssl
from typing import Any

import grpc

from workflow_engine.core.config import Settings


def grpc_credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """None without a certificate. Raises OSError when a file can not be read."""
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    authorities = settings.tls_client_ca_file.read_bytes() if settings.tls_client_ca_file else None
    return grpc.ssl_server_credentials(
        [(settings.tls_key_file.read_bytes(), settings.tls_cert_file.read_bytes())],
        root_certificates=authorities,
        require_client_auth=authorities is not None,
    )


def for_http(settings: Settings) -> dict[str, Any]:
    """What uvicorn is to be told; nothing without a certificate."""
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return {}
    return {
        "ssl_certfile": str(settings.tls_cert_file),
        "ssl_keyfile": str(settings.tls_key_file),
        "ssl_version": ssl.PROTOCOL_TLS_SERVER,
    }
