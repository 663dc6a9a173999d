"""action.convert_to_file: items as one file."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import Field

from workflow_engine.engine.items import Item
from workflow_engine.nodes.action.formats.documents import (
    JsonFormat,
    JsonLinesFormat,
    XmlFormat,
    YamlFormat,
    write_json,
    write_jsonl,
    write_xml,
    write_yaml,
)
from workflow_engine.nodes.action.formats.tables import CsvFormat, XlsxFormat, write_csv, write_xlsx
from workflow_engine.nodes.action.http.body import required
from workflow_engine.nodes.spec import Call, Effect, Json, Node, Parameters, Result, RunMode, emit

Writable = Annotated[
    CsvFormat | XlsxFormat | JsonFormat | JsonLinesFormat | YamlFormat | XmlFormat,
    Field(discriminator="type"),
]

_MEDIA_TYPES = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "yaml": "application/yaml",
    "xml": "application/xml",
}


class ConvertToFileParameters(Parameters):
    format: Writable
    """What the file is to be."""
    file_name: str = Field(default="", max_length=255)
    """`items` with the format's extension by default."""
    binary: str = Field(default="data", min_length=1)
    """The binary slot to put it into."""


class ConvertToFile(Node[ConvertToFileParameters]):
    """Writes all items into one file: CSV, Excel, JSON, JSON Lines, YAML or XML.

    Columns are all fields of all items, in the order in which they first appear; nested values are written as
    JSON. Gives one item with the file, and none when there are no items.
    """

    type = "action.convert_to_file"
    summary = "Writes items into a CSV, Excel, JSON, YAML or XML file."
    example = {"format": {"type": "csv"}, "file_name": "orders.csv"}
    effect = Effect.IDEMPOTENT
    run_mode = RunMode.BATCH

    async def run(self, call: Call[ConvertToFileParameters]) -> Result:
        parameters = call.parameters
        if not call.items:
            return emit()
        type = parameters.format.type
        data = await asyncio.to_thread(converted, [item.json for item in call.items], parameters.format)
        name = parameters.file_name or f"items.{type}"
        ref = await required(call.context.blobs).write(data, _MEDIA_TYPES[type], name)
        described = {
            "file_name": name,
            "media_type": ref.media_type,
            "size": ref.size,
            "items": len(call.items),
        }
        return emit(Item(described, {parameters.binary: ref}, tuple(range(len(call.items)))))


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
