"""trigger.poll: what is new in the answer of any HTTP API."""

from __future__ import annotations

import inspect
from typing import Any, Literal, cast

from pydantic import field_validator

from workflow_engine.engine.expressions import ExpressionError, ExpressionErrors, Scope
from workflow_engine.engine.items import Item, Items
from workflow_engine.nodes.action.http.auth import CERTIFICATE, REQUEST
from workflow_engine.nodes.action.http_request import HttpRequest, HttpRequestParameters
from workflow_engine.nodes.flow.durations import Duration
from workflow_engine.nodes.perform import shown
from workflow_engine.nodes.spec import Call, Emit, Field, NodeFailure
from workflow_engine.nodes.trigger.base import Found, Polled, PollTrigger, Source, TriggerParameters, compiled
from workflow_engine.nodes.trigger.fetched import Seen
from workflow_engine.nodes.trigger.received import digest
from workflow_engine.utils.json import dumps

REMEMBERED = 10_000
"""Records that are known again."""


class PollParameters(TriggerParameters):
    """What to ask, how often, and what makes a record a new one."""

    request: HttpRequestParameters
    """The request, as for `action.http_request`, with its pages and its `records_path`."""
    every: Duration = Field(default=300_000, ge=10_000)
    """How often to ask: seconds, or text such as `30s`, `5m`."""
    key: str = Field(default="", max_length=1_000)
    """CEL that names a record, such as `json.id`; by its whole content when empty."""
    start: Literal["new", "changed"] = "new"
    """With `key`: start for records that were not there before, or also for those that have changed."""
    together: bool = False
    """One execution for all that is new at one look, instead of one for each record."""
    from_start: bool = False
    """Start for what is there at the first look, too."""

    @field_validator("key")
    @classmethod
    def _compiles(cls, source: str) -> str:
        if source:
            try:
                compiled(source)
            except ExpressionErrors as failed:
                raise ValueError(f"it is no CEL: {failed.errors[0].message}") from None
        return source


class PollTriggerNode(PollTrigger[PollParameters]):
    """Asks an HTTP API from time to time, and starts the workflow for every record that is new in its answer.

    Its item is the record. What has been seen is remembered across restarts, the newest 10,000 records of it; a record
    starts one execution, however often it is found. Credentials are those of `action.http_request`.
    """

    type = "trigger.poll"
    name = "Poll"
    summary = "Starts for every new record in the answer of an HTTP API."
    example = {
        "request": {"url": "https://api.example.com/orders?status=open", "records_path": "orders"},
        "key": "json.id",
        "every": "5m",
    }
    credentials = (REQUEST, CERTIFICATE)

    def interval(self, parameters: PollParameters) -> int:
        return parameters.every

    async def poll(self, source: Source) -> Polled:
        asked: PollParameters = source.parameters
        seen = Seen(source.cursor, REMEMBERED)
        new = [(id, item) for item in await _records(source) if seen.is_new(id := _id(asked, item))]
        if not new or (source.cursor is None and not asked.from_start):
            return Polled(cursor=seen.cursor())
        if asked.together:
            found = [Found([item for _, item in new], delivery_id=digest(*(id for id, _ in new)))]
        else:
            found = [Found([item], delivery_id=id) for id, item in new]
        return Polled(found, seen.cursor())


async def _records(source: Source) -> Items:
    # The request's code asks its node for nothing but the credentials.
    call = Call(parameters=source.parameters.request, node=cast(Any, source), context=source.context, inputs={})
    result = HttpRequest().run(call)
    answered = await result if inspect.isawaitable(result) else result
    assert isinstance(answered, Emit), "a request only emits"
    return answered.outputs["main"]


def _id(asked: PollParameters, item: Item) -> str:
    content = digest(dumps(item.json, sort=True), *(ref.id for ref in item.binary.values()))
    if not asked.key:
        return content
    view = shown(item)
    try:
        named = compiled(asked.key).resolve(Scope(json=item.json, item=view, items=[view]))
    except ExpressionError as error:
        raise NodeFailure("EXPRESSION_FAILED", f"key does not fit a record: {error.message}", field="key") from None
    return f"{named}:{content}" if asked.start == "changed" else f"{named}"
