"""external_action.supabase: rows of a Supabase database, over its REST interface (PostgREST)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from workflow_engine.nodes.action.http.auth import Signature
from workflow_engine.nodes.action.http.pages import Offsets
from workflow_engine.nodes.external_action.service import (
    Account,
    CallApi,
    Field,
    Listing,
    Operation,
    Service,
    delete,
    get,
    kind,
    patch,
    post,
    slot,
)
from workflow_engine.nodes.spec import Effect, Json, Parameters
from workflow_engine.utils import json

_NAME = r"^[A-Za-z_][A-Za-z0-9_$]*$"
_PAGE = 1000
"""The most rows that Supabase gives at once, unless its settings say otherwise."""


@kind
class SupabaseKey(Account):
    """A project of Supabase, or any PostgREST behind the same paths, and a key for it."""

    type = "supabase"
    title = "Supabase project"
    base_url: str = Field(pattern=r"^https?://[^\s?#]+$", max_length=2000)
    """The project's URL, e.g. `https://abcd.supabase.co`."""
    probed = ("external_action.supabase", {"operation": "api.call", "path": "/rest/v1/"})


class Filter(Parameters):
    """One comparison."""

    column: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_$>-]*$", max_length=200)
    """The column; `data->>name` looks into JSON."""
    operator: Literal["eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "is", "in", "cs", "cd"] = "eq"
    """How to compare: `is` with null, true or false, `in` with a list, `like` with `*` as wildcard, `cs` contains."""
    negate: bool = False
    """It must not hold."""
    value: Json = None
    """What with."""

    def written(self) -> str:
        """As PostgREST takes it. A value can not become an operator: it stands behind one."""
        if self.operator == "in":
            values = self.value if isinstance(self.value, list) else [self.value]
            said = "(" + ",".join(_quoted(each) for each in values) + ")"
        elif self.operator in ("cs", "cd") and isinstance(self.value, list):
            said = "{" + ",".join(_quoted(each) for each in self.value) + "}"
        else:
            said = _plain(self.value)
        return f"{'not.' if self.negate else ''}{self.operator}.{said}"

    def within(self) -> str:
        """The same as a part of `or=(...)`, where commas and brackets mean something."""
        if self.operator in ("in", "cs", "cd", "is"):
            return f"{self.column}.{self.written()}"
        return f"{self.column}.{'not.' if self.negate else ''}{self.operator}.{_quoted(self.value)}"


def _plain(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value).decode()


def _quoted(value: Json) -> str:
    return '"' + _plain(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


class OnTable(Operation):
    table: str = Field(pattern=_NAME, max_length=200)
    """The table or view."""
    schema_: str | None = Field(default=None, alias="schema", pattern=_NAME)
    """Its schema; the project's usual one when left out."""
    apart = frozenset({"operation", "schema_", "filters", "match"})

    def headers(self) -> dict[str, str]:
        named = {"Accept-Profile": self.schema_, "Content-Profile": self.schema_} if self.schema_ else {}
        return {**named, "Prefer": "return=representation"}


class Some(OnTable):
    """Rows that fit."""

    filters: list[Filter] = Field(min_length=1, max_length=100)
    """Which rows. At least one, so that no slip reaches all of them."""
    match: Literal["all", "any"] = "all"
    """Whether all filters have to hold, or any one."""

    def query(self) -> dict[str, Json]:
        return {**super().query(), **_where(self.filters, self.match)}


def _where(filters: list[Filter], match: str) -> dict[str, Json]:
    if match == "any" and len(filters) > 1:
        return {"or": "(" + ",".join(each.within() for each in filters) + ")"}
    columns: dict[str, Json] = {}
    for each in filters:
        before = columns.get(each.column)
        columns[each.column] = [*before, each.written()] if isinstance(before, list) else [each.written()]
    return columns


class ListRows(OnTable, Listing):
    """Rows, page after page."""

    operation: Literal["row.list"]
    select: str | None = None
    """Columns, and rows of other tables, e.g. `id,total,customer(name)`; all columns when left out."""
    filters: list[Filter] = Field(default=[], max_length=100)
    """Which rows; all of them when empty."""
    match: Literal["all", "any"] = "all"
    """Whether all filters have to hold, or any one."""
    order: str | None = None
    """E.g. `created_at.desc,id`."""
    http = get(
        "/rest/v1/{table}",
        pages=Offsets(mode="offset", parameter="offset", limit_parameter="limit", limit=_PAGE),
        page_size=("limit", _PAGE),
    )
    apart = frozenset({"operation", "limit", "schema_", "filters", "match"})

    def query(self) -> dict[str, Json]:
        return {**super().query(), **_where(self.filters, self.match)}


class InsertRows(OnTable):
    """Adds rows, and gives them."""

    operation: Literal["row.insert"]
    rows: list[dict[str, Json]] = Field(min_length=1, max_length=10_000)
    """Rows, each with its values by column."""
    http = post("/rest/v1/{table}")

    def body(self) -> Json:
        return list(self.rows)


class UpsertRows(InsertRows):
    """Adds rows, or changes those that are there already."""

    operation: Literal["row.upsert"]  # type: ignore[assignment]
    on_conflict: str | None = None
    """Columns that tell rows apart, e.g. `email`; the primary key when left out."""
    http = post("/rest/v1/{table}", query=["on_conflict"], effect=Effect.IDEMPOTENT)

    def headers(self) -> dict[str, str]:
        return {**super().headers(), "Prefer": "return=representation,resolution=merge-duplicates"}


class UpdateRows(Some):
    """Changes the rows that fit, and gives them."""

    operation: Literal["row.update"]
    values: dict[str, Json]
    """New values by column; others stay."""
    http = patch("/rest/v1/{table}")

    def body(self) -> Json:
        return dict(self.values)


class DeleteRows(Some):
    """Deletes the rows that fit, and gives what they were."""

    operation: Literal["row.delete"]
    http = delete("/rest/v1/{table}")


class CallFunction(Operation):
    """Calls a function of the database."""

    operation: Literal["function.call"]
    function: str = Field(pattern=_NAME, max_length=200)
    """The function."""
    arguments: dict[str, Json] = {}
    """Its arguments by name."""
    http = post("/rest/v1/rpc/{function}")

    def body(self) -> Json:
        return dict(self.arguments)


class SupabaseParameters(Parameters):
    """What to do."""

    action: Annotated[
        ListRows | InsertRows | UpsertRows | UpdateRows | DeleteRows | CallFunction | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class Supabase(Service[SupabaseParameters]):
    """Reads and writes rows of a Supabase project, or of any PostgREST, under the rights that its key has.

    Inserting and calling a function are not repeated after a crash; an upsert may be. For SQL of your own, use
    action.postgres with the project's database.
    """

    type = "external_action.supabase"
    summary = "Rows of a Supabase project."
    base_url = ""
    documentation_url = "https://supabase.com/docs/guides/api"
    credentials = slot("supabase")
    example = {
        "action": {
            "operation": "row.list",
            "table": "orders",
            "filters": [{"column": "customer_id", "value": "{{ json.customer }}"}],
            "order": "created_at.desc",
        }
    }

    def signature(self, secret: dict[str, Any]) -> Signature:
        token = secret.get("token", "")
        return Signature({"apikey": token, "Authorization": f"Bearer {token}"})
