"""A response as items."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Literal, TypeAlias
from urllib.parse import unquote, urlsplit

from workflow_engine.engine.items import BinaryRef, Item, Items
from workflow_engine.nodes.action.http.body import required
from workflow_engine.nodes.context import Blobs, HttpResponse
from workflow_engine.nodes.spec import Json, NodeFailure
from workflow_engine.utils import json

Format: TypeAlias = Literal["auto", "json", "text", "binary"]

_RETRYABLE = {408, 425, 429}
_EXCERPT = 2_000
_LONGEST_WAIT = 86_400_000
"""Milliseconds; what a peer asks beyond that is not believed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that has been read."""

    status: int
    url: str
    headers: dict[str, str]
    body: Json = None
    file: BinaryRef | None = None

    def items(self, *, full: bool) -> Items:
        """`full`: one item with status, headers and body. Otherwise the body: an object is the item, a list
        is one item for each element, and what is no object stands under `value` (JSON) or `text`.
        """
        binary = {"data": self.file} if self.file else {}
        if full:
            shown = {"status": self.status, "url": self.url, "headers": self.headers, "body": self.body}
            return [Item(shown, binary)]
        if self.file:
            described = {
                "file_name": self.file.file_name,
                "media_type": self.file.media_type,
                "size": self.file.size,
            }
            return [Item(described, binary)]
        if self.body is None:
            return [Item()]
        return records(self.body)


def records(value: Json) -> Items:
    """Each element of a list, or the one value, as an item."""
    return [
        Item(each if isinstance(each, dict) else {"value": each})
        for each in (value if isinstance(value, list) else [value])
    ]


async def read(response: HttpResponse, format: Format, blobs: Blobs | None) -> Answer:
    """Reads the body as `format` says; binary data goes to the blob store as it arrives. Raises NodeFailure."""
    headers = response.headers
    media_type, charset = _content_type(headers.get("content-type", ""))
    if format == "auto":
        format = _format_of(media_type)
    if response.status in (204, 304) or headers.get("content-length") == "0":
        await response.close()
        return Answer(response.status, response.url, headers)
    match format:
        case "binary":
            name = _file_name(response)
            file = await required(blobs).write(response.stream(), media_type, name)
            return Answer(response.status, response.url, headers, file=file)
        case "json":
            data = await response.read()
            try:
                body = json.loads(data) if data.strip() else None
            except ValueError as error:
                raise NodeFailure(
                    "INVALID_RESPONSE",
                    f"{_place(response)} did not answer with JSON: {error}",
                    hint=f"it says it is {media_type or 'of no type'}; set response_format to text to look at it",
                    details={"body": _decoded(data[:_EXCERPT], charset), "sent": True},
                ) from None
            return Answer(response.status, response.url, headers, body)
        case _:
            text = _decoded(await response.read(), charset)
            return Answer(response.status, response.url, headers, {"text": text})


def _format_of(media_type: str) -> Format:
    if media_type == "application/json" or media_type.endswith("+json"):
        return "json"
    if media_type.startswith("text/") or media_type.endswith(("/xml", "+xml", "/javascript", "/yaml")):
        return "text"
    return "binary"


def _content_type(header: str) -> tuple[str, str]:
    message = EmailMessage()
    message["Content-Type"] = header or "application/octet-stream"
    return message.get_content_type() if header else "", message.get_content_charset("utf-8")


def _decoded(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset, errors="replace")
    except LookupError:
        return data.decode(errors="replace")


def _file_name(response: HttpResponse) -> str:
    """What the peer calls the file, without any folder; else the end of the URL's path."""
    message = EmailMessage()
    if disposition := response.headers.get("content-disposition"):
        message["Content-Disposition"] = disposition
    name = message.get_filename() or unquote(urlsplit(response.url).path)
    return name.replace("\\", "/").rpartition("/")[2][:255]


def _place(response: HttpResponse) -> str:
    """Host and path; the query may hold secrets."""
    parts = urlsplit(response.url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


async def refusal(response: HttpResponse, method: str, now: int) -> NodeFailure:
    """The failure that a status of 400 and above stands for. Reads no more of the body than it shows."""
    excerpt = b""
    async for chunk in response.stream():
        excerpt += chunk
        if len(excerpt) >= _EXCERPT:
            break
    await response.close()
    _, charset = _content_type(response.headers.get("content-type", ""))
    body = _decoded(excerpt[:_EXCERPT], charset).strip()
    status = response.status
    try:
        phrase = f" {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = ""
    retryable = status in _RETRYABLE or status >= 500
    return NodeFailure(
        f"HTTP_{status // 100}XX",
        f"{method} {_place(response)} answered {status}{phrase}" + (f": {body[:300]}" if body else ""),
        hint=_HINTS.get(status, "the peer says why in `details.body`; never_fail hands such answers on as items"),
        retryable=retryable,
        retry_after=retry_after(response.headers, now) if retryable else 0,
        details={"status": status, "body": body, "sent": True},
    )


_HINTS = {
    401: "the peer does not accept the credential in slot `auth`; see that it has one and that it is still valid",
    403: "the credential is known but may not do this; see its rights at the peer",
    404: "see that the url is spelled right, and that what it names still exists",
    405: "the peer does not take this method here",
    413: "the peer takes smaller bodies only",
    415: "the peer wants another kind of body",
    429: "the peer asks for fewer requests; a retry policy waits as long as it says",
}


def retry_after(headers: dict[str, str], now: int) -> int:
    """Milliseconds that the peer asks to wait, at most a day; 0 when it does not say. `now` in epoch
    milliseconds.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(int(value[:9]) * 1000, _LONGEST_WAIT)
    if not (until := _date(value)):
        return 0
    # The peer's own clock is the one its date was made with.
    sent = _date(headers.get("date", "")) or datetime.fromtimestamp(now / 1000, UTC)
    return max(0, min(int((until - sent).total_seconds() * 1000), _LONGEST_WAIT))


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
