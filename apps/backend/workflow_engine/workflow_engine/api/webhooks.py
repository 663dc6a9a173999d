"""Webhooks: `/webhooks/<path>` starts the published version, `/webhooks-test/<path>` the draft, once, for who listens.

A call is let in, its body read, the delivery stored and its execution started in one transaction; then it is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from weakref import WeakKeyDictionary

from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from workflow_engine.api import bodies
from workflow_engine.api.rest.problems import problem
from workflow_engine.core.clock import Clock
from workflow_engine.core.logging import get_logger
from workflow_engine.engine.events import ExecutionEnded, NodeSucceeded
from workflow_engine.engine.expressions import ExpressionError
from workflow_engine.engine.expressions import Scope as Sight
from workflow_engine.engine.items import Item, Items, Json
from workflow_engine.models.store import StoreUnavailable
from workflow_engine.models.writes import Decision, TriggerEventRow
from workflow_engine.nodes.context import Blobs
from workflow_engine.nodes.perform import shown
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.nodes.trigger.base import compiled
from workflow_engine.nodes.trigger.webhook import PREFIX, TEST_PREFIX, WebhookParameters
from workflow_engine.runtime.contract import Runtime, RuntimeFailure
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.runtime.vault import Opened
from workflow_engine.triggers.deliver import Deliveries
from workflow_engine.triggers.listening import Listener, Listeners
from workflow_engine.triggers.manager import Triggers
from workflow_engine.triggers.rates import Bucket
from workflow_engine.triggers.registered import Registered
from workflow_engine.triggers.router import Router
from workflow_engine.triggers.verify import Refused, Verified, verify
from workflow_engine.utils import json

log = get_logger(__name__)

NEVER_STORED = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})
PAUSED_RETRY = 60
"""Seconds after which a caller may try a paused webhook again."""
NEVER_ANSWERED = frozenset(
    {"set-cookie", "clear-site-data", "service-worker-allowed", "strict-transport-security", "x-content-type-options"}
)
"""Headers that speak for all of our origin, the editor included; a workflow's author has no say in that."""
SANDBOX = "sandbox allow-forms allow-scripts allow-popups allow-modals allow-downloads"
"""What a workflow's pages may: run, but as pages of nobody, so that they can not use their reader's session."""
_LET_IN = Verified()
KEPT_BUCKETS = 10_000
"""Rates that are remembered."""


@dataclass(slots=True)
class Target:
    """Whom a call is for."""

    id: str
    parameters: WebhookParameters
    credentials: Mapping[str, str]
    digest: str
    deliver: Callable[[Items, str, int], Awaitable[TriggerEventRow]]
    """Given what came, what names it (or nothing) and about how large it is."""


@dataclass(slots=True)
class Call:
    """A call, without the comforts that would cost more than the rest of answering it."""

    scope: Scope
    receive: Receive
    headers: dict[str, str]
    """In lower case; what is there several times is joined by a comma."""

    @classmethod
    def of(cls, scope: Scope, receive: Receive) -> Call:
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            known = name.decode("latin-1")
            text = value.decode("latin-1")
            headers[known] = f"{headers[known]}, {text}" if known in headers else text
        return cls(scope, receive, headers)

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def path(self) -> str:
        return str(self.scope["path"])


class _Door:
    """An ASGI application that answers calls."""

    def __init__(self, answer: Callable[[Call], Awaitable[Response]]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._answer(Call.of(scope, receive))
        except Exception:
            log.exception("webhook_failed", path=scope["path"])
            response = problem(500, "the server has made a mistake; its log says which, under webhook_failed")
        response.raw_headers.append((b"x-content-type-options", b"nosniff"))
        await response(scope, receive, send)


class Webhooks:
    """The room's doors, and what they stand on."""

    def __init__(
        self,
        triggers: Triggers,
        listeners: Listeners,
        runtime: Runtime,
        definitions: Definitions,
        clock: Clock,
        blobs: Blobs,
        credential: Callable[[str], Awaitable[Opened]],
        most: int,
    ) -> None:
        """`credential` opens one by id; `most` is the server's own limit on bodies, in bytes."""
        self._most = most
        self._triggers, self._listeners = triggers, listeners
        self._runtime, self._definitions, self._clock = runtime, definitions, clock
        self._blobs, self._credential = blobs, credential
        self._buckets: dict[str, Bucket] = {}
        self._targets: WeakKeyDictionary[Registered, Target] = WeakKeyDictionary()

    def doors(self) -> dict[str, ASGIApp]:
        """What takes the requests to each of our paths."""
        return {PREFIX.strip("/"): _Door(self.production), TEST_PREFIX.strip("/"): _Door(self.test)}

    async def production(self, call: Call) -> Response:
        found = self._triggers.router.find(call.method, call.path)
        if found is None or not isinstance(found.target.parameters, WebhookParameters):
            return self._nobody(call, self._triggers.router)
        return await self._call(call, self._production(found.target), found.params)

    async def test(self, call: Call) -> Response:
        found = self._listeners.router.find(call.method, call.path)
        if found is None:
            if call.method == "OPTIONS":
                return self._nobody(call, self._listeners.router)
            return problem(404, "nobody listens at this test URL: start listening in the editor, then call it again")
        return await self._call(call, self._test(found.target), found.params)

    def _production(self, trigger: Registered) -> Target:
        target = self._targets.get(trigger)
        # A new version of the workflow may want something else.
        if target is None or target.parameters is not trigger.parameters or target.digest != trigger.digest:
            target = self._targets[trigger] = _production(trigger, self._triggers.deliveries)
        return target

    def _nobody(self, call: Call, router: Router[Any]) -> Response:
        """The answer to a preflight, or to a call that no trigger takes."""
        methods = router.methods(call.path)
        if not methods:
            return problem(404, "no published workflow has a webhook at this path")
        allow = ", ".join(sorted(methods | {"OPTIONS"}))
        if call.method != "OPTIONS":
            response = problem(405, f"this webhook takes {', '.join(sorted(methods))}, not {call.method}")
            response.headers["allow"] = allow
            return response
        response = Response(status_code=204, headers={"allow": allow})
        wanted = call.headers.get("access-control-request-method", "")
        found = router.find(wanted, call.path)
        if found is not None:
            _share(call, response, found.target.parameters)
            if "access-control-allow-origin" in response.headers:
                response.headers["access-control-allow-methods"] = ", ".join(sorted(methods))
                asked = call.headers.get("access-control-request-headers", "")
                if asked:
                    response.headers["access-control-allow-headers"] = asked
                response.headers["access-control-max-age"] = "300"
        return response

    async def _call(self, call: Call, target: Target, params: dict[str, str]) -> Response:
        response = await self._answered(call, target, params)
        _share(call, response, target.parameters)
        return response

    async def _answered(self, call: Call, target: Target, params: dict[str, str]) -> Response:
        parameters = target.parameters
        if parameters.rate_limit and (wait := self._bucket(target).take(self._clock.now_ms())):
            return _again(problem(429, "this webhook is called too often"), -(-wait // 1000))
        try:
            data = await bodies.read(call.receive, call.headers, min(parameters.max_body, self._most))
            verified = _LET_IN
            if parameters.verify != "none":
                secret = await self._secret(target)
                verified = verify(parameters, secret, call.headers, data, self._clock.now_ms())
            body = await bodies.parse(data, call.headers, self._blobs, raw=parameters.raw)
        except bodies.BadBody as bad:
            return problem(bad.status, bad.why)
        except Refused as refused:
            log.warning("webhook_refused", trigger_id=target.id, why=refused.why)
            response = problem(refused.status, refused.why)
            if refused.challenge:
                response.headers["www-authenticate"] = refused.challenge
            return response
        except OSError as error:
            log.error("webhook_file_not_stored", trigger_id=target.id, error=str(error))
            return _again(problem(503, "the files of this call can not be stored now"), 5)
        if parameters.verify == "slack" and (challenge := _challenge(body.value)) is not None:
            return Response(challenge, media_type="text/plain")
        item = _item(call, params, verified, body)
        try:
            event = await target.deliver([item], _delivery_id(parameters, verified, item), len(data))
        except (StoreUnavailable, RuntimeFailure) as error:
            return _again(problem(503, f"nothing of this call is stored: {error}"), 1)
        return await self._answer(call, target, event)

    async def _secret(self, target: Target) -> dict[str, Any] | None:
        id = target.credentials.get("secret")
        if not id:
            return None
        try:
            return (await self._credential(id)).fields
        except NodeFailure as failed:
            log.error("webhook_secret_missing", trigger_id=target.id, why=str(failed))
            return None

    def _bucket(self, target: Target) -> Bucket:
        bucket = self._buckets.get(target.id)
        if bucket is None or bucket.per_minute != target.parameters.rate_limit:
            if len(self._buckets) >= KEPT_BUCKETS:
                self._buckets.clear()
            bucket = self._buckets[target.id] = Bucket(target.parameters.rate_limit, self._clock.now_ms())
        return bucket

    def _test(self, listener: Listener) -> Target:
        async def deliver(items: Items, delivery_id: str, size: int) -> TriggerEventRow:
            if listener.called.done():
                raise RuntimeFailure("NOTHING_TO_DO", "another call came first; listen again")
            # One call only: the next one finds nobody, also while this one is being stored.
            called = listener.called
            listener.called = asyncio.get_running_loop().create_future()
            listener.called.cancel()
            try:
                id = await listener.start(items)
            except BaseException:
                listener.called = called
                raise
            called.set_result(id)
            now = self._clock.now_ms()
            return TriggerEventRow(0, "", None, now, now, 1, now, Decision.STARTED, id)

        return Target("", listener.parameters, listener.credentials, listener.digest, deliver)

    # answers

    async def _answer(self, call: Call, target: Target, event: TriggerEventRow) -> Response:
        mode = target.parameters.respond
        if mode == "at_once" or event.decision not in (Decision.STARTED, Decision.DUPLICATE) or not event.execution_id:
            return _told(event)
        if mode == "streaming":
            return await self._streaming(call, target, event.execution_id)
        try:
            async with asyncio.timeout(target.parameters.response_timeout / 1000):
                if mode == "respond_node":
                    return await self._by_node(target, event.execution_id)
                return await self._when_finished(target, event.execution_id)
        except TimeoutError:
            return _told(event)

    async def _when_finished(self, target: Target, execution_id: str) -> Response:
        ended = await self._runtime.wait(execution_id)
        assert ended is not None, "it waits as long as it takes"
        if ended.status != "SUCCESS":
            return problem(500, "the workflow did not come to a good end", executionId=execution_id)
        return await self._items(target, ended.output, {})

    async def _by_node(self, target: Target, execution_id: str) -> Response:
        responders = await self._responders(target)
        async for _, event in self._runtime.watch(execution_id):
            if isinstance(event, NodeSucceeded) and event.node in responders:
                return await self._items(target, event.outputs.get("main", []), event.response)
            if isinstance(event, ExecutionEnded):
                break
        return await self._when_finished(target, execution_id)

    async def _streaming(self, call: Call, target: Target, execution_id: str) -> Response:
        responders = await self._responders(target)
        as_events = "text/event-stream" in call.headers.get("accept", "")

        def line(record: Json) -> bytes:
            return b"data: " + json.dumps(record) + b"\n\n" if as_events else json.dumps(record) + b"\n"

        async def lines() -> AsyncIterator[bytes]:
            has_sent = False
            async for _, event in self._runtime.watch(execution_id):
                if isinstance(event, NodeSucceeded) and event.node in responders:
                    for item in event.outputs.get("main", []):
                        has_sent = True
                        yield line(item.json)
            ended = await self._runtime.wait(execution_id)
            if ended is not None and ended.status != "SUCCESS":
                yield line({"error": "the workflow did not come to a good end", "execution_id": execution_id})
            elif ended is not None and not has_sent:
                for item in ended.output:
                    yield line(item.json)

        media_type = "text/event-stream" if as_events else "application/x-ndjson"
        return StreamingResponse(lines(), media_type=media_type, headers={"x-execution-id": execution_id})

    async def _responders(self, target: Target) -> set[str]:
        plan = await self._definitions.plan(target.digest)
        return {node.id for node in plan.nodes if node.shape.responds}

    async def _items(self, target: Target, items: Items, said: dict[str, Json]) -> Response:
        """A result as HTTP says it; `said` is what a flow.respond said about status and headers."""
        status, headers = int(said.get("status", 200)), _harmless(said.get("headers", {}))
        if target.parameters.answer == "none" or status in (204, 304):
            return Response(status_code=status, headers=headers)
        if target.parameters.answer == "file":
            ref = next((ref for item in items for ref in item.binary.values()), None)
            if ref is None:
                return problem(500, "the workflow's result has no file")
            if ref.file_name:
                headers.setdefault("content-disposition", f"inline; filename*=UTF-8''{quote(ref.file_name)}")
            headers.setdefault("content-length", str(ref.size))
            if "content-type" not in headers:
                # Whoever sent the file has said what it is; it must not run at all.
                headers["content-security-policy"] = "sandbox"
            return StreamingResponse(self._blobs.read(ref), status, headers, media_type=ref.media_type)
        records = [item.json for item in items]
        body = json.dumps(records[0] if len(records) == 1 else records)
        return Response(body, status, headers, media_type=None if "content-type" in headers else "application/json")


def _harmless(said: Mapping[str, Json]) -> dict[str, str]:
    """The headers that a workflow asks for, as far as they concern its own answer; it can not act as the editor."""
    headers = {name: str(value) for each, value in said.items() if (name := str(each).lower()) not in NEVER_ANSWERED}
    own = headers.get("content-security-policy", "")
    # A browser keeps to each of the policies.
    headers["content-security-policy"] = f"{SANDBOX}, {own}" if own else SANDBOX
    return headers


def _production(trigger: Registered, deliveries: Deliveries) -> Target:
    async def deliver(items: Items, delivery_id: str, size: int) -> TriggerEventRow:
        if delivery_id or trigger.parameters.respond != "at_once":
            return await deliveries.deliver(trigger, items, delivery_id=delivery_id)
        return await deliveries.accept(trigger, items, size=size)

    return Target(trigger.id, trigger.parameters, trigger.row.credentials, trigger.digest, deliver)


def _item(call: Call, params: dict[str, str], verified: Verified, body: bodies.Body) -> Item:
    hidden = NEVER_STORED | verified.secret_headers if verified.secret_headers else NEVER_STORED
    record: dict[str, Json] = {
        "method": call.method,
        "path": call.path,
        "params": params,
        "query": bodies.query(call.scope["query_string"].decode("latin-1")),
        "headers": {name: value for name, value in call.headers.items() if name not in hidden},
        "body": body.value,
    }
    if verified.claims:
        record["claims"] = verified.claims
    return Item(record, body.files)


def _delivery_id(parameters: WebhookParameters, verified: Verified, item: Item) -> str:
    """What names the delivery; empty when nothing does."""
    if parameters.delivery_id:
        view = shown(item)
        try:
            found = compiled(parameters.delivery_id).resolve(Sight(json=item.json, item=view, items=[view]))
        except ExpressionError:
            return ""
        return "" if found is None else f"id:{found}"
    if verified.delivery_id:
        return f"id:{verified.delivery_id}"
    body = item.json["body"]
    name = {"stripe": "id", "slack": "event_id"}.get(parameters.verify, "")
    found = body.get(name) if name and isinstance(body, dict) else None
    return f"id:{found}" if isinstance(found, str) else ""


def _challenge(body: Any) -> str | None:
    """What Slack wants to read back when the URL is entered there."""
    if isinstance(body, dict) and body.get("type") == "url_verification" and isinstance(body.get("challenge"), str):
        return str(body["challenge"])
    return None


class _Stored(Response):
    """The answer to a call that is stored, for which nothing has to be worked out."""

    def __init__(self, event: TriggerEventRow) -> None:
        self.status_code, self.background = 202, None
        self.body = b'{"event_id":"evt_%d","decision":"%s","execution_id":"%s"}' % (
            event.pk,
            event.decision.name.encode(),
            event.execution_id.encode(),
        )
        self.raw_headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(self.body))]


def _told(event: TriggerEventRow) -> Response:
    """What became of a delivery."""
    if event.decision in (Decision.STARTED, Decision.RECEIVED):
        return _Stored(event)
    told: dict[str, Json] = {"event_id": f"evt_{event.pk}", "decision": event.decision.name}
    if event.execution_id:
        told["execution_id"] = event.execution_id
    match event.decision:
        case Decision.BUFFERED:
            status = 202
        case Decision.SKIPPED_PAUSED:
            return _again(problem(503, "this webhook is paused"), PAUSED_RETRY)
        case Decision.FAILED:
            return problem(422, "this call could not start anything; the trigger's events say why", **told)
        case _:
            status = 200
    return Response(json.dumps(told), status, media_type="application/json")


def _again(response: Response, seconds: int) -> Response:
    response.headers["retry-after"] = str(seconds)
    return response


def _share(call: Call, response: Response, parameters: WebhookParameters) -> None:
    """Lets a web page of an allowed origin read the answer."""
    origin = call.headers.get("origin")
    if origin is None or not _allows(parameters.allowed_origins, origin):
        return
    response.headers["access-control-allow-origin"] = "*" if "*" in parameters.allowed_origins else origin
    response.headers.add_vary_header("Origin")


def _allows(allowed: Sequence[str], origin: str) -> bool:
    return "*" in allowed or origin in allowed
