"""external_action.google_sheets: rows of a spreadsheet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from workflow_engine.engine.items import Item, Items
from workflow_engine.nodes.action.http.answer import Answer
from workflow_engine.nodes.action.http.pages import Step
from workflow_engine.nodes.external_action.service import (
    CallApi,
    CamelOperation,
    Field,
    Service,
    get,
    post,
    put,
    slot,
)
from workflow_engine.nodes.spec import Call, Effect, Emit, Json, NodeFailure, Parameters, Result


class InSpreadsheet(CamelOperation):
    spreadsheet_id: str
    """From its address: `docs.google.com/spreadsheets/d/<this>/edit`."""


class InRange(InSpreadsheet):
    range: str = "A:ZZ"
    """Cells in A1 notation, e.g. `Orders!A:F`."""


class ReadRows(InRange):
    """Rows of a range, each as an item."""

    operation: Literal["row.read"]
    header: bool = True
    """The first row names the columns; otherwise an item has a list under `values`."""
    value_render_option: Literal["FORMATTED_VALUE", "UNFORMATTED_VALUE", "FORMULA"] = "UNFORMATTED_VALUE"
    """Values as they are shown, as they are, or as they are computed."""
    http = get("/spreadsheets/{spreadsheet_id}/values/{range}")
    apart = frozenset({"operation", "header"})

    def result(self, answer: Answer) -> Items:
        rows = (answer.body or {}).get("values") or []
        if not self.header:
            return [Item({"values": row}) for row in rows]
        names = [str(name) for name in rows[0]] if rows else []
        return [Item(dict(zip(names, [*row, *[None] * (len(names) - len(row))], strict=False))) for row in rows[1:]]


class WriteRows(InRange):
    rows: list[list[Json]] = Field(min_length=1)
    """Rows, each a list of cells."""
    value_input_option: Literal["RAW", "USER_ENTERED"] = "USER_ENTERED"
    """Take values as they are, or as if a person typed them (dates, formulas)."""

    def body(self) -> Json:
        return {"values": self.rows}


class AppendRows(WriteRows):
    """Adds rows below those that are there."""

    operation: Literal["row.append"]
    http = post("/spreadsheets/{spreadsheet_id}/values/{range}:append", query=["value_input_option"])


class UpdateRows(WriteRows):
    """Writes over a range."""

    operation: Literal["row.update"]
    http = put("/spreadsheets/{spreadsheet_id}/values/{range}", query=["value_input_option"])


class ClearRows(InRange):
    """Empties a range."""

    operation: Literal["row.clear"]
    http = post("/spreadsheets/{spreadsheet_id}/values/{range}:clear", effect=Effect.IDEMPOTENT)


class OnRecords(InSpreadsheet):
    sheet: str = ""
    """The sheet's name; the first one when empty. Its first row names the columns."""

    def cells(self, range: str) -> str:
        """Cells of the sheet in A1 notation."""
        quoted = self.sheet.replace("'", "''")
        return f"'{quoted}'!{range}" if self.sheet else range


class FindRecords(OnRecords):
    """Rows whose columns hold given values, each as an item, with its `row_number`."""

    operation: Literal["record.find"]
    match: dict[str, Json] = {}
    """Values by column; all have to be equal. All rows when empty."""
    limit: int = Field(default=1_000, ge=1, le=100_000)
    """Most rows to give."""
    http = get("")


class WriteRecord(OnRecords):
    record: dict[str, Json]
    """Values by the name of their column; `{{ json }}` for the whole item."""
    extra: Literal["add", "ignore", "fail"] = "add"
    """What becomes of values whose column the sheet does not have: a new column, nothing, or a failure."""
    value_input_option: Literal["RAW", "USER_ENTERED"] = "USER_ENTERED"
    """Take values as they are, or as if a person typed them (dates, formulas)."""


class AppendRecord(WriteRecord):
    """Adds a row, each value under the column of its name."""

    operation: Literal["record.append"]
    http = post("")


class UpdateRecord(WriteRecord):
    """Changes the first row whose `match_on` columns hold what the record says; fails when there is none."""

    operation: Literal["record.update"]
    match_on: list[str] = Field(min_length=1, max_length=20)
    """The columns that say which row it is."""
    http = put("")


class UpsertRecord(WriteRecord):
    """The same, but adds a row when there is none."""

    operation: Literal["record.upsert"]
    match_on: list[str] = Field(min_length=1, max_length=20)
    """The columns that say which row it is."""
    http = put("")


class GetSpreadsheet(InSpreadsheet):
    """What a spreadsheet is: its title and sheets."""

    operation: Literal["spreadsheet.get"]
    http = get("/spreadsheets/{spreadsheet_id}")


class CreateSpreadsheet(CamelOperation):
    """Makes a spreadsheet."""

    operation: Literal["spreadsheet.create"]
    title: str
    """Its title."""
    sheets: list[str] = Field(default=["Sheet1"], min_length=1)
    """Names of its sheets."""
    http = post("/spreadsheets")

    def body(self) -> Json:
        sheets = [{"properties": {"title": name}} for name in self.sheets]
        return {"properties": {"title": self.title}, "sheets": sheets}


class AddSheet(InSpreadsheet):
    """Adds a sheet."""

    operation: Literal["sheet.add"]
    title: str
    """Its name."""
    http = post("/spreadsheets/{spreadsheet_id}:batchUpdate")

    def body(self) -> Json:
        return {"requests": [{"addSheet": {"properties": {"title": self.title}}}]}


class GoogleSheetsParameters(Parameters):
    """What to do."""

    action: Annotated[
        FindRecords
        | AppendRecord
        | UpdateRecord
        | UpsertRecord
        | ReadRows
        | AppendRows
        | UpdateRows
        | ClearRows
        | GetSpreadsheet
        | CreateSpreadsheet
        | AddSheet
        | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class GoogleSheets(Service[GoogleSheetsParameters]):
    """Reads and writes rows of Google spreadsheets that the credential was granted access to.

    Operations on records know the columns by the names in the sheet's first row; those on rows take cells as they
    stand. Writing a record gives it with its `row_number`. Appending is not repeated after a crash, because a second
    time would add the rows again.
    """

    type = "external_action.google_sheets"
    name = "Google Sheets"
    summary = "Rows of a spreadsheet."
    base_url = "https://sheets.googleapis.com/v4"
    documentation_url = "https://developers.google.com/workspace/sheets/api/reference/rest"
    credentials = slot("oauth2")
    example = {
        "action": {
            "operation": "record.append",
            "spreadsheet_id": "1AbC",
            "sheet": "Orders",
            "record": {"Number": "{{ json.id }}", "Total": "{{ json.total }}"},
        }
    }

    async def run(self, call: Call[GoogleSheetsParameters]) -> Result:
        match call.parameters.action:
            case FindRecords() as find:
                return Emit({"main": await self._found(call, find)})
            case WriteRecord() as write:
                return Emit({"main": [Item(await self._written(call, write))]})
            case _:
                return await super().run(call)

    async def _found(self, call: Call[GoogleSheetsParameters], find: FindRecords) -> Items:
        header, *rows = await self._rows(call, find, "A:ZZZ") or [[]]
        found: Items = []
        for number, row in enumerate(rows, 2):
            record = dict(zip(map(str, header), [*row, *[""] * (len(header) - len(row))], strict=False))
            if _fits(record, find.match):
                found.append(Item({"row_number": number, **record}))
        return found[: find.limit]

    async def _written(self, call: Call[GoogleSheetsParameters], write: WriteRecord) -> dict[str, Json]:
        wanted = [] if isinstance(write, AppendRecord) else write.match_on  # type: ignore[attr-defined]
        if missing := [name for name in wanted if name not in write.record]:
            raise NodeFailure("INVALID_PARAMETER", f"the record has no {missing[0]!r}", field="action.match_on")
        header, *rows = await self._rows(call, write, "A:ZZZ" if wanted else "1:1") or [[]]
        names = await self._columns(call, write, [str(name) for name in header])
        row, number = [write.record.get(name) for name in names], 0
        if wanted:
            asked = {name: write.record[name] for name in wanted}
            for position, cells in enumerate(rows, 2):
                old = dict(zip(names, cells, strict=False))
                if _fits(old, asked):
                    # null leaves a cell as it is.
                    return await self._put(call, write, position, row)
            if isinstance(write, UpdateRecord):
                raise NodeFailure(
                    "NOT_FOUND",
                    f"no row has {', '.join(f'{name} = {value}' for name, value in asked.items())}",
                    field="action.match_on",
                    hint="record.upsert adds a row when there is none",
                )
        append = AppendRows(
            operation="row.append",
            spreadsheet_id=write.spreadsheet_id,
            range=write.cells("A1"),
            rows=[row],
            value_input_option=write.value_input_option,
        )
        answer = await self.sent(call, append, Step())
        place = str(((answer.body or {}).get("updates") or {}).get("updatedRange", ""))
        number = int(found[1]) if (found := _ROW.search(place)) else 0
        return {"row_number": number, **write.record}

    async def _rows(self, call: Call[GoogleSheetsParameters], on: OnRecords, range: str) -> list[list[Json]]:
        read = ReadRows(operation="row.read", spreadsheet_id=on.spreadsheet_id, range=on.cells(range))
        answer = await self.sent(call, read, Step())
        return (answer.body or {}).get("values") or []

    async def _columns(self, call: Call[GoogleSheetsParameters], write: WriteRecord, header: list[str]) -> list[str]:
        """The names of the columns, with those that the record brings."""
        extra = [name for name in write.record if name not in header]
        if not extra or write.extra == "ignore":
            return header
        if write.extra == "fail":
            raise NodeFailure(
                "INVALID_PARAMETER",
                f"the sheet has no column {extra[0]!r}; it has {', '.join(header) or 'none'}",
                field="action.record",
                hint="correct the name, or set `extra` to add or ignore",
            )
        await self._put(call, write, 1, [*header, *extra])
        return [*header, *extra]

    async def _put(
        self, call: Call[GoogleSheetsParameters], write: WriteRecord, number: int, row: Sequence[Json]
    ) -> dict[str, Json]:
        put = UpdateRows(
            operation="row.update",
            spreadsheet_id=write.spreadsheet_id,
            range=write.cells(f"A{number}"),
            rows=[list(row)],
            value_input_option=write.value_input_option,
        )
        await self.sent(call, put, Step())
        return {"row_number": number, **write.record}


_ROW = re.compile(r"![A-Z]+(\d+)")


def _fits(record: dict[str, Json], wanted: dict[str, Json]) -> bool:
    """Whether a row holds the values; a cell is compared as it is written, because people type numbers as text."""
    return all(_cell(record.get(name)) == _cell(value) for name, value in wanted.items())


def _cell(value: Json) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
