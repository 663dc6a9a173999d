"""action.http_request: one request, or a few pages of them."""

from __future__ import annotations

from typing import Any, Literal

from msgspec.structs import replace
from pydantic import Field, field_validator, model_validator

from workflow_engine.engine.items import Item
from workflow_engine.nodes.action.http.answer import Answer, Format, read, records, refusal
from workflow_engine.nodes.action.http.auth import CERTIFICATE, REQUEST, Signature, certificates, signature
from workflow_engine.nodes.action.http.body import Body, NoBody, encode, extended
from workflow_engine.nodes.action.http.pages import NoPages, Pages, Path, Step, first, following, found
from workflow_engine.nodes.action.http.text import Fields, Scalar, pairs, text
from workflow_engine.nodes.context import HttpResponse
from workflow_engine.nodes.spec import Call, Effect, Emit, Node, NodeFailure, Parameters, Result, Shape

METHODS = Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_FRAMING = frozenset({"connection", "content-length", "te", "trailer", "transfer-encoding", "upgrade"})


class HttpRequestParameters(Parameters):
    method: METHODS = "GET"
    """What to do with the resource. POST and PATCH are not repeated after a crash unless `idempotent` is set.
    """
    url: str
    """Absolute http or https address."""
    query: Fields = {}
    """Added to the url's own query; a list repeats its name, a null is left out."""
    headers: dict[str, Scalar] = {}
    """Request headers; a null is left out."""
    body: Body = NoBody()
    """What is sent."""
    response_format: Format = "auto"
    """How the answer is read; `auto` goes by its content type. Binary data is stored and put in slot `data`.
    """
    full_response: bool = False
    """Give status, url, headers and body instead of the body alone."""
    never_fail: bool = False
    """Hand on answers of 400 and above instead of failing."""
    idempotent: bool = False
    """The peer recognises a repeated POST or PATCH by its `Idempotency-Key` header, which is then sent."""
    pagination: Pages = NoPages()
    """How to get the pages after the first."""
    records_path: Path = ""
    """Where the records are in an answer, as a JMESPath, e.g. `data.items`; each one becomes an item."""
    max_pages: int = Field(default=100, ge=1, le=10_000)
    """Most pages to fetch."""
    on_max_pages: Literal["fail", "stop"] = "fail"
    """Whether more pages than `max_pages` are a failure, or simply not fetched."""
    timeout_seconds: float = Field(default=30, gt=0, le=3600)
    """Most time for one request, with its redirects and the reading of its answer."""
    follow_redirects: bool = True
    """Follow up to ten redirects; credentials and other headers stay behind when one leads to another host.
    """
    proxy: str | None = None
    """Address of an HTTP proxy."""
    verify_tls: bool = True
    """Refuse a peer whose certificate is not trusted. Without it anyone on the way can read and change
    everything.
    """

    @field_validator("headers")
    @classmethod
    def _no_framing(cls, headers: dict[str, Scalar]) -> dict[str, Scalar]:
        for name in headers:
            if name.lower() in _FRAMING:
                raise ValueError(f"the header {name} follows from the request and can not be set")
        return headers

    @model_validator(mode="after")
    def _pages_are_json(self) -> HttpRequestParameters:
        paged = not isinstance(self.pagination, NoPages) or self.records_path
        if paged and self.response_format in ("text", "binary"):
            raise ValueError("pagination and records_path need answers in JSON: set response_format to json")
        return self


class HttpRequest(Node[HttpRequestParameters]):
    """Sends an HTTP request for each item and gives what is answered.

    A JSON object becomes the item, a JSON list one item for each element; any other JSON value stands under
    `value`, text under `text`. Binary answers are stored as they arrive and come as binary data in slot
    `data`. Integers of more than 64 bits arrive as decimal strings, so no digit is lost.

    A status of 400 and above fails with HTTP_4XX or HTTP_5XX; 408, 425, 429 and 5xx can be retried, after the
    time the peer asks for in `Retry-After`. GET, HEAD, OPTIONS, PUT and DELETE may be sent again after a
    crash. POST and PATCH are sent at most once: when the connection breaks or times out after sending, nobody
    knows whether the peer acted, so the node does not retry unless `idempotent` is set.

    The credential in slot `auth` signs the request; one in slot `certificate` shows the peer a certificate of ours
    (mTLS), or names whom to trust instead of the system's authorities. A peer that asks by Digest is asked first, so
    each request is two.

    Private addresses are refused unless the operator allows them. Cookies are not kept from one request to
    the next.
    """

    type = "action.http_request"
    name = "HTTP request"
    summary = "Calls an HTTP API and gives its answer."
    example = {
        "url": "https://api.example.com/orders/{{ json.id }}",
        "headers": {"Accept": "application/json"},
    }
    effect = Effect.AT_MOST_ONCE
    credentials = (REQUEST, CERTIFICATE)

    def shape(self, parameters: dict[str, Any]) -> Shape:
        repeatable = parameters.get("method", "GET") in REPEATABLE or parameters.get("idempotent") is True
        return self.shaped(effect=Effect.IDEMPOTENT if repeatable else Effect.AT_MOST_ONCE)

    async def run(self, call: Call[HttpRequestParameters]) -> Result:
        parameters = call.parameters
        items: list[Item] = []
        step: Step | None = first(parameters.pagination)
        while step:
            answer = await _answer(call, step)
            listed, count = _records(parameters, answer)
            items += listed
            step = following(parameters.pagination, step, answer, count)
            if step and step.number >= parameters.max_pages:
                if parameters.on_max_pages == "stop":
                    break
                raise NodeFailure(
                    "PAGINATION_LIMIT",
                    f"there are more than {parameters.max_pages} pages",
                    field="max_pages",
                    hint="raise max_pages, or set on_max_pages to stop to go on with what there is",
                )
        return Emit({"main": items})


def _records(parameters: HttpRequestParameters, answer: Answer) -> tuple[list[Item], int | None]:
    """The items of one page, and how many records it had if it had a list of them."""
    listed = found(parameters.records_path, answer.body) if parameters.records_path else answer.body
    count = len(listed) if isinstance(listed, list) else None
    if parameters.full_response or not parameters.records_path:
        return answer.items(full=parameters.full_response or parameters.method == "HEAD"), count
    return ([] if listed is None else records(listed)), count


async def _answer(call: Call[HttpRequestParameters], step: Step) -> Answer:
    parameters = call.parameters
    try:
        response = await _respond(call, step)
        if response.status >= 400 and not parameters.never_fail:
            raise await refusal(response, parameters.method, call.context.now)
        return await read(response, parameters.response_format, call.context.blobs)
    except NodeFailure as failed:
        raise _once(failed) if not _repeatable(parameters) else failed from None


async def _respond(call: Call[HttpRequestParameters], step: Step) -> HttpResponse:
    url = step.url or call.parameters.url
    signed = await signature(call.node, call.context, url) or Signature()
    response = await _sent(call, step, url, signed)
    if response.status == 401 and signed.token:
        # Peers take tokens back before their time, and what they refuse for that they have not done.
        renewed = await signature(call.node, call.context, url, signed.token)
        if renewed:
            await response.close()
            return await _sent(call, step, url, renewed)
    return response


async def _sent(call: Call[HttpRequestParameters], step: Step, url: str, signed: Signature) -> HttpResponse:
    parameters, context = call.parameters, call.context
    if context.http is None:
        raise NodeFailure("CONNECTION_FAILED", "this server gives nodes no way to the network")
    content = extended(parameters.body, signed.body) if signed.body else parameters.body
    body = encode(content, call.item, context.blobs)
    ours = dict(body.headers)
    if parameters.idempotent:
        ours["Idempotency-Key"] = call.idempotency_key + (f":page-{step.number}" if step.number else "")
    own = {name: text(value) for name, value in parameters.headers.items() if value is not None}
    query = [] if step.url else [each for each in pairs(parameters.query) if each[0] not in step.query]
    return await context.http.request(
        parameters.method,
        url,
        # What the person wrote wins over what follows from the body, and the credential over both.
        headers=_over(_over(ours, own), signed.headers),
        params=[*query, *step.query.items(), *signed.query],
        body=body.content,
        timeout=parameters.timeout_seconds,
        follow_redirects=parameters.follow_redirects,
        proxy=parameters.proxy,
        verify_tls=parameters.verify_tls,
        login=signed.login,
        certificates=await certificates(call.node, context, url),
    )


def _over(headers: dict[str, str], more: dict[str, str]) -> dict[str, str]:
    """`headers` with `more`, whatever the case of their names."""
    names = {name.lower() for name in more}
    return {name: value for name, value in headers.items() if name.lower() not in names} | more


def _repeatable(parameters: HttpRequestParameters) -> bool:
    return parameters.idempotent or parameters.method in REPEATABLE


def _once(failed: NodeFailure) -> NodeFailure:
    """The failure of a request that must not be sent twice: final, when the peer may have acted on it."""
    failure = failed.failure
    if failure.reason not in ("CONNECTION_FAILED", "TIMEOUT") or not failure.details.get("sent"):
        return failed
    failed.failure = replace(
        failure,
        retryable=False,
        hint="the peer may have acted: look there before you send it again, or set idempotent if it deduplicates",
    )
    return failed
