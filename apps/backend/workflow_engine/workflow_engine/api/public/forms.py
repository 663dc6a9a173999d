"""The pages of form triggers: `/forms/<path>`.

Without scripts, a form of several steps carries what was filled in so far along in hidden fields. It is checked as a
whole before anything starts, so a person can change it and gain nothing; files are carried as tokens that only we make.
"""

from __future__ import annotations

import secrets
from typing import Any

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from workflow_engine.api.public.fields import Field, fields_of, mark, read
from workflow_engine.api.public.page import is_foreign, message, render
from workflow_engine.api.public.words import Words, negotiate
from workflow_engine.core.logging import get_logger
from workflow_engine.core.signing import Signer
from workflow_engine.engine.items import BinaryRef, Item
from workflow_engine.models.store import StoreUnavailable
from workflow_engine.models.writes import Decision
from workflow_engine.nodes.context import Blobs
from workflow_engine.nodes.forms import schema_of, wrong_answers
from workflow_engine.nodes.trigger.form import PREFIX, FormTriggerParameters
from workflow_engine.runtime.contract import Runtime, RuntimeFailure
from workflow_engine.triggers.manager import Triggers
from workflow_engine.triggers.registered import Registered
from workflow_engine.utils import json
from workflow_engine.utils.markdown import to_html

log = get_logger(__name__)
CARRIED, FILES, STEP, ONCE = "_carried", "_files", "_step", "_once"
"""Names of hidden fields; those of a form's own fields begin with a letter."""


class FormPages:
    """Serves forms, and starts what they start."""

    def __init__(self, triggers: Triggers, runtime: Runtime, blobs: Blobs, signer: Signer) -> None:
        self._triggers, self._runtime, self._blobs, self._signer = triggers, runtime, blobs, signer

    def routes(self) -> list[BaseRoute]:
        return [
            Route(PREFIX + "/{path:path}", self.look, methods=["GET"]),
            Route(PREFIX + "/{path:path}", self.send, methods=["POST"]),
        ]

    async def look(self, request: Request) -> Response:
        words = negotiate(request.headers)
        trigger = self._find(request)
        if trigger is None:
            return message(words, "no_page", 404)
        if trigger.row.paused:
            return message(words, "closed_form", 503)
        form: FormTriggerParameters = trigger.parameters
        fields = fields_of(schema_of(form.pages[0].fields), words, dict(request.query_params))
        return _page(words, form, 0, fields, {}, {}, secrets.token_urlsafe(16))

    async def send(self, request: Request) -> Response:
        words = negotiate(request.headers)
        if is_foreign(request):
            return message(words, "foreign", 403)
        trigger = self._find(request)
        if trigger is None:
            return message(words, "no_page", 404)
        if trigger.row.paused:
            return message(words, "closed_form", 503)
        form: FormTriggerParameters = trigger.parameters
        try:
            async with request.form(max_files=100, max_fields=2_000, max_part_size=4 << 20) as sent:
                return await self._step(words, trigger, form, sent)
        except HTTPException as error:
            return message(words, "too_large" if error.status_code == 413 else "trouble", error.status_code)

    def _find(self, request: Request) -> Registered | None:
        found = self._triggers.router.find(request.method, request.url.path)
        if found is None or not isinstance(found.target.parameters, FormTriggerParameters):
            return None
        return found.target

    async def _step(self, words: Words, trigger: Registered, form: FormTriggerParameters, sent: FormData) -> Response:
        number = _number(sent, len(form.pages))
        once = str(sent.get(ONCE) or "")[:100] or secrets.token_urlsafe(16)
        carried, tokens = _dict(sent.get(CARRIED)), _dict(sent.get(FILES))
        fields = fields_of(schema_of(form.pages[number].fields), words)
        given = await read(fields, sent, self._blobs)
        files = {name: ref for name, token in tokens.items() if (ref := self._ref(token)) is not None}
        # A file that was sent before a mistake elsewhere need not be chosen again.
        here = {**{name: ref for name, ref in files.items() if name in {each.name for each in fields}}, **given.files}
        if sent.get("back") is not None and number:
            return self._again(words, form, number - 1, {**carried, **given.data}, {**files, **here}, once)
        wrong = wrong_answers(schema_of(form.pages[number].fields), given.data, here)
        if wrong or given.unreadable:
            rest = mark(fields, wrong, given.unreadable, words)
            return _page(words, form, number, fields, carried, self._tokens({**files, **here}), once, 422, rest)
        data, files = {**carried, **given.data}, {**files, **here}
        if number + 1 < len(form.pages):
            return self._again(words, form, number + 1, data, files, once)
        if wrong_answers(form.schema_of_all(), data, files):
            # An earlier step was tampered with, or the form has changed since: it begins anew with what there is.
            return self._again(words, form, 0, data, files, once)
        return await self._start(words, trigger, form, Item(data, files), once)

    def _again(
        self, words: Words, form: FormTriggerParameters, number: int, data: Any, files: dict[str, BinaryRef], once: str
    ) -> Response:
        fields = fields_of(schema_of(form.pages[number].fields), words, data)
        return _page(words, form, number, fields, data, self._tokens(files), once)

    async def _start(
        self, words: Words, trigger: Registered, form: FormTriggerParameters, item: Item, once: str
    ) -> Response:
        try:
            event = await self._triggers.deliveries.deliver(trigger, [item], delivery_id=f"form:{once}")
        except (StoreUnavailable, RuntimeFailure) as error:
            log.error("form_not_stored", trigger_id=trigger.id, error=str(error))
            return message(words, "trouble", 503)
        if event.decision is Decision.FAILED:
            return message(words, "trouble", 503)
        text = await self._said(form, event.execution_id) if event.execution_id else ""
        return render(
            words,
            "message.html",
            title=form.done_title or words("sent"),
            text=to_html(text or form.done_text) if text or form.done_text else words("sent_text"),
            tone="good",
        )

    async def _said(self, form: FormTriggerParameters, execution_id: str) -> str:
        """What the workflow has to say to the person."""
        if form.respond == "at_once":
            return ""
        ended = await self._runtime.wait(execution_id, form.response_timeout)
        said = ended.output[0].json.get("message") if ended is not None and ended.output else None
        return said if isinstance(said, str) else ""

    def _tokens(self, files: dict[str, BinaryRef]) -> dict[str, str]:
        return {name: self._signer.sign(ref.id, ref.size, ref.media_type, ref.file_name) for name, ref in files.items()}

    def _ref(self, token: Any) -> BinaryRef | None:
        match self._signer.read(str(token)):
            case [str(id), int(size), str(media_type), str(file_name)]:
                return BinaryRef(id, size, media_type, file_name)
            case _:
                return None


def _page(
    words: Words,
    form: FormTriggerParameters,
    number: int,
    fields: list[Field],
    carried: dict[str, Any],
    tokens: dict[str, str],
    once: str,
    status: int = 200,
    errors: list[str] | None = None,
) -> Response:
    step, steps = form.pages[number], len(form.pages)
    here = {each.name for each in fields}
    is_last = number + 1 == steps
    return render(
        words,
        "form.html",
        status,
        title=step.title or form.title,
        eyebrow=form.title if step.title else "",
        progress=words("step", step=number + 1, steps=steps) if steps > 1 else "",
        step=number,
        steps=steps,
        text=to_html(step.text or (form.text if number == 0 else "")),
        fields=fields,
        wrong=[each for each in fields if each.error],
        errors=errors or [],
        has_files=any(each.kind == "file" for each in fields),
        kept={name for name in tokens if name in here},
        hidden={
            STEP: str(number),
            ONCE: once,
            CARRIED: json.dumps({name: value for name, value in carried.items() if name not in here}).decode(),
            FILES: json.dumps(tokens).decode(),
        },
        submit=(form.submit_label or words("send")) if is_last else words("next"),
    )


def _number(sent: FormData, steps: int) -> int:
    text = str(sent.get(STEP) or "0")
    return min(int(text), steps - 1) if text.isdigit() and len(text) < 4 else 0


def _dict(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(str(text)) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
