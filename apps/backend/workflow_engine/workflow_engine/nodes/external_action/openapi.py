"""external_action.openapi: any API that is described by an OpenAPI 3 document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field, ValidationError

from workflow_engine.engine.plan import ParameterProblem
from workflow_engine.nodes.action.http.answer import Format
from workflow_engine.nodes.openapi.client import SIGNED_BY, Source, carry_out, document_of, of_text
from workflow_engine.nodes.openapi.document import READS
from workflow_engine.nodes.openapi.request import problems
from workflow_engine.nodes.spec import Call, Effect, Emit, Json, Node, NodeFailure, Parameters, Result, Shape


class OpenApiParameters(Parameters):
    """Which operation of which document, and what it takes."""

    document: Source
    """The OpenAPI 3 document. Expressions have no meaning in it."""
    operation: str = Field(min_length=1, max_length=1000)
    """The operation's `operationId`, or its method and path, e.g. `GET /orders/{id}`."""
    arguments: dict[str, Json] = {}
    """Its path, query, header and cookie parameters by name."""
    body: Json = None
    """Its request body; null for none."""
    server: str = Field(default="", pattern=r"^$|^https?://\S+$")
    """Where the API is; the document's first server when empty."""
    response_format: Format = "auto"
    """How the answer is read; `auto` goes by its content type. Binary data is stored and put in slot `data`."""
    full_response: bool = False
    """Give status, url, headers and body instead of the body alone."""
    timeout_seconds: float = Field(default=60, gt=0, le=3600)
    """Most time for one request."""


class OpenApi(Node[OpenApiParameters]):
    """Carries out an operation of an OpenAPI 3 document, without code, for each item.

    Arguments and body are checked against the operation's schemas before anything is sent; when the document stands in
    the node itself, already when the workflow is saved. A credential goes where the operation's security schemes want
    it. GET, HEAD, PUT and DELETE may be repeated after a crash, other methods are sent at most once. Which one it is
    can only be known ahead when the document stands in the node, or the operation is named by method and path.
    """

    type = "external_action.openapi"
    name = "OpenAPI"
    summary = "Calls any API that an OpenAPI 3 document describes."
    example = {
        "document": {"source": "url", "url": "https://api.example.com/openapi.json"},
        "operation": "GET /orders/{id}",
        "arguments": {"id": "{{ json.order_id }}"},
    }
    effect = Effect.AT_MOST_ONCE
    credentials = SIGNED_BY
    literals = frozenset({"document"})

    def shape(self, parameters: dict[str, Any]) -> Shape:
        shape = super().shape(parameters)
        return replace(shape, effect=Effect.IDEMPOTENT) if _method(parameters) in READS else shape

    def check(self, parameters: dict[str, Any]) -> Sequence[ParameterProblem]:
        if found := super().check(parameters):
            return found
        try:
            asked = OpenApiParameters.model_validate(parameters)
        except ValidationError:
            return ()
        if asked.document.source != "text" or "{{" in asked.operation:
            return ()
        try:
            document = of_text(asked.document.text)
            operation = document.operation(asked.operation)
            wrong = problems(document, operation, asked.arguments, asked.body)
        except NodeFailure as failed:
            said = failed.failure
            return [ParameterProblem(said.field, said.message, said.hint)]
        return [each for each in wrong if not _waits(asked, each.field)]

    async def run(self, call: Call[OpenApiParameters]) -> Result:
        asked = call.parameters
        document = await document_of(call, asked.document)
        answer = await carry_out(
            call,
            document,
            document.operation(asked.operation),
            asked.arguments,
            asked.body,
            server=asked.server,
            format=asked.response_format,
            timeout=asked.timeout_seconds,
        )
        return Emit({"main": answer.items(full=asked.full_response)})


def _method(parameters: dict[str, Any]) -> str:
    """The operation's method, where it can be known without fetching anything."""
    operation, source = str(parameters.get("operation", "")), parameters.get("document")
    if " /" in operation:
        return operation.partition(" ")[0].upper()
    if isinstance(source, dict) and isinstance(text := source.get("text"), str):
        try:
            found = of_text(text).find(operation)
        except NodeFailure:
            return ""
        return found.method if found else ""
    return ""


def _waits(asked: OpenApiParameters, field: str) -> bool:
    """Whether a problem may go away once expressions have been resolved."""
    value = asked.body if field == "body" else asked.arguments.get(field.removeprefix("arguments."))
    return "{{" in str(value)
