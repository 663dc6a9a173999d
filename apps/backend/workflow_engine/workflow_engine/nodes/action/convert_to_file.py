"""action.convert_to_file: items as one file."""

from __future__ import annotations

import asyncio
import mimetypes
from typing import Annotated

from pydantic import Field

from workflow_engine.engine.items import Item
from workflow_engine.nodes.action.formats.documents import (
    Base64Format,
    JsonFormat,
    JsonLinesFormat,
    TextFormat,
    XmlFormat,
    YamlFormat,
    write_base64,
    write_json,
    write_jsonl,
    write_text,
    write_xml,
    write_yaml,
)
from workflow_engine.nodes.action.formats.tables import CsvFormat, XlsxFormat, write_csv, write_xlsx
from workflow_engine.nodes.action.http.body import required
from workflow_engine.nodes.spec import Call, Effect, Emit, Json, Node, Parameters, Result, RunMode, emit

Writable = Annotated[
    CsvFormat | XlsxFormat | JsonFormat | JsonLinesFormat | YamlFormat | XmlFormat | TextFormat | Base64Format,
    Field(discriminator="type"),
]

_EXTENSIONS = {"text": "txt"}
_MEDIA_TYPES = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "yaml": "application/yaml",
    "xml": "application/xml",
    "text": "text/plain",
}


class ConvertToFileParameters(Parameters):
    format: Writable
    """What the file is to be."""
    file_name: str = Field(default="", max_length=255)
    """`items` with the format's extension by default."""
    binary: str = Field(default="data", min_length=1)
    """The binary slot to put it into."""


class ConvertToFile(Node[ConvertToFileParameters]):
    """Writes all items into one file: CSV, Excel, JSON, JSON Lines, YAML, XML or plain text.

    Columns are all fields of all items, in the order in which they first appear; nested values are written as
    JSON. Gives one item with the file, and none when there are no items. From Base64 each item gets a file of its own,
    and keeps its other fields.
    """

    type = "action.convert_to_file"
    summary = "Writes items into a CSV, Excel, JSON, YAML, XML or text file."
    example = {"format": {"type": "csv"}, "file_name": "orders.csv"}
    effect = Effect.IDEMPOTENT
    run_mode = RunMode.BATCH

    async def run(self, call: Call[ConvertToFileParameters]) -> Result:
        parameters = call.parameters
        if not call.items:
            return emit()
        if isinstance(parameters.format, Base64Format):
            return await _decoded(call, parameters.format)
        type = parameters.format.type
        data = await asyncio.to_thread(converted, [item.json for item in call.items], parameters.format)
        name = parameters.file_name or f"items.{_EXTENSIONS.get(type, type)}"
        ref = await required(call.context.blobs).write(data, _MEDIA_TYPES[type], name)
        described = {
            "file_name": name,
            "media_type": ref.media_type,
            "size": ref.size,
            "items": len(call.items),
        }
        return emit(Item(described, {parameters.binary: ref}, tuple(range(len(call.items)))))


async def _decoded(call: Call[ConvertToFileParameters], format: Base64Format) -> Result:
    """Each item with the bytes that it holds as text."""
    parameters, made = call.parameters, list[Item]()
    for index, item in enumerate(call.items):
        data, media_type = await asyncio.to_thread(write_base64, item.json, format)
        name = parameters.file_name or f"file{mimetypes.guess_extension(media_type) or ''}"
        ref = await required(call.context.blobs).write(data, media_type, name)
        rest = {key: value for key, value in item.json.items() if key != format.field}
        described = {**rest, "file_name": name, "media_type": media_type, "size": ref.size}
        made.append(Item(described, {**item.binary, parameters.binary: ref}, (index,)))
    return Emit({"main": made})


def converted(records: list[dict[str, Json]], format: Writable) -> bytes:
    """`records` in `format`. Raises NodeFailure INVALID_DATA for what the format can not say."""
    match format:
        case CsvFormat():
            return write_csv(records, format)
        case XlsxFormat():
            return write_xlsx(records, format)
        case JsonFormat():
            return write_json(records)
        case JsonLinesFormat():
            return write_jsonl(records)
        case YamlFormat():
            return write_yaml(records)
        case XmlFormat():
            return write_xml(records, format)
        case TextFormat():
            return write_text(records, format)
        case Base64Format():
            raise TypeError("each item has a file of its own")
