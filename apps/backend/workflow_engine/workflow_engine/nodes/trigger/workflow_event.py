"""trigger.workflow_event: executions of other workflows that have ended."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import field_validator

from workflow_engine.engine.items import Item
from workflow_engine.nodes.context import Ending
from workflow_engine.nodes.spec import Field, NodeFailure
from workflow_engine.nodes.trigger.base import Json, ListenTrigger, Source, TriggerParameters
from workflow_engine.nodes.trigger.fetched import Seen

OVERLAP = 60_000
"""Milliseconds of what has been seen that is looked at again: a commit that had to be repeated comes late."""
PAGE = 500
REMEMBERED = 5_000
"""Executions of that time that are known again."""

End = Literal["succeeded", "failed", "canceled"]
STATUS: dict[str, End] = {"SUCCESS": "succeeded", "ERROR": "failed", "CANCELED": "canceled"}


class WorkflowEventParameters(TriggerParameters):
    """Whose end, and which."""

    workflow_ids: list[str] = Field(min_length=1, max_length=50)
    """The workflows whose executions are watched, of the same owner as this one."""
    ends: list[End] = Field(default=["failed"], min_length=1)
    """How they have to end."""
    with_output: bool = False
    """Give the result of the execution along."""

    @field_validator("workflow_ids")
    @classmethod
    def _ids(cls, ids: list[str]) -> list[str]:
        if any(not id or len(id) > 64 for id in ids):
            raise ValueError("a workflow's id has 1 to 64 characters")
        return list(dict.fromkeys(ids))


class WorkflowEventTrigger(ListenTrigger[WorkflowEventParameters]):
    """Starts the workflow when an execution of another one ends, or fails.

    Its item is `{"execution_id", "workflow_id", "status", "started_at", "ended_at", "failure", "output"}`;
    `failure` has the message, `output` the records when `with_output` is set. Each end starts one execution, also when
    it came while this server was away. A workflow can not watch itself, and two that watch each other's success would
    go on for ever.
    """

    type = "trigger.workflow_event"
    name = "Workflow event"
    summary = "Starts when an execution of another workflow ends or fails."
    example = {"workflow_ids": ["wf_orders"], "ends": ["failed"]}

    async def listen(self, source: Source) -> None:
        asked: WorkflowEventParameters = source.parameters
        endings = source.context.endings
        if endings is None:
            raise NodeFailure("NOT_AVAILABLE", "this server can not tell of executions that end")
        if source.workflow_id in asked.workflow_ids:
            raise NodeFailure("INVALID_PARAMETER", "a workflow can not watch itself", field="workflow_ids")
        cursor = source.cursor if isinstance(source.cursor, dict) else None
        until = int(cursor["until"]) if cursor else source.context.now
        seen = Seen(cursor, REMEMBERED)
        if cursor is None:
            await source.save({"until": until, "since": until, "seen": []})
        since = int(cursor.get("since", until)) if cursor else until
        source.listens()
        while True:
            news = endings.told()
            found = await endings.ended(source.workflow_id, asked.workflow_ids, max(until - OVERLAP, since), PAGE)
            fresh = [each for each in found if seen.is_new(each.execution_id)]
            for each in fresh:
                until = max(until, each.ended_at)
                status = STATUS[each.status]
                if status in asked.ends:
                    item = await _item(each, status, endings, asked.with_output)
                    moved = {"until": until, "since": since, **seen.cursor()}
                    await source.emit([item], delivery_id=each.execution_id, at=each.ended_at, cursor=moved)
            if not fresh:
                await endings.news(news)


async def _item(ending: Ending, status: str, endings: Any, with_output: bool) -> Item:
    record: dict[str, Json] = {
        "execution_id": ending.execution_id,
        "workflow_id": ending.workflow_id,
        "status": status,
        "started_at": _iso(ending.started_at),
        "ended_at": _iso(ending.ended_at),
        "failure": {"message": ending.failure} if ending.failure else None,
    }
    if with_output:
        record["output"] = [item.json for item in await endings.output(ending.execution_id)]
    return Item(record)


def _iso(at: int | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at / 1000, UTC).isoformat()
