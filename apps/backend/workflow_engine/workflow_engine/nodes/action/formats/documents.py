"""Nested data and prose: JSON, JSON Lines, YAML, XML, HTML, PDF, plain text, Base64."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import xmltodict
import yaml
from pydantic import Field
from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from workflow_engine.nodes.action.formats.plain import Plain, invalid
from workflow_engine.nodes.spec import Json, NodeFailure, Parameters
from workflow_engine.utils import json, xml


class JsonFormat(Parameters):
    """JSON."""

    type: Literal["json"]
    """One value."""


class JsonLinesFormat(Parameters):
    """JSON Lines."""

    type: Literal["jsonl"]
    """One value a line."""


class YamlFormat(Parameters):
    """YAML."""

    type: Literal["yaml"]
    """Plain data; tags that would make objects are refused."""


class XmlFormat(Parameters):
    """XML."""

    type: Literal["xml"]
    """Elements are members, attributes begin with `@`, text beside them is `#text`, repeated elements make a
    list.
    """
    root: str = Field(default="items", pattern=r"^[A-Za-z_][\w.-]*$")
    """When written: the outermost element."""
    element: str = Field(default="item", pattern=r"^[A-Za-z_][\w.-]*$")
    """When written: the element for each item."""


class Selected(Parameters):
    """What to take out of a page."""

    selector: str
    """CSS selector, e.g. `table.prices td.amount`."""
    attribute: str = ""
    """Take this attribute, e.g. `href`, instead of the text."""
    all: bool = False
    """A list of all matches instead of the first one."""


class HtmlFormat(Parameters):
    """HTML."""

    type: Literal["html"]
    """A web page, as text or as the parts that selectors name."""
    fields: dict[str, Selected] = {}
    """Selectors by field name; without any, the page's text stands under `text` and its title under `title`.
    """


class TextFormat(Parameters):
    """Plain text."""

    type: Literal["text"]
    """As it stands."""
    field: str = Field(default="text", min_length=1, max_length=255)
    """The field that holds it."""
    separator: str = Field(default="\n", max_length=100)
    """When written: what stands between the texts of two items."""
    encoding: str = "utf-8"
    """How characters are coded, e.g. windows-1252."""


class Base64Format(Parameters):
    """Any bytes, as the text that JSON APIs carry them in."""

    type: Literal["base64"]
    """Base64, also as a `data:` address."""
    field: str = Field(default="data", min_length=1, max_length=255)
    """The field that holds it."""
    media_type: str = Field(default="application/octet-stream", max_length=255, pattern=r"^[\w.+-]+/[\w.+-]+$")
    """When written: what the file is, unless a `data:` address says."""


class PdfFormat(Parameters):
    """PDF."""

    type: Literal["pdf"]
    """Its text; pictures of text have none."""
    max_pages: int = Field(default=1000, ge=1, le=10_000)
    """Pages to read."""
    password: str = ""
    """For a protected file."""


def read_text(data: bytes, format: TextFormat) -> Json:
    try:
        return {format.field: data.decode(format.encoding)}
    except (UnicodeDecodeError, LookupError) as error:
        raise invalid("text", str(error)) from None


def write_text(records: Sequence[dict[str, Json]], format: TextFormat) -> bytes:
    try:
        return format.separator.join(_text_in(each, format.field) for each in records).encode(format.encoding)
    except (UnicodeEncodeError, LookupError) as error:
        raise invalid("text", str(error)) from None


def read_base64(data: bytes, format: Base64Format) -> Json:
    return {format.field: base64.b64encode(data).decode()}


def write_base64(record: dict[str, Json], format: Base64Format) -> tuple[bytes, str]:
    """The bytes, and what they are."""
    text = _text_in(record, format.field).strip()
    media_type = format.media_type
    if text.startswith("data:"):
        head, _, text = text.partition(",")
        media_type = head.removeprefix("data:").partition(";")[0] or media_type
    try:
        # Both alphabets, and blanks as mail has them.
        plain = "".join(text.split()).replace("-", "+").replace("_", "/")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True), media_type
    except ValueError as error:
        raise invalid("Base64", str(error)) from None


def _text_in(record: dict[str, Json], field: str) -> str:
    value = record.get(field)
    if value is None:
        raise NodeFailure(
            "INVALID_DATA",
            f"an item has no {field!r}",
            field="format.field",
            hint=f"it has {', '.join(list(record)[:20]) or 'no fields'}",
        )
    return value if isinstance(value, str) else json.dumps(value).decode()


def read_json(data: bytes) -> Json:
    try:
        return json.loads(data)
    except ValueError as error:
        raise invalid("JSON", str(error)) from None


def read_jsonl(data: bytes) -> list[Json]:
    return list(_lines(data))


def _lines(data: bytes) -> Iterator[Json]:
    for number, line in enumerate(data.splitlines(), start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise invalid("JSON Lines", f"line {number}: {error}") from None


def read_yaml(data: bytes) -> Json:
    try:
        return Plain("YAML").value(yaml.load(data, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        raise invalid("YAML", str(error)) from None


def read_xml(data: bytes) -> Json:
    try:
        return Plain("XML").value(xml.parsed(data))
    except ValueError as error:
        raise invalid("XML", str(error)) from None


def read_html(data: bytes, format: HtmlFormat) -> dict[str, Json]:
    page = LexborHTMLParser(data)
    if not format.fields:
        for node in page.css("script, style, noscript, template"):
            node.decompose()
        title = page.css_first("title")
        body = page.body
        return {
            "title": title.text(strip=True) if title else "",
            "text": _paragraphs(body.text(separator="\n")) if body else "",
        }
    return {name: _selected(page, selected, name) for name, selected in format.fields.items()}


def _paragraphs(text: str) -> str:
    return "\n".join(line for each in text.splitlines() if (line := " ".join(each.split())))


def _selected(page: LexborHTMLParser, selected: Selected, name: str) -> Json:
    try:
        found = page.css(selected.selector)
    except (SelectolaxError, ValueError) as error:
        raise invalid("HTML", f"{name}: {selected.selector!r} is no CSS selector ({error})", "correct it") from None

    def value(node: LexborNode) -> Json:
        if selected.attribute:
            return node.attributes.get(selected.attribute)
        return " ".join(node.text(separator=" ").split())

    if selected.all:
        return [value(node) for node in found]
    return value(found[0]) if found else None


def read_pdf(data: bytes, format: PdfFormat) -> dict[str, Json]:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(io.BytesIO(data), password=format.password or None)
        if reader.is_encrypted and not format.password:
            raise invalid("PDF", "it is protected", "give its password")
        count = len(reader.pages)
        pages = [reader.pages[number].extract_text() for number in range(min(count, format.max_pages))]
    except (PyPdfError, ValueError, KeyError, RecursionError, OSError) as error:
        raise invalid("PDF", str(error) or type(error).__name__) from None
    return {"text": "\n\n".join(pages), "pages": pages, "page_count": count}


def write_json(records: list[dict[str, Json]]) -> bytes:
    return json.dumps(records)


def write_jsonl(records: list[dict[str, Json]]) -> bytes:
    return b"".join(json.dumps(record) + b"\n" for record in records)


def write_yaml(records: list[dict[str, Json]]) -> bytes:
    text: str = yaml.dump(Plain("YAML").value(records), Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False)
    return text.encode()


def write_xml(records: list[dict[str, Json]], format: XmlFormat) -> bytes:
    tree: dict[str, Any] = {format.root: {format.element: records}}
    try:
        text = xmltodict.unparse(tree, short_empty_elements=True)
    except ValueError as error:
        raise invalid("XML", str(error), "rename fields that can not be element names") from None
    return str(text).encode()
