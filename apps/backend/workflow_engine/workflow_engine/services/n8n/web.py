"""n8n's nodes for requests of any kind."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from workflow_engine.services.n8n.flow import path
from workflow_engine.services.n8n.reading import (
    Extra,
    Made,
    Parameters,
    Taken,
    Translated,
    Untranslatable,
    named,
    plain,
    without_empty,
)

FRAMING = frozenset(("connection", "content-length", "te", "trailer", "transfer-encoding", "upgrade"))


def request(taken: Taken) -> Parameters:
    """The parameters of action.http_request."""
    made: Parameters = {"url": taken.value("url"), "method": taken.value("method", taken.get("requestMethod", "GET"))}
    if taken.version < 3:
        _old_parts(taken, made)
    else:
        _parts(taken, made)
    _answer(taken, made)
    if taken.given.get("authentication", "none") not in ("none", "", None):
        chosen = taken.get("nodeCredentialType") or taken.get("genericAuthType") or taken.given["authentication"]
        taken.remark("auth", f"choose a credential in the slot `auth`; in n8n it was one of kind {chosen}")
    taken.skip("nodeCredentialType", "genericAuthType", "provideSslCertificates", "infoMessage", "curlImport")
    headers = made.get("headers") or {}
    if framing := [name for name in headers if str(name).lower() in FRAMING]:
        made["headers"] = {name: value for name, value in headers.items() if name not in framing}
        taken.remark("headers", f"{', '.join(framing)} follow from the request, and were left out")
    return {name: value for name, value in made.items() if value not in ({}, "", None)}


def _parts(taken: Taken, made: Parameters) -> None:
    taken.skip("queryParameters", "jsonQuery", "headerParameters", "jsonHeaders")
    if taken.get("sendQuery"):
        made["query"] = _pairs(taken, "specifyQuery", "jsonQuery", "queryParameters")
    if taken.get("sendHeaders"):
        made["headers"] = _pairs(taken, "specifyHeaders", "jsonHeaders", "headerParameters")
    taken.skip(
        "contentType", "specifyBody", "jsonBody", "body", "bodyParameters", "rawContentType", "inputDataFieldName"
    )
    if not taken.get("sendBody"):
        return
    fields = named(taken.get("bodyParameters"))
    match taken.get("contentType", "json"):
        case "json":
            made["body"] = _json_body(taken, fields)
        case "form-urlencoded":
            text = taken.value("body")
            if text and not fields:
                made["body"] = {"kind": "raw", "text": text, "media_type": "application/x-www-form-urlencoded"}
            else:
                made["body"] = {"kind": "form", "fields": _values(taken, fields)}
        case "multipart-form-data":
            made["body"] = {"kind": "multipart", "parts": [_part(taken, each) for each in fields]}
        case "binaryData":
            made["body"] = {"kind": "binary", "slot": taken.value("inputDataFieldName") or "data"}
        case "raw":
            made["body"] = without_empty(
                {"kind": "raw", "text": taken.value("body"), "media_type": taken.value("rawContentType")}
            )
            made["body"].setdefault("text", "")
        case other:
            raise Untranslatable(f"a body of kind {other!r} has no counterpart")


def _json_body(taken: Taken, fields: list[Parameters]) -> Parameters:
    text = taken.get("jsonBody", taken.get("body"))
    if taken.get("specifyBody", "keypair") != "json" and (fields or not text):
        return {"kind": "json", "value": _values(taken, fields)}
    value = taken.structure(text)
    if value is None:
        # Text that becomes JSON only when its expressions have been filled in.
        return {"kind": "raw", "text": taken.expression(text), "media_type": "application/json"}
    return {"kind": "json", "value": value}


def _pairs(taken: Taken, specify: str, json_name: str, list_name: str) -> Any:
    if taken.get(specify, "keypair") == "json":
        value = taken.structure(taken.get(json_name, "{}"))
        if not isinstance(value, dict):
            raise Untranslatable(f"{json_name} can not be read as an object: give the names one by one")
        return value
    return _values(taken, named(taken.get(list_name)))


def _values(taken: Taken, fields: list[Parameters]) -> Parameters:
    return {str(each["name"]): taken.expression(each.get("value", "")) for each in fields if each.get("name")}


def _part(taken: Taken, each: Parameters) -> Parameters:
    if each.get("parameterType") == "formBinaryData":
        return {"name": str(each.get("name")), "binary": taken.expression(each.get("inputDataFieldName", "data"))}
    return {"name": str(each.get("name")), "value": taken.expression(each.get("value", ""))}


def _old_parts(taken: Taken, made: Parameters) -> None:
    """Versions 1 and 2."""
    taken.skip("allowUnauthorizedCerts", "sendBinaryData", "binaryPropertyName")
    if taken.get("jsonParameters"):
        for ours, theirs in (("query", "queryParametersJson"), ("headers", "headerParametersJson")):
            value = taken.structure(taken.get(theirs, "{}") or "{}")
            if not isinstance(value, dict):
                raise Untranslatable(f"{theirs} can not be read as an object: give the names one by one")
            made[ours] = value
        text = taken.get("bodyParametersJson")
    else:
        made["query"] = _values(taken, named(taken.get("queryParametersUi")))
        made["headers"] = _values(taken, named(taken.get("headerParametersUi")))
        text = None
    fields = named(taken.get("bodyParametersUi"))
    kind = taken.option("bodyContentType", "json")
    if taken.given.get("sendBinaryData"):
        made["body"] = {"kind": "binary", "slot": taken.value("binaryPropertyName", "data")}
    elif kind == "json" and (text or fields):
        value = taken.structure(text) if text else _values(taken, fields)
        made["body"] = (
            {"kind": "raw", "text": taken.expression(text), "media_type": "application/json"}
            if value is None
            else {"kind": "json", "value": value}
        )
    elif kind == "form-urlencoded" and fields:
        made["body"] = {"kind": "form", "fields": _values(taken, fields)}
    elif kind == "multipart-form-data" and fields:
        made["body"] = {"kind": "multipart", "parts": [_part(taken, each) for each in fields]}
    elif kind == "raw" and text:
        made["body"] = {"kind": "raw", "text": taken.expression(text)}
    taken.skip("options.bodyContentCustomMimeType", "options.splitIntoItems")


def _answer(taken: Taken, made: Parameters) -> None:
    told = (taken.option("response") or {}).get("response") or {}
    kind = told.get("responseFormat") or taken.get("responseFormat", "autodetect")
    made["response_format"] = {"json": "json", "text": "text", "string": "text", "file": "binary"}.get(kind)
    if told.get("fullResponse") or taken.option("fullResponse"):
        made["full_response"] = True
    if told.get("neverError") or taken.option("ignoreResponseCode"):
        made["never_fail"] = True
    if timeout := taken.option("timeout"):
        made["timeout_seconds"] = timeout / 1000 if isinstance(timeout, int | float) else None
    if taken.option("allowUnauthorizedCerts") or taken.given.get("allowUnauthorizedCerts"):
        made["verify_tls"] = False
    if proxy := taken.option("proxy"):
        made["proxy"] = taken.expression(proxy)
    redirect = (taken.option("redirect") or {}).get("redirect") or {}
    if redirect.get("followRedirects") is False or taken.option("followRedirect") is False:
        made["follow_redirects"] = False
    if pages := (taken.option("pagination") or {}).get("pagination"):
        _pages(taken, made, pages)
    if (taken.option("batching") or {}).get("batch") or taken.option("batchSize"):
        taken.remark("options.batching", "requests in batches have no counterpart: use flow.loop with flow.wait")
    taken.skip("dataPropertyName", "optimizeResponse", "options.batchInterval", "options.lowercaseHeaders")
    taken.skip("options.redirect", "options.queryParameterArrays", "options.useStream", "toolDescription")


def _pages(taken: Taken, made: Parameters, pages: Parameters) -> None:
    match pages.get("paginationMode", "updateAParameterInEachRequest"):
        case "off":
            return
        case "responseContainsNextURL":
            found = str(pages.get("nextURL", ""))
            name = found.rpartition("$response.body.")[2].rstrip(" }") if "$response.body." in found else ""
            if name.replace(".", "_").isidentifier():
                made["pagination"] = {"mode": "next_url", "path": name}
                return
        case "updateAParameterInEachRequest":
            for each in named(pages.get("parameters")):
                value = str(each.get("value", ""))
                if "$pageCount" in value and each.get("name"):
                    start = 1 if "+ 1" in value or "+1" in value else 0
                    made["pagination"] = {"mode": "page_number", "parameter": str(each["name"]), "start": start}
                    return
                if "$response.body." in value and each.get("name"):
                    name = value.rpartition("$response.body.")[2].rstrip(" }")
                    if name.replace(".", "_").isidentifier():
                        made["pagination"] = {"mode": "cursor", "parameter": str(each["name"]), "path": name}
                        return
    taken.remark("pagination", "n8n's pages have to be set anew, and `records_path` to say where the records are")


def _http(taken: Taken) -> Translated:
    made = request(taken)
    called = (Extra("request", "action.http_request", made),)
    if taken.is_tool:
        return "action.http_request", made
    if made.get("full_response") and "statusCode" in taken.document:
        return Made("flow.set", {"assignments": [{"name": "statusCode", "value": "{{ json.status }}"}]}, before=called)
    told = (taken.option("response") or {}).get("response") or {}
    if made.get("response_format") == "text" and not made.get("full_response"):
        name = str(told.get("outputPropertyName") or taken.get("dataPropertyName") or "data")
        assigned = [{"name": path(name), "value": "{{ json.text }}"}]
        return Made("flow.set", {"assignments": assigned, "keep_only": True}, before=called)
    return "action.http_request", made


def _graphql(taken: Taken) -> Translated:
    taken.skip("requestFormat", "responseFormat", "requestMethod", "allowUnauthorizedCerts", "dataPropertyName")
    variables = taken.structure(taken.get("variables") or "{}")
    headers = _values(taken, named(taken.get("headerParametersUi")))
    made = {
        "url": taken.value("endpoint"),
        "query": str(taken.get("query", "")).removeprefix("="),
        "variables": variables if isinstance(variables, dict) else None,
        "operation_name": taken.get("operationName"),
        "headers": headers,
    }
    if "{{" in made["query"]:
        raise Untranslatable(
            "its query holds expressions: give them as `variables`, so that data can not become a query"
        )
    return "action.graphql", without_empty(made)


def _rss(taken: Taken) -> Translated:
    taken.skip("options.ignoreSSL", "options.customFields")
    return "action.rss_read", {"url": taken.value("url")}


def _ssh(taken: Taken) -> Translated:
    if taken.given.get("resource", "command") == "file":
        match taken.given.get("operation", "upload"):
            case "upload":
                path = f"{taken.value('path')}/{taken.option('fileName', '')}".rstrip("/")
                do = {"operation": "upload", "path": path, "binary": taken.value("binaryPropertyName", "data")}
            case _:
                do = {"operation": "download", "path": taken.value("path")}
        taken.skip("path", "binaryPropertyName")
        return "action.ssh", {"do": do}
    command = str(taken.get("command", ""))
    taken.skip("cwd")
    folder = str(taken.given.get("cwd", "/") or "/")
    if command.startswith("="):
        raise Untranslatable("its command holds expressions: put them into `arguments`, which the shell gets in quotes")
    return "action.ssh", {
        "do": {"operation": "run", "command": f"cd {folder} && {command}" if folder != "/" else command}
    }


def _execute_command(taken: Taken) -> Translated:
    command = str(taken.get("command", "")).removeprefix("=")
    taken.skip("executeOnce")
    words = command.split()
    if not words or any(sign in command for sign in "|&;<>$`(){}*\n'\"\\") or "/" in words[0]:
        raise Untranslatable(
            "commands run without a shell here: allow a program (EXECUTE_ALLOW) and use action.execute"
        )
    return "action.execute", {"command": words[0], "arguments": words[1:]}


def _ftp(taken: Taken) -> Translated:
    taken.skip("protocol", "binaryData", "binaryPropertyName", "fileContent", "recursive", "oldPath", "newPath", "path")
    taken.skip("options.folder", "options.recursive", "options.createDirectories")
    match taken.given.get("operation", "download"):
        case "list":
            do: Parameters = {"operation": "list", "path": taken.value("path")}
        case "delete":
            do = {"operation": "delete", "path": taken.value("path")}
        case "rename":
            do = {"operation": "move", "path": taken.value("oldPath"), "to": taken.value("newPath")}
        case "upload":
            if taken.given.get("binaryData") is False:
                raise Untranslatable(
                    "it uploads text: make a file of it first, with action.convert_to_file or action.file"
                )
            do = {
                "operation": "upload",
                "path": taken.value("path"),
                "binary": taken.value("binaryPropertyName", "data"),
            }
        case _:
            do = {"operation": "download", "path": taken.value("path")}
    return ("action.ssh" if taken.given.get("protocol") == "sftp" else "action.ftp"), {"do": do}


def _redis(taken: Taken) -> Translated:
    key = taken.value("key")
    taken.skip("keyType", "options.dotNotation", "valueIsJSON")
    match taken.given.get("operation", "info"):
        case "get":
            return "action.redis", {
                "command": "GET",
                "arguments": [key],
                "output_field": str(taken.get("propertyName") or "propertyName"),
            }
        case "set":
            expiry = ["EX", taken.value("ttl", 60)] if taken.get("expire") else []
            taken.skip("ttl")
            return "action.redis", {"command": "SET", "arguments": [key, taken.value("value"), *expiry]}
        case "delete":
            return "action.redis", {"command": "DEL", "arguments": [key]}
        case "incr":
            taken.skip("expire", "ttl")
            return "action.redis", {"command": "INCR", "arguments": [key]}
        case "push":
            verb = "RPUSH" if taken.get("tail") else "LPUSH"
            return "action.redis", {"command": verb, "arguments": [taken.value("list"), taken.value("messageData")]}
        case "pop":
            verb = "RPOP" if taken.get("tail") else "LPOP"
            return "action.redis", {
                "command": verb,
                "arguments": [taken.value("list")],
                "output_field": str(taken.get("propertyName") or "value"),
            }
        case "publish":
            return "action.redis", {
                "command": "PUBLISH",
                "arguments": [taken.value("channel"), taken.value("messageData")],
            }
        case "keys":
            taken.skip("getValues")
            return "action.redis", {"command": "KEYS", "arguments": [taken.value("keyPattern")]}
        case "info":
            return "action.redis", {"command": "INFO"}
        case other:
            raise Untranslatable(f"the operation {other!r} has no counterpart")


# SQL


def _quoted(name: Any, quote: str) -> str:
    """A name of a table or column, as SQL quotes it."""
    return quote + str(name).strip().replace(quote, quote * 2) + quote


def _sql(taken: Taken, quote: str) -> Translated:
    taken.skip("nodeVersion", "options.queryBatching", "options.connectionTimeout", "options.outputColumns")
    taken.skip("options.largeNumbersOutput", "options.detailedOutput", "options.nodeVersion", "options.skipOnConflict")
    operation = taken.given.get("operation", "insert")
    if operation == "executeQuery":
        return _query(taken)
    schema, table = str(plain(taken.get("schema")) or ""), str(plain(taken.get("table")) or "")
    if not table or "{{" in table or "{{" in schema:
        raise Untranslatable("its table is an expression: write the statement by hand")
    full = ".".join(_quoted(part, quote) for part in (schema, table) if part)
    conditions = named(taken.get("where"))
    values: Parameters = {}
    tests = []
    for number, each in enumerate(conditions):
        column, sign = str(each.get("column", "")), str(each.get("condition", "=")).upper()
        sign = {"EQUAL": "=", "EQUALS": "="}.get(sign, sign)
        if sign in ("IS NULL", "IS NOT NULL"):
            tests.append(f"{_quoted(column, quote)} {sign}")
            continue
        if sign not in ("=", "!=", "<>", "<", ">", "<=", ">=", "LIKE"):
            raise Untranslatable(f"the comparison {sign!r} has no counterpart")
        values[f"where_{number}"] = taken.expression(each.get("value"))
        tests.append(f"{_quoted(column, quote)} {sign} :where_{number}")
    joined = f" {taken.get('combineConditions', 'AND')} ".join(tests)
    where = f" WHERE {joined}" if tests else ""
    taken.skip(
        "combineConditions", "returnAll", "limit", "sort", "columns", "dataMode", "valuesToSend", "columnToMatchOn"
    )
    taken.skip("valueToMatchOn", "returnFields", "updateKey", "deleteCommand")
    match operation:
        case "select":
            limit = "" if taken.given.get("returnAll") else f" LIMIT {int(taken.given.get('limit', 50) or 50)}"
            sql = f"SELECT * FROM {full}{where}{limit}"  # noqa: S608  # names are quoted, values bound
            return "action.database", {"sql": sql, "values": values}
        case "deleteTable":
            sql = f"DELETE FROM {full}{where}"  # noqa: S608  # names are quoted, values bound
            return "action.database", {"sql": sql, "values": values, "mode": "write"}
        case "insert" | "update" | "upsert":
            return _write(taken, operation, full, quote, values)
        case other:
            raise Untranslatable(f"the operation {other!r} has no counterpart")


def _write(taken: Taken, operation: str, full: str, quote: str, values: Parameters) -> Translated:
    columns = taken.given.get("columns")
    given: Parameters = {}
    keys: list[str] = []
    if isinstance(columns, dict):
        given = {str(name): taken.expression(value) for name, value in (columns.get("value") or {}).items()}
        keys = [str(each) for each in columns.get("matchingColumns") or []]
    elif isinstance(columns, str) and columns:
        given = {name.strip(): None for name in columns.split(",")}
        keys = [str(taken.given.get("updateKey", "id"))]
    elif found := named(taken.given.get("valuesToSend")):
        given = {str(each["column"]): taken.expression(each.get("value")) for each in found}
        keys = [str(taken.given.get("columnToMatchOn", "id"))]
        given.setdefault(
            keys[0], taken.expression(taken.given.get("valueToMatchOn"))
        ) if operation != "insert" else None
    if not given:
        raise Untranslatable("its columns follow the incoming data: write the statement with their names")
    places = {name: f"v{number}" for number, name in enumerate(given)}
    values = {
        places[name]: "{{ json[" + repr(name) + "] }}" if value is None else value for name, value in given.items()
    }
    named_ = ", ".join(_quoted(name, quote) for name in given)
    placed = ", ".join(f":{places[name]}" for name in given)
    if operation == "insert":
        sql = f"INSERT INTO {full} ({named_}) VALUES ({placed})"  # noqa: S608  # as above
    elif operation == "upsert":
        raise Untranslatable("an upsert is written as a statement: INSERT ... ON CONFLICT")
    else:
        sets = ", ".join(f"{_quoted(name, quote)} = :{places[name]}" for name in given if name not in keys)
        where = " AND ".join(f"{_quoted(name, quote)} = :{places[name]}" for name in keys if name in places)
        if not sets or not where:
            raise Untranslatable("it does not say which rows it updates")
        sql = f"UPDATE {full} SET {sets} WHERE {where}"  # noqa: S608  # as above
    return "action.database", {"sql": sql, "values": values, "mode": "write"}


def _query(taken: Taken) -> Translated:
    """A statement; expressions in it become bound values, which is what they should have been."""
    query = str(taken.get("query", ""))
    values: Parameters = {}
    replaced = taken.option("queryReplacement")
    if isinstance(replaced, str) and replaced:
        parts = replaced.removeprefix("=").split(",")
        for number, part in enumerate(parts, 1):
            values[f"p{number}"] = taken.expression(f"={part.strip()}")
        query = re.sub(r"\$(\d+)(:name)?", lambda match: f":p{match[1]}", query)
    if "{{" in query:

        def bound(match: re.Match[str]) -> str:
            name = f"x{len(values)}"
            values[name] = taken.expression("={{" + match[2] + "}}")
            return f":{name}"

        query = re.sub(r"(['\"]?)\{\{(.*?)\}\}\1", bound, query.removeprefix("="), flags=re.DOTALL)
    verb = query.strip().split(None, 1)[0].upper() if query.strip() else ""
    if not verb:
        raise Untranslatable("it has no statement")
    made: Parameters = {"sql": query, "values": values}
    return "action.database", made if verb in ("SELECT", "WITH", "SHOW") else made | {"mode": "write"}


TABLE: dict[str, Callable[[Taken], Translated]] = {
    "httpRequest": _http,
    "graphql": _graphql,
    "rssFeedRead": _rss,
    "ssh": _ssh,
    "ftp": _ftp,
    "executeCommand": _execute_command,
    "redis": _redis,
    "postgres": lambda taken: _sql(taken, '"'),
    "mySql": lambda taken: _sql(taken, "`"),
}
