"""external_action.hubspot: contacts, companies, deals and tickets of HubSpot."""

from __future__ import annotations

from typing import Annotated, Any, Literal

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
    put,
    slot,
)
from workflow_engine.nodes.spec import Effect, Json, Parameters

_PAGES: dict[str, Any] = {
    "records": "results",
    "pages": Cursors(mode="cursor", parameter="after", path="paging.next.after"),
}
Properties = dict[str, str | int | float | bool | None]


@kind
class HubSpotToken(Account):
    """The access token of a private app of HubSpot."""

    type = "hubspot"
    title = "HubSpot token"
    probed = ("external_action.hubspot", {"operation": "account.get"})


class OnObjects(CamelOperation):
    object: str = Field(default="contacts", pattern=r"^[A-Za-z0-9_-]+$", max_length=100)
    """Of which kind: `contacts`, `companies`, `deals`, `tickets`, `notes`, `tasks`, `products` or one of your own."""


class OnRecord(OnObjects):
    record_id: str
    """The record; its id, or with `id_property` what that property holds."""
    id_property: str | None = None
    """Find it by this property instead of its id, e.g. `email`."""


class CreateRecord(OnObjects):
    """Makes a record."""

    operation: Literal["record.create"]
    properties: Properties
    """Values by HubSpot's own names, e.g. `email`, `firstname`, `dealname`, `dealstage`."""
    associations: list[dict[str, Json]] | None = None
    """What it belongs to, in HubSpot's own form."""
    http = post("/crm/v3/objects/{object}")


class UpsertRecord(OnObjects):
    """Changes the record that a property identifies, or makes it when there is none."""

    operation: Literal["record.upsert"]
    id_property: str = "email"
    """The property that tells records apart; its values have to be unique."""
    id: str
    """What it holds."""
    properties: Properties
    """Values by HubSpot's own names."""
    http = post("/crm/v3/objects/{object}/batch/upsert", effect=Effect.IDEMPOTENT, records="results")

    def body(self) -> Json:
        return {"inputs": [{"idProperty": self.id_property, "id": self.id, "properties": dict(self.properties)}]}


class GetRecord(OnRecord):
    """One record."""

    operation: Literal["record.get"]
    properties: list[str] | None = None
    """Which properties to give; HubSpot's own choice when left out."""
    http = get("/crm/v3/objects/{object}/{record_id}")

    def query(self) -> dict[str, Json]:
        return _joined(super().query())


class ListRecords(OnObjects, CamelListing):
    """Records, in the order in which they were made."""

    operation: Literal["record.list"]
    properties: list[str] | None = None
    """Which properties to give; HubSpot's own choice when left out."""
    http = get("/crm/v3/objects/{object}", page_size=("limit", 100), **_PAGES)

    def query(self) -> dict[str, Json]:
        return _joined(super().query())


class Filter(Parameters):
    """One comparison."""

    property: str
    """The property, e.g. `email`."""
    operator: Literal[
        "EQ", "NEQ", "LT", "LTE", "GT", "GTE", "BETWEEN", "IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY",
        "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"
    ] = "EQ"  # fmt: skip
    """How to compare."""
    value: str | int | float | bool | None = None
    """What with; for times, milliseconds since 1970."""
    values: list[str] | None = None
    """For `IN` and `NOT_IN`."""


class SearchRecords(OnObjects, CamelListing):
    """Records that fit, at most 10,000."""

    operation: Literal["record.search"]
    filters: list[Filter] = Field(default=[], max_length=18)
    """All of them have to hold."""
    words: str | None = Field(default=None, serialization_alias="query")
    """Words to look for in the usual properties."""
    properties: list[str] | None = None
    """Which properties to give; HubSpot's own choice when left out."""
    sorts: list[str] | None = None
    """Properties to sort by; a minus in front for descending order."""
    http = post("/crm/v3/objects/{object}/search", effect=Effect.IDEMPOTENT, page_size=("limit", 100), **_PAGES)

    def body(self) -> Json:
        body = {name: value for name, value in self.fields().items() if name not in ("filters", "sorts")}
        if self.filters:
            body["filterGroups"] = [{"filters": [each.model_dump(exclude_none=True) for each in self.filters]}]
        if self.sorts:
            body["sorts"] = [
                {"propertyName": each.removeprefix("-"), "direction": "DESCENDING" if each[:1] == "-" else "ASCENDING"}
                for each in self.sorts
            ]
        return body


class UpdateRecord(OnRecord):
    """Changes properties of a record."""

    operation: Literal["record.update"]
    properties: Properties
    """Values by HubSpot's own names; others stay."""
    http = patch("/crm/v3/objects/{object}/{record_id}", query=["id_property"])


class DeleteRecord(OnObjects):
    """Archives a record."""

    operation: Literal["record.delete"]
    record_id: str
    """The record."""
    http = delete("/crm/v3/objects/{object}/{record_id}")


class Associate(CamelOperation):
    """Says that two records belong together."""

    operation: Literal["association.create"]
    from_object: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    """Kind of the one."""
    from_id: str
    """Its id."""
    to_object: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    """Kind of the other."""
    to_id: str
    """Its id."""
    http = put("/crm/v4/objects/{from_object}/{from_id}/associations/default/{to_object}/{to_id}")

    def body(self) -> Json:
        return None


class ListOwners(CamelListing):
    """People who can own records."""

    operation: Literal["owner.list"]
    email: str | None = None
    """Only the one with this address."""
    http = get("/crm/v3/owners", page_size=("limit", 100), **_PAGES)


class ListProperties(OnObjects):
    """Which properties a kind of record has."""

    operation: Literal["property.list"]
    http = get("/crm/v3/properties/{object}", records="results")


class ListPipelines(OnObjects):
    """Pipelines and their stages, of deals or tickets."""

    operation: Literal["pipeline.list"]
    object: str = Field(default="deals", pattern=r"^[A-Za-z0-9_-]+$", max_length=100)
    """`deals` or `tickets`."""
    http = get("/crm/v3/pipelines/{object}", records="results")


class GetAccount(CamelOperation):
    """Which account it is."""

    operation: Literal["account.get"]
    http = get("/account-info/v3/details")


def _joined(query: dict[str, Json]) -> dict[str, Json]:
    """Lists as HubSpot takes them in a query."""
    return {name: ",".join(map(str, value)) if isinstance(value, list) else value for name, value in query.items()}


class HubSpotParameters(Parameters):
    """What to do."""

    action: Annotated[
        CreateRecord
        | UpsertRecord
        | GetRecord
        | ListRecords
        | SearchRecords
        | UpdateRecord
        | DeleteRecord
        | Associate
        | ListOwners
        | ListProperties
        | ListPipelines
        | GetAccount
        | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class HubSpot(Service[HubSpotParameters]):
    """Works with contacts, companies, deals, tickets and every other kind of record of HubSpot's CRM.

    A record is `{"id", "properties", "createdAt", "updatedAt"}`. Making a record is not repeated after a crash;
    `record.upsert` may be, because it finds what it made.
    """

    type = "external_action.hubspot"
    name = "HubSpot"
    summary = "Contacts, companies, deals and tickets of HubSpot."
    base_url = "https://api.hubapi.com"
    documentation_url = "https://developers.hubspot.com/docs/api-reference/overview"
    credentials = slot("hubspot", "oauth2")
    example = {
        "action": {
            "operation": "record.upsert",
            "id": "{{ json.email }}",
            "properties": {"firstname": "{{ json.name }}", "lifecyclestage": "lead"},
        }
    }
