"""Who may do what on servers that share a PostgreSQL and a Temporal server: each knows at once what one was told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.access import PASSWORD, ROLES, code_of, people
from tests.api.test_permissions import lets_in
from tests.serving import Client, serving
from workflow_engine.proto import access_pb2 as ac
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as stubs
from workflow_engine.services.rpcs import RPCS

pytestmark = pytest.mark.timeout(120)
LISTING = ws.ListWorkflowsRequest(limit=1)
AT_ONCE = 2.0
"""Seconds. A key is remembered for five, so what takes less has been told."""


@pytest_asyncio.fixture
async def replicas(postgres_url: str, temporal_address: str, tmp_path: Path) -> AsyncIterator[tuple[Client, Client]]:
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(
                serving(
                    postgres_url,
                    tmp_path,
                    secret_key="k" * 40,
                    rate_limit=0,
                    engine_runtime="temporal",
                    temporal_address=temporal_address,
                    temporal_task_queue=tmp_path.name,
                )
            )
            for _ in range(2)
        ]
        yield first, second


async def becomes(client: Client, key: str, code: str, workflow_id: str = "") -> None:
    """Returns once a server answers a listing, or a look at a workflow, with `code`; fails when that takes long.

    Asks all the time, which keeps the key remembered there.
    """
    asked = time.monotonic()
    metadata = (("authorization", f"Bearer {key}"),)

    async def answer() -> str:
        if workflow_id:
            reading = ws.GetWorkflowRequest(workflow_id=workflow_id)
            return await code_of(client.stub.GetWorkflow(reading, metadata=metadata))
        return await code_of(client.stub.ListWorkflows(LISTING, metadata=metadata))

    while (found := await answer()) != code:
        assert time.monotonic() - asked < AT_ONCE, f"still {found}, not {code}"
        await asyncio.sleep(0.01)


async def test_every_rpc_lets_in_whom_its_option_names(replicas: tuple[Client, Client]) -> None:
    here, there = replicas
    found = await people(here, **{name: [role] for name, role in ROLES.items()})
    auth = stubs.AuthServiceStub(here.channel)
    as_root = found["root"].metadata
    revoked = await auth.CreateApiKey(ac.CreateApiKeyRequest(name="x", user_id=found["root"].id), metadata=as_root)
    await auth.RevokeApiKey(ac.RevokeApiKeyRequest(key_id=revoked.api_key.id), metadata=as_root)
    keys = {name: found[name].key for name in ROLES} | {"none": "", "wrong": "wfe_wrong", "revoked": revoked.secret}
    await becomes(there, found["admin"].key, "OK")
    for rpc in RPCS.values():
        await lets_in(there, keys, rpc)


async def test_what_one_server_is_told_of_people_the_other_knows_at_once(replicas: tuple[Client, Client]) -> None:
    here, there = replicas
    assert await code_of(there.stub.ListWorkflows(LISTING)) == "OK", "nobody is there to be asked for"
    found = await people(here, ada=[ac.ROLE_EDITOR], eve=[ac.ROLE_EDITOR])
    root, ada, eve = found["root"], found["ada"], found["eve"]
    admin, auth = stubs.AdminServiceStub(here.channel), stubs.AuthServiceStub(here.channel)
    # The first user shuts the door of all of them.
    await becomes(there, "wfe_wrong", "UNAUTHENTICATED")
    await becomes(there, ada.key, "OK")

    # A project, and who is in it.
    creating = ac.CreateProjectRequest(name="Billing", user_ids=[ada.id])
    project = (await admin.CreateProject(creating, metadata=root.metadata)).project
    workflow = ws.CreateWorkflowRequest(name="x", user_id=project.id)
    made = (await here.stub.CreateWorkflow(workflow, metadata=ada.metadata)).workflow.id
    await becomes(there, ada.key, "OK", made)
    await becomes(there, eve.key, "NOT_FOUND", made)
    leaving = ac.UpdateProjectRequest(project_id=project.id, remove_user_ids=[ada.id])
    await admin.UpdateProject(leaving, metadata=root.metadata)
    await becomes(there, ada.key, "NOT_FOUND", made)

    # A key, a session, and a person with all keys.
    [key] = (await auth.ListApiKeys(ac.ListApiKeysRequest(user_id=ada.id), metadata=root.metadata)).api_keys
    await auth.RevokeApiKey(ac.RevokeApiKeyRequest(key_id=key.id), metadata=root.metadata)
    await becomes(there, ada.key, "UNAUTHENTICATED")

    session = (await auth.SignIn(ac.SignInRequest(email=eve.email, password=PASSWORD))).token
    await becomes(there, session, "OK")
    await auth.SignOut(ac.SignOutRequest(), metadata=(("authorization", f"Bearer {session}"),))
    await becomes(there, session, "UNAUTHENTICATED")

    await becomes(there, eve.key, "OK")
    await admin.UpdateUser(ac.UpdateUserRequest(user_id=eve.id, disabled=True), metadata=root.metadata)
    await becomes(there, eve.key, "UNAUTHENTICATED")
