"""The pages of chat triggers: `/chat/<path>`, for people and, with JSON and server-sent events, for programs."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from workflow_engine.api.public.page import TEMPLATES, is_foreign, message, render
from workflow_engine.api.public.words import Words, negotiate
from workflow_engine.api.rest.problems import problem
from workflow_engine.core.logging import get_logger
from workflow_engine.core.signing import Signer
from workflow_engine.engine.events import ExecutionEnded, NodeSucceeded, NodeSuspended
from workflow_engine.engine.items import Item
from workflow_engine.engine.tasks import Task
from workflow_engine.models.store import StoreUnavailable
from workflow_engine.nodes.action.transform import search
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.nodes.trigger.chat import PREFIX, ChatTriggerParameters
from workflow_engine.runtime.contract import Runtime, RuntimeFailure
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.services.desk import Desk
from workflow_engine.services.errors import ServiceError
from workflow_engine.triggers.manager import Triggers
from workflow_engine.triggers.registered import Registered
from workflow_engine.utils import json
from workflow_engine.utils.markdown import to_html

log = get_logger(__name__)
SCRIPT = (Path(TEMPLATES) / "chat.js").read_text(encoding="utf-8")
USUAL = ("reply", "text", "output", "answer", "message")
"""Members of an item that are taken for the answer."""
MOST_LOG = 200
"""Lines of a conversation that a browser without scripts carries along."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a person."""

    text: str
    session_id: str
    message_id: str
    reply_to: str


class ChatPages:
    """Serves chats, and starts what they start."""

    def __init__(
        self, triggers: Triggers, runtime: Runtime, definitions: Definitions, desk: Desk, signer: Signer
    ) -> None:
        self._triggers, self._runtime, self._definitions = triggers, runtime, definitions
        self._desk, self._signer = desk, signer

    def routes(self) -> list[BaseRoute]:
        return [
            Route(PREFIX + "/{path:path}", self.look, methods=["GET"]),
            Route(PREFIX + "/{path:path}", self.say, methods=["POST"]),
        ]

    async def look(self, request: Request) -> Response:
        words = negotiate(request.headers)
        trigger = self._find(request)
        if trigger is None:
            return message(words, "no_page", 404)
        return _page(words, trigger.parameters, [], _fresh(), "")

    async def say(self, request: Request) -> Response:
        words = negotiate(request.headers)
        if is_foreign(request):
            return message(words, "foreign", 403)
        trigger = self._find(request)
        if trigger is None:
            return problem(404, "no published workflow has a chat at this path")
        chat: ChatTriggerParameters = trigger.parameters
        is_form = "json" not in request.headers.get("content-type", "")
        given: Any = dict(await request.form()) if is_form else await _json(request)
        text = given.get("message") if isinstance(given, dict) else None
        if not isinstance(text, str) or not text.strip() or len(text) > chat.most_message:
            return problem(400, f"message has to be a text of 1 to {chat.most_message} characters")
        said = Said(
            text.strip(), _word(given, "session_id") or _fresh(), _word(given, "message_id"), _word(given, "reply_to")
        )
        events = self._events(trigger, said)
        if is_form:
            return await _told(words, chat, said, events, given)
        if "text/event-stream" in request.headers.get("accept", ""):
            headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
            return StreamingResponse(_lines(events), media_type="text/event-stream", headers=headers)
        return Response(json.dumps({"events": [event async for event in events]}), media_type="application/json")

    def _find(self, request: Request) -> Registered | None:
        found = self._triggers.router.find(request.method, request.url.path)
        if found is None or not isinstance(found.target.parameters, ChatTriggerParameters):
            return None
        return found.target

    async def _events(self, trigger: Registered, said: Said) -> AsyncIterator[dict[str, Any]]:
        """What happens because of a message: `started`, then `reply` and `ask`, then `failed` or `done`."""
        try:
            execution_id, since = await self._answered(said) or await self._started(trigger, said)
        except (StoreUnavailable, RuntimeFailure, ServiceError) as error:
            log.warning("chat_message_not_taken", trigger_id=trigger.id, error=str(error))
            yield {"event": "failed"}
            return
        yield {"event": "started", "execution_id": execution_id, "session_id": said.session_id}
        if not execution_id:
            yield {"event": "failed"}
            return
        plan = await self._definitions.plan(trigger.digest)
        responders = {node.id for node in plan.nodes if node.shape.responds}
        has_said = False
        async for seq, event in self._runtime.watch(execution_id, since + 1):
            match event:
                case NodeSucceeded() if event.node in responders:
                    for item in event.outputs.get("main", []):
                        has_said = True
                        yield _reply(trigger.parameters, item)
                case NodeSuspended():
                    for task in event.tasks:
                        if task.kind == "reply" and task.data.get("session_id") == said.session_id:
                            yield self._ask(task, execution_id, seq)
                            yield {"event": "done", "waits": True}
                            return
                case ExecutionEnded():
                    ended = await self._runtime.wait(execution_id)
                    if ended is None or ended.status != "SUCCESS":
                        yield {"event": "failed"}
                        return
                    for item in [] if has_said else ended.output:
                        yield _reply(trigger.parameters, item)
                case _:
                    pass
        yield {"event": "done"}

    async def _started(self, trigger: Registered, said: Said) -> tuple[str, int]:
        item = Item({"message": said.text, "session_id": said.session_id})
        id = f"chat:{said.session_id}:{said.message_id}" if said.message_id else ""
        event = await self._triggers.deliveries.deliver(trigger, [item], delivery_id=id)
        return event.execution_id, 0

    def _ask(self, task: Task, execution_id: str, seq: int) -> dict[str, Any]:
        token = self._signer.sign(task.id, execution_id, seq)
        return {"event": "ask", "text": task.text, "html": str(to_html(task.text)), "reply_to": token}

    async def _answered(self, said: Said) -> tuple[str, int] | None:
        """Takes the message for the reply that a run waits for; None when none does, or not any more."""
        match self._signer.read(said.reply_to) if said.reply_to else None:
            case [str(task_id), str(execution_id), int(seq)]:
                pass
            case _:
                return None
        try:
            await self._desk.answer(
                task_id, by=f"chat:{said.session_id}", via="chat", data={"reply": said.text}, is_trusted=True
            )
        except ServiceError as error:
            if error.reason in ("TASK_CLOSED", "TASK_ANSWERED", "TASK_NOT_FOUND"):
                return None
            raise
        return execution_id, seq


def _reply(chat: ChatTriggerParameters, item: Item) -> dict[str, Any]:
    found = _found(chat.reply, item) if chat.reply else None
    if found is None:
        found = next((item.json[name] for name in USUAL if isinstance(item.json.get(name), str)), item.json)
    text = found if isinstance(found, str) else f"```json\n{json.dumps(found).decode()}\n```"
    return {"event": "reply", "text": text, "html": str(to_html(text))}


def _found(query: str, item: Item) -> Any:
    try:
        return search(query, item.json)
    except NodeFailure as failed:
        log.warning("chat_reply_not_found", query=query, why=failed.failure.message)
        return None


async def _lines(events: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    async for event in events:
        name = event.pop("event")
        yield f"event: {name}\n".encode() + b"data: " + json.dumps(event) + b"\n\n"


async def _told(
    words: Words, chat: ChatTriggerParameters, said: Said, events: AsyncIterator[dict[str, Any]], given: dict[str, Any]
) -> Response:
    """The page again with the answer, for a browser without scripts: it carries the conversation along."""
    try:
        old = json.loads(str(given.get("_log") or "[]"))
    except ValueError:
        old = []
    lines = [(str(who), str(text)) for who, text in old if who in ("you", "we")] if isinstance(old, list) else []
    lines.append(("you", said.text))
    waits_for = ""
    async for event in events:
        if event["event"] in ("reply", "ask"):
            lines.append(("we", event["text"]))
            waits_for = event.get("reply_to", "")
        elif event["event"] == "failed":
            lines.append(("we", words("chat_failed")))
    return _page(words, chat, lines[-MOST_LOG:], said.session_id, waits_for)


def _page(
    words: Words, chat: ChatTriggerParameters, lines: list[tuple[str, str]], session_id: str, waits_for: str
) -> Response:
    return render(
        words,
        "chat.html",
        script=SCRIPT,
        title=chat.title,
        greeting=to_html(chat.greeting) if chat.greeting else "",
        lines=[(who, to_html(text) if who == "we" else text) for who, text in lines],
        log=json.dumps(lines).decode(),
        session_id=session_id,
        reply_to=waits_for,
        most=chat.most_message,
    )


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError:
        return None


def _word(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    return value[:500] if isinstance(value, str) else ""


def _fresh() -> str:
    return secrets.token_urlsafe(18)
