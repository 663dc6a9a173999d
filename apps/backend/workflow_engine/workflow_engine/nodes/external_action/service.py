"""What the node types for services on the web have in common, so that one is short to read.

A service is a list of operations. An operation is a model of what it takes, and one line that says how that becomes an
HTTP request:

    class CreateIssue(Operation):
        '''Opens an issue.'''

        operation: Literal["issue.create"]
        owner: str
        repo: str
        title: str
        labels: list[str] | None = None

        http = post("/repos/{owner}/{repo}/issues")

Fields that the path names go there; the others become the query of a GET or DELETE and the JSON body of the rest, under
their own names or their serialization aliases; null is left out. What is not that regular overrides `query` or `body`.
A `Listing` fetches page after page until it has `limit` records.

Reads may be repeated after a crash, as PUT and DELETE may; a POST or PATCH is sent at most once, unless the service
takes an idempotency key.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, ClassVar, Generic, Literal, TypeVar, get_args
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from pydantic import AliasGenerator, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel

from workflow_engine.engine.items import Item, Items
from workflow_engine.nodes.action.http.answer import Answer, read, records, refusal
from workflow_engine.nodes.action.http.auth import Signature, signed
from workflow_engine.nodes.action.http.body import Encoded
from workflow_engine.nodes.action.http.pages import NoPages, Pages, Step, first, following, found
from workflow_engine.nodes.action.http.text import Fields, pairs
from workflow_engine.nodes.context import Blobs, HttpResponse
from workflow_engine.nodes.credentials import KINDS, CredentialKind, Probe, System, check_host
from workflow_engine.nodes.spec import (
    Call,
    CredentialSlot,
    Effect,
    Emit,
    Json,
    Node,
    NodeFailure,
    Parameters,
    Result,
    Shape,
)
from workflow_engine.utils import json

SLOT = "auth"
TIMEOUT = 60.0
MOST_PAGES = 1_000
_URL = r"^$|^https?://[^\s?#]+$"
_PLACE = re.compile(r"\{(\w+)(:path)?\}")
P = TypeVar("P", bound=Parameters)
K = TypeVar("K", bound=type[CredentialKind])


# how an operation becomes a request


@dataclass(frozen=True, slots=True)
class Http:
    """How an operation becomes a request."""

    method: str
    path: str
    """Below the service's base address; `{name}` is a field, as one segment, `{name:path}` with its slashes."""
    query: frozenset[str] = frozenset()
    """Fields that go into the query although the method has a body."""
    form: bool = False
    """The body is an HTML form, not JSON."""
    records: str = ""
    """JMESPath of the records in the answer; the whole answer when empty."""
    pages: Pages = field(default_factory=NoPages)
    page_size: tuple[str, int] | None = None
    """For a listing: the parameter that says how many records a page holds, and the most it may."""
    effect: Effect = Effect.AT_MOST_ONCE
    key_header: str = ""
    """The header in which the service takes an idempotency key."""


def get(path: str, **more: Any) -> Http:
    """A read."""
    return Http("GET", path, effect=Effect.IDEMPOTENT, **more)


def post(path: str, *, query: Sequence[str] = (), **more: Any) -> Http:
    """Makes something; at most once unless `key_header` says how the service tells a repetition."""
    effect = more.pop("effect", Effect.IDEMPOTENT if more.get("key_header") else Effect.AT_MOST_ONCE)
    return Http("POST", path, query=frozenset(query), effect=effect, **more)


def put(path: str, *, query: Sequence[str] = (), **more: Any) -> Http:
    """Sets something; the same whenever it is repeated."""
    effect = more.pop("effect", Effect.IDEMPOTENT)
    return Http("PUT", path, query=frozenset(query), effect=effect, **more)


def patch(path: str, *, query: Sequence[str] = (), **more: Any) -> Http:
    """Changes some of something to given values, which is the same when it is repeated."""
    effect = more.pop("effect", Effect.IDEMPOTENT)
    return Http("PATCH", path, query=frozenset(query), effect=effect, **more)


def delete(path: str, **more: Any) -> Http:
    """Removes something."""
    return Http("DELETE", path, effect=Effect.IDEMPOTENT, **more)


class Operation(Parameters):
    """Base of operations. A subclass has `operation: Literal["resource.verb"]`, and `http`."""

    http: ClassVar[Http]
    apart: ClassVar[frozenset[str]] = frozenset({"operation"})
    """Fields that are no part of the request."""
    gives_file: ClassVar[bool] = False
    """The answer is a file, which is stored as it arrives."""

    @classmethod
    def place(cls, name: str, *, required: bool) -> int:
        """The operation, what leads, what it can not do without, what it can, and how much of it."""
        if name in ("operation", "limit"):
            return -1 if name == "operation" else 1_000
        if name in cls.leading:
            return cls.leading.index(name)
        return 100 if required else 200

    def path(self) -> str:
        """The path, with every value made safe for its place."""

        def filled(match: re.Match[str]) -> str:
            value = getattr(self, match[1])
            segments = str(value).split("/") if match[2] else [value]
            if not {"", ".", ".."}.isdisjoint(segments):
                raise NodeFailure("INVALID_PARAMETER", f"{match[1]} is {value!r}", field=f"action.{match[1]}")
            return quote(str(value), safe="/" if match[2] else "")

        return _PLACE.sub(filled, self.http.path)

    def fields(self) -> dict[str, Json]:
        """What is neither in the path nor left out, under the service's own names."""
        placed = {match[1] for match in _PLACE.finditer(self.http.path)}
        return self.model_dump(mode="json", by_alias=True, exclude=placed | set(self.apart), exclude_none=True)

    def _aliases(self, names: frozenset[str]) -> set[str]:
        fields = type(self).model_fields
        return {str(fields[name].serialization_alias or name) for name in names}

    def query(self) -> dict[str, Json]:
        """The query."""
        fields = self.fields()
        if self.http.method in ("GET", "DELETE", "HEAD"):
            return fields
        wanted = self._aliases(self.http.query)
        return {name: value for name, value in fields.items() if name in wanted}

    def body(self) -> Json:
        """The body; None for none."""
        if self.http.method in ("GET", "DELETE", "HEAD"):
            return None
        apart = self._aliases(self.http.query)
        return {name: value for name, value in self.fields().items() if name not in apart}

    def sends(self, item: Item, blobs: Blobs | None) -> Encoded | None:
        """What is sent in place of `body`, where that is no JSON and no form, such as a file. Raises NodeFailure."""
        return None

    def headers(self) -> dict[str, str]:
        """More headers."""
        return {}

    def result(self, answer: Answer) -> Items:
        """The answer's items, where it is no listing."""
        if answer.file:
            return answer.items(full=False)
        body = found(self.http.records, answer.body) if self.http.records else answer.body
        if body is None:
            return [Item({"done": True})]
        return records(body)


class CamelOperation(Operation):
    """An operation of a service that writes namesLikeThis."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        alias_generator=AliasGenerator(serialization_alias=to_camel),
    )


class Listing(Operation):
    """An operation that gives records, page after page."""

    apart = frozenset({"operation", "limit"})
    limit: int = Field(default=100, ge=1, le=100_000)
    """Most records to give; pages are fetched until then."""


class CamelListing(CamelOperation, Listing):
    """The same for a service that writes namesLikeThis."""

    apart = frozenset({"operation", "limit"})


class CallApi(Operation):
    """Calls any other part of the API, signed with the node's credential."""

    operation: Literal["api.call"]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    """GET, PUT and DELETE may be repeated after a crash, the others are sent at most once."""
    path_and_query: str = Field(pattern=r"^/[^\s#]*$", alias="path")
    """Below the service's base address, with a query if there is one, e.g. `/users/me?full=true`."""
    value: Json = Field(default=None, alias="body")
    """Sent as JSON, unless it is null."""

    http = get("")

    def path(self) -> str:
        if ".." in self.path_and_query.partition("?")[0].split("/"):
            raise NodeFailure("INVALID_PARAMETER", "the path must not lead upwards", field="action.path")
        return self.path_and_query

    def query(self) -> dict[str, Json]:
        return {}

    def body(self) -> Json:
        return self.value


# the node


class Service(Node[P], Generic[P]):
    """Base of node types for a service. Its parameters have one field `action`: a union of operations."""

    base_url: ClassVar[str]
    """Where the API is, unless the credential says otherwise."""
    documentation_url: ClassVar[str] = ""
    """The service's own."""
    headers: ClassVar[dict[str, str]] = {}
    """Sent with every request."""
    effect = Effect.AT_MOST_ONCE

    @classmethod
    def system(cls) -> System:
        """The service, for the list of integrations."""
        kinds = tuple(type for slot in cls.credentials for type in slot.types)
        id = cls.type.partition(".")[2]
        return System(id, cls.name, cls.summary, kinds, cls.documentation_url, (cls.type,))

    def shape(self, parameters: dict[str, Any]) -> Shape:
        return replace(super().shape(parameters), effect=self.effect_of(parameters.get("action")))

    def effect_of(self, action: Any) -> Effect:
        """What the operation in raw parameters does to the world."""
        if not isinstance(action, dict):
            return Effect.AT_MOST_ONCE
        chosen = operations(self.parameters).get(str(action.get("operation")))
        if chosen is None:
            return Effect.AT_MOST_ONCE
        if chosen is CallApi:
            repeatable = action.get("method", "GET") in ("GET", "PUT", "DELETE")
            return Effect.IDEMPOTENT if repeatable else Effect.AT_MOST_ONCE
        return chosen.http.effect

    async def run(self, call: Call[P]) -> Result:
        operation: Operation = call.parameters.action  # type: ignore[attr-defined]
        if isinstance(operation, Listing):
            return Emit({"main": await self.listed(call, operation)})
        answer = await self.sent(call, operation, Step())
        return Emit({"main": operation.result(answer)})

    async def listed(self, call: Call[P], operation: Listing) -> Items:
        """The records of as many pages as it takes."""
        items: Items = []
        http, step = operation.http, first(operation.http.pages)
        while step.number < MOST_PAGES:
            answer = await self.sent(call, operation, step)
            page = found(http.records, answer.body) if http.records else answer.body
            rows = records([] if page is None else page)
            items += rows
            more = following(http.pages, step, answer, len(rows)) if len(items) < operation.limit else None
            if more is None or not rows:
                break
            step = more
        return items[: operation.limit]

    async def sent(self, call: Call[P], operation: Operation, step: Step) -> Answer:
        """One request's answer. Raises NodeFailure."""
        effect = self.effect_of({"operation": getattr(operation, "operation", ""), "method": method_of(operation)})
        try:
            response = await self._respond(call, operation, step)
            if response.status >= 400:
                raise self.refused(await refusal(response, method_of(operation), call.context.now))
            answer = await read(response, "binary" if operation.gives_file else "json", call.context.blobs)
            self.check_answer(operation, answer)
            return answer
        except NodeFailure as failed:
            if effect is Effect.AT_MOST_ONCE:
                raise once(failed) from None
            raise

    async def _respond(self, call: Call[P], operation: Operation, step: Step) -> HttpResponse:
        secret = await self.secret(call)
        response = await self._send(call, operation, step, secret)
        token = secret.get("access_token", "") if secret.get("type") == "oauth2" else ""
        if response.status == 401 and token and call.context.credentials:
            # Peers take tokens back before their time, and what they refuse for that they have not done.
            renewed = await call.context.credentials.renew(call.node.credentials[SLOT], token)
            if renewed:
                await response.close()
                return await self._send(call, operation, step, renewed)
        return response

    async def _send(self, call: Call[P], operation: Operation, step: Step, secret: dict[str, Any]) -> HttpResponse:
        if call.context.http is None:
            raise NodeFailure("CONNECTION_FAILED", "this server gives nodes no way to the network")
        url = step.url or self.address(secret, operation) + operation.path()
        check_host(secret, urlsplit(url).hostname or "", SLOT)
        signature = self.signature(secret)
        http, more = operation.http, _page(operation, step)
        body = operation.body()
        if isinstance(body, dict) and more:
            body, more = self.place_page(body, more), {}
        headers = {"Accept": "application/json", **self.headers, **operation.headers(), **signature.headers}
        content: bytes | AsyncIterator[bytes] | None = None
        if (own := operation.sends(call.item, call.context.blobs)) is not None:
            content, headers = own.content, {**headers, **own.headers}
        elif body is not None:
            content, headers["Content-Type"] = encoded(body, form=http.form)
        if http.key_header:
            headers[http.key_header] = call.idempotency_key
        query: Fields = {} if step.url else {name: scalars(each) for name, each in operation.query().items()}
        return await call.context.http.request(
            method_of(operation),
            url,
            headers=headers,
            params=[*pairs({**query, **({} if step.url else more)}), *signature.query],
            body=content,
            timeout=TIMEOUT,
        )

    # what services differ in

    async def secret(self, call: Call[P]) -> dict[str, Any]:
        """The credential; an empty one when the node needs none. Raises NodeFailure."""
        id = call.node.credentials.get(SLOT)
        if not id:
            if any(slot.required for slot in self.credentials):
                raise NodeFailure(
                    "CREDENTIAL_MISSING", f"{self.name} needs a credential", field=SLOT, hint="choose one in the node"
                )
            return {}
        if call.context.credentials is None:
            raise NodeFailure("CREDENTIAL_MISSING", "this server keeps no credentials", hint="set SECRET_KEY")
        return await call.context.credentials.get(id)

    def address(self, secret: dict[str, Any], operation: Operation) -> str:
        """The base address, without a slash at its end."""
        return str(secret.get("base_url") or self.base_url).rstrip("/")

    def signature(self, secret: dict[str, Any]) -> Signature:
        """What the credential adds to a request; by default a bearer token."""
        if "token" in secret:
            return Signature({"Authorization": f"Bearer {secret['token']}"})
        return signed(secret) if secret else Signature()

    def place_page(self, body: dict[str, Json], more: dict[str, Json]) -> dict[str, Json]:
        """The body of a read that is a POST, with what its page adds."""
        return {**body, **more}

    def check_answer(self, operation: Operation, answer: Answer) -> None:
        """For services that answer 200 to what they refuse. Raises NodeFailure."""

    def refused(self, failed: NodeFailure) -> NodeFailure:
        """The service's own words for a status of 400 and above."""
        said = failed.failure.details.get("body")
        message = told(said) if isinstance(said, str) else ""
        status = failed.failure.details.get("status")
        hint = {
            401: "the service does not accept the credential; test it, and enter it anew or connect it again",
            403: "the credential is known, but may not do this; see its rights and scopes at the service",
            404: "see that the ids are spelled right; many services say 404 to what the credential may not see",
        }.get(status if isinstance(status, int) else 0)
        if message:
            said = f"{self.name} answered {status}: {message}"
            failed.failure = msgspec.structs.replace(failed.failure, message=said)
        if hint:
            failed.failure = msgspec.structs.replace(failed.failure, hint=hint)
        return failed


def method_of(operation: Operation) -> str:
    return operation.method if isinstance(operation, CallApi) else operation.http.method


def _page(operation: Operation, step: Step) -> dict[str, Any]:
    """What a page adds to the operation's own fields."""
    size = operation.http.page_size
    if size is None or not isinstance(operation, Listing):
        return dict(step.query)
    wanted = min(size[1], operation.limit)
    # Where pages are counted in records, the step has a size of its own: no more than are wanted.
    return {size[0]: wanted, **step.query, **({size[0]: wanted} if size[0] in step.query else {})}


def encoded(body: Json, *, form: bool) -> tuple[bytes, str]:
    """A body and its content type."""
    if form:
        return urlencode(pairs(flattened(body))).encode(), "application/x-www-form-urlencoded"
    return json.dumps(body), "application/json"


def flattened(value: Json, prefix: str = "") -> dict[str, Any]:
    """Nested values with names as in `a[b][0]`."""
    if isinstance(value, dict | list):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        flat: dict[str, Any] = {}
        for name, each in members:
            flat |= flattened(each, f"{prefix}[{name}]" if prefix else str(name))
        return flat
    return {prefix: value}


def scalars(value: Json) -> Any:
    """A value as a query takes it: true and false in lower case, a list as several values."""
    if isinstance(value, dict):
        return json.dumps(value).decode()
    if isinstance(value, list):
        return [json.dumps(each).decode() if isinstance(each, dict | list) else each for each in value]
    return value


def told(body: str) -> str:
    """The sentence in an error's body, wherever services put it; empty when there is none."""
    try:
        value: Any = json.loads(body)
    except ValueError:
        return ""
    return _sentence(value)[:500]


def _sentence(value: Any, depth: int = 0) -> str:
    if depth > 4:
        return ""
    match value:
        case str():
            return value
        case list() if value:
            return "; ".join(filter(None, (_sentence(each, depth + 1) for each in value[:5])))
        case dict():
            for name in ("message", "error_description", "detail", "description", "title"):
                if isinstance(value.get(name), str) and value[name]:
                    more = _sentence(value.get("errors"), depth + 1) if name == "message" else ""
                    return f"{value[name]}: {more}" if more else value[name]
            for name in ("error", "errors", "errorMessages"):
                if said := _sentence(value.get(name), depth + 1):
                    return said
            return "; ".join(f"{name}: {each}" for name, each in value.items() if isinstance(each, str))
    return ""


def once(failed: NodeFailure) -> NodeFailure:
    """The failure of a request that must not be sent twice: final, when the peer may have acted on it."""
    failure = failed.failure
    if failure.reason not in ("CONNECTION_FAILED", "TIMEOUT", "INVALID_RESPONSE") or not failure.details.get("sent"):
        return failed
    failed.failure = msgspec.structs.replace(
        failure, retryable=False, hint="the service may have done it: look there before you run the node again"
    )
    return failed


@cache
def operations(parameters: type[Parameters]) -> dict[str, type[Operation]]:
    """The operations that a node's parameters choose from, by name."""
    annotation = parameters.model_fields["action"].annotation
    return {
        str(get_args(each.model_fields["operation"].annotation)[0]): each
        for each in get_args(annotation)
        if isinstance(each, type) and issubclass(each, Operation)
    }


# credentials


def kind(declared: K) -> K:
    """Makes a kind of credential known."""
    KINDS[declared.type] = declared
    return declared


class Account(CredentialKind):
    """Base of kinds for one service: a token, and where the service is if it is not where it usually is."""

    token: SecretStr = Field(min_length=1)
    """The token, without a word before it."""
    base_url: str = Field(default="", pattern=_URL, max_length=2000)
    """Where the API is, for a server of your own; empty for the service's usual address."""
    probed: ClassVar[tuple[str, dict[str, Any]]]
    """The node type and the action that show whether the account is let in; it changes nothing."""

    def probe(self) -> Probe | None:
        type, action = self.probed
        return Probe(type, SLOT, {"action": action})


def slot(*types: str, required: bool = True) -> tuple[CredentialSlot, ...]:
    """The one credential that a service takes."""
    return (CredentialSlot(SLOT, types, required),)


__all__ = [
    "SLOT",
    "Account",
    "CallApi",
    "CamelListing",
    "CamelOperation",
    "Encoded",
    "Field",
    "Http",
    "Listing",
    "Operation",
    "Service",
    "delete",
    "get",
    "kind",
    "patch",
    "post",
    "put",
    "slot",
]
