"""From an HTTP request to the item that an execution starts with: the body has the type that the request says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.types import Receive

from workflow_engine.engine.items import BinaryRef
from workflow_engine.nodes.context import Blobs
from workflow_engine.utils import json, xml

MOST_FIELDS, MOST_FILES = 10_000, 1_000
"""Of one form."""
IN_MEMORY = 1024 * 1024
"""Bytes of a form's field."""


class BadBody(Exception):
    """The body is not what the request says. `status` is what HTTP calls that."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.why, self.status = why, status


@dataclass(frozen=True, slots=True)
class Body:
    """A body as an item holds it."""

    value: Any
    files: dict[str, BinaryRef]


async def read(receive: Receive, headers: Mapping[str, str], most: int) -> bytes:
    """The bytes of a body. Raises BadBody for more than `most`, without reading all of it."""
    announced = headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise BadBody(f"the body has more than {most} bytes, the most that is taken here", 413)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadBody("the caller has gone")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > most:
            raise BadBody(f"the body has more than {most} bytes, the most that is taken here", 413)
        chunks.append(chunk)
        if not message.get("more_body"):
            return chunk if len(chunks) == 1 else b"".join(chunks)


async def parse(data: bytes, headers: Mapping[str, str], blobs: Blobs, *, raw: bool = False) -> Body:
    """The typed body. Raises BadBody, and OSError when a file can not be stored."""
    content_type = headers.get("content-type", "")
    media, options = _media_type(content_type)
    files: dict[str, BinaryRef] = {}
    if raw and data:
        files["body"] = await blobs.write(data, media or "application/octet-stream")
    if not data:
        return Body(None, files)
    if media == "application/json" or media.endswith("+json"):
        try:
            return Body(json.loads(data), files)
        except ValueError as wrong:
            raise BadBody(f"the body is no JSON: {wrong}") from None
    if media == "application/x-www-form-urlencoded":
        return Body(_form(data), files)
    if media == "multipart/form-data":
        return await _multipart(data, content_type, blobs, files)
    if media in ("application/xml", "text/xml") or media.endswith("+xml"):
        return Body(await asyncio.to_thread(_xml, data), files)
    if media.startswith("text/"):
        return Body(_text(data, options.get("charset", "utf-8")), files)
    if not media and (guess := _looks_like_json(data)) is not None:
        return Body(guess, files)
    if not raw:
        files["body"] = await blobs.write(data, media or "application/octet-stream")
    return Body(None, files)


def query(text: str) -> dict[str, Any]:
    """A query string; what is there several times is a list."""
    return _gathered(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)) if text else {}


def _media_type(content_type: str) -> tuple[str, dict[str, str]]:
    bare = content_type.partition(";")
    if not bare[1]:
        return bare[0].strip().lower(), {}
    message = Message()
    message["content-type"] = content_type
    return bare[0].strip().lower(), {name: str(value) for name, value in message.get_params(failobj=[])[1:]}


def _form(data: bytes) -> dict[str, Any]:
    try:
        return _gathered(parse_qsl(data.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except (UnicodeDecodeError, ValueError) as wrong:
        raise BadBody(f"the body is no form: {wrong}") from None


def _gathered(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


async def _multipart(data: bytes, content_type: str, blobs: Blobs, files: dict[str, BinaryRef]) -> Body:
    async def stream() -> AsyncIterator[bytes]:
        yield data

    parser = MultiPartParser(
        Headers({"content-type": content_type}),
        stream(),  # type: ignore[arg-type]
        max_files=MOST_FILES,
        max_fields=MOST_FIELDS,
        max_part_size=IN_MEMORY,
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as wrong:
        raise BadBody(f"the body is no form: {wrong}") from None
    fields: list[tuple[str, str]] = []
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                slot, number = name, 2
                while slot in files:
                    slot, number = f"{name}_{number}", number + 1
                files[slot] = await blobs.write(
                    await value.read(), value.content_type or "application/octet-stream", value.filename or ""
                )
            else:
                fields.append((name, value))
    finally:
        await form.close()
    return Body(_gathered(fields), files)


def _xml(data: bytes) -> Any:
    try:
        return xml.parsed(data)
    except ValueError as wrong:
        raise BadBody(f"the body is no XML: {wrong}") from None


def _text(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset)
    except (UnicodeDecodeError, LookupError) as wrong:
        raise BadBody(f"the body is no text in {charset}: {wrong}", 415) from None


def _looks_like_json(data: bytes) -> Any:
    """The value of an object or a list that came without a type; many a script forgets to say it."""
    if data.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        return json.loads(data)
    except ValueError:
        return None
