"""The OpenAPI 3.1 document: one operation for each binding of the contract."""

from __future__ import annotations

import json
from functools import cache
from importlib import metadata, resources
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from workflow_engine.api.openapi.schemas import Schema, Schemas, comments
from workflow_engine.api.rest.bindings import Binding, bindings, field_at
from workflow_engine.api.rest.transcode import IN_A_QUERY
from workflow_engine.proto import options_pb2, workflow_service_pb2

ABOUT = """\
Every RPC of the contract over HTTP, in [proto JSON](https://protobuf.dev/programming-guides/json/).

Names are lowerCamelCase in answers; requests may use the names of the .proto too. Fields with their default value are
written in answers. 64-bit integers are decimal strings, durations are `1.5s`, times are RFC 3339 in UTC.

Failures are `application/problem+json` (RFC 9457) with `code` (of google.rpc), `reason`, `violations` and `metadata`.
Every answer has an `X-Request-ID`. Streams are server-sent events; where it says so they are taken up again with
`Last-Event-ID`, and one that has come to its end says `event: end`.

A server without users and keys serves its own machine alone and asks nobody who they are. Otherwise send an API key or
a token as `Authorization: Bearer`, or sign in, which sets a cookie; with the cookie, whatever changes something needs
the header `X-CSRF-Token` as well.
"""
SECURITY: dict[str, Schema] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, the token of a session, or a JWT of the configured issuer.",
    },
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
    "session": {"type": "apiKey", "in": "cookie", "name": "workflow_engine_session", "description": "Set by SignIn."},
}
PROBLEM: Schema = {
    "type": "object",
    "description": "Why a request failed (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "`urn:workflow-engine:` and the reason, or about:blank."},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What was wrong, where, and what to do."},
        "code": {"type": "string", "description": "The google.rpc code, for example NOT_FOUND."},
        "reason": {"type": "string", "description": "Stable, for programs; for example WORKFLOW_NOT_FOUND."},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Facts that help."},
        "violations": {
            "type": "array",
            "description": "Each field that is wrong.",
            "items": {
                "type": "object",
                "required": ["field", "description"],
                "properties": {
                    "field": {"type": "string", "description": "Its path, with the names of the .proto."},
                    "description": {"type": "string", "description": "What is wrong with it."},
                },
            },
        },
        "retryAfter": {"type": "number", "description": "Seconds after which to try again."},
    },
    "examples": [
        {
            "type": "urn:workflow-engine:INVALID_REQUEST",
            "title": "Bad Request",
            "status": 400,
            "detail": "name: is required",
            "code": "INVALID_ARGUMENT",
            "reason": "INVALID_REQUEST",
            "metadata": {},
            "violations": [{"field": "name", "description": "is required"}],
        }
    ],
}


@cache
def document() -> dict[str, Any]:
    """The whole document."""
    schemas = Schemas()
    paths: dict[str, dict[str, Any]] = {}
    for binding in sorted(bindings(), key=lambda each: each.rpc.descriptor.index):
        paths.setdefault(binding.template, {})[binding.verb.lower()] = _operation(binding, schemas)
    services = workflow_service_pb2.DESCRIPTOR.services_by_name.values()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Workflow Engine",
            "version": metadata.version("workflow-engine"),
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": each.name, "description": comments().get(each.full_name, "")} for each in services],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.made.items())) | {"Problem": PROBLEM},
            "securitySchemes": SECURITY,
        },
        "security": [{name: []} for name in SECURITY],
    }


def _operation(binding: Binding, schemas: Schemas) -> Schema:
    rpc = binding.rpc
    permission = options_pb2.Permission.Name(rpc.permission).removeprefix("PERMISSION_")
    said = comments().get(rpc.descriptor.full_name, "")
    parameters = [_parameter(binding, name, "path", schemas) for name in binding.fields]
    if binding.body != "*":
        taken = {*binding.fields, binding.body}
        names = [name for field in rpc.input.fields for name in _query_names(field, "", 0)]
        parameters += [_parameter(binding, name, "query", schemas) for name in names if name not in taken]
    if rpc.resume is not None:
        parameters.append(
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "The id of the event that was seen last; what comes after it is sent.",
                "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
            }
        )
    operation: Schema = {
        "operationId": rpc.name,
        "tags": [rpc.service],
        "summary": said.partition(". ")[0].partition(";")[0].rstrip("."),
        "description": f"{said}\n\nNeeds the permission `{permission}`.",
        "x-permission": permission,
        "x-rpc": rpc.path,
        "parameters": parameters,
        "responses": {"200": _answer(binding, schemas), "default": _problem()},
    }
    if binding.body:
        operation["requestBody"] = _body(binding, schemas)
    if permission == "PUBLIC":
        operation["security"] = []
    return operation


def _query_names(field: FieldDescriptor, prefix: str, depth: int) -> list[str]:
    """The query parameters that fill a field: itself, or the fields inside its message."""
    kind = field.message_type
    if kind is None or kind.full_name in IN_A_QUERY:
        return [prefix + field.name]
    if field.is_repeated or depth > 1 or kind.full_name.startswith("google."):
        return []
    return [name for inside in kind.fields for name in _query_names(inside, f"{prefix}{field.name}.", depth + 1)]


def _parameter(binding: Binding, name: str, place: str, schemas: Schemas) -> Schema:
    fields = field_at(binding.rpc.input, name)
    schema = schemas.field(fields[-1])
    made: Schema = {
        # A path's variables keep the names of its template.
        "name": name if place == "path" else ".".join(field.json_name for field in fields),
        "in": place,
        "description": schema.pop("description", ""),
        "schema": schema,
    }
    if place == "path" or fields[-1].GetOptions().Extensions[options_pb2.rules].required:
        made["required"] = True
    if place == "path" and schema.get("type") == "string":
        schema.setdefault("minLength", 1)
    return made


def _body(binding: Binding, schemas: Schemas) -> Schema:
    rpc = binding.rpc
    if binding.body != "*":
        schema = schemas.field(rpc.input.fields_by_name[binding.body])
    elif inside := frozenset(name for name in binding.fields if "." not in name):
        # What the path says is no part of the body.
        name = f"{rpc.name}Body"
        schemas.made[name] = schemas.object(rpc.input, inside)
        schema = {"$ref": f"#/components/schemas/{name}"}
    else:
        schema = schemas.message(rpc.input)
    content: Schema = {"schema": schema}
    if (example := examples().get(rpc.name)) is not None:
        content["examples"] = {"usual": {"value": example}}
    return {"required": True, "content": {"application/json": content}}


def _answer(binding: Binding, schemas: Schemas) -> Schema:
    rpc = binding.rpc
    output = rpc.output
    schema = schemas.field(output.fields_by_name[binding.response_body]) if binding.response_body else None
    schema = schema or schemas.message(output)
    said = comments().get(output.full_name) or "It worked."
    if not rpc.is_stream:
        return {"description": said, "content": {"application/json": {"schema": schema}}}
    events = {"type": "string", "description": "Events whose data is the JSON of `x-event`.", "x-event": schema}
    return {"description": f"{said} As server-sent events.", "content": {"text/event-stream": {"schema": events}}}


def _problem() -> Schema:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": "It failed.", "content": {"application/problem+json": {"schema": schema}}}


@cache
def examples() -> dict[str, Any]:
    """Bodies that work, by RPC."""
    found: dict[str, Any] = json.loads(resources.files(__package__).joinpath("examples.json").read_bytes())
    return found
