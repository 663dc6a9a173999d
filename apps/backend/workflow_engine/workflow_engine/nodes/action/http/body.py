"""What a request carries."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlencode

from pydantic import Field, model_validator

from workflow_engine.engine.items import BinaryRef, Item
from workflow_engine.nodes.action.http.text import Fields, Scalar, pairs, text
from workflow_engine.nodes.context import Blobs
from workflow_engine.nodes.spec import Json, NodeFailure, Parameters
from workflow_engine.utils import json


class NoBody(Parameters):
    """Nothing."""

    kind: Literal["none"] = "none"
    """No body."""


class JsonBody(Parameters):
    """A value as JSON."""

    kind: Literal["json"]
    """JSON, with content type application/json."""
    value: Json
    """What is sent; `{{ json }}` sends the item."""


class FormBody(Parameters):
    """Fields as an HTML form sends them."""

    kind: Literal["form"]
    """Content type application/x-www-form-urlencoded."""
    fields: Fields
    """Values by name; a list sends its name several times, a null sends nothing."""


class Part(Parameters):
    """One part of a multipart body: a value, or a file."""

    name: str
    """The form field."""
    value: Scalar = None
    """Its text."""
    binary: str | None = None
    """The item's binary slot to send as a file, in place of a value."""
    file_name: str = ""
    """By default the file's own name."""
    media_type: str = ""
    """By default the file's own media type."""

    @model_validator(mode="after")
    def _one_content(self) -> Part:
        if (self.value is None) == (self.binary is None):
            raise ValueError("give a part either a value or a binary slot")
        return self


class MultipartBody(Parameters):
    """Values and files in one body."""

    kind: Literal["multipart"]
    """Content type multipart/form-data."""
    parts: list[Part] = Field(min_length=1)
    """In the order they are sent."""


class RawBody(Parameters):
    """Text as it stands."""

    kind: Literal["raw"]
    """Any text."""
    text: str
    """What is sent, in UTF-8."""
    media_type: str = "text/plain; charset=utf-8"
    """Its content type."""


class BinaryBody(Parameters):
    """A file as it stands."""

    kind: Literal["binary"]
    """The bytes of one binary slot."""
    slot: str = "data"
    """The item's binary slot."""


Body: TypeAlias = Annotated[
    NoBody | JsonBody | FormBody | MultipartBody | RawBody | BinaryBody, Field(discriminator="kind")
]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A body ready to be sent."""

    content: bytes | AsyncIterator[bytes] | None
    headers: dict[str, str]


def encode(body: Body, item: Item, blobs: Blobs | None) -> Encoded:
    """`body` as bytes; files are streamed. Raises NodeFailure BINARY_MISSING."""
    match body:
        case NoBody():
            return Encoded(None, {})
        case JsonBody():
            return Encoded(json.dumps(body.value), {"Content-Type": "application/json"})
        case FormBody():
            return Encoded(
                urlencode(pairs(body.fields)).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
            )
        case RawBody():
            return Encoded(body.text.encode(), {"Content-Type": body.media_type})
        case BinaryBody():
            ref, store = stored(item, body.slot, blobs, "body.slot")
            return Encoded(store.read(ref), {"Content-Type": ref.media_type, "Content-Length": str(ref.size)})
        case MultipartBody():
            return _multipart(body.parts, item, blobs)


def extended(body: Body, more: dict[str, Json]) -> Body:
    """`body` with members of a credential, which win. Raises NodeFailure CREDENTIAL_REFUSED where it has none."""
    match body:
        case NoBody():
            return JsonBody(kind="json", value=more)
        case JsonBody(value=dict() as value):
            return JsonBody(kind="json", value={**value, **more})
        case FormBody():
            return FormBody(kind="form", fields={**body.fields, **{name: _field(each) for name, each in more.items()}})
        case _:
            raise NodeFailure(
                "CREDENTIAL_REFUSED",
                "the credential adds members to a body, and this body has none",
                field="body",
                hint="send a JSON object or a form, or take the body out of the credential",
            )


def _field(value: Json) -> Scalar:
    return value if isinstance(value, str | int | float | bool) or value is None else json.dumps(value).decode()


def stored(item: Item, slot: str, blobs: Blobs | None, field: str) -> tuple[BinaryRef, Blobs]:
    """What stands in a binary slot, and where its bytes are. Raises NodeFailure BINARY_MISSING."""
    if (ref := item.binary.get(slot)) is None:
        has = f"it has {', '.join(sorted(item.binary))}" if item.binary else "it has none"
        raise NodeFailure("BINARY_MISSING", f"the item has no binary data in slot {slot!r}", field=field, hint=has)
    return ref, required(blobs)


def required(blobs: Blobs | None) -> Blobs:
    if blobs is None:
        raise NodeFailure("BINARY_MISSING", "this server keeps no binary data", hint="set DATA_DIR")
    return blobs


def _multipart(parts: list[Part], item: Item, blobs: Blobs | None) -> Encoded:
    # Drawn at random, so that no content can hold it and pass for another part.
    boundary = secrets.token_hex(16)
    sections: list[tuple[bytes, bytes | tuple[BinaryRef, Blobs]]] = []
    size = 0
    for index, part in enumerate(parts):
        content: bytes | tuple[BinaryRef, Blobs]
        file_name, media_type = part.file_name, part.media_type
        if part.binary is None:
            content = text(part.value).encode()
            size += len(content)
        else:
            content = stored(item, part.binary, blobs, f"body.parts[{index}].binary")
            ref = content[0]
            size += ref.size
            file_name = file_name or ref.file_name or part.binary
            media_type = media_type or ref.media_type
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(part.name)}"'
        if file_name:
            head += f'; filename="{_quoted(file_name)}"'
        if media_type:
            head += f"\r\nContent-Type: {_one_line(media_type)}"
        section = f"{head}\r\n\r\n".encode()
        size += len(section) + 2
        sections.append((section, content))
    tail = f"--{boundary}--\r\n".encode()

    async def stream() -> AsyncIterator[bytes]:
        for head, content in sections:
            yield head
            if isinstance(content, bytes):
                yield content
            else:
                ref, store = content
                async for chunk in store.read(ref):
                    yield chunk
            yield b"\r\n"
        yield tail

    return Encoded(
        stream(),
        {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(size + len(tail)),
        },
    )


def _quoted(value: str) -> str:
    """As browsers write names and file names: percent signs for the three characters that would end them."""
    return value.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _one_line(value: str) -> str:
    return value.replace("\r", "").replace("\n", "")
