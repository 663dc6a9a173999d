"""Rows and columns: CSV and Excel workbooks."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pydantic import Field

from workflow_engine.nodes.action.formats.plain import MAX_BYTES, Plain, invalid
from workflow_engine.nodes.spec import Json, Parameters
from workflow_engine.utils import json

MAX_ROWS = 1_000_000


class CsvFormat(Parameters):
    """Comma-separated values."""

    type: Literal["csv"]
    """Text, one line a row."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """What separates the columns; a tab is written `\\t` in JSON."""
    header: bool = True
    """The first row names the columns; otherwise they are called column_1, column_2 and so on."""
    encoding: str = "utf-8"
    """How characters are coded, e.g. windows-1252."""
    escape_formulas: bool = True
    """When written: put an apostrophe before text that a spreadsheet would run as a formula."""


class XlsxFormat(Parameters):
    """An Excel workbook."""

    type: Literal["xlsx"]
    """One sheet of it."""
    sheet: str | None = Field(default=None, max_length=31)
    """The first one by default; Sheet1 when written."""
    header: bool = True
    """The first row names the columns; otherwise they are called column_1, column_2 and so on."""


def read_csv(data: bytes, format: CsvFormat) -> list[dict[str, Json]]:
    """Cells are text, as CSV knows nothing else. Raises NodeFailure INVALID_DATA."""
    try:
        text = data.decode("utf-8-sig" if format.encoding.lower() in ("utf-8", "utf8") else format.encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise invalid("CSV", str(error), "set `encoding`; windows-1252 is common for files from Excel") from None
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=format.delimiter, strict=True)
    try:
        return list(_named((row for row in rows if row), header=format.header, format="CSV"))
    except csv.Error as error:
        raise invalid("CSV", f"line {rows.line_num}: {error}") from None


def read_xlsx(data: bytes, format: XlsxFormat) -> list[dict[str, Json]]:
    """Cells have the values that Excel last computed. Raises NodeFailure INVALID_DATA."""
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > 8 * MAX_BYTES:
                raise invalid("XLSX", "unpacked it would be too large", "split it into smaller files")
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError) as error:
        raise invalid("XLSX", str(error)) from None
    try:
        if format.sheet is not None and format.sheet not in book.sheetnames:
            raise invalid("XLSX", f"there is no sheet {format.sheet!r}", f"it has {', '.join(book.sheetnames)}")
        sheet = book[format.sheet or book.sheetnames[0]]
        plain = Plain("XLSX")
        rows = ([plain.value(cell) for cell in row] for row in sheet.iter_rows(values_only=True))
        filled = (row for row in rows if any(cell is not None for cell in row))
        return list(_named(filled, header=format.header, format="XLSX"))
    finally:
        book.close()


def _named(rows: Iterator[list[Any]], *, header: bool, format: str) -> Iterator[dict[str, Json]]:
    """Rows by column name; cells that a short row lacks are null."""
    names: list[str] = []
    if header:
        names = _distinct([str(name) if name is not None else "" for name in next(rows, [])])
    for number, row in enumerate(rows, start=2 if header else 1):
        if number > MAX_ROWS:
            raise invalid(format, f"it has more than {MAX_ROWS:,} rows", "split it into smaller files")
        if not header and len(row) > len(names):
            names += [f"column_{position}" for position in range(len(names) + 1, len(row) + 1)]
        if len(row) > len(names) and any(cell not in (None, "") for cell in row[len(names) :]):
            raise invalid(
                format,
                f"row {number} has {len(row)} cells, but there are {len(names)} columns",
                "see whether `delimiter` is right and cells that contain it are quoted",
            )
        yield {name: row[position] if position < len(row) else None for position, name in enumerate(names)}


def _distinct(names: list[str]) -> list[str]:
    """Column names that can be told apart: `name`, `name_2`; `column_3` for an empty one."""
    seen: set[str] = set()
    distinct = []
    for position, name in enumerate(names, start=1):
        base = name.strip() or f"column_{position}"
        made, copy = base, 1
        while made in seen:
            copy += 1
            made = f"{base}_{copy}"
        seen.add(made)
        distinct.append(made)
    return distinct


def columns(records: Iterable[dict[str, Json]]) -> list[str]:
    """All names, in the order in which they first appear."""
    return list(dict.fromkeys(name for record in records for name in record))


def write_csv(records: list[dict[str, Json]], format: CsvFormat) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=format.delimiter)
    names = columns(records)
    if format.header:
        writer.writerow([_guarded(name, format) for name in names])
    for record in records:
        writer.writerow([_guarded(_cell(record.get(name)), format) for name in names])
    try:
        return text.getvalue().encode(format.encoding)
    except (UnicodeEncodeError, LookupError) as error:
        raise invalid("CSV", str(error), "set `encoding` to utf-8, which has every character") from None


def _guarded(cell: Any, format: CsvFormat) -> Any:
    is_formula = isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{cell}" if is_formula and format.escape_formulas else cell


def _cell(value: Json) -> Any:
    """What fits into one cell: nested values as JSON."""
    match value:
        case bool():
            return "true" if value else "false"
        case dict() | list():
            return json.dumps(value).decode()
        case _:
            return value


def write_xlsx(records: list[dict[str, Json]], format: XlsxFormat) -> bytes:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet(format.sheet or "Sheet1")
    names = columns(records)

    def cell(value: Any) -> Any:
        made = WriteOnlyCell(sheet, value)
        if isinstance(value, str):
            # Text stays text, also when it begins like a formula.
            made.data_type = "s"
        return made

    try:
        if format.header:
            sheet.append([cell(name) for name in names])
        for record in records:
            row = [record.get(name) for name in names]
            sheet.append([cell(json.dumps(each).decode() if isinstance(each, dict | list) else each) for each in row])
        data = io.BytesIO()
        book.save(data)
    except ValueError as error:
        raise invalid("XLSX", f"a cell can not be written: {error}", "remove control characters first") from None
    return data.getvalue()
