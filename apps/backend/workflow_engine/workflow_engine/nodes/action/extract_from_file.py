"""action.extract_from_file: a file or text as JSON."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import Field

from workflow_engine.nodes.action.formats.documents import (
    Base64Format,
    HtmlFormat,
    JsonFormat,
    JsonLinesFormat,
    PdfFormat,
    TextFormat,
    XmlFormat,
    YamlFormat,
    read_base64,
    read_html,
    read_json,
    read_jsonl,
    read_pdf,
    read_text,
    read_xml,
    read_yaml,
)
from workflow_engine.nodes.action.formats.plain import MAX_BYTES
from workflow_engine.nodes.action.formats.tables import CsvFormat, XlsxFormat, read_csv, read_xlsx
from workflow_engine.nodes.action.http.answer import records
from workflow_engine.nodes.action.http.body import stored
from workflow_engine.nodes.action.results import FieldName, with_field
from workflow_engine.nodes.spec import Call, Effect, Emit, Json, Node, NodeFailure, Parameters, Result

Readable = Annotated[
    CsvFormat
    | XlsxFormat
    | JsonFormat
    | JsonLinesFormat
    | YamlFormat
    | XmlFormat
    | HtmlFormat
    | PdfFormat
    | TextFormat
    | Base64Format,
    Field(discriminator="type"),
]


class ExtractFromFileParameters(Parameters):
    format: Readable
    """What the file is."""
    binary: str = "data"
    """The binary slot it is in."""
    text: str | None = None
    """Read this text instead of a file."""
    output_field: FieldName | None = None
    """Put what was read into this field of the item, instead of making items of it."""


class ExtractFromFile(Node[ExtractFromFileParameters]):
    """Reads CSV, Excel, JSON, JSON Lines, YAML, XML, HTML, PDF and plain text, or any file as Base64.

    Rows of a table and elements of a list become one item each; an object becomes the item; anything else
    stands under `value`. Dates become ISO 8601 text, integers of more than 64 bits decimal strings. Files of
    up to 64 MiB are read; XML entities and YAML tags that make objects are refused, and so is a small file
    that unfolds into a huge value.
    """

    type = "action.extract_from_file"
    summary = "Reads CSV, Excel, JSON, YAML, XML, HTML, PDF or text."
    example = {"format": {"type": "csv", "delimiter": ";"}}
    effect = Effect.IDEMPOTENT

    async def run(self, call: Call[ExtractFromFileParameters]) -> Result:
        parameters = call.parameters
        value = await asyncio.to_thread(extracted, await _data(call), parameters.format)
        if parameters.output_field:
            return with_field(call.item, parameters.output_field, value)
        return Emit({"main": records(value)})


async def _data(call: Call[ExtractFromFileParameters]) -> bytes:
    parameters = call.parameters
    if parameters.text is not None:
        return parameters.text.encode()
    ref, blobs = stored(call.item, parameters.binary, call.context.blobs, "binary")
    if ref.size > MAX_BYTES:
        raise NodeFailure(
            "TOO_LARGE",
            f"{ref.file_name or 'the file'} has {ref.size:,} bytes; {MAX_BYTES:,} can be read",
            field="binary",
            hint="split it before",
        )
    return b"".join([chunk async for chunk in blobs.read(ref)])


def extracted(data: bytes, format: Readable) -> Json:
    """What `data` says. Raises NodeFailure INVALID_DATA."""
    match format:
        case CsvFormat():
            return read_csv(data, format)
        case XlsxFormat():
            return read_xlsx(data, format)
        case JsonFormat():
            return read_json(data)
        case JsonLinesFormat():
            return read_jsonl(data)
        case YamlFormat():
            return read_yaml(data)
        case XmlFormat():
            return read_xml(data)
        case HtmlFormat():
            return read_html(data, format)
        case PdfFormat():
            return read_pdf(data, format)
        case TextFormat():
            return read_text(data, format)
        case Base64Format():
            return read_base64(data, format)
