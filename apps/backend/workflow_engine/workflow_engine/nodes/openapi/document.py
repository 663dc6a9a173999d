"""Reading an OpenAPI 3 document: its operations by id, and schemas that stand alone.

Nothing is resolved ahead: large documents have thousands of schemas, many of them recursive, and a call needs a few.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from workflow_engine.nodes.schema import Schema
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.utils import json
from workflow_engine.utils.closest import closest
from workflow_engine.utils.yaml import load

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
READS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Methods that may be repeated."""
_ANNOTATIONS = frozenset({"example", "examples", "externalDocs", "xml", "discriminator", "deprecated"})
MOST_REFERENCES = 64
MOST_VALUES = 5_000_000
"""Values in a document in YAML."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation."""

    name: str
    place: str
    """`path`, `query`, `header` or `cookie`."""
    schema: Schema
    required: bool
    style: str
    explode: bool
    is_json: bool
    """Its value goes as JSON text."""
    description: str = ""
    may_hold_slashes: bool = False
    """For a path: it is several segments."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that an API can do."""

    id: str
    """Its operationId, or `METHOD /path` where it has none."""
    method: str
    """In capitals."""
    path: str
    summary: str
    description: str
    tags: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    bodies: dict[str, Schema]
    """Schemas by media type."""
    needs_body: bool
    security: list[dict[str, Any]]
    servers: list[dict[str, Any]]

    @property
    def is_repeatable(self) -> bool:
        return self.method in READS


@dataclass(slots=True)
class Document:
    """A document that has been read."""

    root: dict[str, Any]
    source: str
    """Where it is from, for servers that are given relative to it."""
    _places: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """Path and method by operation id, and by `METHOD /path`."""
    _read: dict[tuple[str, str], Operation] = field(default_factory=dict[tuple[str, str], Operation])

    def __post_init__(self) -> None:
        for path, method, said in self._every():
            if isinstance(id := said.get("operationId"), str):
                self._places.setdefault(id, (path, method))
            self._places[f"{method.upper()} {path}"] = path, method

    @property
    def title(self) -> str:
        return str((self.root.get("info") or {}).get("title", ""))

    def ids(self) -> list[str]:
        """The operations, each by the id that it is best called by."""
        return [
            said["operationId"] if isinstance(said.get("operationId"), str) else f"{method.upper()} {path}"
            for path, method, said in self._every()
        ]

    def _every(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for path, item in (self.root.get("paths") or {}).items():
            for method in METHODS:
                if isinstance(item, dict) and isinstance(said := self.resolved(item).get(method), dict):
                    yield path, method, said

    def find(self, id: str) -> Operation | None:
        """The operation with an id, or with a `METHOD /path`. Raises NodeFailure for one that can not be read."""
        place = self._places.get(id) or self._places.get(id.strip())
        if place is None:
            return None
        if place not in self._read:
            self._read[place] = self._operation(*place)
        return self._read[place]

    def operation(self, id: str) -> Operation:
        """Raises NodeFailure OPERATION_NOT_FOUND."""
        found = self.find(id)
        if found is None:
            known = self.ids()
            raise NodeFailure(
                "OPERATION_NOT_FOUND",
                f"the document {self.title!r} has no operation {id!r}",
                field="operation",
                hint=closest(id, known) or f"it has {len(known)}, such as {', '.join(known[:5])}",
            )
        return found

    def _operation(self, path: str, method: str) -> Operation:
        item = self.resolved(self.root["paths"][path])
        said = item[method]
        merged = {
            (each.get("name"), each.get("in")): each
            for raw in [*(item.get("parameters") or []), *(said.get("parameters") or [])]
            if (each := self.resolved(raw))
        }
        body = self.resolved(said.get("requestBody") or {})
        id = said.get("operationId")
        return Operation(
            id=id if isinstance(id, str) else f"{method.upper()} {path}",
            method=method.upper(),
            path=path,
            summary=str(said.get("summary") or ""),
            description=str(said.get("description") or ""),
            tags=tuple(map(str, said.get("tags") or ())),
            parameters=tuple(_parameter(each) for each in merged.values() if each.get("in") in _STYLES),
            bodies={media: each.get("schema") or {} for media, each in (body.get("content") or {}).items()},
            needs_body=bool(body.get("required")),
            security=said["security"] if "security" in said else self.root.get("security") or [],
            servers=said.get("servers") or item.get("servers") or self.root.get("servers") or [],
        )

    def resolved(self, value: dict[str, Any]) -> dict[str, Any]:
        """`value`, or what its reference leads to. Raises NodeFailure."""
        for _ in range(MOST_REFERENCES):
            reference = value.get("$ref")
            if not isinstance(reference, str):
                return value
            value = self._at(reference)
        raise _invalid("its references lead in a circle")

    def _at(self, reference: str) -> dict[str, Any]:
        if not reference.startswith("#/"):
            raise _invalid(f"{reference!r} leads to another document; bundle it into one")
        at: Any = self.root
        for step in _steps(reference):
            at = at.get(step) if isinstance(at, dict) else at[int(step)] if isinstance(at, list) else None
            if at is None:
                raise _invalid(f"{reference!r} leads nowhere")
        return at if isinstance(at, dict) else {}

    def standing_alone(self, schema: Schema) -> Schema:
        """A JSON Schema of a request's part, with just the definitions that it needs."""
        wanted: dict[str, Schema] = {}
        alone = dict(self._plain(schema, wanted))
        done: dict[str, Schema] = {}
        while missing := [each for each in wanted if each not in done]:
            for reference in missing:
                done[reference] = self._plain(self._at(reference), wanted)
        if done:
            alone["$defs"] = {_name(reference): each for reference, each in done.items()}
        return alone

    def _plain(self, value: Any, wanted: dict[str, Schema]) -> Any:
        """A schema in JSON Schema's own words, its references led to `$defs`."""
        match value:
            case {"$ref": str(reference)}:
                wanted.setdefault(reference, {})
                return {"$ref": f"#/$defs/{_name(reference)}"}
            case dict():
                plain = {
                    name: self._keyword(name, each, wanted)
                    for name, each in value.items()
                    if name not in _ANNOTATIONS and not name.startswith(("x-", "$"))
                }
                return _for_requests(_in_json_schemas_words(plain))
            case list():
                return [self._plain(each, wanted) for each in value]
            case _:
                return value

    def _keyword(self, name: str, value: Any, wanted: dict[str, Schema]) -> Any:
        match name:
            case "properties" | "patternProperties":
                return self._members(value, wanted)
            case "enum" | "const" | "default" | "required":
                return value
            case "pattern" if not _is_linear(value):
                # Some patterns look ahead, which no matcher does in linear time; the peer checks those.
                return ""
            case _:
                return self._plain(value, wanted)

    def _members(self, value: Any, wanted: dict[str, Schema]) -> Any:
        return {name: self._plain(each, wanted) for name, each in value.items()} if isinstance(value, dict) else {}


_STYLES = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}


def _parameter(said: dict[str, Any]) -> Parameter:
    place = str(said["in"])
    content: dict[str, Any] | None = said.get("content")
    schema = next(iter(content.values())).get("schema") if content else said.get("schema")
    style = str(said.get("style") or _STYLES[place])
    return Parameter(
        name=str(said.get("name")),
        place=place,
        schema=schema or {},
        required=bool(said.get("required")) or place == "path",
        style=style,
        explode=bool(said.get("explode", style in ("form", "deepObject"))),
        is_json=bool(content),
        description=str(said.get("description") or ""),
        may_hold_slashes=bool(said.get("x-multi-segment")),
    )


def _is_linear(pattern: Any) -> bool:
    import re2

    quiet = re2.Options()
    quiet.log_errors = False
    try:
        re2.compile(str(pattern), quiet)
    except re2.error:
        return False
    return True


def _in_json_schemas_words(schema: Schema) -> Schema:
    """What OpenAPI 3.0 says in its own way. Many documents of 3.1 still do."""
    plain = dict(schema)
    if plain.pop("nullable", False):
        if isinstance(plain.get("type"), str):
            plain["type"] = [plain["type"], "null"]
            if isinstance(plain.get("enum"), list) and None not in plain["enum"]:
                plain["enum"] = [*plain["enum"], None]
        else:
            plain = {"anyOf": [plain, {"type": "null"}]}
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if plain.get(exclusive) is True:
            plain[exclusive] = plain.pop(bound, None)
        elif plain.get(exclusive) is False:
            del plain[exclusive]
    return plain


def _for_requests(schema: Schema) -> Schema:
    """Without what only answers have to hold."""
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not isinstance(schema.get("required"), list):
        return schema
    answered = {name for name, each in properties.items() if isinstance(each, dict) and each.get("readOnly")}
    return {**schema, "required": [name for name in schema["required"] if name not in answered]}


def _steps(reference: str) -> list[str]:
    from urllib.parse import unquote

    return [unquote(step).replace("~1", "/").replace("~0", "~") for step in reference[2:].split("/")]


def _name(reference: str) -> str:
    """A reference as one step of a JSON pointer."""
    return "".join(sign if sign.isalnum() or sign in "_-." else "_" for sign in reference[2:])


def parse(data: bytes, source: str = "") -> Document:
    """Reads a document in JSON or YAML. Raises NodeFailure OPENAPI_INVALID."""
    text = data.lstrip()
    try:
        root = json.loads(data) if text.startswith(b"{") else _yaml(data)
    except ValueError as error:
        raise _invalid(f"it can not be read: {str(error)[:300]}") from None
    if not isinstance(root, dict):
        raise _invalid("it is no object")
    if "swagger" in root:
        raise _invalid("it is Swagger 2; convert it to OpenAPI 3")
    if not str(root.get("openapi", "")).startswith("3."):
        raise _invalid("it does not say `openapi: 3.x`")
    if not isinstance(root.get("paths"), dict) or not root["paths"]:
        raise _invalid("it has no paths")
    return Document(root, source)


def _yaml(data: bytes) -> Any:
    import yaml

    try:
        return load(data, MOST_VALUES)
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None


def _invalid(why: str) -> NodeFailure:
    return NodeFailure(
        "OPENAPI_INVALID",
        f"the OpenAPI document can not be used: {why}",
        field="document",
        hint="give an OpenAPI 3 document in JSON or YAML, in one file",
    )
