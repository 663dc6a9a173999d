"""Between a form's JSON Schema and HTML: what to show, and what came back.

Without scripts a browser sends text only; what a field stands for decides what its text means. A text that can not be
what it should be stays as it is, so that the schema's own check says so and the person finds it where they wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import FormData, UploadFile

from workflow_engine.api.public.words import Words
from workflow_engine.engine.items import BinaryRef
from workflow_engine.nodes.context import Blobs
from workflow_engine.utils.json_schema import Violation

FEW = 6
"""Choices up to which all of them are shown at once."""
_BY_FORMAT = {
    "email": "email",
    "uri": "url",
    "date": "date",
    "clock": "time",
    "multiline": "multiline",
    "binary": "file",
}
_INPUT_TYPES = {"email": "email", "url": "url", "date": "date", "time": "time", "file": "file"}


@dataclass(slots=True)
class Field:
    """One field of a form, ready to be shown."""

    name: str
    label: str
    kind: str
    """`text`, `multiline`, `email`, `url`, `number`, `integer`, `boolean`, `date`, `time`, `choice`, `choices`, `file`
    or `json`."""
    required: bool = False
    help: str = ""
    value: Any = None
    """What it shows: text, whether it is ticked, or the list of what is chosen."""
    options: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Values and what people read for them."""
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    note: str = ""
    """Beside the label, for example that it is optional."""
    error: str = ""

    @property
    def id(self) -> str:
        return f"f-{self.name}"

    @property
    def input_type(self) -> str:
        return _INPUT_TYPES.get(self.kind, "text")

    @property
    def few(self) -> bool:
        return len(self.options) <= FEW

    @property
    def described_by(self) -> str:
        ids = [f"{self.id}-error"] if self.error else []
        return " ".join([*ids, f"{self.id}-help"] if self.help else ids)


def fields_of(
    schema: Mapping[str, Any],
    words: Words,
    values: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
) -> list[Field]:
    """The fields of a form; `values` are what they start with, `labels` what people read for options."""
    properties = schema.get("properties", {})
    required = set(schema.get("required", []))
    return [
        _field(name, each, name in required, words, (values or {}).get(name), labels or {})
        for name, each in properties.items()
        if isinstance(each, dict)
    ]


def _field(
    name: str, schema: dict[str, Any], required: bool, words: Words, value: Any, labels: Mapping[str, str]
) -> Field:
    kind = _kind(schema)
    value = schema.get("default") if value is None else value
    made = Field(
        name,
        str(schema.get("title") or name.replace("_", " ").strip().capitalize()),
        kind,
        required,
        str(schema.get("description") or ""),
        _shown(kind, value),
    )
    if not required and kind != "boolean":
        made.note = words("optional")
    options = schema.get("items", {}).get("enum", []) if kind == "choices" else schema.get("enum", [])
    made.options = [(str(each), labels.get(str(each)) or str(each)) for each in options]
    if kind in ("number", "integer"):
        made.attributes["inputmode"] = "numeric" if kind == "integer" and schema.get("minimum", -1) >= 0 else "decimal"
    if kind == "file" and schema.get("contentMediaType"):
        made.attributes["accept"] = str(schema["contentMediaType"])
    if kind in ("text", "multiline", "email", "url") and "maxLength" in schema:
        made.attributes["maxlength"] = str(schema["maxLength"])
    if kind == "email":
        made.attributes["autocomplete"] = "email"
    return made


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "choice"
    match schema.get("type"):
        case "string":
            return _BY_FORMAT.get(str(schema.get("format", "")), "text")
        case "boolean" | "integer" | "number" as type:
            return str(type)
        case "array" if isinstance(schema.get("items"), dict) and "enum" in schema["items"]:
            return "choices"
        case _:
            return "json"


def _shown(kind: str, value: Any) -> Any:
    match kind:
        case "boolean":
            return value is True
        case "choices":
            return [str(each) for each in value] if isinstance(value, list) else []
        case "json":
            return "" if value is None else json.dumps(value, ensure_ascii=False, indent=2)
        case "file":
            return None
        case _:
            return "" if value is None else str(value)


@dataclass(slots=True)
class Sent:
    """What a person sent."""

    data: dict[str, Any]
    files: dict[str, BinaryRef]
    unreadable: dict[str, str]
    """Fields whose JSON is none, with the reason."""


async def read(fields: Iterable[Field], form: FormData, blobs: Blobs, *, keep_empty: bool = False) -> Sent:
    """What the form's text means, with files put into the blob store.

    An empty text is left out, as if the question had not been answered, unless `keep_empty`.
    """
    sent = Sent({}, {}, {})
    for each in fields:
        if each.kind == "file":
            upload = form.get(each.name)
            if isinstance(upload, UploadFile) and upload.filename:
                sent.files[each.name] = await _stored(upload, blobs)
            continue
        texts = [text for text in form.getlist(each.name) if isinstance(text, str)]
        each.value = _again(each, texts)
        _take(each, texts, sent, keep_empty)
    return sent


def _take(each: Field, texts: list[str], sent: Sent, keep_empty: bool) -> None:
    text = texts[0] if texts else ""
    match each.kind:
        case "boolean":
            sent.data[each.name] = bool(texts)
        case "choices":
            sent.data[each.name] = texts
        case "integer" | "number":
            if text.strip():
                sent.data[each.name] = _number(text.strip())
        case "json":
            if text.strip():
                try:
                    sent.data[each.name] = json.loads(text)
                except ValueError as error:
                    sent.unreadable[each.name] = str(error)
        case "text" | "multiline":
            # Browsers end lines as mail does.
            text = text.replace("\r\n", "\n")
            if text or keep_empty:
                sent.data[each.name] = text
        case _:
            if text.strip():
                sent.data[each.name] = text.strip()


def _again(each: Field, texts: list[str]) -> Any:
    """What the field shows when the form has to be shown again."""
    match each.kind:
        case "boolean":
            return bool(texts)
        case "choices":
            return texts
        case _:
            return texts[0] if texts else ""


def _number(text: str) -> Any:
    plain = text.replace(" ", "")
    # A lone comma is what much of the world writes for the decimal point.
    if plain.count(",") == 1 and "." not in plain:
        plain = plain.replace(",", ".")
    try:
        return int(plain) if plain.lstrip("+-").isdigit() else float(plain)
    except ValueError:
        return text


async def _stored(upload: UploadFile, blobs: Blobs) -> BinaryRef:
    async def chunks() -> Any:
        while chunk := await upload.read(1 << 20):
            yield chunk

    media_type = upload.content_type or "application/octet-stream"
    name = (upload.filename or "").replace("\\", "/").rpartition("/")[2]
    return await blobs.write(chunks(), media_type[:255], name[:255])


def mark(
    fields: list[Field], violations: Iterable[Violation], unreadable: Mapping[str, str], words: Words
) -> list[str]:
    """Writes what is wrong beside the fields; returns what belongs to none of them."""
    by_name = {each.name: each for each in fields}
    for name, why in unreadable.items():
        by_name[name].error = words("error.json", message=why)
    rest: list[str] = []
    for violation in violations:
        found = by_name.get(str(violation.path[0])) if violation.path else None
        if found is None:
            rest.append(violation.message)
        elif not found.error:
            found.error = _words(violation, found, words)
    return rest


def _words(violation: Violation, found: Field, words: Words) -> str:
    keyword, limit = violation.keyword, violation.limit
    if keyword == "minLength" and limit == 1:
        return words("error.required")
    if keyword == "minItems" and limit == 1:
        return words("error.required")
    detail = found.kind if keyword == "type" else limit
    for key in (f"error.{keyword}.{detail}", f"error.{keyword}"):
        if words.has(key):
            return words(key, limit=limit)
    return violation.message
