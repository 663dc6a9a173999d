"""From an operation and arguments to a request: checked against the document, and written as it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from workflow_engine.engine.plan import ParameterProblem
from workflow_engine.nodes.action.http.auth import Signature, signed
from workflow_engine.nodes.openapi.document import Document, Operation, Parameter
from workflow_engine.nodes.schema import Schema, violation
from workflow_engine.nodes.spec import Json, NodeFailure
from workflow_engine.utils import json
from workflow_engine.utils.closest import closest
from workflow_engine.utils.json_schema import schema_problem

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Request:
    """What goes out, but for the credential."""

    method: str
    url: str
    query: list[tuple[str, str]]
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None


def problems(
    document: Document, operation: Operation, arguments: dict[str, Json], body: Json
) -> list[ParameterProblem]:
    """What is wrong with arguments and body."""
    found: list[ParameterProblem] = []
    known = {each.name: each for each in operation.parameters}
    for name in arguments:
        if name not in known:
            hint = closest(name, known) or f"it takes {', '.join(known) or 'none'}"
            found.append(ParameterProblem(f"arguments.{name}", f"{operation.id} has no parameter {name!r}", hint))
    for name, parameter in known.items():
        if arguments.get(name) is None:
            if parameter.required:
                found.append(ParameterProblem(f"arguments.{name}", f"{operation.id} needs {name!r}"))
        elif wrong := _wrong(document, parameter.schema, _typed(arguments[name], parameter)):
            found.append(ParameterProblem(f"arguments.{name}", f"{name}: {wrong}"))
    if body is None:
        if operation.needs_body:
            found.append(ParameterProblem("body", f"{operation.id} needs a body"))
    elif not operation.bodies:
        found.append(ParameterProblem("body", f"{operation.id} takes no body"))
    else:
        media, schema = body_of(operation)
        if schema and _is_structured(media) and (wrong := _wrong(document, schema, body)):
            found.append(ParameterProblem("body", f"body: {wrong}"))
    return found


def _wrong(document: Document, schema: Schema, value: Json) -> str:
    """What is wrong with a value; nothing where the document's schema is none: its own server checks as well."""
    alone = document.standing_alone(schema)
    return "" if schema_problem(alone) else violation(alone, value)


def _typed(value: Json, parameter: Parameter) -> Json:
    # A number that an expression made is as good as its text where text is wanted: it is text on the wire.
    wants = parameter.schema.get("type")
    return json.dumps(value).decode() if wants == "string" and isinstance(value, int | float) else value


def body_of(operation: Operation) -> tuple[str, Schema]:
    """The media type that is sent, and its schema."""
    for media, schema in operation.bodies.items():
        if is_json(media):
            return media, schema
    for media, schema in operation.bodies.items():
        if media == FORM:
            return media, schema
    return next(iter(operation.bodies.items()))


def is_json(media: str) -> bool:
    base = media.partition(";")[0].strip().lower()
    return base in ("application/json", "*/*") or base.endswith("+json")


def _is_structured(media: str) -> bool:
    return is_json(media) or media == FORM


def make(document: Document, operation: Operation, arguments: dict[str, Json], body: Json, server: str = "") -> Request:
    """The request. Raises NodeFailure INVALID_PARAMETER."""
    for wrong in problems(document, operation, arguments, body):
        raise NodeFailure("INVALID_PARAMETER", wrong.message, field=wrong.field, hint=wrong.suggestion)
    path, query, headers, cookies = operation.path, list[tuple[str, str]](), dict[str, str](), list[str]()
    for parameter in operation.parameters:
        value = arguments.get(parameter.name)
        if value is None:
            continue
        match parameter.place:
            case "path":
                path = path.replace(f"{{{parameter.name}}}", _path_text(parameter, value))
            case "query":
                query += _query(parameter, value)
            case "header":
                headers[parameter.name] = _simple(parameter, value)
            case _:
                cookies += [f"{name}={quote(each)}" for name, each in _query(parameter, value)]
    if cookies:
        headers["Cookie"] = "; ".join(cookies)
    content: bytes | None = None
    if body is not None:
        media, _ = body_of(operation)
        content = encoded(media, body)
        headers["Content-Type"] = "application/json" if media.startswith("*/*") else media
    base = server or server_of(document, operation)
    return Request(operation.method, base.rstrip("/") + path, query, headers, content)


def server_of(document: Document, operation: Operation) -> str:
    """The first server, its variables at their defaults. Raises NodeFailure."""
    said: dict[str, Any] = operation.servers[0] if operation.servers else {"url": "/"}
    url = str(said.get("url", "/"))
    for name, variable in (said.get("variables") or {}).items():
        url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
    url = urljoin(document.source, url) if document.source else url
    if urlsplit(url).scheme not in ("http", "https"):
        raise NodeFailure(
            "INVALID_PARAMETER",
            f"the document does not say where its API is (its server is {url!r})",
            field="server",
            hint="set server, e.g. https://api.example.com/v1",
        )
    return url


def encoded(media: str, body: Json) -> bytes:
    """A body as a media type wants it. Raises NodeFailure."""
    if is_json(media):
        return json.dumps(body)
    if media == FORM and isinstance(body, dict):
        return urlencode([(name, _text(one)) for name, each in body.items() for one in _several(each)]).encode()
    if isinstance(body, str):
        return body.encode()
    raise NodeFailure(
        "INVALID_PARAMETER",
        f"a body of type {media} is a text, and this is a {type(body).__name__}",
        field="body",
        hint="use action.http_request for multipart and binary bodies",
    )


def _several(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value).decode()


def _path_text(parameter: Parameter, value: Json) -> str:
    text = _simple(parameter, value)
    if text in ("", ".", ".."):
        raise NodeFailure("INVALID_PARAMETER", f"{parameter.name} is {text!r}", field=f"arguments.{parameter.name}")
    return quote(text, safe=",=/" if parameter.may_hold_slashes else ",=")


def _simple(parameter: Parameter, value: Json) -> str:
    match value:
        case _ if parameter.is_json:
            return _text(value)
        case list():
            return ",".join(_text(each) for each in value)
        case dict():
            sign = "=" if parameter.explode else ","
            return ",".join(f"{name}{sign}{_text(each)}" for name, each in value.items())
        case _:
            return _text(value)


_SEPARATORS = {"form": ",", "spaceDelimited": " ", "pipeDelimited": "|"}


def _query(parameter: Parameter, value: Json) -> Iterator[tuple[str, str]]:
    name = parameter.name
    match value:
        case _ if parameter.is_json:
            yield name, json.dumps(value).decode()
        case dict() if parameter.style == "deepObject":
            for key, each in value.items():
                yield from ((f"{name}[{key}]", _text(one)) for one in _several(each))
        case dict() if parameter.explode:
            yield from ((key, _text(each)) for key, each in value.items())
        case dict():
            yield name, ",".join(f"{key},{_text(each)}" for key, each in value.items())
        case list() if parameter.explode:
            yield from ((name, _text(each)) for each in value)
        case list():
            yield name, _SEPARATORS.get(parameter.style, ",").join(_text(each) for each in value)
        case _:
            yield name, _text(value)


# credentials


def signature(document: Document, operation: Operation, secret: dict[str, Any]) -> Signature:
    """What a credential adds, where the operation's security schemes want it.

    An operation that asks for nothing gets nothing. A document that names no schemes gets the credential as its kind
    usually goes. Raises NodeFailure CREDENTIAL_REFUSED when it fits none of the schemes.
    """
    if not secret:
        return Signature()
    schemes = (document.root.get("components") or {}).get("securitySchemes") or {}
    if not schemes:
        return signed(_as_http(secret))
    if not operation.security or ({} in operation.security and len(operation.security) == 1):
        return Signature()
    wanted: list[str] = []
    for requirement in operation.security:
        for name in requirement:
            scheme = document.resolved(schemes.get(name) or {})
            if (made := _for_scheme(scheme, secret)) is not None:
                return made
            wanted.append(f"{name} ({_described(scheme)})")
    raise NodeFailure(
        "CREDENTIAL_REFUSED",
        f"a credential of type {secret.get('type')} does not fit {operation.id}, which takes {' or '.join(wanted)}",
        field="auth",
        hint="choose a credential of a fitting type",
    )


def _for_scheme(scheme: dict[str, Any], secret: dict[str, Any]) -> Signature | None:
    kind = secret.get("type")
    token = {"http_bearer": "token", "oauth2": "access_token", "api_key": "api_key"}.get(str(kind))
    value = {**{"http_header": "value", "http_query": "value"}, "api_key": "api_key", "http_bearer": "token"}.get(
        str(kind)
    )
    match scheme:
        case {"type": "apiKey", "in": place, "name": name} if value and value in secret:
            given = str(secret[value])
            if place == "query":
                return Signature(query=[(str(name), given)])
            if place == "cookie":
                return Signature({"Cookie": f"{name}={quote(given)}"})
            return Signature({str(name): given})
        case {"type": "http", "scheme": str(said)} if (
            kind in ("http_basic", "http_digest") and kind == f"http_{said.lower()}"
        ):
            return signed(secret)
        case {"type": "http", "scheme": str(said)} if said.lower() == "bearer" and token and token in secret:
            return _bearer(secret, token)
        case {"type": "oauth2" | "openIdConnect"} if token and token in secret:
            return _bearer(secret, token)
    return None


def _bearer(secret: dict[str, Any], name: str) -> Signature:
    token = str(secret[name])
    return Signature({"Authorization": f"Bearer {token}"}, token=token if secret["type"] == "oauth2" else "")


def _as_http(secret: dict[str, Any]) -> dict[str, Any]:
    if secret.get("type") == "api_key":
        return {"type": "http_bearer", "token": secret.get("api_key", "")}
    return secret


def _described(scheme: dict[str, Any]) -> str:
    match scheme:
        case {"type": "http", "scheme": said}:
            return f"http {said}"
        case {"type": "apiKey", "in": place}:
            return f"a key in the {place}"
        case {"type": said}:
            return str(said)
    return "unknown"


# for models


_SPACE = re.compile(r"\s+")


def _usable(document: Document, schema: Schema) -> Schema:
    alone = document.standing_alone(schema)
    return {} if schema_problem(alone) else alone


def arguments_schema(document: Document, operation: Operation) -> Schema:
    """JSON Schema of everything an operation takes; a body stands under `body`."""
    properties: dict[str, Schema] = {}
    definitions: Schema = {}
    for parameter in operation.parameters:
        schema = _usable(document, parameter.schema)
        definitions |= schema.pop("$defs", {})
        about = _SPACE.sub(" ", parameter.description)[:500]
        properties[parameter.name] = {**schema, **({"description": about} if about else {})}
    required = [parameter.name for parameter in operation.parameters if parameter.required]
    if operation.bodies:
        schema = _usable(document, body_of(operation)[1])
        definitions |= schema.pop("$defs", {})
        properties["body"] = schema
        required += ["body"] if operation.needs_body else []
    made: Schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return made | ({"$defs": definitions} if definitions else {})
