"""The page of a task: `/tasks/{token}`, for whoever was sent the link.

Looking never answers, because mail scanners and chats look at every link; only the page's own form does. Who holds a
link may answer with it, once, in the name that the link says.
"""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from workflow_engine.api.public.fields import Field, fields_of, mark, read
from workflow_engine.api.public.page import INLINE, download, is_foreign, message, render
from workflow_engine.api.public.words import Words, negotiate
from workflow_engine.core.logging import get_logger
from workflow_engine.engine.tasks import APPROVED, OPEN, Answer, vote
from workflow_engine.models.tasks import FoundTask
from workflow_engine.nodes.forms import wrong_answers
from workflow_engine.services.backend import Backend
from workflow_engine.services.desk import Desk
from workflow_engine.services.errors import ServiceError, known
from workflow_engine.services.links import Link, Links
from workflow_engine.utils.markdown import to_html

log = get_logger(__name__)
SUBMITS = {"form": "send", "choice": "send", "edit": "save", "reply": "send"}


class TaskPages:
    """Shows tasks to those who hold a link to one."""

    def __init__(self, backend: Backend, desk: Desk, links: Links) -> None:
        self._backend, self._desk, self._links = backend, desk, links

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/tasks/{token}", self.look, methods=["GET"]),
            Route("/tasks/{token}", self.answer, methods=["POST"]),
            Route("/tasks/{token}/files/{name:path}", self.file, methods=["GET"]),
        ]

    async def look(self, request: Request) -> Response:
        words = negotiate(request.headers)
        link, found, refusal = await self._find(request, words)
        if found is None or link is None:
            return refusal or message(words, "unknown", 404)
        return await self._page(request, words, link, found, _fields(found, words))

    async def answer(self, request: Request) -> Response:
        words = negotiate(request.headers)
        if is_foreign(request):
            return message(words, "foreign", 403)
        link, found, refusal = await self._find(request, words)
        if found is None or link is None:
            return refusal or message(words, "unknown", 404)
        fields = _fields(found, words)
        try:
            async with request.form(max_files=50, max_fields=1_000) as form:
                sent = await read(fields, form, self._backend.blobs, keep_empty=found.task.kind == "edit")
                pressed = form.get("approved")
        except HTTPException as error:
            return message(words, "too_large" if error.status_code == 413 else "trouble", error.status_code)
        if found.task.kind == "approval":
            sent.data["approved"] = pressed == "true"
        wrong = wrong_answers(found.task.schema, sent.data, sent.files)
        if wrong or sent.unreadable:
            unread = [each for each in wrong if not each.path or each.path[0] not in sent.unreadable]
            rest = mark(fields, unread, sent.unreadable, words)
            return await self._page(request, words, link, found, fields, status=422, errors=rest)
        try:
            await self._desk.answer(
                found.task.id, by=link.by, via="link", data=sent.data, files=sent.files, is_trusted=True
            )
        except Exception as error:
            # That somebody was faster is what the page itself will say.
            if not _is_settled(error):
                log.warning("task_answer_failed", error=str(error), task_id=found.task.id)
                return message(words, "trouble", 503)
        return RedirectResponse(request.url.path, 303)

    async def file(self, request: Request) -> Response:
        words = negotiate(request.headers)
        _, found, refusal = await self._find(request, words)
        if found is None:
            return refusal or message(words, "unknown", 404)
        ref = found.task.files.get(request.path_params["name"])
        return message(words, "no_page", 404) if ref is None else download(ref, self._backend.blobs)

    async def _find(self, request: Request, words: Words) -> tuple[Link | None, FoundTask | None, Response | None]:
        link = self._links.read(request.path_params["token"])
        if link is None:
            return None, None, message(words, "unknown", 404)
        try:
            found = await self._desk.task(link.task_id)
        except ServiceError:
            return link, None, message(words, "canceled", 410)
        mine = any(answer.by == link.by for answer in found.answers)
        if found.status == OPEN and not mine and self._backend.clock.now_ms() >= link.expires_at:
            late = found.task.expires_at is not None
            return link, None, message(words, "expired" if late else "link_expired", 410)
        return link, found, None

    async def _page(
        self,
        request: Request,
        words: Words,
        link: Link,
        found: FoundTask,
        fields: list[Field],
        *,
        status: int = 200,
        errors: list[str] | None = None,
    ) -> Response:
        mine = next((answer for answer in found.answers if answer.by == link.by), None)
        workflow = await asyncio.to_thread(self._backend.store.workflow, found.workflow_id)
        name = workflow.name if workflow is not None else ""
        if mine is not None:
            return _thanks(words, found, mine, name)
        if found.status != OPEN:
            key = {"answered": "others"}.get(found.status, found.status)
            return message(words, key, 410, eyebrow=found.task.title)
        task = found.task
        notes = [words("answer_as", who=link.by)] if link.by else []
        if task.kind == "approval" and task.quorum > 1:
            count = sum(vote(task, answer.data) == APPROVED for answer in found.answers)
            notes.append(words("votes", count=count, needed=task.quorum))
        shown = [each for each in fields if each.name != "approved"]
        wrong = [each for each in shown if each.error]
        return render(
            words,
            "task.html",
            status,
            title=task.title,
            eyebrow=name,
            text=to_html(task.text) if task.text else "",
            kind=task.kind,
            fields=shown,
            wrong=wrong,
            errors=errors or [],
            has_files=any(each.kind == "file" for each in fields),
            files=[
                (name, ref, f"{request.url.path}/files/{name}", ref.media_type in INLINE)
                for name, ref in task.files.items()
            ],
            labels=task.labels,
            submit=task.labels.get("answered") or words(SUBMITS.get(task.kind, "send")),
            until=words("answer_by", time=words.time(task.expires_at)) if task.expires_at is not None else "",
            notes=notes,
        )


def _fields(found: FoundTask, words: Words) -> list[Field]:
    task = found.task
    fields = fields_of(task.schema, words, task.data if task.kind == "edit" else None, task.labels)
    titles = {"approval": {"comment": "comment"}, "choice": {"comment": "comment", "choice": "choice"}}
    for each in fields:
        if key := titles.get(task.kind, {"reply": "your_reply"} if task.kind == "reply" else {}).get(each.name):
            each.label = words(key)
        if each.name == "comment" and task.kind == "approval":
            if "then" in task.schema:
                each.note = words("needed_to_refuse")
            elif "allOf" in task.schema:
                each.required, each.note = True, ""
        if task.kind == "edit":
            each.note = ""
    return fields


def _thanks(words: Words, found: FoundTask, mine: Answer, workflow: str) -> Response:
    task, tone, title = found.task, "good", words("answered")
    if task.kind == "approval":
        approved = vote(task, mine.data) == APPROVED
        title, tone = words("you_approved" if approved else "you_refused"), "good" if approved else "bad"
    elif task.kind == "choice":
        choice = vote(task, mine.data)
        title = words("you_chose", choice=task.labels.get(choice) or choice)
    return render(
        words,
        "message.html",
        title=title,
        text=words("answered_text"),
        tone=tone,
        eyebrow=task.title,
        foot=words("answered_at", time=words.time(mine.at)),
    )


def _is_settled(error: Exception) -> bool:
    refusal = known(error)
    return refusal is not None and refusal.reason in ("TASK_ANSWERED", "TASK_CLOSED")
