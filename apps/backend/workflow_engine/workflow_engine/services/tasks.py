"""What waits for people: the RPCs of the inbox."""

from __future__ import annotations

import asyncio
from typing import Any

from workflow_engine.core.secrets import NoSecretKey
from workflow_engine.engine.tasks import Answer, decision
from workflow_engine.models import tasks
from workflow_engine.models.tasks import FoundTask, NoticeState
from workflow_engine.proto import integration_pb2 as pb
from workflow_engine.services.access.callers import current
from workflow_engine.services.backend import Backend
from workflow_engine.services.desk import Desk
from workflow_engine.services.errors import ServiceError
from workflow_engine.services.links import Links
from workflow_engine.services.paging import Page, token
from workflow_engine.services.wire import files_from_proto, fill_files, ordered, timestamp
from workflow_engine.utils.structs import fill_struct, struct_to_dict

KINDS: dict[str, pb.TaskKind.ValueType] = {
    "approval": pb.TASK_KIND_APPROVAL,
    "form": pb.TASK_KIND_FORM,
    "choice": pb.TASK_KIND_CHOICE,
    "edit": pb.TASK_KIND_EDIT,
    "reply": pb.TASK_KIND_REPLY,
}
STATUSES: dict[str, pb.TaskStatus.ValueType] = {
    "open": pb.TASK_STATUS_OPEN,
    "answered": pb.TASK_STATUS_ANSWERED,
    "expired": pb.TASK_STATUS_EXPIRED,
    "canceled": pb.TASK_STATUS_CANCELED,
}


class Tasks:
    """ListTasks, GetTask, AnswerTask, CreateTaskLink."""

    backend: Backend
    desk: Desk
    links: Links

    async def ListTasks(self, request: pb.ListTasksRequest, context: Any) -> pb.ListTasksResponse:
        page = Page.of(request)
        names = {number: name for name, number in STATUSES.items()}
        found = await asyncio.to_thread(
            tasks.page,
            self.backend.store,
            user_id=request.user_id,
            now=self.backend.clock.now_ms(),
            statuses=[names[status] for status in request.statuses if status in names],
            execution_id=request.execution_id,
            workflow_id=request.workflow_id,
            owners=current().owners,
            names=current().names,
            limit=page.limit,
            after=page.after_change,
        )
        response = pb.ListTasksResponse(success=True, message=f"{len(found)} tasks")
        response.tasks.extend(task_to_proto(each) for each in found)
        if len(found) == page.limit:
            response.next_page_token = token(found[-1].created_at, found[-1].task.id)
        return response

    async def GetTask(self, request: pb.GetTaskRequest, context: Any) -> pb.GetTaskResponse:
        found = await self.desk.task(request.task_id)
        task = task_to_proto(found)
        states = await asyncio.to_thread(tasks.notices, self.backend.store, request.task_id)
        task.notices.extend(_notice_to_proto(found, state) for state in states)
        return pb.GetTaskResponse(success=True, message=found.status, task=task)

    async def AnswerTask(self, request: pb.AnswerTaskRequest, context: Any) -> pb.AnswerTaskResponse:
        found = await self.desk.answer(
            request.task_id,
            by=request.user_id,
            via="rpc",
            data=struct_to_dict(request.data),
            files=files_from_proto(request.files),
        )
        return pb.AnswerTaskResponse(
            success=True, message=f"answered; the task is {found.status}", task=task_to_proto(found)
        )

    async def CreateTaskLink(self, request: pb.CreateTaskLinkRequest, context: Any) -> pb.CreateTaskLinkResponse:
        found = await self.desk.open_task(request.task_id)
        try:
            now, until = self.backend.clock.now_ms(), found.task.expires_at
            url = self.links.make(request.task_id, request.user_id, now, until)
        except NoSecretKey as missing:
            raise ServiceError("SECRET_KEY_MISSING", str(missing)) from missing
        return pb.CreateTaskLinkResponse(success=True, message="it works once", url=url)


def task_to_proto(found: FoundTask) -> pb.Task:
    """Without its notices."""
    task = found.task
    made = pb.Task(
        id=task.id,
        execution_id=found.execution_id,
        workflow_id=found.workflow_id,
        node_id=found.node,
        address=found.address,
        kind=KINDS[task.kind],
        status=STATUSES[found.status],
        title=task.title,
        text=task.text,
        assignees=[each.user for each in task.assignees],
        quorum=task.quorum,
        refusals=task.refusals if task.kind == "approval" else 0,
        answers=[_answer_to_proto(answer) for answer in found.answers],
        created_at=timestamp(found.created_at),
        expires_at=timestamp(task.expires_at),
        closed_at=timestamp(found.closed_at),
        labels=task.labels,
        decision=decision(task, found.answers),
    )
    fill_struct(made.schema, ordered(dict(task.schema)))
    if task.data:
        fill_struct(made.data, task.data)
    fill_files(made.files, task.files)
    return made


def _answer_to_proto(answer: Answer) -> pb.TaskAnswer:
    made = pb.TaskAnswer(user_id=answer.by, at=timestamp(answer.at), via=answer.via)
    fill_struct(made.data, answer.data)
    fill_files(made.files, answer.files)
    return made


def _notice_to_proto(found: FoundTask, state: NoticeState) -> pb.TaskNotice:
    notice = found.task.notices[state.number]
    return pb.TaskNotice(
        channel=notice.channel,
        to=notice.to,
        occasion=notice.occasion,
        due_at=timestamp(state.due_at),
        sent_at=timestamp(state.sent_at),
        tries=state.tries,
        error=state.error,
    )
