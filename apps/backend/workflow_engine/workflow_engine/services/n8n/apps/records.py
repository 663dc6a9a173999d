"""n8n's nodes for tables, records and customers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from workflow_engine.services.n8n.apps.shared import match_on, most, service
from workflow_engine.services.n8n.reading import (
    Extra,
    Made,
    Parameters,
    Taken,
    Translated,
    Untranslatable,
    named,
    plain,
)


def _airtable(taken: Taken, resource: str, operation: str) -> Parameters:
    for group in ("options", "additionalOptions"):
        taken.skip(*(f"{group}.{name}" for name in taken.given.get(group) or {}))
    taken.skip(
        "additionalOptions", "columns", "fields", "addAllFields", "updateAllFields", "updateFields", "triggerField"
    )
    taken.skip("id", "baseId")
    base = taken.value("base") or taken.value("application") or taken.value("baseId")
    where = {"base": _airtable_id(base), "table": _airtable_id(taken.value("table"))}
    more = {**(taken.given.get("options") or {}), **(taken.given.get("additionalOptions") or {})}
    match resource, operation:
        case "base", "getSchema":
            return {"operation": "table.list", "base": where["base"]}
        case "base", _:
            return {"operation": "base.list"}
        case _, "search" | "list":
            formula = taken.value("filterByFormula") or taken.expression(more.get("filterByFormula") or "")
            view = more.get("view")
            return {
                "operation": "record.list",
                **where,
                "filter_by_formula": formula,
                "view": plain(view) if view else None,
                "limit": most(taken),
            }
        case _, "get":
            return {"operation": "record.get", **where, "record_id": taken.value("id")}
        case _, "create" | "append":
            return {"operation": "record.create", **where, "records": [_cells(taken)]}
        case _, "update":
            cells = _cells(taken)
            id = taken.value("id") or (cells.pop("id", "") if isinstance(cells, dict) else "") or "{{ json.id }}"
            return {"operation": "record.update", **where, "record_id": id, "cells": cells}
        case _, "upsert":
            cells = _cells(taken)
            found = [each for each in match_on(taken) if each != "id"]
            if not found:
                raise Untranslatable("it matches records by their id: use `record.update`")
            return {"operation": "record.upsert", **where, "merge_on": found[:3], "records": [cells]}
        case _, "deleteRecord" | "delete":
            return {"operation": "record.delete", **where, "record_id": taken.value("id")}
    return {}


def _airtable_records(taken: Taken) -> Translated:
    """From version 2 on a record's cells stand beside its id."""
    type, parameters = service("external_action.airtable", "record", "list", _airtable)(taken)
    reads = str(parameters["action"].get("operation", "")).startswith("record.")
    if taken.version < 2 or taken.is_tool or not reads or parameters["action"]["operation"] == "record.delete":
        return type, parameters
    flat = "{{ {'id': json.id, 'createdTime': json.createdTime}.merge(json.fields) }}"
    asked = (Extra("records", type, parameters),)
    return Made("action.transform", {"query": "@", "input": flat}, before=asked)


def _airtable_id(value: Any) -> Any:
    found = re.search(r"/((?:app|tbl)[A-Za-z0-9]{10,})", value) if isinstance(value, str) else None
    return found[1] if found else value


def _cells(taken: Taken) -> Any:
    columns = taken.given.get("columns")
    if isinstance(columns, dict) and columns.get("mappingMode", "defineBelow") == "defineBelow":
        return {str(name): taken.expression(value) for name, value in (columns.get("value") or {}).items()}
    chosen = taken.given.get("fields")
    if isinstance(chosen, list) and chosen and not taken.given.get("addAllFields", True):
        return {str(name): "{{ json[" + json.dumps(str(name)) + "] }}" for name in chosen}
    return "{{ json }}"


_COMPARISONS = {"eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "is", "in", "cs", "cd"}


def _supabase(taken: Taken, resource: str, operation: str) -> Parameters:
    table: Parameters = {"table": taken.value("tableId")}
    if schema := taken.get("schema"):
        table["schema"] = schema
    taken.skip("dataToSend", "fieldsUi", "filters", "filterType", "matchType", "filterString", "inputsToIgnore")
    taken.skip("useCustomSchema")
    found = [each for each in named(taken.given.get("fieldsUi")) if each.get("fieldId")]
    row: Any = {str(each["fieldId"]): taken.expression(each.get("fieldValue", "")) for each in found}
    if taken.given.get("dataToSend") == "autoMapInputData":
        row = "{{ json }}"
    filters = []
    for each in named(taken.given.get("filters")):
        operator = str(each.get("condition", "eq"))
        if operator not in _COMPARISONS:
            raise Untranslatable(f"the comparison {operator!r} has no counterpart")
        value = taken.expression(each.get("keyValue", ""))
        filters.append({"column": str(each.get("keyName", "")), "operator": operator, "value": value})
    combined = {"match": "any"} if taken.given.get("matchType") == "anyFilter" and len(filters) > 1 else {}
    match operation:
        case "create":
            return {"operation": "row.insert", **table, "rows": [row]}
        case "get":
            return {"operation": "row.list", **table, "filters": filters, "limit": 1}
        case "getAll":
            return {"operation": "row.list", **table, "filters": filters, **combined, "limit": most(taken)}
        case "update":
            return {"operation": "row.update", **table, "filters": filters, **combined, "values": row}
        case "delete":
            if not filters:
                raise Untranslatable("it does not say which rows it deletes as a list of filters")
            return {"operation": "row.delete", **table, "filters": filters, **combined}
    return {}


def _notion(taken: Taken, resource: str, operation: str) -> Parameters:
    taken.skip(*(f"options.{name}" for name in taken.given.get("options") or {}))
    taken.skip(
        "filterType",
        "filters",
        "matchType",
        "filterJson",
        "simplifyOutput",
        "fetchNestedBlocks",
        "blockUi",
        "propertiesUi",
    )
    page = _notion_id(taken.value("pageId"))
    database = _notion_id(taken.value("databaseId"))
    match resource, operation:
        case "databasePage", "getAll":
            made: Parameters = {"operation": "database.query", "database_id": database, "limit": most(taken)}
            if taken.given.get("filterType") == "json":
                made["filter"] = taken.structure(taken.given.get("filterJson") or "{}")
            elif named(taken.given.get("filters")):
                raise Untranslatable("its filters have to be written as Notion's own `filter`")
            return made
        case "databasePage" | "page", "create":
            parent = {"database_id": database} if resource == "databasePage" else {"page_id": page}
            properties = _properties(taken)
            title = taken.value("title")
            if title and not any("title" in each for each in properties.values() if isinstance(each, dict)):
                properties["title"] = {"title": [{"text": {"content": title}}]}
            if taken.given.get("blockUi"):
                taken.remark("action.children", "blocks are left out: write them as Notion's own `children`")
            return {"operation": "page.create", "parent": parent, "properties": properties}
        case "databasePage", "update":
            return {"operation": "page.update", "page_id": page, "properties": _properties(taken)}
        case "databasePage" | "page", "get":
            return {"operation": "page.get", "page_id": page}
        case "page", "archive":
            return {"operation": "page.update", "page_id": page, "archived": True}
        case "page", "search":
            return {"operation": "page.search", "words": taken.value("text"), "limit": most(taken)}
        case "block", "getAll":
            block = _notion_id(taken.value("blockId"))
            return {"operation": "block.list", "block_id": block, "limit": most(taken)}
        case "database", "get":
            return {"operation": "database.get", "database_id": database}
        case "user", "getAll":
            return {"operation": "user.list", "limit": most(taken)}
    return {}


def _notion_id(value: Any) -> Any:
    found = re.search(r"notion\.so/.*?([0-9a-f]{32})", value) if isinstance(value, str) else None
    return found[1] if found else value


def _properties(taken: Taken) -> Parameters:
    """n8n's list of properties, each with a type in its key such as `Name|title`, in Notion's own form."""
    made: Parameters = {}
    for each in named(taken.given.get("propertiesUi")):
        name, _, kind = str(each.get("key", "")).partition("|")
        value = {key: taken.expression(each[key]) for key in each if key not in ("key",)}
        match kind:
            case "title" | "rich_text":
                text = value.get("title") or value.get("textContent") or ""
                made[name] = {kind: [{"text": {"content": text}}]}
            case "select" | "status":
                made[name] = {kind: {"name": value.get("selectValue") or value.get("statusValue") or ""}}
            case "multi_select":
                chosen = value.get("multiSelectValue")
                made[name] = {kind: [{"name": one} for one in (chosen if isinstance(chosen, list) else [chosen])]}
            case "number":
                made[name] = {kind: value.get("numberValue")}
            case "checkbox":
                made[name] = {kind: value.get("checkboxValue", False)}
            case "date":
                made[name] = {kind: {"start": value.get("date") or value.get("dateStart") or ""}}
            case "url" | "email" | "phone_number":
                found = value.get("urlValue") or value.get("emailValue") or value.get("phoneValue") or ""
                made[name] = {kind: found}
            case _:
                raise Untranslatable(f"the property {name!r} of kind {kind!r} has no counterpart")
    return made


def _hubspot(taken: Taken, resource: str, operation: str) -> Parameters:
    for group in ("options", "additionalFields"):
        taken.skip(*(f"{group}.{name}" for name in taken.given.get(group) or {}))
    taken.skip("additionalFields", "updateFields", "filterGroupsUi", "contactProperties", "type", "metadata")
    object = {"contact": "contacts", "company": "companies", "deal": "deals", "ticket": "tickets"}.get(resource)
    if object is None:
        return {}
    id = taken.value("contactId") or taken.value("companyId") or taken.value("dealId") or taken.value("ticketId")
    where = {"object": object}
    properties = _hubspot_properties(taken, resource)
    match operation:
        case "upsert":
            return {
                "operation": "record.upsert",
                **where,
                "id_property": "email",
                "id": taken.value("email"),
                "properties": properties,
            }
        case "create":
            return {"operation": "record.create", **where, "properties": properties}
        case "update":
            return {"operation": "record.update", **where, "record_id": id, "properties": properties}
        case "get":
            return {"operation": "record.get", **where, "record_id": id}
        case "getAll" | "getRecentlyCreatedUpdated":
            return {"operation": "record.list", **where, "limit": most(taken)}
        case "delete":
            return {"operation": "record.delete", **where, "record_id": id}
        case "searchByDomain":
            domain = {"property": "domain", "operator": "EQ", "value": taken.value("domain")}
            return {"operation": "record.search", **where, "filters": [domain], "limit": most(taken)}
        case "search":
            groups = named(taken.given.get("filterGroupsUi"))
            tests = [test for group in groups for test in named(group.get("filtersUi"))]
            if len(groups) > 1:
                raise Untranslatable("groups of filters have no counterpart: make a list of filters that all hold")
            return {
                "operation": "record.search",
                **where,
                "limit": most(taken),
                "filters": [
                    {
                        "property": str(plain(each.get("propertyName", ""))).partition("|")[0],
                        "operator": each.get("operator", "EQ"),
                        "value": taken.expression(each.get("value", "")),
                    }
                    for each in tests
                ],
            }
    return {}


def _hubspot_properties(taken: Taken, resource: str) -> Parameters:
    found = {**(taken.given.get("additionalFields") or {}), **(taken.given.get("updateFields") or {})}
    names = {"dealName": "dealname", "closeDate": "closedate", "companyDomainName": "domain", "phoneNumber": "phone"}
    made: Parameters = {}
    for name, value in found.items():
        if isinstance(value, str | int | float | bool):
            made[names.get(name, name.lower())] = taken.expression(value)
        elif name.startswith("custom") and isinstance(value, dict):
            for each in named(value):
                property = str(plain(each.get("property", ""))).partition("|")[0]
                made[property] = taken.expression(each.get("value", ""))
    for theirs, ours in (("email", "email"), ("stage", "dealstage"), ("name", "name"), ("ticketName", "subject")):
        if taken.given.get(theirs):
            made[ours] = taken.value(theirs)
    for theirs, ours in (("stageId", "hs_pipeline_stage"), ("pipelineId", "hs_pipeline")):
        if taken.given.get(theirs):
            made[ours] = taken.value(theirs)
    return made


TABLE: dict[str, Callable[[Taken], Translated]] = {
    "airtable": _airtable_records,
    "supabase": service("external_action.supabase", "row", "create", _supabase),
    "notion": service("external_action.notion", "page", "create", _notion),
    "hubspot": service("external_action.hubspot", "contact", "upsert", _hubspot),
}
