"""Tasks as people's clients see them: listed, looked at, answered once; on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.forked_server import ForkedServer
from tests.serving import Client, free_port, output, runs, serving
from tests.test_workflow_service import refusal
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import integration_pb2 as pb
from workflow_engine.proto import workflow_service_pb2_grpc as rpc
from workflow_engine.utils.structs import struct_to_dict, to_struct

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
ASKS = {
    "nodes": [
        {"id": "start", "type": "trigger.manual"},
        {
            "id": "ask",
            "type": "human.approval",
            "parameters": {
                "title": "Pay {{ json.n }}?",
                "assignees": ["ada", "grace"],
                "comment": "to_refuse",
                "timeout": "1h",
            },
        },
        {"id": "yes", "type": "flow.no_op"},
    ],
    "connections": ["start -> ask", "ask.approved -> yes"],
}


@pytest.fixture
async def client(database_url: str, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(database_url, tmp_path) as client:
        yield client


def inbox(client: Client) -> Any:
    return rpc.TriggerServiceStub(client.channel)


async def open_tasks(client: Client, execution_id: str = "", user_id: str = "") -> list[pb.Task]:
    request = pb.ListTasksRequest(execution_id=execution_id, user_id=user_id, statuses=[pb.TASK_STATUS_OPEN])
    return list((await inbox(client).ListTasks(request)).tasks)


async def asked(client: Client, n: int = 7) -> pb.Task:
    """The task of a new execution."""
    workflow = await client.create(ASKS)
    id = await client.start(workflow.id, {"n": n})
    async for seen in client.stub.WatchExecution(ex.WatchExecutionRequest(execution_id=id)):
        if seen.event.type == ex.EVENT_TYPE_NODE_SUSPENDED:
            break
    [task] = await open_tasks(client, id)
    return task


def answer(client: Client, task: pb.Task, user_id: str, **data: Any) -> Any:
    request = pb.AnswerTaskRequest(task_id=task.id, user_id=user_id, data=to_struct(data))
    return inbox(client).AnswerTask(request)


async def test_a_person_finds_a_task_and_answers_it(client: Client) -> None:
    task = await asked(client)
    assert (task.title, task.kind, list(task.assignees)) == ("Pay 7?", pb.TASK_KIND_APPROVAL, ["ada", "grace"])
    assert task.expires_at.ToMilliseconds() - task.created_at.ToMilliseconds() == pytest.approx(3_600_000, abs=2_000)
    waiting = (await client.status(task.execution_id)).waiting_for
    assert [(each.kind, list(each.task_ids)) for each in waiting] == [(ex.WAIT_KIND_TASK, [task.id])]

    answered = (await answer(client, task, "ada", approved=True)).task

    assert (answered.status, answered.decision) == (pb.TASK_STATUS_ANSWERED, "approved")
    assert [(each.user_id, each.via, struct_to_dict(each.data)) for each in answered.answers] == [
        ("ada", "rpc", {"approved": True})
    ]
    ended = await client.wait(task.execution_id)
    assert output(ended)[0]["answer"] == {"approved": True}
    # Who, when and what is in the journal as well.
    journal = [event async for event in client.stub.WatchExecution(ex.WatchExecutionRequest(execution_id=ended.id))]
    [told] = [each.event for each in journal if each.event.type == ex.EVENT_TYPE_TASK_ANSWERED]
    assert told.address == "ask"
    assert struct_to_dict(told.data)["answer"]["by"] == "ada"


async def test_an_answer_that_does_not_count_says_why(client: Client) -> None:
    task = await asked(client)
    code, message, reason, _ = await refusal(answer(client, task, "mallory", approved=True))
    assert (code, reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_ASSIGNED")
    assert "ada, grace" in message
    code, _, reason, fields = await refusal(answer(client, task, "ada", approved="yes"))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ANSWER")
    assert list(fields) == ["data.approved"]
    _, _, _, fields = await refusal(answer(client, task, "ada", approved=False))
    assert list(fields) == ["data.comment"]
    code, _, reason, _ = await refusal(inbox(client).GetTask(pb.GetTaskRequest(task_id="task_none")))
    assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND")

    await answer(client, task, "ada", approved=False, comment="too much")

    code, _, reason, _ = await refusal(answer(client, task, "ada", approved=True))
    assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "TASK_ANSWERED")
    code, _, reason, _ = await refusal(answer(client, task, "grace", approved=True))
    assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "TASK_CLOSED")


async def test_of_many_answers_at_once_one_counts(client: Client) -> None:
    task = await asked(client)
    calls = [answer(client, task, user, approved=True) for user in ("ada", "grace") * 10]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(not isinstance(result, Exception) for result in results) == 1
    assert len((await inbox(client).GetTask(pb.GetTaskRequest(task_id=task.id))).task.answers) == 1


async def test_people_see_what_is_theirs_page_by_page(client: Client) -> None:
    for n in range(3):
        await asked(client, n)
    assert len(await open_tasks(client, user_id="grace")) == 3
    assert await open_tasks(client, user_id="mallory") == []
    seen, page = [], ""
    for _ in range(2):
        request = pb.ListTasksRequest(user_id="ada", limit=2, page_token=page)
        response = await inbox(client).ListTasks(request)
        seen += [task.title for task in response.tasks]
        page = response.next_page_token
    assert (seen, page) == (["Pay 0?", "Pay 1?", "Pay 2?"], "")


async def test_a_task_ends_with_its_execution(client: Client) -> None:
    task = await asked(client)
    await client.stub.CancelExecution(ex.CancelExecutionRequest(execution_id=task.execution_id))
    await client.stub.WaitExecution(ex.WaitExecutionRequest(execution_id=task.execution_id))
    found = (await inbox(client).GetTask(pb.GetTaskRequest(task_id=task.id))).task
    assert found.status == pb.TASK_STATUS_CANCELED
    assert found.HasField("closed_at")
    code, message, reason, _ = await refusal(answer(client, task, "ada", approved=True))
    assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "TASK_CLOSED")
    assert "ended" in message


async def test_kill_9_never_parts_a_task_from_its_run(database_url: str, tmp_path: Path) -> None:
    """Clients start executions and answer tasks while the server is killed again and again."""
    port, log, choose = free_port(), tmp_path / "log", random.Random(1)
    started: list[str] = []
    answered: dict[str, str] = {}
    told: asyncio.Queue[str] = asyncio.Queue()
    server = ForkedServer(database_url, tmp_path, port, log)
    soon = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 100)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=soon) as channel:
        client = Client(rpc.WorkflowServiceStub(channel), channel, port)
        await inbox(client).ListTasks(pb.ListTasksRequest(), wait_for_ready=True, timeout=60)
        workflow = await client.create(ASKS)
        stop = asyncio.Event()

        async def work() -> None:
            while not stop.is_set():
                try:
                    started.append(await client.start(workflow.id, {"n": 1}))
                    for task in (await open_tasks(client))[:3]:
                        await answer(client, task, "ada", approved=True)
                        answered[task.id] = task.execution_id
                        told.put_nowait(task.id)
                except grpc.aio.AioRpcError as error:
                    if error.code() not in (UNAVAILABLE, grpc.StatusCode.FAILED_PRECONDITION):
                        raise
                    await asyncio.sleep(0.02)

        workers = [asyncio.create_task(work()) for _ in range(4)]
        for _ in range(4):
            for _ in range(choose.randint(4, 8)):
                await told.get()
            server.kill()
            server = ForkedServer(database_url, tmp_path, port, log)
        stop.set()
        await asyncio.gather(*workers)
        await inbox(client).ListTasks(pb.ListTasksRequest(), wait_for_ready=True, timeout=60)

        request = pb.ListTasksRequest(limit=1000)
        tasks = {task.execution_id: task for task in (await inbox(client).ListTasks(request)).tasks}
        for id in started:
            execution = await client.status(id)
            assert id in tasks, f"{id} waits and nobody knows of it"
            is_open = tasks[id].status == pb.TASK_STATUS_OPEN
            assert runs(execution)["ask"] == ("WAITING" if is_open else "SUCCEEDED")
        for id in answered.values():
            assert (await client.wait(id)).status == ex.SUCCESS
            assert tasks[id].status == pb.TASK_STATUS_ANSWERED
    server.kill()
    assert len(answered) >= 16
