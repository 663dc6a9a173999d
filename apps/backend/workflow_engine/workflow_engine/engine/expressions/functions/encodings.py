"""What a text can hold in another writing: URL encoding, base64, JSON."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import Any
from urllib.parse import quote, unquote

from workflow_engine.engine.expressions.functions.common import built, shown, utf8
from workflow_engine.engine.expressions.functions.table import function
from workflow_engine.engine.expressions.values import LEAST_INT, MOST_INT, Run, Trouble, dump, text_of
from workflow_engine.utils.json import refuse_deep


@function("text.urlEncode() -> text", example="'a b&c'.urlEncode() == 'a%20b%26c'")
def url_encode(run: Run, text: str) -> str:
    """As one part of a URL."""
    built(run, text, 12 * len(text))
    run.spend(len(text))
    return quote(text, safe="")


@function("text.urlDecode() -> text", example="'a%20b'.urlDecode() == 'a b'")
def url_decode(run: Run, text: str) -> str:
    """The text that was URL-encoded."""
    run.spend(len(text))
    return unquote(built(run, text, len(text)))


@function("text.base64Encode() -> text", example="'abc'.base64Encode() == 'YWJj'")
def base64_encode(run: Run, text: str) -> str:
    """In base64, of its UTF-8 bytes."""
    built(run, text, 6 * len(text))
    return b64encode(text.encode()).decode()


@function("text.base64Decode() -> text", example="'YWJj'.base64Decode() == 'abc'")
def base64_decode(run: Run, text: str) -> str:
    """The text that was in base64; it must be UTF-8."""
    return utf8(_from_base64(run, text))


@function("base64.encode(bytes) -> text", example="base64.encode(b'abc') == 'YWJj'", standard=True)
def bytes_to_base64(run: Run, value: bytes) -> str:
    """Bytes in base64."""
    built(run, value, 2 * len(value))
    return b64encode(value).decode()


@function("base64.decode(text) -> bytes", example="base64.decode('YWJj') == b'abc'", standard=True)
def bytes_from_base64(run: Run, text: str) -> bytes:
    """The bytes that were in base64."""
    return _from_base64(run, text)


@function("toText(any) -> text", example="toText({'a': 1}) + toText('b') == '{\"a\":1}b'")
def to_text(run: Run, value: Any) -> str:
    """How it looks inside a template: texts as they are, everything else as JSON."""
    return text_of(run, value)


@function("toJson(any) -> text", example="toJson({'a': [1, null]}) == '{\"a\":[1,null]}'")
def to_json(run: Run, value: Any) -> str:
    """As compact JSON."""
    return dump(run, value)


@function("text.fromJson() -> any", "fromJson(text) -> any", example="'{\"a\": [1]}'.fromJson().a[0] == 1")
def from_json(run: Run, text: str) -> Any:
    """The value that is written as JSON."""
    run.spend(len(text) >> 3)
    run.build(4 * len(text))
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_int=_json_int)
    except json.JSONDecodeError as error:
        raise Trouble(
            f"this is no JSON: {error.msg} at character {error.pos}", "the text begins with " + shown(text)
        ) from None
    try:
        refuse_deep(value)
    except ValueError as error:
        raise Trouble(f"this is no JSON that can be used: {error}") from None
    return value


def _from_base64(run: Run, text: str) -> bytes:
    built(run, text, len(text))
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (Base64Error, ValueError):
        raise Trouble(f"{shown(text)} is not base64") from None


def _json_int(text: str) -> int:
    if len(text) > 20 or not LEAST_INT <= (value := int(text)) <= MOST_INT:
        raise Trouble(f"the number {shown(text)} does not fit into 64 bits", "carry it as text")
    return value


def _no_constant(text: str) -> Any:
    raise Trouble(f"this is no JSON: it holds {text}")
