"""external_action.airtable: records of Airtable bases."""

from __future__ import annotations

from typing import Annotated, Literal

from workflow_engine.nodes.action.http.pages import Cursors
from workflow_engine.nodes.external_action.service import (
    Account,
    CallApi,
    CamelListing,
    CamelOperation,
    Field,
    Service,
    delete,
    get,
    kind,
    patch,
    post,
    slot,
)
from workflow_engine.nodes.spec import Json, Parameters

_OFFSET = Cursors(mode="cursor", parameter="offset", path="offset")
Cells = dict[str, Json]


@kind
class AirtableToken(Account):
    """A personal access token."""

    type = "airtable"
    title = "Airtable token"
    probed = ("external_action.airtable", {"operation": "user.me"})


class InTable(CamelOperation):
    base: str
    """The base, `app...`."""
    table: str
    """The table's id or name."""


class CreateRecords(InTable):
    """Adds records, up to ten."""

    operation: Literal["record.create"]
    records: list[Cells] = Field(min_length=1, max_length=10)
    """Each record's cells by field name."""
    typecast: bool | None = None
    """Let Airtable convert texts to what a field holds."""
    http = post("/{base}/{table}", records="records")

    def body(self) -> Json:
        return {**super().body(), "records": [{"fields": each} for each in self.records]}


class GetRecord(InTable):
    """One record."""

    operation: Literal["record.get"]
    record_id: str
    """The record, `rec...`."""
    http = get("/{base}/{table}/{record_id}")


class ListRecords(InTable, CamelListing):
    """Records of a table."""

    operation: Literal["record.list"]
    filter_by_formula: str | None = None
    """Only those for which this formula is true, e.g. `{Status} = "open"`."""
    view: str | None = None
    """As this view shows them."""
    field_names: list[str] | None = Field(default=None, serialization_alias="fields[]")
    """Only these fields."""
    http = get("/{base}/{table}", records="records", pages=_OFFSET, page_size=("pageSize", 100))


class UpdateRecord(InTable):
    """Changes some cells of a record."""

    operation: Literal["record.update"]
    record_id: str
    """The record, `rec...`."""
    cells: Cells = Field(serialization_alias="fields")
    """The new values by field name."""
    typecast: bool | None = None
    """Let Airtable convert texts to what a field holds."""
    http = patch("/{base}/{table}/{record_id}")


class UpsertRecords(InTable):
    """Changes the records that have the same values in `merge_on`, and adds those that are missing."""

    operation: Literal["record.upsert"]
    records: list[Cells] = Field(min_length=1, max_length=10)
    """Each record's cells by field name."""
    merge_on: list[str] = Field(min_length=1, max_length=3)
    """Names of the fields that tell records apart."""
    typecast: bool | None = None
    """Let Airtable convert texts to what a field holds."""
    http = patch("/{base}/{table}", records="records")

    def body(self) -> Json:
        typecast = {} if self.typecast is None else {"typecast": self.typecast}
        return {
            "performUpsert": {"fieldsToMergeOn": self.merge_on},
            "records": [{"fields": each} for each in self.records],
            **typecast,
        }


class DeleteRecord(InTable):
    """Deletes a record."""

    operation: Literal["record.delete"]
    record_id: str
    """The record, `rec...`."""
    http = delete("/{base}/{table}/{record_id}")


class ListTables(CamelOperation):
    """The tables of a base and their fields."""

    operation: Literal["table.list"]
    base: str
    """The base, `app...`."""
    http = get("/meta/bases/{base}/tables", records="tables")


class ListBases(CamelListing):
    """The bases that the token may see."""

    operation: Literal["base.list"]
    http = get("/meta/bases", records="bases", pages=_OFFSET)


class GetMe(CamelOperation):
    """Whose token it is."""

    operation: Literal["user.me"]
    http = get("/meta/whoami")


class AirtableParameters(Parameters):
    """What to do."""

    action: Annotated[
        CreateRecords
        | GetRecord
        | ListRecords
        | UpdateRecord
        | UpsertRecords
        | DeleteRecord
        | ListTables
        | ListBases
        | GetMe
        | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class Airtable(Service[AirtableParameters]):
    """Reads and writes records. An upsert may be repeated after a crash; `record.create` is not."""

    type = "external_action.airtable"
    summary = "Records of Airtable bases."
    base_url = "https://api.airtable.com/v0"
    documentation_url = "https://airtable.com/developers/web/api/introduction"
    credentials = slot("airtable", "oauth2")
    example = {
        "action": {
            "operation": "record.upsert",
            "base": "appShop",
            "table": "Orders",
            "merge_on": ["Number"],
            "records": [{"Number": "{{ json.number }}", "Total": "{{ json.total }}"}],
        }
    }
