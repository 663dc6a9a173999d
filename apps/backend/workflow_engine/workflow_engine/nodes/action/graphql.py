"""action.graphql: a question to a GraphQL API."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec.structs import replace
from pydantic import Field

from workflow_engine.engine.items import Item
from workflow_engine.engine.plan import ParameterProblem
from workflow_engine.nodes.action.http.answer import records
from workflow_engine.nodes.action.http.auth import CERTIFICATE, REQUEST
from workflow_engine.nodes.action.http.body import JsonBody
from workflow_engine.nodes.action.http.pages import Path, found
from workflow_engine.nodes.action.http.text import Scalar
from workflow_engine.nodes.action.http_request import HttpRequest, HttpRequestParameters
from workflow_engine.nodes.spec import Call, Effect, Emit, Json, Node, NodeFailure, Parameters, Result, Shape

_COMMENT = re.compile(r"#[^\n]*")
_MUTATION = re.compile(r"(?:^|\})\s*mutation\b")
_RETRYABLE = frozenset(("RATELIMITED", "RATE_LIMITED", "THROTTLED", "INTERNAL_SERVER_ERROR", "TIMEOUT"))


class OnePage(Parameters):
    """One request."""

    mode: Literal["none"] = "none"
    """The answer is complete."""


class CursorPages(Parameters):
    """Each page names where the next one begins, as Relay's connections do."""

    mode: Literal["cursor"]
    """A cursor from the answer becomes a variable of the next request."""
    variable: str = Field(default="after", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The variable that takes it; the query has to declare it, as in `query ($after: String)`."""
    cursor: Path = Field(min_length=1)
    """Where the answer's data has it, as a JMESPath, e.g. `orders.pageInfo.endCursor`."""
    has_next: Path = ""
    """Where it says whether there is more, e.g. `orders.pageInfo.hasNextPage`; otherwise no cursor ends it."""


class GraphqlParameters(Parameters):
    url: str
    """Where the API is; an absolute http or https address."""
    query: str = Field(min_length=1, max_length=100_000)
    """The query or mutation. It takes no expressions, so data can not become a query: declare variables."""
    variables: dict[str, Json] = {}
    """Values of the query's variables."""
    records_path: Path = ""
    """Where the records are in the answer's data, as a JMESPath, e.g. `orders.nodes`; each one becomes an item."""
    pagination: Annotated[OnePage | CursorPages, Field(discriminator="mode")] = OnePage()
    """How to get the pages after the first."""
    max_pages: int = Field(default=100, ge=1, le=10_000)
    """Most pages to fetch; more are a failure."""
    operation_name: str = Field(default="", max_length=255)
    """Which operation to run, when the query holds several."""
    on_partial: Literal["fail", "keep"] = "fail"
    """What an answer with data and errors is: a failure, or the data that there is."""
    headers: dict[str, Scalar] = {}
    """More request headers; a null is left out."""
    idempotent: bool = False
    """Repeating the mutation does no harm: it may be sent again after a crash."""
    timeout_seconds: float = Field(default=30, gt=0, le=3600)
    """Most time for one request."""


class Graphql(Node[GraphqlParameters]):
    """Asks a GraphQL API for each item, and gives its data.

    Without `records_path` the data is the item. Servers answer 200 to what they refuse; errors in the answer fail with
    GRAPHQL_FAILED and the server's words, and with the place in the query that they are about. Queries may be sent
    again after a crash; mutations are sent at most once unless `idempotent` is set.

    Credentials are those of action.http_request.
    """

    type = "action.graphql"
    name = "GraphQL"
    summary = "Asks a GraphQL API and gives its data."
    example = {
        "url": "https://api.example.com/graphql",
        "query": "query ($id: ID!) { order(id: $id) { id total lines { title } } }",
        "variables": {"id": "{{ json.id }}"},
    }
    effect = Effect.AT_MOST_ONCE
    credentials = (REQUEST, CERTIFICATE)
    literals = frozenset({"query"})

    def shape(self, parameters: dict[str, Any]) -> Shape:
        once = _changes(str(parameters.get("query", ""))) and parameters.get("idempotent") is not True
        return self.shaped(effect=Effect.AT_MOST_ONCE if once else Effect.IDEMPOTENT)

    def check(self, parameters: dict[str, Any]) -> Sequence[ParameterProblem]:
        problems = list(super().check(parameters))
        if "{{" in str(parameters.get("query", "")):
            problems.append(
                ParameterProblem(
                    "query",
                    "an expression in a query would let data become a query",
                    "declare a variable, as in `query ($id: ID!)`, and put the expression into `variables`",
                )
            )
        return problems

    async def run(self, call: Call[GraphqlParameters]) -> Result:
        asked, items = call.parameters, list[Item]()
        variables = dict(asked.variables)
        for _ in range(asked.max_pages):
            data = await _data(call, variables)
            page = found(asked.records_path, data) if asked.records_path else data
            items += records([] if page is None else page)
            cursor = _next(asked.pagination, data)
            if cursor is None or cursor == variables.get(_variable(asked.pagination)):
                return Emit({"main": items})
            variables[_variable(asked.pagination)] = cursor
        raise NodeFailure(
            "PAGINATION_LIMIT",
            f"there are more than {asked.max_pages} pages",
            field="max_pages",
            hint="raise max_pages, or ask for larger pages",
        )


def _changes(query: str) -> bool:
    return _MUTATION.search(_COMMENT.sub("", query)) is not None


def _variable(pages: OnePage | CursorPages) -> str:
    return pages.variable if isinstance(pages, CursorPages) else ""


def _next(pages: OnePage | CursorPages, data: Json) -> Json:
    """The next page's cursor; None when this was the last."""
    if isinstance(pages, OnePage) or (pages.has_next and not found(pages.has_next, data)):
        return None
    cursor = found(pages.cursor, data)
    return cursor if isinstance(cursor, str | int) and cursor != "" else None


async def _data(call: Call[GraphqlParameters], variables: dict[str, Json]) -> Json:
    """The data of one answer. Raises NodeFailure."""
    asked = call.parameters
    body: dict[str, Json] = {"query": asked.query, "variables": variables}
    if asked.operation_name:
        body["operationName"] = asked.operation_name
    request = HttpRequestParameters(
        method="POST",
        url=asked.url,
        headers={"Accept": "application/graphql-response+json, application/json;q=0.9", **asked.headers},
        body=JsonBody(kind="json", value=body),
        response_format="json",
        full_response=True,
        idempotent=call.node.shape.effect is Effect.IDEMPOTENT,
        timeout_seconds=asked.timeout_seconds,
    )
    given = await HttpRequest().run(replace(call, parameters=request))  # type: ignore[arg-type]  # the same but for them
    assert isinstance(given, Emit)
    answer = given.outputs["main"][0].json["body"]
    if not isinstance(answer, dict) or not ("data" in answer or "errors" in answer):
        raise NodeFailure(
            "INVALID_RESPONSE",
            "the answer is none of GraphQL's: it has neither data nor errors",
            field="url",
            hint="see that the url is the API's, which often ends in /graphql",
            details={"sent": True},
        )
    errors = answer.get("errors")
    if errors and (answer.get("data") is None or asked.on_partial == "fail"):
        raise _refused(errors)
    return answer.get("data")


def _refused(errors: Json) -> NodeFailure:
    first = (
        errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {"message": str(errors)}
    )
    extensions = first.get("extensions")
    code = str(extensions.get("code") or "") if isinstance(extensions, dict) else ""
    path = ".".join(str(each) for each in first.get("path") or [])
    more = len(errors) - 1 if isinstance(errors, list) else 0
    said = f"{path}: {first.get('message', 'an error')}" if path else str(first.get("message", "an error"))
    return NodeFailure(
        "GRAPHQL_FAILED",
        f"the server answered: {said}" + (f" (and {more} more)" if more > 0 else ""),
        field="query",
        hint="see the names in the query, the values in `variables`, and the rights of the credential",
        retryable=code.upper() in _RETRYABLE,
        details={"code": code, "errors": errors[:5] if isinstance(errors, list) else errors, "sent": True},
    )
