"""Every RPC on every surface, with no key, a wrong one, one that has ended, and each role: as its option says."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import grpc
import pytest
import pytest_asyncio

from tests.access import ROLES, people
from tests.clock import ManualClock
from tests.serving import Client, serving
from workflow_engine.api.rest.bindings import bindings
from workflow_engine.proto import access_pb2 as ac
from workflow_engine.proto import options_pb2 as op
from workflow_engine.proto import workflow_service_pb2_grpc as stubs
from workflow_engine.services.rpcs import RPCS, Rpc

pytestmark = pytest.mark.asyncio(loop_scope="module")
MAY = {
    "viewer": {op.PERMISSION_READ},
    "editor": {op.PERMISSION_READ, op.PERMISSION_EDIT},
    "operator": {op.PERMISSION_READ, op.PERMISSION_OPERATE},
    "admin": {op.PERMISSION_READ, op.PERMISSION_EDIT, op.PERMISSION_OPERATE, op.PERMISSION_ADMIN},
}
KEYS = ("none", "wrong", "ended", "revoked", *MAY)
LET_IN = {"UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403}


@dataclass
class World:
    client: Client
    http: aiohttp.ClientSession
    keys: dict[str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("permissions")
    clock = ManualClock()
    async with serving("", folder, clock=clock, rate_limit=0) as client, aiohttp.ClientSession() as http:
        found = await people(client, **{name: [role] for name, role in ROLES.items()})
        auth = stubs.AuthServiceStub(client.channel)
        root = found["root"]

        async def key(**fields: Any) -> ac.CreateApiKeyResponse:
            request = ac.CreateApiKeyRequest(name="x", user_id=root.id)
            if "seconds" in fields:
                request.valid_for.FromSeconds(fields["seconds"])
            return await auth.CreateApiKey(request, metadata=root.metadata)  # type: ignore[no-any-return]

        ended, revoked = await key(seconds=60), await key()
        clock.advance(61_000)
        await auth.RevokeApiKey(ac.RevokeApiKeyRequest(key_id=revoked.api_key.id), metadata=root.metadata)
        keys = {name: found[name].key for name in MAY}
        keys |= {"none": "", "wrong": "wfe_wrong", "ended": ended.secret, "revoked": revoked.secret}
        yield World(client, http, keys)


def expected(rpc: Rpc, key: str) -> str:
    """UNAUTHENTICATED, PERMISSION_DENIED, or OK: let in."""
    if rpc.permission == op.PERMISSION_PUBLIC:
        return "OK"
    if key not in MAY:
        return "UNAUTHENTICATED"
    return "OK" if rpc.permission in MAY[key] else "PERMISSION_DENIED"


@pytest.mark.parametrize("rpc", RPCS.values(), ids=lambda rpc: rpc.name)
async def test_grpc_lets_in_whom_the_option_names(world: World, rpc: Rpc) -> None:
    await lets_in(world.client, world.keys, rpc)


async def lets_in(client: Client, keys: dict[str, str], rpc: Rpc) -> None:
    """Asserts that an RPC over gRPC takes just the keys that its option says."""
    method = getattr(getattr(stubs, f"{rpc.service}Stub")(client.channel), rpc.name)
    for key, secret in keys.items():
        metadata = (("authorization", f"Bearer {secret}"),) if secret else ()
        call = method(rpc.request_class(), metadata=metadata)
        code = "OK"
        try:
            if rpc.is_stream:
                async for _ in call:
                    break
            else:
                await call
        except grpc.aio.AioRpcError as error:
            code = error.code().name
        # Whoever is let in may still be told that the empty request is a bad one, but not that nobody carries it out.
        assert code not in ("UNIMPLEMENTED", "INTERNAL"), (key, code)
        assert (code if code in LET_IN else "OK") == expected(rpc, key), (key, code)


@pytest.mark.parametrize("binding", bindings(), ids=lambda binding: binding.rpc.name)
async def test_http_lets_in_whom_the_option_names(world: World, binding: Any) -> None:
    url = world.client.http + re.sub(r"\{version\}", "1", binding.template).replace("{", "no_").replace("}", "")
    for key in KEYS:
        headers = {"authorization": f"Bearer {world.keys[key]}"} if world.keys[key] else {}
        body = {} if binding.body else None
        async with world.http.request(binding.verb, url, headers=headers, json=body) as response:
            answer = await response.text()
        wanted = LET_IN.get(expected(binding.rpc, key))
        if wanted is None:
            assert response.status < 500, (key, answer)
            assert response.status not in LET_IN.values(), (key, answer)
        else:
            assert response.status == wanted, (key, answer)
