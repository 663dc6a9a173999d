"""n8n's nodes that compute: code, files, dates, texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from workflow_engine.services.n8n.javascript import Beyond, quoted, strftime
from workflow_engine.services.n8n.reading import (
    Extra,
    Made,
    Parameters,
    Taken,
    Translated,
    Untranslatable,
    without_empty,
)

_OTHERS = re.compile(
    r"\$\(\s*(['\"`])(.+?)\1\s*\)|\$node\[\s*(['\"])(.+?)\3\s*\]|\$items\(\s*(['\"])(.+?)\5|\$node\.(\w+)"
)
_OUT_OF_REACH = {
    "$getWorkflowStaticData": "code keeps nothing between executions: use memory.key_value",
    "getWorkflowStaticData": "code keeps nothing between executions: use memory.key_value",
    "this.helpers": "code reaches no network and no files: use action.http_request or action.file",
    "$helpers": "code reaches no network and no files: use action.http_request or action.file",
    "getBinaryDataBuffer": "binary data is not passed to code: read it with action.extract_from_file",
    "require(": "there are no packages in code",
    "fetch(": "code reaches no network: use action.http_request",
    "$env": "there is no environment in code: give it a constant of the workflow in `inputs`",
    ".binary": "binary data is not passed to code: read it with action.extract_from_file",
    "luxon": "there are no packages in code: JavaScript's own Date and Intl are there",
    "DateTime.": "there are no packages in code: JavaScript's own Date and Intl are there",
    "$jmespath(": "there are no packages in code: use action.transform",
}
# What n8n's code finds around it, made of what ours gets. It ends before the person's own first line.
_PRELUDE = """\
// What n8n calls the data; `inputs` holds what other nodes delivered.
const n8nItems = items.map((json) => ({ json }));
const n8nOf = (list) => ({ all: () => list, first: () => list[0], last: () => list.at(-1), item: list[0],
  itemMatching: (at) => list[at], json: list[0]?.json });
const $json = item ?? {}, $input = n8nOf(n8nItems), $now = new Date(), $today = new Date(new Date().setHours(0, 0, 0));
$input.item = { json: $json };
const $ = (name) => n8nOf(inputs[name] ?? []), $node = new Proxy({}, { get: (_, name) => $(name) });
const $items = (name) => (name ? inputs[name] ?? [] : n8nItems);
const n8nPlain = (one) => (one && typeof one === "object" && "json" in one ? one.json : one);
const n8nResult = (made) => (Array.isArray(made) ? made.map(n8nPlain) : n8nPlain(made));
"""


def _code(taken: Taken) -> Translated:
    taken.skip("notice", "language")
    language = taken.given.get("language", "javaScript")
    taken.skip("pythonCode", "jsCode")
    if language != "javaScript":
        return _python(taken)
    each = taken.get("mode", "runOnceForAllItems") == "runOnceForEachItem"
    return _javascript(taken, str(taken.given.get("jsCode", "") or "return items;"), each=each, item="{ json: item }")


def _function(taken: Taken) -> Translated:
    return _javascript(taken, str(taken.get("functionCode", "") or "return items;"), each=False, item="n8nItems[0]")


def _function_item(taken: Taken) -> Translated:
    return _javascript(taken, str(taken.get("functionCode", "") or "return item;"), each=True, item="item")


def _javascript(taken: Taken, code: str, *, each: bool, item: str) -> Translated:
    bare = re.sub(r"//[^\n]*|/\*.*?\*/", "", code, flags=re.DOTALL)
    for sign, why in _OUT_OF_REACH.items():
        if sign in bare:
            taken.untranslated(sign, why)
            break
    inputs = {
        name: "{{ node[" + quoted(name) + "].items }}"
        for match in _OTHERS.finditer(bare)
        if (name := match[2] or match[4] or match[6] or match[7])
    }
    # A function of its own, so that n8n's `items` and `item` can mean something else than ours.
    body = f"{_PRELUDE}const n8nCode = async (items, item) => {{\n{code}\n}};\n"
    body += f"return n8nResult(await n8nCode(n8nItems, {item}));"
    made: Parameters = {"language": "javascript", "code": body, "mode": "each_item" if each else "all_items"}
    return "action.run_code", made | ({"inputs": inputs} if inputs else {})


def _python(taken: Taken) -> Translated:
    code = str(taken.given.get("pythonCode", ""))
    taken.untranslated(code[:100], "Python has other names here: `items` is a list of records, `item` the first one")
    each = taken.get("mode", "runOnceForAllItems") == "runOnceForEachItem"
    body = f"# n8n's code, to be rewritten: _input.all() is `items`, _json is `item`.\n{code}"
    return "action.run_code", {"language": "python", "code": body, "mode": "each_item" if each else "all_items"}


# files


_FORMATS = {
    "csv": {"type": "csv"},
    "xlsx": {"type": "xlsx"},
    "xls": {"type": "xlsx"},
    "fromJson": {"type": "json"},
    "toJson": {"type": "json"},
    "json": {"type": "json"},
    "xml": {"type": "xml"},
    "pdf": {"type": "pdf"},
    "html": {"type": "html"},
}


def _format(taken: Taken, name: str) -> Parameters:
    if name not in _FORMATS:
        raise Untranslatable(f"files of kind {name!r} have no counterpart")
    made: Parameters = {**_FORMATS[name]}
    if made["type"] == "csv" and (delimiter := taken.option("delimiter")):
        made["delimiter"] = str(delimiter)[:1]
    if made["type"] in ("csv", "xlsx") and taken.option("headerRow") is False:
        made["header"] = False
    if made["type"] == "xlsx" and (sheet := taken.option("sheetName")):
        made["sheet"] = taken.expression(sheet)
    taken.skip(*(f"options.{each}" for each in taken.given.get("options") or {}))
    return made


def _extract(taken: Taken) -> Translated:
    operation = taken.given.get("operation", "csv")
    binary = taken.value("binaryPropertyName", "data") or "data"
    field = taken.get("destinationKey") or "data"
    taken.skip("options.encoding", "options.keepSource")
    if operation in ("text", "binaryToPropery"):
        kind = "text" if operation == "text" else "base64"
        return "action.extract_from_file", {"format": {"type": kind, "field": field}, "binary": binary}
    return "action.extract_from_file", {"format": _format(taken, operation), "binary": binary}


def _convert(taken: Taken) -> Translated:
    operation = taken.given.get("operation", "csv")
    field = taken.value("sourceProperty", "data") or "data"
    taken.skip("mode", "options.dataIsBase64", "options.encoding")
    if operation in ("toText", "toBinary"):
        made: Parameters = {"type": "text" if operation == "toText" else "base64", "field": field}
        if operation == "toBinary" and isinstance(media_type := taken.option("mimeType"), str) and "/" in media_type:
            made["media_type"] = media_type
        return "action.convert_to_file", without_empty(
            {
                "format": made,
                "file_name": taken.expression(taken.option("fileName", "")),
                "binary": taken.value("binaryPropertyName", "data") or "data",
            }
        )
    return "action.convert_to_file", without_empty(
        {
            "file_name": taken.expression(taken.option("fileName", "")),
            "binary": taken.value("binaryPropertyName", "data") or "data",
            "format": _format(taken, operation),
        }
    )


def _spreadsheet(taken: Taken) -> Translated:
    kind = {"xls": "xlsx", "xlsx": "xlsx", "csv": "csv", "html": "html", "autodetect": "xlsx"}.get(
        str(taken.get("fileFormat", "xlsx")), "xlsx"
    )
    if taken.given.get("operation", "fromFile") == "toFile":
        return _convert_as(taken, kind)
    binary = taken.value("binaryPropertyName", "data")
    return "action.extract_from_file", {"format": _format(taken, kind), "binary": binary}


def _convert_as(taken: Taken, kind: str) -> Translated:
    name = taken.expression(taken.option("fileName", ""))
    made = {"format": _format(taken, kind), "file_name": name, "binary": taken.value("binaryPropertyName", "data")}
    return "action.convert_to_file", without_empty(made)


def _move_binary(taken: Taken) -> Translated:
    if taken.get("mode", "binaryToJson") == "binaryToJson":
        taken.skip("setAllData", "destinationKey", "options.encoding", "options.jsonParse", "options.keepSource")
        return "action.extract_from_file", {"format": {"type": "json"}, "binary": taken.value("sourceKey", "data")}
    taken.skip("convertAllData", "sourceKey", "options.useRawData", "options.encoding", "options.mimeType")
    return "action.convert_to_file", without_empty(
        {
            "format": {"type": "json"},
            "file_name": taken.expression(taken.option("fileName", "")),
            "binary": taken.value("destinationKey", "data"),
        }
    )


def _inside(path: Any) -> Any:
    """A path below the folder for files."""
    return str(path).lstrip("/") if isinstance(path, str) and "{{" not in path[:2] else path


def _read_write(taken: Taken) -> Translated:
    taken.remark("do.path", "paths are below the operator's folder for files (FILES_ROOT) here")
    if taken.given.get("operation", "read") == "write":
        taken.skip("options.append")
        path, binary = _inside(taken.value("fileName")), taken.value("dataPropertyName", "data")
        return "action.file", {"do": {"operation": "write", "path": path, "binary": binary}}
    path = _inside(taken.value("fileSelector", taken.get("filePath", "")))
    taken.skip("dataPropertyName", "options.dataPropertyName", "options.fileName", "options.mimeType")
    if isinstance(path, str) and any(sign in path for sign in "*?") and "{{" not in path:
        folder, _, pattern = path.rpartition("/")
        listed = Extra("list", "action.file", {"do": {"operation": "list", "folder": folder, "pattern": pattern}})
        return Made("action.file", {"do": {"operation": "read", "path": "{{ json.path }}"}}, before=(listed,))
    return "action.file", {"do": {"operation": "read", "path": path}}


def _html(taken: Taken) -> Translated:
    match taken.given.get("operation", "generateHtmlTemplate"):
        case "extractHtmlContent":
            return _selectors(taken)
        case "generateHtmlTemplate":
            return _set_text("html", taken.value("html"))
        case other:
            raise Untranslatable(f"the operation {other!r} has no counterpart: use action.template")


def _set_text(name: str, text: Any) -> Translated:
    return "flow.set", {"assignments": [{"name": name, "value": text}], "keep_only": True}


def _selectors(taken: Taken) -> Translated:
    fields = {}
    for each in (taken.get("extractionValues") or {}).get("values") or []:
        if not each.get("key") or not each.get("cssSelector"):
            continue
        made: Parameters = {"selector": taken.expression(each["cssSelector"]), "all": bool(each.get("returnArray"))}
        if each.get("returnValue") == "attribute":
            made["attribute"] = str(each.get("attribute", ""))
        if each.get("returnValue") == "html":
            taken.remark("format.fields", f"{each['key']!r} asks for HTML; here it is the text")
        fields[str(each["key"])] = made
    name = taken.get("dataPropertyName", "data")
    source = taken.get("sourceData", "json")
    taken.skip("options.trimValues", "options.cleanUpText")
    made = {"format": {"type": "html", "fields": fields}}
    if source == "binary":
        return "action.extract_from_file", made | {"binary": name}
    text = "json[" + quoted(str(name).removeprefix("=")) + "]"
    if str(name).removeprefix("=") == "data":
        # What a request delivers when it is a page: `data` in n8n, `text` here.
        text = f"default({text}, json.text)"
    return "action.extract_from_file", made | {"text": "{{ " + text + " }}"}


def _xml(taken: Taken) -> Translated:
    taken.skip(*(f"options.{name}" for name in taken.given.get("options") or {}))
    name = str(taken.get("dataPropertyName", "data"))
    if taken.get("mode", "xmlToJson") != "xmlToJson":
        raise Untranslatable("JSON becomes XML in a file here: use action.convert_to_file")
    return "action.extract_from_file", {"format": {"type": "xml"}, "text": "{{ json[" + quoted(name) + "] }}"}


def _markdown(taken: Taken) -> Translated:
    field = str(taken.get("destinationKey") or "data")
    taken.skip(*(f"options.{name}" for name in taken.given.get("options") or {}))
    if taken.get("mode", "htmlToMarkdown") == "htmlToMarkdown":
        do: Parameters = {"operation": "to_markdown", "html": taken.value("html")}
    else:
        do = {"operation": "to_html", "text": taken.value("markdown")}
    return "action.markdown", {"do": do, "output_field": field}


def _compression(taken: Taken) -> Translated:
    taken.skip("outputPrefix", "outputFormat", "fileName", "binaryPropertyOutput")
    binary = taken.value("binaryPropertyName", "data")
    if taken.given.get("operation", "decompress") == "decompress":
        return "action.decompress", {"binary": binary}
    return "action.compress", {}


def _image(taken: Taken) -> Translated:
    binary = taken.value("dataPropertyName", "data")
    taken.skip("options.fileName", "operations")
    operation = taken.given.get("operation", "information")
    asked = (taken.given.get("operations") or {}).get("operations") or []
    steps = asked if operation == "multiStep" else [{**taken.given, "operation": operation}]
    if operation == "information":
        return "action.image", {"do": {"operation": "info"}, "binary": binary}
    made = [_image_step(each) for each in steps]
    taken.skip(*taken.given)
    edit: Parameters = {"operation": "edit", "steps": made}
    format = taken.option("format")
    if format in ("png", "jpeg", "webp", "gif", "tiff", "bmp"):
        edit["format"] = format
    if quality := taken.option("quality"):
        edit["quality"] = quality
    return "action.image", {"do": edit, "binary": binary}


def _image_step(each: Parameters) -> Parameters:
    match each.get("operation"):
        case "resize":
            fit = {"ignoreAspectRatio": "stretch", "minimumArea": "cover"}.get(each.get("resizeOption", ""), "contain")
            made: Parameters = {"step": "resize", "width": each.get("width", 500), "height": each.get("height", 500)}
            return made | {"fit": fit}
        case "crop":
            return {
                "step": "crop",
                "left": each.get("positionX", 0),
                "top": each.get("positionY", 0),
                "width": each.get("width", 500),
                "height": each.get("height", 500),
            }
        case "rotate" if each.get("rotate") in (90, 180, 270):
            return {"step": "rotate", "degrees": each["rotate"]}
        case other:
            raise Untranslatable(f"the picture's {other!r} has no counterpart")


# values


def _crypto(taken: Taken) -> Translated:
    field = str(taken.get("dataPropertyName", "data"))
    encoding = taken.get("encoding", "hex")
    algorithm = str(taken.get("type", "MD5")).lower().replace("-", "_")
    taken.skip("binaryData", "binaryPropertyName", "secret", "algorithm", "privateKey", "encodingType", "stringLength")
    match taken.get("action", "hash"):
        case "hash" | "hmac" as operation:
            do: Parameters = {"operation": operation, "algorithm": algorithm, "encoding": encoding}
            if taken.given.get("binaryData"):
                do["binary"] = taken.value("binaryPropertyName", "data")
            else:
                do["value"] = taken.value("value")
            if operation == "hmac":
                taken.remark("key", "put the secret into a credential of kind `crypto_key` and choose it in the node")
            return "action.crypto", {"do": do, "output_field": field}
        case other:
            raise Untranslatable(f"{other!r} has no counterpart; hashes and HMAC do")


def _date_time(taken: Taken) -> Translated:
    into = str(taken.get("outputFieldName") or taken.get("dataPropertyName") or "date")
    taken.skip("options.includeInputFields", "includeTime", "options.customFormat", "custom", "fromFormat", "format")
    taken.skip("customFormat", "action", "options.timezone", "options.fromFormat", "operation", "toFormat")
    operation = taken.given.get("operation") or taken.given.get("action") or "addToDate"
    made: Parameters = {"output_field": into}
    match operation:
        case "getCurrentDate":
            made |= {"date": "{{ now }}", "do": {"operation": "format"}}
        case "formatDate" | "format":
            made |= {"date": taken.value("date", taken.get("value", "")), "do": {"operation": "format"}}
            format = str(
                taken.given.get("customFormat") or taken.given.get("format") or taken.given.get("toFormat") or ""
            )
            if format and format != "custom":
                made["format"] = _strftime(taken, format)
        case "addToDate" | "subtractFromDate" | "calculate":
            sign = -1 if operation == "subtractFromDate" or taken.get("operation") == "subtract" else 1
            amount = taken.value("duration", 0)
            if sign < 0 and isinstance(amount, int):
                amount = -amount
            elif sign < 0 and isinstance(amount, str) and amount.startswith("{{ "):
                amount = "{{ -(" + amount[3:-3] + ") }}"
            date = taken.value("magnitude", taken.get("value", taken.get("date", "")))
            unit = str(taken.get("timeUnit", "days"))
            made |= {"date": date, "do": {"operation": "add", "amount": amount, "unit": unit}}
        case "getTimeBetweenDates":
            units = taken.get("units") or ["day"]
            do = {"operation": "difference", "to": taken.value("endDate"), "unit": f"{str(units[0]).rstrip('s')}s"}
            made |= {"date": taken.value("startDate"), "do": do}
        case "roundDate":
            unit = str(taken.get("toNearest", "month"))
            do = {"operation": "round", "to": unit, "up": taken.get("mode", "roundDown") != "roundDown"}
            made |= {"date": taken.value("date"), "do": do}
            taken.skip("to")
        case other:
            raise Untranslatable(f"{other!r} has no counterpart; an expression such as `now.getMonth()` has it")
    if zone := taken.option("timezone"):
        made["timezone"] = zone if isinstance(zone, str) else ""
    return "action.date_time", made


def _strftime(taken: Taken, format: str) -> str:
    try:
        return strftime(format)
    except Beyond as why:
        return taken.untranslated(format, str(why))


def _jwt(taken: Taken) -> Translated:
    taken.skip(*(f"options.{name}" for name in taken.given.get("options") or {}))
    taken.remark("key", "put the secret into a credential of kind `crypto_key` and choose it in the node")
    if taken.given.get("operation", "sign") == "sign":
        claims = taken.structure(taken.get("claimsJson") or "{}") if taken.get("useJson") else taken.value("claims", {})
        if not isinstance(claims, dict):
            raise Untranslatable("its claims can not be read as an object")
        return "action.crypto", {"do": {"operation": "jwt_sign", "claims": claims}, "output_field": "token"}
    return "action.crypto", {
        "do": {"operation": "jwt_verify", "token": taken.value("token")},
        "output_field": "payload",
    }


TABLE: dict[str, Callable[[Taken], Translated]] = {
    "code": _code,
    "function": _function,
    "functionItem": _function_item,
    "extractFromFile": _extract,
    "convertToFile": _convert,
    "spreadsheetFile": _spreadsheet,
    "moveBinaryData": _move_binary,
    "readWriteFile": _read_write,
    "readBinaryFile": _read_write,
    "readBinaryFiles": _read_write,
    "writeBinaryFile": lambda taken: _written(taken),
    "readPDF": lambda taken: (
        "action.extract_from_file",
        {"format": {"type": "pdf"}, "binary": taken.value("binaryPropertyName", "data")},
    ),
    "html": _html,
    "htmlExtract": _selectors,
    "xml": _xml,
    "markdown": _markdown,
    "compression": _compression,
    "editImage": _image,
    "crypto": _crypto,
    "dateTime": _date_time,
    "jwt": _jwt,
}


def _written(taken: Taken) -> Translated:
    path, binary = _inside(taken.value("fileName")), taken.value("dataPropertyName", "data")
    taken.skip("options.append")
    return "action.file", {"do": {"operation": "write", "path": path, "binary": binary}}
