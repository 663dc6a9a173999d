"""n8n's nodes that steer: conditions, loops, merges, and those that shape lists of items."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from workflow_engine.nodes.flow.paths import steps
from workflow_engine.services.n8n.javascript import Beyond, object_members, quoted, translated
from workflow_engine.services.n8n.reading import Extra, Made, Parameters, Taken, Translated, Untranslatable

OPERATORS = {
    "equals": "equals",
    "equal": "equals",
    "notEquals": "not_equals",
    "notEqual": "not_equals",
    "contains": "contains",
    "notContains": "not_contains",
    "startsWith": "starts_with",
    "endsWith": "ends_with",
    "regex": "matches",
    "gt": "gt",
    "larger": "gt",
    "gte": "gte",
    "largerEqual": "gte",
    "lt": "lt",
    "smaller": "lt",
    "lte": "lte",
    "smallerEqual": "lte",
    "empty": "is_empty",
    "isEmpty": "is_empty",
    "notEmpty": "is_not_empty",
    "isNotEmpty": "is_not_empty",
    "exists": "exists",
    "notExists": "not_exists",
    "true": "is_true",
    "false": "is_false",
    "after": "gt",
    "before": "lt",
    "afterOrEquals": "gte",
    "beforeOrEquals": "lte",
}
ONE_SIDED = {"is_empty", "is_not_empty", "exists", "not_exists", "is_true", "is_false"}
LENGTHS = {
    "lengthEquals": "equals",
    "lengthNotEquals": "not_equals",
    "lengthGt": "gt",
    "lengthLt": "lt",
    "lengthGte": "gte",
    "lengthLte": "lte",
}


def rules(taken: Taken, given: Any) -> Parameters:
    """n8n's conditions, of version 2 (a list with operators) or version 1 (lists by type)."""
    given = given or {}
    if isinstance(given.get("conditions"), list):
        combine = "any" if given.get("combinator") == "or" else "all"
        made = [_rule_v2(taken, each) for each in given["conditions"]]
        if _is_loose(taken, given):
            made = [
                _loosely(rule, (each.get("operator") or {}).get("type", ""))
                for rule, each in zip(made, given["conditions"], strict=True)
            ]
        ignore_case = (given.get("options") or {}).get("caseSensitive") is False
        return {"combine": combine, "rules": [rule | {"ignore_case": True} if ignore_case else rule for rule in made]}
    made = [
        _rule_v1(taken, kind, each.get("value1"), each.get("operation"), each.get("value2"))
        for kind in ("string", "number", "boolean", "dateTime")
        for each in given.get(kind) or []
    ]
    if not made:
        raise Untranslatable("it has no condition")
    return {"combine": "all", "rules": made}


def _is_loose(taken: Taken, given: Parameters) -> bool:
    chosen = taken.option("looseTypeValidation", taken.get("looseTypeValidation"))
    return bool(chosen) if chosen is not None else (given.get("options") or {}).get("typeValidation") == "loose"


_USUAL = {
    "string": ("equal", ""),
    "number": ("smaller", 0),
    "boolean": ("equal", False),
    "dateTime": ("after", ""),
}
"""Of version 1, by type: the operation and the values that n8n leaves out of an export."""


def _rule_v1(taken: Taken, kind: str, left: Any, operation: Any, right: Any) -> Parameters:
    usual, empty = _USUAL[kind]
    left, right = empty if left is None else left, empty if right is None else right
    made = rule(taken, left, str(operation or usual), right, kind)
    is_loose = kind == "dateTime" or made["operator"] in _LOOSE_IN_V1.get(kind, ())
    return _loosely(made, kind) if is_loose else made


_LOOSE_IN_V1 = {"number": ("gt", "gte", "lt", "lte"), "string": ("contains", "not_contains", "matches")}
"""Operators of version 1 that take any type, by the type that they were chosen for."""


def _loosely(made: Parameters, type: str) -> Parameters:
    """A comparison whose sides become what it compares, as JavaScript makes them: the text `5` is the number 5."""
    become = _LOOSE.get(type)
    if become is None or made["operator"] in ("exists", "not_exists", "is_empty", "is_not_empty"):
        return made
    return made | {side: become(made[side]) for side in ("left", "right") if side in made}


def _within(template: str) -> Callable[[Any], Any]:
    """Puts a lone expression into a template."""

    def become(value: Any) -> Any:
        if not is_lone(value):
            return value
        asked = re.fullmatch(r"default\((.*), null\)", value[3:-3])
        return "{{ " + template.replace("{0}", asked[1] if asked else value[3:-3]) + " }}"

    return become


def _instant(value: Any) -> Any:
    """A date in seconds: as a text, in whatever zone it was written, it has no order."""
    if not isinstance(value, str) or not value:
        return value
    if not is_lone(value):
        return value if "{{" in value else "{{ int(parseTime(" + quoted(value) + ")) }}"
    inner = value[3:-3]
    return "{{ int(" + (inner if inner.startswith("now") else f"parseTime({inner})") + ") }}"


_LOOSE: dict[str, Callable[[Any], Any]] = {
    "number": _within("double(optional.ofNonZeroValue(default({0}, null)).orValue(0))"),
    "dateTime": _instant,
    "string": _within("toText(default({0}, ''))"),
    "boolean": _within("toText(default({0}, '')).lower() in ['true', '1']"),
}


def is_lone(value: Any) -> bool:
    """Whether it is one expression and nothing else, so that it keeps its type."""
    return isinstance(value, str) and value.startswith("{{ ") and value.endswith(" }}") and value.count("{{") == 1


def _rule_v2(taken: Taken, each: Parameters) -> Parameters:
    operator = each.get("operator") or {}
    operation = operator.get("operation", "equals")
    if operation in LENGTHS:
        left = taken.expression(each.get("leftValue"))
        if isinstance(left, str) and left.startswith("{{ ") and left.endswith(" }}"):
            left = "{{ size(" + left[3:-3] + ") }}"
        return {"left": left, "operator": LENGTHS[operation], "right": taken.expression(each.get("rightValue"))}
    return rule(taken, each.get("leftValue"), operation, each.get("rightValue"), operator.get("type", ""))


def rule(taken: Taken, left: Any, operation: str, right: Any, type: str = "") -> Parameters:
    if operation == "notRegex":
        raise Untranslatable("the operation 'notRegex' has no counterpart: use `condition` with !matches()")
    if operation not in OPERATORS:
        raise Untranslatable(f"the operation {operation!r} has no counterpart")
    operator = OPERATORS[operation]
    made = {"left": _left(taken, left, operator), "operator": operator}
    right = taken.expression(right)
    if (
        operator == "matches"
        and isinstance(right, str)
        and (regex := re.fullmatch(r"/(.*)/([a-z]*)", right, re.DOTALL))
    ):
        flags = "".join(each for each in regex[2] if each in "ism")
        right = (f"(?{flags})" if flags else "") + regex[1]
    if type == "number" and isinstance(right, str) and "{{" not in right:
        right = _number(right)
    return made if operator in ONE_SIDED else made | {"right": right}


def _left(taken: Taken, left: Any, operator: str) -> Any:
    """What is absent is undefined in JavaScript, and a condition may ask for just that."""
    made = taken.expression(left)
    if operator in ONE_SIDED and is_lone(made) and not made.startswith("{{ default("):
        return "{{ default(" + made[3:-3] + ", null) }}"
    return made


def _number(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text


def _condition(taken: Taken) -> Parameters:
    made = rules(taken, taken.get("conditions"))
    if taken.get("combineOperation", taken.get("combineConditions")) in ("any", "OR"):
        made["combine"] = "any"
    taken.skip("looseTypeValidation", "options.looseTypeValidation", "options.ignoreCase", "options.caseSensitive")
    if taken.option("ignoreCase") or taken.option("caseSensitive") is False:
        made["rules"] = [each | {"ignore_case": True} for each in made["rules"]]
    return made


def _set(taken: Taken) -> Translated:
    if taken.get("mode") == "raw":
        return _set_json(taken)
    found: list[Parameters] = []
    for each in (taken.get("assignments") or {}).get("assignments") or []:
        if not each.get("name"):
            continue
        found.append({"name": path(each["name"]), "value": _typed(taken, each.get("value"), each.get("type", ""))})
    fields = taken.get("fields") or {}
    for each in fields.get("values") or []:
        value = next((each[key] for key in each if key.endswith("Value")), "")
        found.append({"name": path(each["name"]), "value": _typed(taken, value, each.get("type", ""))})
    for values in (taken.get("values") or {}).values():
        named = [each for each in values if each.get("name")]
        found += [{"name": path(each["name"]), "value": taken.expression(each.get("value"))} for each in named]
    return "flow.set", {"assignments": found} | _kept(taken)


def path(name: Any) -> Any:
    """A field's name as ours are written: `a.b[0]` as it is, one with other signs in quotes."""
    text = re.sub(r"\['([^'\"\\]*)'\]", r'["\1"]', str(name).removeprefix("="))
    try:
        steps(text)
    except ValueError:
        return '["' + text.replace("\\", "\\\\").replace('"', '\\"') + '"]'
    return text


def _typed(taken: Taken, value: Any, type: str) -> Any:
    kind = type.removesuffix("Value")
    if kind in ("object", "array") and isinstance(value, str):
        made = taken.structure(value)
        return made if made is not None else taken.expression(value)
    made = taken.expression(value)
    if kind == "number" and isinstance(made, str) and "{{" not in made:
        return _number(made)
    if kind == "string" and is_lone(made) and translated(value[3:-2]).kind in ("number", "bool", "list", "map"):
        return "{{ toText(" + made[3:-3] + ") }}"
    if kind == "boolean" and made in ("true", "false"):
        return made == "true"
    return made


def _kept(taken: Taken) -> Parameters:
    others = taken.get("includeOtherFields", taken.version < 3.3 and taken.get("include") != "none")
    keep_only = bool(taken.get("keepOnlySet", not others))
    taken.skip("duplicateItem", "include", "options.ignoreConversionErrors", "options.dotNotation", "type")
    made: Parameters = {"keep_only": keep_only}
    if (chosen := taken.get("includeFields")) and isinstance(chosen, str):
        made["include"] = [path(each.strip()) for each in chosen.split(",") if each.strip()]
    if (left_out := taken.get("excludeFields")) and isinstance(left_out, str):
        made["exclude"] = [path(each.strip()) for each in left_out.split(",") if each.strip()]
    if made.get("include"):
        made["keep_only"] = True
    return made


def _set_json(taken: Taken) -> Translated:
    source = taken.get("jsonOutput", "{}")
    kept = _kept(taken)
    if isinstance(source, str) and source.startswith("="):
        body = source[1:].strip()
        if body.startswith("{{") and body.endswith("}}") and body.count("{{") == 1:
            try:
                members = object_members(body[2:-2])
            except Beyond as why:
                taken.untranslated(body, str(why))
                members = {}
            if members is not None:
                assigned = [{"name": path(name), "value": "{{ " + cel + " }}"} for name, cel in members.items()]
                return "flow.set", {"assignments": assigned} | kept
    made = taken.structure(source)
    if isinstance(made, dict):
        return "flow.set", {"assignments": [{"name": path(name), "value": each} for name, each in made.items()]} | kept
    if isinstance(made, str) and made.startswith("{{"):
        if not kept["keep_only"]:
            made = "{{ json.merge(" + made[3:-3] + ") }}"
        return "action.transform", {"query": "@", "input": made}
    raise Untranslatable("its JSON can not be read as an object: use fields")


def _switch(taken: Taken) -> Translated:
    names = switch_outputs(taken.source)
    taken.skip("outputsAmount", "numberOutputs", "dataType")
    if taken.get("mode", "rules") != "rules":
        return "flow.switch", {
            "mode": "expression",
            "value": taken.value("output", 0),
            "outputs": [str(number) for number in range(len(names))],
        }
    cases = []
    for name, each in zip(names, _switch_rules(taken.get("rules")), strict=False):
        if "conditions" in each:
            made = rules(taken, each["conditions"])
        else:
            kind = taken.get("dataType", "number")
            made = {"rules": [_rule_v1(taken, kind, taken.get("value1"), each.get("operation"), each.get("value2"))]}
        cases.append({"output": name, **made})
    fallback = taken.option("fallbackOutput", taken.get("fallbackOutput", "none"))
    taken.skip("options.renameFallbackOutput", "options.ignoreCase", "options.looseTypeValidation", "value2")
    made = {"mode": "rules", "cases": cases, "fallback": fallback == "extra"}
    if taken.option("allMatchingOutputs"):
        made["all_matches"] = True
    if isinstance(fallback, int) and 0 <= fallback < len(cases):
        # Items that no case takes go the way of one of them: a last case that holds for all.
        made["cases"] = [*cases, {"output": cases[fallback]["output"], "condition": "{{ true }}"}]
        made["fallback"] = False
    return "flow.switch", made


def _switch_rules(given: Any) -> list[Any]:
    return (given or {}).get("values") or (given or {}).get("rules") or []


def switch_outputs(source: dict[str, Any]) -> list[str]:
    given = source.get("parameters") or {}
    if given.get("mode", "rules") != "rules":
        return [str(number) for number in range(int(given.get("numberOutputs") or given.get("outputsAmount") or 4))]
    found = _switch_rules(given.get("rules"))
    if found and "conditions" not in found[0] and any("output" in each for each in found):
        return [str(each.get("output", index)) for index, each in enumerate(found)]
    taken: list[str] = []
    for index, each in enumerate(found):
        name = str(each.get("outputKey") or index)[:64]
        taken.append(name if name not in taken and name not in ("fallback", "error") else f"{name[:60]}_{index}")
    return [*taken, "fallback"]


def _merge(taken: Taken) -> Translated:
    inputs = max(int(taken.get("numberInputs", 2) or 2), 2)
    mode, by = taken.get("mode", "append"), taken.get("combineBy", taken.get("combinationMode"))
    taken.skip("options.clashHandling", "clashHandling", "overwrite", "chooseBranchMode", "output", "useDataOfInput")
    taken.skip(
        "options.includeUnpaired", "options.fuzzyCompare", "options.disableDotNotation", "options.multipleMatches"
    )
    match mode, by:
        case "append", _:
            return "flow.merge", {"mode": "append", "inputs": inputs}
        case "mergeByIndex", _:
            return "flow.merge", _merge_by_index(taken, inputs)
        case "combine", "combineByPosition" | "mergeByPosition":
            pads = taken.option("includeUnpaired")
            return "flow.merge", {"mode": "by_position", "inputs": inputs, "unpaired": "pad" if pads else "drop"}
        case ("combine", "combineAll" | "multiplex") | ("multiplex", _):
            return "flow.merge", {"mode": "combinations", "inputs": inputs}
        case ("chooseBranch", _) | ("wait", _) | ("passThrough", _):
            chosen = taken.get("useDataOfInput", taken.get("output", 1))
            number = {"input1": 1, "input2": 2}.get(str(chosen), chosen)
            return "flow.merge", {"mode": "choose", "inputs": inputs, "choose": int(number or 1)}
        case ("combine", "combineByFields" | "mergeByFields" | None) | ("mergeByKey", _):
            return "flow.merge", _merge_by_key(taken)
        case _:
            raise Untranslatable(f"merging by {by or mode!r} has no counterpart")


def _merge_by_index(taken: Taken, inputs: int) -> Parameters:
    """Of version 1, which keeps what only the first input has, unless it is told another join."""
    join = taken.get("join", "left")
    if join == "left":
        taken.remark("unpaired", "items that only the second input has are kept too: n8n dropped those")
    return {"mode": "by_position", "inputs": inputs, "unpaired": "drop" if join == "inner" else "pad"}


def _merge_by_key(taken: Taken) -> Parameters:
    names = taken.get("fieldsToMatchString")
    taken.skip("advanced", "outputDataFrom")
    if isinstance(names, str) and names:
        keys = [{"left": path(each.strip()), "right": path(each.strip())} for each in names.split(",") if each.strip()]
    elif found := (taken.get("mergeByFields") or taken.get("fieldsToMatch") or {}).get("values"):
        keys = [{"left": path(each["field1"]), "right": path(each["field2"])} for each in found]
    elif taken.get("propertyName1"):
        keys = [{"left": path(taken.get("propertyName1")), "right": path(taken.get("propertyName2"))}]
    else:
        raise Untranslatable("it does not say by which fields it merges")
    join = {
        "v1": "left",
        "keepMatches": "inner",
        "keepEverything": "outer",
        "enrichInput1": "left",
        "enrichInput2": "right",
    }.get("v1" if taken.version < 2 else taken.get("joinMode", "keepMatches"))
    if join is None:
        raise Untranslatable("keeping what does not match is flow.compare here")
    return {"mode": "by_key", "keys": keys, "join": join}


def _loop(taken: Taken) -> Translated:
    size = taken.value("batchSize", 1 if taken.version >= 2 else 10)
    taken.skip("options.reset")
    return "flow.loop", {"mode": "batches", "size": size}


def _split_out(taken: Taken) -> Translated:
    names = [path(each.strip()) for each in str(taken.value("fieldToSplitOut")).split(",") if each.strip()]
    return _split(taken, names, taken.get("include", "noOtherFields") != "noOtherFields")


def _split(taken: Taken, names: list[Any], keep: bool) -> Translated:
    if len(names) != 1:
        raise Untranslatable("several fields can not be split at once")
    into = taken.option("destinationFieldName")
    taken.skip("fieldsToInclude", "options.disableDotNotation", "options.includeBinary")
    made: Parameters = {"field": names[0], "keep_other_fields": keep}
    if into and isinstance(into, str) and into != names[0]:
        return Made(
            "flow.rename",
            {"fields": [{"field": names[0], "to": path(into)}]},
            before=(Extra("split", "flow.split", made),),
        )
    return "flow.split", made


def _aggregate(taken: Taken) -> Translated:
    taken.skip("include", "fieldsToInclude", "fieldsToExclude", "options.disableDotNotation", "options.includeBinaries")
    taken.skip("options.mergeLists", "options.keepMissing", "options.keepOnlyUnique")
    if taken.get("aggregate") == "aggregateAllItemData":
        return "flow.aggregate", {"mode": "items", "into": taken.get("destinationFieldName") or "data"}
    fields = (taken.get("fieldsToAggregate") or {}).get("fieldToAggregate") or []
    renamed = [
        {"field": path(each["fieldToAggregate"]), "to": path(each["outputFieldName"])}
        for each in fields
        if each.get("renameField") and each.get("outputFieldName")
    ]
    names = [path(each["fieldToAggregate"]) for each in fields if each.get("fieldToAggregate")]
    if not names:
        raise Untranslatable("it does not say which fields it collects")
    made = {"mode": "fields", "fields": names}
    if renamed:
        return Made("flow.rename", {"fields": renamed}, before=(Extra("collect", "flow.aggregate", made),))
    return "flow.aggregate", made


_MEASURES = {
    "count": ("count", "count"),
    "countUnique": ("count_unique", "unique_count"),
    "sum": ("sum", "sum"),
    "min": ("min", "min"),
    "max": ("max", "max"),
    "average": ("avg", "average"),
    "concatenate": ("join", "concatenated"),
}
_SEPARATORS = {"newLine": "\n", "space": " ", "comma": ", ", "other": ""}


def _summarize(taken: Taken) -> Translated:
    found = (taken.get("fieldsToSummarize") or {}).get("values") or []
    by = [path(each.strip()) for each in str(taken.get("fieldsToSplitBy", "") or "").split(",") if each.strip()]
    taken.skip("options.outputFormat", "options.continueIfFieldNotFound", "options.disableDotNotation")
    summaries: list[Parameters] = []
    for each in found:
        kind = str(each.get("aggregation", "count"))
        if kind not in _MEASURES:
            raise Untranslatable(f"the measure {kind!r} has no counterpart")
        op, label = _MEASURES[kind]
        field = str(each.get("field", ""))
        made: Parameters = {"op": op, "field": path(field), "name": f"{label}_{field}".replace(".", "_")}
        if op == "join":
            chosen = each.get("separateBy", "comma")
            made["separator"] = each.get("customSeparator", "") if chosen == "other" else _SEPARATORS.get(chosen, ",")
        summaries.append(made)
    if not summaries:
        raise Untranslatable("it summarises nothing")
    return "flow.aggregate", {"mode": "summary", "summaries": summaries, "group_by": by}


def _sort(taken: Taken) -> Translated:
    fields = (taken.get("sortFieldsUi") or {}).get("sortField") or []
    if not fields or taken.get("type", "simple") != "simple":
        raise Untranslatable("only sorting by fields has a counterpart")
    taken.skip("options.disableDotNotation")
    order = {"descending": "desc"}
    return "flow.sort", {
        "fields": [
            {"field": path(each["fieldName"]), "order": order.get(each.get("order", ""), "asc")} for each in fields
        ]
    }


def _limit(taken: Taken) -> Translated:
    keep = {"lastItems": "last"}.get(taken.get("keep", ""), "first")
    return "flow.limit", {"count": taken.value("maxItems", 1), "keep": keep}


def _dedupe(taken: Taken) -> Translated:
    if taken.given.get("operation", "removeDuplicateInputItems") != "removeDuplicateInputItems":
        return _dedupe_over_runs(taken)
    chosen = taken.get("fieldsToCompare") if taken.get("compare", "allFields") == "selectedFields" else ""
    if isinstance(chosen, dict):
        chosen = ",".join(each.get("fieldName", "") for each in chosen.get("fields") or [])
    taken.skip("fieldsToCompare", "options.removeOtherFields", "options.disableDotNotation")
    names = [path(name.strip()) for name in str(chosen or "").split(",") if name.strip()]
    return "flow.dedupe", {"fields": names}


def _dedupe_over_runs(taken: Taken) -> Translated:
    raise Untranslatable("remembering items over executions is memory.key_value here, or a trigger that remembers")


def _rename(taken: Taken) -> Translated:
    keys = (taken.get("keys") or {}).get("key") or []
    if not keys:
        raise Untranslatable("renaming by a pattern has no counterpart")
    return "flow.rename", {"fields": [{"field": path(each["currentKey"]), "to": path(each["newKey"])} for each in keys]}


def _item_lists(taken: Taken) -> Translated:
    """The node from which n8n made split out, aggregate, sort, limit, summarize and remove duplicates."""
    match taken.given.get("operation", "splitOutItems"):
        case "splitOutItems":
            names = [path(each.strip()) for each in str(taken.value("fieldToSplitOut")).split(",") if each.strip()]
            return _split(taken, names, taken.get("include", "noOtherFields") != "noOtherFields")
        case "aggregateItems" | "concatenateItems":
            return _aggregate(taken)
        case "limit":
            return _limit(taken)
        case "sort":
            return _sort(taken)
        case "removeDuplicates":
            return _dedupe(taken)
        case "summarize":
            return _summarize(taken)
        case other:
            raise Untranslatable(f"the operation {other!r} has no counterpart")


def _wait(taken: Taken) -> Translated:
    taken.skip("httpMethod", "responseMode", "limitWaitTime", "limitType", "resumeAmount", "resumeUnit", "responseCode")
    match taken.get("resume", "timeInterval"):
        case "timeInterval":
            default = "hours" if taken.version < 1.1 else "seconds"
            unit = {"seconds": "s", "minutes": "m", "hours": "h", "days": "d"}[taken.get("unit", default)]
            amount = taken.value("amount", 1 if taken.version < 1.1 else 5)
            return "flow.wait", {"duration": f"{amount}{unit}"}
        case "specificTime":
            return "flow.wait", {"until": taken.value("dateTime")}
        case "webhook":
            taken.remark("signal", "a call of its resume URL became the signal `resume`; send it with SignalExecution")
            return "flow.wait", {"signal": "resume"}
        case "form":
            return form_page(taken)
        case other:
            raise Untranslatable(f"waiting for {other!r} has no counterpart")


def form_page(taken: Taken) -> Translated:
    from workflow_engine.services.n8n.triggers import form_fields

    if taken.given.get("operation") == "completion":
        # What trigger.form shows at the end is the member `message` of what the workflow delivers.
        taken.skip("respondWith", "completionTitle", "completionMessage", "options.formTitle", "responseText")
        said = [taken.value("completionTitle"), taken.value("completionMessage") or taken.value("responseText")]
        message = "\n\n".join(str(each) for each in said if each)
        return "flow.set", {"assignments": [{"name": "message", "value": message}]}
    taken.skip("options.formDescription", "options.buttonLabel", "options.customCss", "defineForm", "jsonOutput")
    fields, _ = form_fields(taken)
    if not fields:
        raise Untranslatable("its fields can not be read: add them to a human.form")
    title = taken.value("formTitle", taken.option("formTitle", "")) or taken.name
    made = {"title": str(title)[:200], "fields": fields, "text": taken.expression(taken.option("formDescription", ""))}
    return "human.form", {name: value for name, value in made.items() if value}


def _subworkflow(taken: Taken) -> Translated:
    id = taken.value("workflowId")
    taken.skip("workflowInputs", "source", "workflowJson", "workflowPath", "workflowUrl")
    if not id or not isinstance(id, str):
        raise Untranslatable("it does not name its workflow by an id")
    mode = "per_item" if taken.get("mode") == "each" else "all"
    taken.remark("workflow_id", f"import the workflow {id!r} too, publish it, and put its id here")
    return "flow.subworkflow", {"workflow_id": id[:64], "mode": mode, "wait": taken.option("waitForSubWorkflow", True)}


def _stop(taken: Taken) -> Translated:
    if taken.get("errorType", "errorMessage") == "errorObject":
        made = taken.structure(taken.get("errorObject", "{}"))
        message = made.get("message") if isinstance(made, dict) else None
        return "flow.stop_and_error", {"message": str(message or made or "stopped")}
    return "flow.stop_and_error", {"message": taken.value("errorMessage") or "stopped"}


def _respond(taken: Taken) -> Translated:
    made: Parameters = {}
    code = taken.option("responseCode")
    if code:
        made["status"] = taken.expression(code)
    headers = (taken.option("responseHeaders") or {}).get("entries") or []
    if headers:
        made["headers"] = {str(each["name"]): taken.expression(each.get("value", "")) for each in headers}
    taken.skip("options.enableStreaming", "enableResponseOutput", "options.responseKey")
    match taken.get("respondWith", "firstIncomingItem" if taken.version < 1.1 else "text"):
        case "json":
            body = taken.structure(taken.get("responseBody", "{}"))
            if isinstance(body, str) and body.startswith("{{"):
                body = {"value": body} if not body.endswith(") }}") else body
            if not isinstance(body, dict | list | str):
                raise Untranslatable("its JSON can not be read")
            made["body"] = body
        case "text":
            text = taken.value("responseBody")
            if text not in ("", None):
                taken.remark("body", "an answer is a JSON object here, so the text stands under `text`")
                made["body"] = {"text": text}
        case "noData":
            made["body"] = {}
        case "allIncomingItems" | "firstIncomingItem" | "binary" | "redirect" | "jwt" as kind:
            taken.skip("responseBody", "responseDataSource", "inputFieldName", "redirectURL")
            if kind == "redirect":
                made |= {"status": 302, "body": {}}
                made["headers"] = made.get("headers", {}) | {"Location": taken.value("redirectURL")}
            elif kind in ("binary", "jwt"):
                raise Untranslatable(f"answering with {kind!r} has no counterpart")
    return "flow.respond", made


def _compare(taken: Taken) -> Translated:
    keys = (taken.get("mergeByFields") or {}).get("values") or []
    if not keys:
        raise Untranslatable("it does not say by which fields it compares")
    taken.skip("resolve", "fuzzyCompare", "preferWhenMix", "exceptWhenMix", "options.skipFields")
    made = [{"left": path(each["field1"]), "right": path(each["field2"])} for each in keys]
    return Made("flow.compare", {"keys": made}, outputs=("only_1", "same", "different", "only_2"))


def _nothing(taken: Taken) -> Translated:
    taken.skip(*taken.given)
    return "flow.no_op", {}


TABLE: dict[str, Callable[[Taken], Translated]] = {
    "if": lambda taken: ("flow.if", _condition(taken)),
    "filter": lambda taken: ("flow.filter", _condition(taken)),
    "switch": _switch,
    "set": _set,
    "merge": _merge,
    "splitInBatches": _loop,
    "splitOut": _split_out,
    "aggregate": _aggregate,
    "summarize": _summarize,
    "sort": _sort,
    "limit": _limit,
    "removeDuplicates": _dedupe,
    "renameKeys": _rename,
    "itemLists": _item_lists,
    "wait": _wait,
    "form": form_page,
    "executeWorkflow": _subworkflow,
    "stopAndError": _stop,
    "noOp": _nothing,
    "executionData": _nothing,
    "respondToWebhook": _respond,
    "compareDatasets": _compare,
}
