"""Where people's answers come in, by whatever way: the one place that decides whether an answer counts.

The journal has the last word: an answer is an event of the execution, and the row of the task is stored together with
it. What is checked here first, on the row, is there to say in words why an answer does not count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from workflow_engine.engine.events import TaskAnswered
from workflow_engine.engine.items import BinaryRef
from workflow_engine.engine.state import parse_address
from workflow_engine.engine.tasks import OPEN, Answer
from workflow_engine.models import tasks
from workflow_engine.models.tasks import FoundTask
from workflow_engine.nodes.forms import wrong_answers
from workflow_engine.runtime.contract import RuntimeFailure
from workflow_engine.services.backend import Backend
from workflow_engine.services.errors import ServiceError

CLOSED = {
    "answered": "it was answered",
    "expired": "nobody answered in time",
    "canceled": "its execution went on without it, or ended",
}


class Desk:
    """Tasks, and what people say to them."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def task(self, id: str) -> FoundTask:
        """Raises ServiceError when there is none."""
        found = await asyncio.to_thread(tasks.get, self._backend.store, id)
        if found is None:
            raise ServiceError("TASK_NOT_FOUND", f"there is no task {id!r}", metadata={"task_id": id})
        return found

    async def open_task(self, id: str) -> FoundTask:
        """Raises ServiceError when there is none, or it takes no answers any more."""
        found = await self.task(id)
        self._check_open(found)
        return found

    async def answer(
        self,
        id: str,
        *,
        by: str,
        via: str,
        data: dict[str, Any],
        files: Mapping[str, BinaryRef] | None = None,
        is_trusted: bool = False,
    ) -> FoundTask:
        """Stores a person's answer and returns the task as it stands after it.

        `is_trusted` is for those who were handed a link: they may answer whether or not they are assigned. Raises
        ServiceError.
        """
        found = await self.task(id)
        self._check(found, by, is_trusted)
        files = dict(files or {})
        _check_answer(found, data, files)
        answer = Answer(task=id, at=self._backend.clock.now_ms(), by=by, data=data, files=files, via=via)
        node, path = parse_address(found.address)
        try:
            taken = await self._backend.runtime.send(
                found.execution_id, TaskAnswered(at=answer.at, node=node, path=path, answer=answer)
            )
        except RuntimeFailure as failure:
            if failure.reason != "EXECUTION_ENDED":
                raise
            taken = False
        after = await self.task(id)
        if not taken:
            # Somebody was faster; what became of the task says who is told what.
            self._check(after, by, is_trusted)
            raise ServiceError("TASK_BUSY", f"task {id} is just being decided: look at it again in a moment")
        return after

    def _check(self, found: FoundTask, by: str, is_trusted: bool) -> None:
        task = found.task
        about = {"task_id": task.id}
        if any(answer.by == by for answer in found.answers):
            who = f"{by!r} has" if by else "you have"
            raise ServiceError("TASK_ANSWERED", f"{who} answered task {task.id} already", metadata=about)
        now = self._check_open(found)
        may = {each.user for each in task.assignees if each.since <= now}
        if task.assignees and not is_trusted and by not in may:
            names = ", ".join(sorted(may)) or "nobody yet"
            who = repr(by) if by else "whoever gives no user_id"
            raise ServiceError("NOT_ASSIGNED", f"task {task.id} is for {names}, not for {who}", metadata=about)

    def _check_open(self, found: FoundTask) -> int:
        """The time at which it was looked at. Raises ServiceError."""
        now, task = self._backend.clock.now_ms(), found.task
        has_expired = task.expires_at is not None and now >= task.expires_at
        if found.status != OPEN or has_expired:
            why = CLOSED["expired" if found.status == OPEN else found.status]
            raise ServiceError("TASK_CLOSED", f"task {task.id} is closed: {why}", metadata={"task_id": task.id})
        return now


def _check_answer(found: FoundTask, data: dict[str, Any], files: Mapping[str, BinaryRef]) -> None:
    wrong = wrong_answers(found.task.schema, data, files)
    if not wrong:
        return
    first = f"{wrong[0].place}: {wrong[0].message}" if wrong[0].path else wrong[0].message
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    raise ServiceError(
        "INVALID_ANSWER",
        f"this is no answer to task {found.task.id}: {first}{more}",
        violations=[(f"data.{each.place}" if each.path else "data", each.message) for each in wrong],
        metadata={"task_id": found.task.id},
    )
