"""gRPC and HTTP over TLS, with a certificate of our own authority."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiohttp
import grpc
import pytest
import trustme
from pydantic import ValidationError

from tests.access import code_of
from tests.serving import serving
from workflow_engine.core.config import Settings
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as stubs


async def test_both_surfaces_speak_tls_and_grpc_may_ask_clients_for_theirs(sqlite_url: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    identity = authority.issue_cert("localhost")
    certificate, key, trusted = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem"
    identity.private_key_pem.write_to_path(key)
    for number, each in enumerate(identity.cert_chain_pems):
        each.write_to_path(certificate, append=number > 0)
    authority.cert_pem.write_to_path(trusted)
    settings = {"tls_cert_file": certificate, "tls_key_file": key, "tls_client_ca_file": trusted}

    async with serving(sqlite_url, tmp_path, **settings) as client:
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        url = client.http.replace("http://127.0.0.1", "https://localhost")
        async with aiohttp.ClientSession() as session, session.get(f"{url}/healthz", ssl=trust) as response:
            assert response.status == 200

        async def ask(credentials: grpc.ChannelCredentials) -> str:
            async with grpc.aio.secure_channel(f"localhost:{client.port}", credentials) as channel:
                return await code_of(stubs.WorkflowServiceStub(channel).ListWorkflows(ws.ListWorkflowsRequest()))

        mine = authority.issue_cert("client@example.com")
        chain = b"".join(each.bytes() for each in mine.cert_chain_pems)
        roots = authority.cert_pem.bytes()
        assert await ask(grpc.ssl_channel_credentials(roots, mine.private_key_pem.bytes(), chain)) == "OK"
        assert await ask(grpc.ssl_channel_credentials(roots)) == "UNAVAILABLE"


def test_half_an_identity_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="go together"):
        Settings(_env_file=None, data_dir=tmp_path, tls_cert_file=tmp_path / "cert.pem")
