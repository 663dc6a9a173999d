"""HubSpot and Supabase, each against a server that answers in its words."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest

from tests.nodes.external_action.rig import Case, Reply, check, stage
from tests.nodes.harness import failure, problems, records

HUBSPOT = {"type": "hubspot", "token": "pat-1"}
SUPABASE = {"type": "supabase", "token": "service-key"}
DONE = Reply(status=204)
by_id: dict[str, Any] = {"ids": lambda case: case.id}
ADA = {"id": "1", "properties": {"email": "ada@example.com"}}


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {"operation": "record.create", "object": "deals", "properties": {"dealname": "Big", "amount": 5}},
            "POST /crm/v3/objects/deals",
            {"properties": {"dealname": "Big", "amount": 5}},
            ADA,
        ),
        Case(
            {"operation": "record.upsert", "id": "ada@example.com", "properties": {"firstname": "Ada"}},
            "POST /crm/v3/objects/contacts/batch/upsert",
            {"inputs": [{"idProperty": "email", "id": "ada@example.com", "properties": {"firstname": "Ada"}}]},
            {"status": "COMPLETE", "results": [ADA]},
            gives=[ADA],
        ),
        Case(
            {
                "operation": "record.get",
                "record_id": "ada@example.com",
                "id_property": "email",
                "properties": ["email", "phone"],
            },
            "GET /crm/v3/objects/contacts/ada@example.com?idProperty=email&properties=email,phone",
            answers=ADA,
        ),
        Case(
            {"operation": "record.list", "object": "companies", "limit": 101},
            "GET /crm/v3/objects/companies?limit=100",
            answers=[
                Reply({"results": [ADA], "paging": {"next": {"after": "9"}}}),
                Reply({"results": [{"id": "2"}]}),
            ],
            then=["GET /crm/v3/objects/companies?limit=100&after=9"],
            gives=[ADA, {"id": "2"}],
        ),
        Case(
            {
                "operation": "record.search",
                "filters": [{"property": "email", "value": "ada@example.com"}],
                "sorts": ["-createdate"],
                "limit": 1,
            },
            "POST /crm/v3/objects/contacts/search",
            {
                "filterGroups": [{"filters": [{"property": "email", "operator": "EQ", "value": "ada@example.com"}]}],
                "sorts": [{"propertyName": "createdate", "direction": "DESCENDING"}],
                "limit": 1,
            },
            {"total": 1, "results": [ADA]},
            gives=[ADA],
        ),
        Case(
            {"operation": "record.update", "record_id": "1", "properties": {"phone": None}},
            "PATCH /crm/v3/objects/contacts/1",
            {"properties": {"phone": None}},
            ADA,
        ),
        Case(
            {"operation": "record.delete", "record_id": "1"},
            "DELETE /crm/v3/objects/contacts/1",
            answers=DONE,
            gives=[{"done": True}],
        ),
        Case(
            {
                "operation": "association.create",
                "from_object": "contacts",
                "from_id": "1",
                "to_object": "deals",
                "to_id": "2",
            },
            "PUT /crm/v4/objects/contacts/1/associations/default/deals/2",
            answers={"status": "COMPLETE"},
        ),
        Case({"operation": "owner.list"}, "GET /crm/v3/owners?limit=100", answers={"results": []}, gives=[]),
        Case(
            {"operation": "property.list", "object": "deals"},
            "GET /crm/v3/properties/deals",
            answers={"results": [{"name": "amount"}]},
            gives=[{"name": "amount"}],
        ),
        Case({"operation": "pipeline.list"}, "GET /crm/v3/pipelines/deals", answers={"results": []}, gives=[]),
        Case({"operation": "account.get"}, "GET /account-info/v3/details", answers={"portalId": 7}),
    ],
    **by_id,
)
async def test_hubspot(tmp_path: Path, case: Case) -> None:
    await check(tmp_path, "external_action.hubspot", HUBSPOT, case, {"Authorization": "Bearer pat-1"})


async def test_hubspot_says_which_property_is_wrong(tmp_path: Path) -> None:
    body = {
        "status": "error",
        "message": "Property values were not valid: email is no address",
        "category": "VALIDATION_ERROR",
    }
    async with stage(tmp_path, HUBSPOT, Reply(body, 400)) as there:
        action = {"operation": "record.create", "properties": {"email": "x"}}
        failed = failure(await there.run("external_action.hubspot", action))
        assert failed.message == "HubSpot answered 400: Property values were not valid: email is no address"
        assert not failed.retryable


KEYS = {"apikey": "service-key", "Authorization": "Bearer service-key"}


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {
                "operation": "row.list",
                "table": "orders",
                "select": "id,total",
                "filters": [{"column": "total", "operator": "gte", "value": 5}],
                "order": "id.desc",
                "limit": 2,
            },
            "GET /rest/v1/orders?select=id,total&order=id.desc&total=gte.5&limit=2&offset=0",
            answers=[{"id": 2}, {"id": 1}],
        ),
        Case(
            {"operation": "row.insert", "table": "orders", "rows": [{"id": 1}]},
            "POST /rest/v1/orders",
            [{"id": 1}],
            [{"id": 1, "total": None}],
        ),
        Case(
            {"operation": "row.upsert", "table": "orders", "rows": [{"id": 1}], "on_conflict": "id"},
            "POST /rest/v1/orders?on_conflict=id",
            [{"id": 1}],
            [{"id": 1}],
        ),
        Case(
            {
                "operation": "row.update",
                "table": "orders",
                "filters": [{"column": "id", "value": "7"}],
                "values": {"total": 5},
            },
            "PATCH /rest/v1/orders?id=eq.7",
            {"total": 5},
            [{"id": 7}],
        ),
        Case(
            {"operation": "row.delete", "table": "orders", "filters": [{"column": "id", "operator": "is"}]},
            "DELETE /rest/v1/orders?id=is.null",
            answers=[],
            gives=[],
        ),
        Case(
            {"operation": "function.call", "function": "total_of", "arguments": {"customer": 7}},
            "POST /rest/v1/rpc/total_of",
            {"customer": 7},
            {"total": 9},
        ),
    ],
    **by_id,
)
async def test_supabase(tmp_path: Path, case: Case) -> None:
    await check(tmp_path, "external_action.supabase", SUPABASE, case, KEYS)


async def test_supabase_gives_page_after_page(tmp_path: Path) -> None:
    full = [{"id": number} for number in range(1000)]
    async with stage(tmp_path, SUPABASE, Reply(full), Reply([{"id": 1000}])) as there:
        event = await there.run("external_action.supabase", {"operation": "row.list", "table": "t", "limit": 5000})
        assert len(records(event)) == 1001
        assert there.asked == ["GET /rest/v1/t?limit=1000&offset=0", "GET /rest/v1/t?limit=1000&offset=1000"]


@pytest.mark.parametrize(
    ("filters", "match", "asked"),
    [
        ([{"column": "id", "value": "neq.0"}], "all", {"id": "eq.neq.0"}),
        ([{"column": "id", "operator": "in", "value": ["a,b", 'c"d', 3]}], "all", {"id": 'in.("a,b","c\\"d","3")'}),
        (
            [{"column": "a", "value": "x),id.gt.0"}, {"column": "b", "operator": "gt", "negate": True, "value": 1}],
            "any",
            {"or": '(a.eq."x),id.gt.0",b.not.gt."1")'},
        ),
    ],
)
async def test_a_value_can_not_become_a_condition(
    tmp_path: Path, filters: list[dict[str, Any]], match: str, asked: dict[str, str]
) -> None:
    async with stage(tmp_path, SUPABASE, Reply([])) as there:
        action = {"operation": "row.delete", "table": "t", "filters": filters, "match": match}
        assert records(await there.run("external_action.supabase", action)) == []
        (seen,) = there.there.seen
        assert dict(parse_qsl(unquote(seen.raw_path).partition("?")[2])) == asked or dict(seen.query) == asked
        assert seen.headers["Prefer"] == "return=representation"


def test_no_slip_reaches_every_row() -> None:
    for operation in ("row.delete", "row.update"):
        action = {"operation": operation, "table": "t", "filters": []} | (
            {"values": {}} if operation == "row.update" else {}
        )
        (said,) = problems("external_action.supabase", {"action": action})
        assert said.startswith("parameters.action.filters")


async def test_a_schema_of_its_own_is_named_in_headers(tmp_path: Path) -> None:
    async with stage(tmp_path, SUPABASE, Reply([])) as there:
        await there.run("external_action.supabase", {"operation": "row.list", "table": "t", "schema": "shop"})
        assert there.there.seen[0].headers["Accept-Profile"] == "shop"
