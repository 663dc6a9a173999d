"""external_action.google_sheets: rows of a spreadsheet."""

from __future__ import annotations

from typing import Annotated, Literal

from workflow_engine.engine.items import Item, Items
from workflow_engine.nodes.action.http.answer import Answer
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
from workflow_engine.nodes.spec import Effect, Json, Parameters


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
        ReadRows | AppendRows | UpdateRows | ClearRows | GetSpreadsheet | CreateSpreadsheet | AddSheet | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class GoogleSheets(Service[GoogleSheetsParameters]):
    """Reads and writes rows of Google spreadsheets that the credential was granted access to.

    Appending is not repeated after a crash, because a second time would add the rows again.
    """

    type = "external_action.google_sheets"
    name = "Google Sheets"
    summary = "Rows of a spreadsheet."
    base_url = "https://sheets.googleapis.com/v4"
    documentation_url = "https://developers.google.com/workspace/sheets/api/reference/rest"
    credentials = slot("oauth2")
    example = {
        "action": {
            "operation": "row.append",
            "spreadsheet_id": "1AbC",
            "range": "Orders!A:C",
            "rows": [["{{ json.id }}", "{{ json.total }}"]],
        }
    }
