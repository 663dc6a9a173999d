"""No change without a record of who made it, and the record is there when the change is: both are one transaction."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import uvloop
from sqlalchemy import create_engine, text

from tests.access import Person, people
from tests.engine.rig import workflow as drawn
from tests.forked_server import ForkedServer, become
from tests.serving import Client, free_port, serving
from workflow_engine import server
from workflow_engine.core.config import Settings
from workflow_engine.proto import access_pb2 as ac
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as rpc
from workflow_engine.services.access.audit import Entry

KEY = "k" * 40
CHANGES: dict[str, Callable[[str], Any]] = {
    "CreateWorkflow": lambda _: ws.CreateWorkflowRequest(name="made"),
    "UpdateWorkflow": lambda id: ws.UpdateWorkflowRequest(workflow_id=id, workflow={"name": "changed"}),
    "DeleteWorkflow": lambda id: ws.DeleteWorkflowRequest(workflow_id=id),
    "CreateUser": lambda _: ac.CreateUserRequest(email="eve@example.com", roles=[ac.ROLE_VIEWER]),
    "CreateProject": lambda _: ac.CreateProjectRequest(name="made"),
    "CreateApiKey": lambda _: ac.CreateApiKeyRequest(name="made"),
    "CreateCredential": lambda _: it.CreateCredentialRequest(name="made", type="http_bearer", fields={"token": "t"}),
}
"""Requests, given the id of a workflow that exists."""
STUBS = {"CreateUser": "Admin", "CreateProject": "Admin", "CreateApiKey": "Auth", "CreateCredential": "Integration"}
MADE = {
    "CreateWorkflow": "SELECT id FROM workflow WHERE name = 'made'",
    "UpdateWorkflow": "SELECT id FROM workflow WHERE name = 'changed'",
    "DeleteWorkflow": "SELECT id FROM workflow WHERE deleted_at IS NOT NULL",
    "CreateUser": "SELECT id FROM user_account WHERE email = 'eve@example.com'",
    "CreateProject": "SELECT id FROM project",
    "CreateApiKey": "SELECT id FROM api_key WHERE name = 'made'",
    "CreateCredential": "SELECT id FROM credential",
}


def ask(client: Client, name: str, workflow_id: str, person: Person) -> Any:
    stub = getattr(rpc, f"{STUBS.get(name, 'Workflow')}ServiceStub")(client.channel)
    return getattr(stub, name)(CHANGES[name](workflow_id), metadata=person.metadata)


def stored(url: str, name: str) -> tuple[list[str], list[tuple[str, ...]]]:
    """What is in the database: the ids of what was changed, and the records of the call."""
    engine = create_engine(url)
    query = text("SELECT who, resources, outcome FROM audit_event WHERE action = :name AND who <> ''")
    try:
        with engine.connect() as connection:
            changed = [str(row.id) for row in connection.execute(text(MADE[name]))]
            return changed, [tuple(row) for row in connection.execute(query, {"name": name})]
    finally:
        engine.dispose()


@pytest.mark.parametrize("name", CHANGES)
async def test_what_is_stored_with_the_change_says_who_and_what(
    name: str, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the database is when the change has been committed, and nothing has been done since."""
    async with serving(sqlite_url, tmp_path, secret_key=KEY) as client:
        root = (await people(client))["root"]
        workflow = await client.stub.CreateWorkflow(ws.CreateWorkflowRequest(name="x"), metadata=root.metadata)
        before = stored(sqlite_url, name)[1]
        reached, go_on = asyncio.Event(), asyncio.Event()
        done = Entry.done

        async def later(entry: Entry, response: Any) -> None:
            reached.set()
            await go_on.wait()
            await done(entry, response)

        monkeypatch.setattr(Entry, "done", later)
        call = asyncio.ensure_future(ask(client, name, workflow.workflow.id, root))
        await asyncio.wait_for(reached.wait(), 10)
        [id], records = stored(sqlite_url, name)
        [(who, resources, outcome)] = records[len(before) :]
        assert (who, outcome) == ("root@example.com", "OK")
        assert f" {id} " in resources
        go_on.set()
        assert (await call).success
        assert stored(sqlite_url, name)[1] == records, "it is recorded once"


async def test_a_change_that_is_refused_leaves_only_the_refusal(database_url: str, tmp_path: Path) -> None:
    async with serving(database_url, tmp_path) as client:
        root = (await people(client))["root"]
        again = ac.CreateUserRequest(email="ROOT@example.com", roles=[ac.ROLE_VIEWER])
        nobody = ac.DeleteUserRequest(user_id="user_nobody")
        admin = rpc.AdminServiceStub(client.channel)
        with pytest.raises(grpc.aio.AioRpcError):
            await admin.CreateUser(again, metadata=root.metadata)
        with pytest.raises(grpc.aio.AioRpcError):  # it is refused only when the transaction is through
            await admin.DeleteUser(nobody, metadata=root.metadata)
        listed = await admin.ListAuditEvents(ac.ListAuditEventsRequest(limit=2), metadata=root.metadata)
    assert [(each.action, each.outcome) for each in listed.events] == [
        ("DeleteUser", "NOT_FOUND"),
        ("CreateUser", "ALREADY_EXISTS"),
    ]


async def test_a_preview_is_recorded_when_it_may_touch_something(sqlite_url: str, tmp_path: Path) -> None:
    nodes = [{"id": "set", "type": "flow.set"}, {"id": "ask", "type": "action.http_request"}]
    nodes[1]["parameters"] = {"url": "http://127.0.0.1:1/"}
    async with serving(sqlite_url, tmp_path) as client:
        root = (await people(client))["root"]
        workflow = drawn({"nodes": nodes, "connections": []})
        for node in ("set", "ask"):
            await client.stub.TestNode(ex.TestNodeRequest(workflow=workflow, node_id=node), metadata=root.metadata)
        with pytest.raises(grpc.aio.AioRpcError):
            await client.stub.TestNode(ex.TestNodeRequest(workflow=workflow, node_id="no"), metadata=root.metadata)
        listed = await rpc.AdminServiceStub(client.channel).ListAuditEvents(
            ac.ListAuditEventsRequest(), metadata=root.metadata
        )
    assert [each.outcome for each in listed.events if each.action == "TestNode"] == ["NOT_FOUND", "OK"]


async def test_a_server_that_is_killed_between_change_and_answer_has_recorded_it(
    database_url: str, tmp_path: Path
) -> None:
    async with serving(database_url, tmp_path, secret_key=KEY) as client:
        root = (await people(client))["root"]
    port = free_port()
    dying = ForkedServer(database_url, tmp_path, port, tmp_path / "log", serve=serve_until_something_changes)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = rpc.WorkflowServiceStub(channel)
        request = ws.CreateWorkflowRequest(name="made")
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.CreateWorkflow(request, metadata=root.metadata, wait_for_ready=True, timeout=60)
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE
    await asyncio.to_thread(dying.join)
    assert dying.exit_code == -signal.SIGKILL
    [id], records = stored(database_url, "CreateWorkflow")
    [(who, resources, outcome)] = records
    assert (who, outcome) == ("root@example.com", "OK")
    assert f" {id} " in resources


def serve_until_something_changes(environment: dict[str, str], log: Path, offset: Path | None) -> None:
    become(environment, log)

    async def die(entry: Entry, response: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    Entry.done = die  # type: ignore[method-assign]
    uvloop.run(server.serve(Settings()))
