"""n8n's nodes for Google's files and calendars."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from workflow_engine.services.n8n.apps.shared import match_on, members, most, service
from workflow_engine.services.n8n.reading import Parameters, Taken, Translated, named


def _sheet(taken: Taken) -> str:
    """The sheet's name: n8n keeps its number, and beside it the name that it showed."""
    given = taken.get("sheetName")
    if isinstance(given, dict):
        if given.get("mode") == "name" or not given.get("cachedResultName"):
            return str(taken.expression(given.get("value", "")))
        return str(given["cachedResultName"])
    return str(taken.expression(given or ""))


def _sheets(taken: Taken, resource: str, operation: str) -> Parameters:
    if resource == "spreadsheet":
        sheets = [str(each.get("title", "Sheet1")) for each in named(taken.get("sheetsUi"))]
        return {"operation": "spreadsheet.create", "title": taken.value("title"), "sheets": sheets or None}
    for name in taken.given.get("options") or {}:
        taken.skip(f"options.{name}")
    taken.skip("combineFilters", "dataMode", "keyRow", "rawData", "valueInputMode", "dataProperty", "key", "columns")
    taken.skip("range", "sheetName", "fieldsUi", "columnToMatchOn", "valueToMatchOn", "filtersUI", "startIndex")
    document = taken.value("documentId", taken.get("sheetId", ""))
    where = {
        "spreadsheet_id": _id_of(document),
        "sheet": _sheet(taken) or str(taken.given.get("range", "")).split("!")[0],
    }
    match operation:
        case "read" | "getAll" | "lookup":
            filters = named(taken.given.get("filtersUI"))
            if filters or operation == "lookup":
                tests = [(each.get("lookupColumn"), each.get("lookupValue")) for each in filters] or [
                    (taken.get("lookupColumn"), taken.get("lookupValue"))
                ]
                match = {
                    str(name): taken.expression(value) for name, value in tests if name and value not in (None, "")
                }
                if match:
                    return {"operation": "record.find", **where, "match": match}
            range = taken.given.get("range")
            sheet = where.pop("sheet")
            written = range if isinstance(range, str) and "!" in range else sheet
            return {"operation": "row.read", **where, "range": written}
        case "append":
            return {"operation": "record.append", **where, "record": _record(taken)}
        case "update":
            return {"operation": "record.update", **where, "match_on": match_on(taken), "record": _record(taken)}
        case "appendOrUpdate" | "upsert":
            return {"operation": "record.upsert", **where, "match_on": match_on(taken), "record": _record(taken)}
        case "clear":
            where["range"] = where.pop("sheet")
            return {"operation": "row.clear", **where}
        case "create":
            where.pop("sheet")
            return {"operation": "sheet.add", **where, "title": taken.value("title")}
    return {}


def _record(taken: Taken) -> Any:
    columns = taken.given.get("columns")
    if isinstance(columns, dict) and columns.get("mappingMode") == "defineBelow":
        return {str(name): taken.expression(value) for name, value in (columns.get("value") or {}).items()}
    if found := named(taken.given.get("fieldsUi")):
        made = {
            str(each.get("column") or each.get("fieldId")): taken.expression(each.get("fieldValue", ""))
            for each in found
        }
        if taken.given.get("columnToMatchOn"):
            made[str(taken.given["columnToMatchOn"])] = taken.expression(taken.given.get("valueToMatchOn", ""))
        return made
    return "{{ json }}"


_ADDRESS = re.compile(r"/(?:d|folders)/([A-Za-z0-9_-]{10,})")


def _id_of(value: Any) -> Any:
    """The id in the address of a document of Google."""
    found = _ADDRESS.search(value) if isinstance(value, str) else None
    return found[1] if found else value


def _drive(taken: Taken, resource: str, operation: str) -> Parameters:
    taken.skip("driveId", "resolveData", "binaryData", "options.googleFileConversion", "options.binaryPropertyName")
    taken.skip("options.fields", "options.conversion", "sameFolder", "options.keepRevisionForever", "options.fileName")
    taken.skip(
        "options.simplifyOutput", "options.ocrLanguage", "options.useContentAsIndexableText", "changeFileContent"
    )
    file = _id_of(taken.value("fileId", taken.get("folderNoRootId", "")))
    folder = _id_of(taken.value("folderId"))
    parents = taken.get("parents")
    folder = folder or (taken.expression(parents[0]) if isinstance(parents, list) and parents else "")
    folder = "" if folder == "root" else folder
    match resource, operation:
        case "file", "download":
            return {"operation": "file.download", "file_id": file}
        case "file", "upload":
            slot = taken.value("inputDataFieldName", taken.get("binaryPropertyName", "data"))
            return {"operation": "file.upload", "binary": slot, "name": taken.value("name"), "folder_id": folder}
        case "fileFolder", _:
            filters = members(taken, "filter")
            name = taken.value("queryString")
            query = name if taken.get("searchMethod", "name") == "query" else f"name contains '{name}'" if name else ""
            return {
                "operation": "file.list",
                "q": query,
                "folder_id": _id_of(filters.get("folderId")),
                "limit": most(taken),
            }
        case "file", "list":
            taken.skip("queryFilters", "useQueryString")
            return {"operation": "file.list", "q": taken.value("queryString"), "limit": most(taken)}
        case "folder", "create":
            return {"operation": "folder.create", "name": taken.value("name"), "folder_id": folder}
        case "file", "copy":
            return {"operation": "file.copy", "file_id": file, "name": taken.value("name"), "folder_id": folder}
        case "file", "move":
            taken.remark("action", "a file is in one folder: name the one to take it out of in `remove_parents`")
            return {"operation": "file.update", "file_id": file, "add_parents": folder}
        case "file", "update":
            return {"operation": "file.update", "file_id": file, "name": taken.value("newUpdatedFileName")}
        case ("file", "deleteFile" | "delete") | ("folder", "deleteFolder"):
            return {"operation": "file.delete", "file_id": file}
        case ("file" | "folder", "share"):
            granted = (taken.get("permissionsUi") or {}).get("permissionsValues") or {}
            return {
                "operation": "permission.create",
                "file_id": file,
                "type": granted.get("type", "anyone"),
                "role": granted.get("role", "reader"),
                "email_address": taken.expression(granted.get("emailAddress") or ""),
                "domain": granted.get("domain"),
            }
    return {}


def _calendar(taken: Taken, resource: str, operation: str) -> Parameters:
    calendar = taken.value("calendar")
    for group in ("additionalFields", "options"):
        taken.skip(*(f"{group}.{name}" for name in taken.given.get(group) or {}))
    taken.skip("useDefaultReminders", "additionalFields")
    match resource, operation:
        case "event", "create":
            more = members(taken, "additionalFields")
            return {
                "operation": "event.create",
                "calendar_id": calendar,
                **_moments(taken, taken.given),
                **_event(more),
            }
        case "event", "update":
            more = members(taken, "updateFields")
            return {
                "operation": "event.update",
                "calendar_id": calendar,
                "event_id": taken.value("eventId"),
                **_moments(taken, taken.given.get("updateFields") or {}),
                **_event(more),
            }
        case "event", "get":
            return {"operation": "event.get", "calendar_id": calendar, "event_id": taken.value("eventId")}
        case "event", "delete":
            return {"operation": "event.delete", "calendar_id": calendar, "event_id": taken.value("eventId")}
        case "event", "getAll":
            more = members(taken, "options")
            return {
                "operation": "event.list",
                "calendar_id": calendar,
                "time_min": taken.value("timeMin") or more.get("timeMin"),
                "time_max": taken.value("timeMax") or more.get("timeMax"),
                "q": more.get("query"),
                "limit": most(taken),
            }
        case "calendar", "availability":
            return {
                "operation": "free_busy.get",
                "time_min": taken.value("timeMin"),
                "time_max": taken.value("timeMax"),
                "calendars": [calendar],
            }
    return {}


def _moments(taken: Taken, given: Parameters) -> Parameters:
    taken.skip("start", "end")
    return {name: {"date_time": taken.expression(given[name])} for name in ("start", "end") if given.get(name)}


def _event(more: Parameters) -> Parameters:
    attendees = more.get("attendees")
    return {
        "summary": more.get("summary"),
        "description": more.get("description"),
        "location": more.get("location"),
        "attendees": attendees if isinstance(attendees, list) and attendees else None,
    }


def _docs(taken: Taken, resource: str, operation: str) -> Parameters:
    document = _id_of(taken.value("documentURL"))
    match operation:
        case "get":
            return {"operation": "document.get", "document_id": document}
        case "create":
            taken.skip("folderId", "driveId")
            return {"operation": "document.create", "title": taken.value("title")}
        case "update":
            actions = named(taken.get("actionsUi"))
            texts = [each for each in actions if each.get("action", "insert") == "insert" and each.get("text")]
            if not texts or len(texts) != len(actions):
                return {}
            return {
                "operation": "text.append",
                "document_id": document,
                "text": "\n".join(str(taken.expression(each["text"])) for each in texts),
            }
    return {}


TABLE: dict[str, Callable[[Taken], Translated]] = {
    "googleSheets": service("external_action.google_sheets", "sheet", "read", _sheets),
    "googleDrive": service("external_action.google_drive", "file", "upload", _drive),
    "googleCalendar": service("external_action.google_calendar", "event", "create", _calendar),
    "googleDocs": service("external_action.google_docs", "document", "create", _docs),
}
