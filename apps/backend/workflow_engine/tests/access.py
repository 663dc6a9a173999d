"""People with keys, for tests of who may do what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc

from tests.serving import Client
from workflow_engine.proto import access_pb2 as ac
from workflow_engine.proto import workflow_service_pb2_grpc as rpc

PASSWORD = "correct horse battery"
ROLES = {"viewer": ac.ROLE_VIEWER, "editor": ac.ROLE_EDITOR, "operator": ac.ROLE_OPERATOR, "admin": ac.ROLE_ADMIN}


@dataclass
class Person:
    id: str
    email: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.key}"),)


async def people(client: Client, **roles: list[Any]) -> dict[str, Person]:
    """An admin `root` on a server that has nobody yet, then whoever else is named, each with a key."""
    admin, auth = rpc.AdminServiceStub(client.channel), rpc.AuthServiceStub(client.channel)
    made: dict[str, Person] = {}
    as_root: tuple[tuple[str, str], ...] = ()
    for name, given in {"root": [ac.ROLE_ADMIN], **roles}.items():
        request = ac.CreateUserRequest(email=f"{name}@example.com", name=name, roles=given, password=PASSWORD)
        user = (await admin.CreateUser(request, metadata=as_root)).user
        if not as_root:
            signed_in = await auth.SignIn(ac.SignInRequest(email=user.email, password=PASSWORD))
            as_root = (("authorization", f"Bearer {signed_in.token}"),)
        key = await auth.CreateApiKey(ac.CreateApiKeyRequest(name=name, user_id=user.id), metadata=as_root)
        made[name] = Person(user.id, user.email, key.secret)
    return made


async def code_of(call: Any) -> str:
    """How a call ended: OK or the name of a status code."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return str(error.code().name)
    return "OK"
