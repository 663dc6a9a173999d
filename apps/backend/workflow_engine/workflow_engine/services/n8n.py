"""Workflows that n8n has exported, as ours.

What maps is translated; what does not becomes a `flow.no_op` that keeps the original in its notes, and an error in the
report says so. Nothing is dropped in silence: a parameter that has no counterpart is named in the report as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf import json_format

from workflow_engine.engine.plan import Issue
from workflow_engine.proto import workflow_pb2 as pb

Parameters = dict[str, Any]
Translated = tuple[str, Parameters]
PREFIXES = ("n8n-nodes-base.", "@n8n/n8n-nodes-langchain.")
IGNORED = {"options", "conditions.options", "notice"}

_JAVASCRIPT = (
    (re.compile(r"==="), "=="),
    (re.compile(r"!=="), "!="),
    (re.compile(r"\.toUpperCase\(\)"), ".upper()"),
    (re.compile(r"\.toLowerCase\(\)"), ".lower()"),
    (re.compile(r"\.includes\("), ".contains("),
    (re.compile(r"\.length\b"), ".size()"),
    (re.compile(r"\$json\[(['\"])(\w+)\1\]"), r"$json.\2"),
    (re.compile(r"\$node\[(['\"])(.+?)\1\]\.data\b"), r"$node[\1\2\1].json"),
)
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
}
ONE_SIDED = {"is_empty", "is_not_empty", "exists", "not_exists", "is_true", "is_false"}


class Untranslatable(Exception):
    """A node that has no counterpart, and why."""


def from_n8n(document: Any) -> tuple[pb.Workflow, list[pb.ValidationIssue]]:
    """The workflow, and what did not map. Raises ValueError for what is no n8n workflow."""
    if not isinstance(document, dict) or not isinstance(document.get("nodes"), list):
        raise ValueError("an n8n workflow has a list of nodes")
    return _Import(document).run()


def leave_out(workflow: pb.Workflow, issues: Iterable[Issue]) -> list[pb.ValidationIssue]:
    """Puts a `flow.no_op` in place of each node that came out wrong, such as one with JavaScript that is no CEL."""
    report = []
    wrong = {issue.node: issue for issue in reversed(list(issues)) if issue.is_error and issue.node}
    for node in workflow.nodes:
        if (issue := wrong.get(node.id)) is not None and node.type != "flow.no_op":
            node.notes = json_format.MessageToJson(node, preserving_proto_field_name=True, indent=None)[:10_000]
            node.type, node.type_version = "flow.no_op", 0
            node.ClearField("parameters")
            report.append(
                pb.ValidationIssue(
                    severity=pb.SEVERITY_ERROR,
                    code="NOT_MAPPED",
                    node_id=node.id,
                    field=issue.field,
                    message=f"it came out wrong and was left out: {issue.message}",
                    suggestion=issue.suggestion or "replace this node; its notes hold what was tried",
                )
            )
    outputs = {node.id for node in workflow.nodes if node.id in wrong}
    for connection in workflow.connections:
        if connection.from_node in outputs:
            connection.from_port = "main"
        if connection.to_node in outputs:
            connection.to_port = "main"
    return report


class _Import:
    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.report: list[pb.ValidationIssue] = []
        self.ids: dict[str, str] = {}
        """Our node id by n8n's node name."""
        self.types: dict[str, str] = {}
        """Our node type by n8n's node name."""
        self.sources: dict[str, dict[str, Any]] = {}

    def run(self) -> tuple[pb.Workflow, list[pb.ValidationIssue]]:
        notes = []
        nodes = []
        for source in self.document["nodes"]:
            if _kind(source) == "stickyNote":
                notes.append(str(source.get("parameters", {}).get("content", "")))
                continue
            nodes.append(self.node(source))
        tree = {
            "name": self.document.get("name") or "Imported from n8n",
            "description": "\n\n".join(note for note in notes if note)[:10_000],
            "nodes": nodes,
            "connections": self.connections(),
        }
        settings = self.document.get("settings") or {}
        if settings.get("timezone") and settings["timezone"] != "DEFAULT":
            tree["settings"] = {"timezone": settings["timezone"]}
        return json_format.ParseDict(tree, pb.Workflow()), self.report

    def say(self, node: str, field: str, message: str, suggestion: str = "", *, is_error: bool = False) -> None:
        self.report.append(
            pb.ValidationIssue(
                severity=pb.SEVERITY_ERROR if is_error else pb.SEVERITY_WARNING,
                code="NOT_MAPPED",
                node_id=node,
                field=field,
                message=message,
                suggestion=suggestion,
            )
        )

    # nodes

    def node(self, source: dict[str, Any]) -> dict[str, Any]:
        name = str(source.get("name") or source.get("id") or "node")
        id = self.new_id(name)
        self.sources[name] = source
        made: dict[str, Any] = {"id": id, "name": name}
        given = dict(source.get("parameters") or {})
        try:
            translate = TRANSLATIONS.get(_kind(source))
            if translate is None:
                raise Untranslatable(f"{source.get('type')} has no counterpart here")
            taken = _Taken(given)
            made["type"], made["parameters"] = translate(taken, float(source.get("typeVersion") or 1))
            for field in taken.left():
                self.say(id, f"parameters.{field}", f"n8n's {field!r} has no counterpart and was left out")
        except (Untranslatable, TypeError, KeyError, AttributeError) as why:
            made |= {"type": "flow.no_op", "parameters": {}}
            made["notes"] = json.dumps(source, ensure_ascii=False)[:10_000]
            reason = str(why) if isinstance(why, Untranslatable) else "its parameters are not as n8n writes them"
            self.say(id, "type", reason, "replace this node; its notes hold the original", is_error=True)
        self.types[name] = made["type"]
        made |= self.behaviour(id, source)
        return made

    def new_id(self, name: str) -> str:
        base = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower()[:50] or "node"
        id, number = base, 1
        while id in self.ids.values():
            number += 1
            id = f"{base}_{number}"
        self.ids[name] = id
        return id

    def behaviour(self, id: str, source: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if isinstance(source.get("position"), list) and len(source["position"]) == 2:
            made["position"] = {"x": source["position"][0], "y": source["position"][1]}
        if source.get("disabled"):
            made["disabled"] = True
        if source.get("retryOnFail"):
            made["retry"] = {
                "max_attempts": int(source.get("maxTries") or 3),
                "initial_interval": f"{int(source.get('waitBetweenTries') or 1000) / 1000}s",
                "backoff_coefficient": 1,
            }
        match source.get("onError"):
            case "continueErrorOutput":
                made["on_error"] = "ON_ERROR_ERROR_PORT"
            case "continueRegularOutput":
                made["on_error"] = "ON_ERROR_CONTINUE"
            case _ if source.get("continueOnFail"):
                made["on_error"] = "ON_ERROR_CONTINUE"
        for name in ("executeOnce", "alwaysOutputData"):
            if source.get(name):
                self.say(id, name, f"n8n's {name} has no counterpart and was left out")
        if source.get("credentials"):
            self.say(id, "credentials", "credentials are not in an export", "choose them anew in the node")
        pinned = (self.document.get("pinData") or {}).get(source.get("name"))
        if isinstance(pinned, list):
            items = [{"json": each.get("json", each)} for each in pinned if isinstance(each, dict)]
            made["pinned"] = {"outputs": {"main": {"items": items}}}
        return made

    # connections

    def connections(self) -> list[dict[str, str]]:
        made = []
        for name, kinds in (self.document.get("connections") or {}).items():
            for kind, outputs in kinds.items():
                if kind != "main":
                    self.say(
                        self.ids.get(name, name), f"connections.{kind}", f"a connection of kind {kind!r} was left out"
                    )
                    continue
                for index, links in enumerate(outputs or []):
                    made += [link for each in links or [] if (link := self.connection(name, index, each))]
        return made

    def connection(self, name: str, index: int, link: dict[str, Any]) -> dict[str, str] | None:
        target = link.get("node", "")
        if name not in self.ids or target not in self.ids:
            self.say(self.ids.get(name, name), "connections", f"{name!r} -> {target!r} names a node that is not there")
            return None
        return {
            "from_node": self.ids[name],
            "from_port": self.output(name, index),
            "to_node": self.ids[target],
            "to_port": self.input(name, target, int(link.get("index") or 0)),
        }

    def output(self, name: str, index: int) -> str:
        source = self.sources[name]
        match self.types[name]:
            case "flow.if":
                ports = ["true", "false"]
            case "flow.filter":
                ports = ["main", "rejected"]
            case "flow.switch":
                ports = _switch_outputs(source)
            case "flow.loop":
                # Version 3 of n8n's node has the done branch first; older ones had the loop first, and no done.
                ports = ["done", "body"] if float(source.get("typeVersion") or 1) >= 3 else ["body", "done"]
            case _:
                ports = ["main"]
        if index < len(ports):
            return ports[index]
        return "error" if source.get("onError") == "continueErrorOutput" else ports[-1]

    def input(self, name: str, target: str, index: int) -> str:
        match self.types[target]:
            case "flow.merge":
                return f"input_{index + 1}"
            case "flow.loop":
                return "return" if self.leads_back(name, target) else "main"
            case _:
                return "main"

    def leads_back(self, name: str, loop: str) -> bool:
        """Whether `name` is reached from the loop's body, so that its connection to the loop is the way back."""
        outputs = (self.document["connections"].get(loop) or {}).get("main") or []
        body = [index for index in range(len(outputs)) if self.output(loop, index) == "body"]
        todo = [link.get("node") for index in body for link in outputs[index] or []]
        seen: set[Any] = set()
        while todo:
            at = todo.pop()
            if at == name:
                return True
            if at in seen or at == loop:
                continue
            seen.add(at)
            for links in (self.document["connections"].get(at) or {}).get("main") or []:
                todo += [link.get("node") for link in links or []]
        return False


def _kind(source: dict[str, Any]) -> str:
    type = str(source.get("type", ""))
    for prefix in PREFIXES:
        type = type.removeprefix(prefix)
    return type


class _Taken:
    """n8n parameters, and which of them were asked for."""

    def __init__(self, given: Parameters) -> None:
        self.given = given
        self.asked: set[str] = set(IGNORED)

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return self.given.get(name, default)

    def text(self, name: str, default: Any = "") -> Any:
        return expression(self.get(name, default))

    def left(self) -> list[str]:
        return [
            name for name, value in self.given.items() if name not in self.asked and value not in ("", [], {}, None)
        ]


def expression(value: Any) -> Any:
    """A value with n8n's expressions in ours: they are marked by a leading `=`; braces elsewhere are text."""
    match value:
        case str() if value.startswith("="):
            return re.sub(
                r"\{\{(.*?)\}\}", lambda match: "{{" + javascript(match[1]) + "}}", value[1:], flags=re.DOTALL
            )
        case str():
            return value.replace("{{", "{{ '{{' }}")
        case list():
            return [expression(each) for each in value]
        case dict():
            return {key: expression(each) for key, each in value.items()}
        case _:
            return value


def javascript(source: str) -> str:
    """The few turns of JavaScript that have a plain counterpart in CEL; what else there is, validation will name."""
    for pattern, ours in _JAVASCRIPT:
        source = pattern.sub(ours, source)
    return source


def _rules(given: Any) -> Parameters:
    """n8n's conditions, of version 2 (a list with operators) or version 1 (lists by type)."""
    given = given or {}
    if isinstance(given.get("conditions"), list):
        combine = "any" if given.get("combinator") == "or" else "all"
        rules = [
            _rule(
                each.get("leftValue"), (each.get("operator") or {}).get("operation", "equals"), each.get("rightValue")
            )
            for each in given["conditions"]
        ]
        ignore_case = (given.get("options") or {}).get("caseSensitive") is False
        return {"combine": combine, "rules": [rule | {"ignore_case": True} if ignore_case else rule for rule in rules]}
    rules = [
        _rule(each.get("value1"), each.get("operation", "equal"), each.get("value2"))
        for kind in ("string", "number", "boolean", "dateTime")
        for each in given.get(kind) or []
    ]
    if not rules:
        raise Untranslatable("it has no condition")
    return {"combine": "all", "rules": rules}


def _rule(left: Any, operation: str, right: Any) -> Parameters:
    if operation not in OPERATORS:
        raise Untranslatable(f"the operation {operation!r} has no counterpart")
    operator = OPERATORS[operation]
    rule = {"left": expression(left), "operator": operator}
    return rule if operator in ONE_SIDED else rule | {"right": expression(right)}


def _condition(taken: _Taken, version: float) -> Parameters:
    made = _rules(taken.get("conditions"))
    if taken.get("combineOperation", taken.get("combineConditions")) in ("any", "OR"):
        made["combine"] = "any"
    taken.get("looseTypeValidation")
    return made


def _http(taken: _Taken, version: float) -> Translated:
    made: Parameters = {"url": taken.text("url"), "method": taken.get("method", taken.get("requestMethod", "GET"))}
    if taken.get("sendQuery", True):
        made["query"] = _named(taken.get("queryParameters"), taken.get("queryParametersUi"))
    if taken.get("sendHeaders", True):
        made["headers"] = _named(taken.get("headerParameters"), taken.get("headerParametersUi"))
    if taken.get("sendBody"):
        kind = taken.get("contentType", "json")
        fields = _named(taken.get("bodyParameters"), taken.get("bodyParametersUi"))
        text = taken.text("jsonBody", taken.get("body"))
        taken.get("specifyBody")
        if kind == "json":
            made["body"] = {"kind": "json", "value": text if text not in ("", None) else fields}
        elif kind == "form-urlencoded":
            made["body"] = {"kind": "form", "fields": fields}
        else:
            raise Untranslatable(f"a body of kind {kind!r} has no counterpart")
    if taken.get("authentication", "none") not in ("none", "", None):
        for name in ("nodeCredentialType", "genericAuthType"):
            taken.get(name)
    return "action.http_request", {name: value for name, value in made.items() if value not in ({}, "")}


def _named(*given: Any) -> Parameters:
    found: Parameters = next((each for each in given if each), {})
    lists = [each for each in found.values() if isinstance(each, list)]
    return {
        str(each["name"]): expression(each.get("value", "")) for each in (lists[0] if lists else []) if each.get("name")
    }


def _set(taken: _Taken, version: float) -> Translated:
    if taken.get("mode") == "raw":
        raise Untranslatable("a set node in JSON mode has no counterpart; use fields")
    found: list[Parameters] = []
    for each in (taken.get("assignments") or {}).get("assignments") or []:
        found.append({"name": each["name"], "value": expression(each.get("value"))})
    fields = taken.get("fields") or {}
    for each in fields.get("values") or []:
        value = next((each[key] for key in each if key.endswith("Value")), "")
        found.append({"name": each["name"], "value": expression(value)})
    for values in (taken.get("values") or {}).values():
        found += [{"name": each["name"], "value": expression(each.get("value"))} for each in values]
    others = taken.get("includeOtherFields", version < 3.3)
    keep_only = bool(taken.get("keepOnlySet", taken.get("include", "all") == "none" or not others))
    taken.get("duplicateItem")
    return "flow.set", {"assignments": found, "keep_only": keep_only}


def _switch(taken: _Taken, version: float) -> Translated:
    names = _switch_outputs({"parameters": taken.given})
    if taken.get("mode", "rules") != "rules":
        count = len(names)
        return "flow.switch", {
            "mode": "expression",
            "value": expression(taken.get("output", 0)),
            "outputs": [str(number) for number in range(count)],
        }
    taken.get("numberOutputs")
    cases = []
    for name, each in zip(names, _switch_rules(taken.get("rules")), strict=False):
        if "conditions" in each:
            rules = _rules(each["conditions"])
        else:
            rules = {"rules": [_rule(taken.get("value1"), each.get("operation", "equal"), each.get("value2"))]}
        cases.append({"output": name, **rules})
    options = taken.get("options") or {}
    fallback = options.get("fallbackOutput") == "extra"
    return "flow.switch", {"mode": "rules", "cases": cases, "fallback": fallback} | (
        {"all_matches": True} if options.get("allMatchingOutputs") else {}
    )


def _switch_rules(given: Any) -> list[Any]:
    return (given or {}).get("values") or (given or {}).get("rules") or []


def _switch_outputs(source: dict[str, Any]) -> list[str]:
    given = source.get("parameters") or {}
    if given.get("mode", "rules") != "rules":
        return [str(number) for number in range(int(given.get("numberOutputs") or given.get("outputsAmount") or 4))]
    rules = _switch_rules(given.get("rules"))
    names = [str(each.get("outputKey") or index) for index, each in enumerate(rules)]
    return [*names, "fallback"]


def _merge(taken: _Taken, version: float) -> Translated:
    inputs = int(taken.get("numberInputs", 2) or 2)
    mode, by = taken.get("mode", "append"), taken.get("combineBy", taken.get("combinationMode"))
    match mode, by:
        case "append", _:
            return "flow.merge", {"mode": "append", "inputs": inputs}
        case ("combine", "combineByPosition" | "mergeByPosition") | ("mergeByIndex", _):
            return "flow.merge", {"mode": "by_position", "inputs": inputs}
        case ("combine", "combineAll" | "multiplex") | ("multiplex", _):
            return "flow.merge", {"mode": "combinations", "inputs": inputs}
        case "chooseBranch", _:
            return "flow.merge", {
                "mode": "choose",
                "inputs": inputs,
                "choose": int(taken.get("useDataOfInput", 1) or 1),
            }
        case _:
            raise Untranslatable(f"merging by {by or mode!r} has to be drawn anew, with mode by_key")


def _loop(taken: _Taken, version: float) -> Translated:
    size = taken.get("batchSize", 1 if version >= 2 else 10)
    return "flow.loop", {"mode": "batches", "size": expression(size)}


def _split_out(taken: _Taken, version: float) -> Translated:
    fields = [field.strip() for field in str(taken.text("fieldToSplitOut")).split(",")]
    if len(fields) != 1:
        raise Untranslatable("several fields can not be split at once")
    return "flow.split", {
        "field": fields[0],
        "keep_other_fields": taken.get("include", "noOtherFields") != "noOtherFields",
    }


def _aggregate(taken: _Taken, version: float) -> Translated:
    if taken.get("aggregate") == "aggregateAllItemData":
        return "flow.aggregate", {"mode": "items", "into": taken.get("destinationFieldName") or "data"}
    fields = (taken.get("fieldsToAggregate") or {}).get("fieldToAggregate") or []
    return "flow.aggregate", {"mode": "fields", "fields": [each["fieldToAggregate"] for each in fields]}


def _sort(taken: _Taken, version: float) -> Translated:
    fields = (taken.get("sortFieldsUi") or {}).get("sortField") or []
    if not fields:
        raise Untranslatable("only sorting by fields has a counterpart")
    taken.get("type")
    order = {"descending": "desc"}
    return "flow.sort", {
        "fields": [{"field": each["fieldName"], "order": order.get(each.get("order", ""), "asc")} for each in fields]
    }


def _limit(taken: _Taken, version: float) -> Translated:
    keep = {"lastItems": "last"}.get(taken.get("keep", ""), "first")
    return "flow.limit", {"count": expression(taken.get("maxItems", 1)), "keep": keep}


def _dedupe(taken: _Taken, version: float) -> Translated:
    fields = taken.get("fieldsToCompare") if taken.get("compare", "allFields") == "selectedFields" else ""
    names = [name.strip() for name in fields.split(",")] if isinstance(fields, str) and fields else []
    return "flow.dedupe", {"fields": names}


def _rename(taken: _Taken, version: float) -> Translated:
    keys = (taken.get("keys") or {}).get("key") or []
    return "flow.rename", {"fields": [{"field": each["currentKey"], "to": each["newKey"]} for each in keys]}


def _wait(taken: _Taken, version: float) -> Translated:
    match taken.get("resume", "timeInterval"):
        case "timeInterval":
            unit = {"seconds": "s", "minutes": "m", "hours": "h", "days": "d"}[taken.get("unit", "hours")]
            return "flow.wait", {"duration": f"{expression(taken.get('amount', 1))}{unit}"}
        case "specificTime":
            return "flow.wait", {"until": taken.text("dateTime")}
        case "webhook" | "form":
            return "flow.wait", {"signal": "resume"}
        case other:
            raise Untranslatable(f"waiting for {other!r} has no counterpart")


def _subworkflow(taken: _Taken, version: float) -> Translated:
    chosen = taken.get("workflowId")
    taken.get("workflowInputs")
    taken.get("source")
    id = chosen.get("value") if isinstance(chosen, dict) else chosen
    if not id:
        raise Untranslatable("it does not name its workflow by an id")
    mode = "per_item" if taken.get("mode") == "each" else "all"
    wait = (taken.get("options") or {}).get("waitForSubWorkflow", True)
    return "flow.subworkflow", {"workflow_id": expression(id), "mode": mode, "wait": wait}


def _stop(taken: _Taken, version: float) -> Translated:
    if taken.get("errorType", "errorMessage") != "errorMessage":
        raise Untranslatable("only an error message has a counterpart")
    return "flow.stop_and_error", {"message": taken.text("errorMessage") or "stopped"}


TRANSLATIONS: dict[str, Callable[[_Taken, float], Translated]] = {
    "manualTrigger": lambda taken, version: ("trigger.manual", {}),
    "start": lambda taken, version: ("trigger.manual", {}),
    "httpRequest": _http,
    "if": lambda taken, version: ("flow.if", _condition(taken, version)),
    "filter": lambda taken, version: ("flow.filter", _condition(taken, version)),
    "switch": _switch,
    "set": _set,
    "merge": _merge,
    "splitInBatches": _loop,
    "splitOut": _split_out,
    "aggregate": _aggregate,
    "sort": _sort,
    "limit": _limit,
    "removeDuplicates": _dedupe,
    "renameKeys": _rename,
    "wait": _wait,
    "executeWorkflow": _subworkflow,
    "stopAndError": _stop,
    "noOp": lambda taken, version: ("flow.no_op", {}),
    "respondToWebhook": lambda taken, version: ("flow.respond", {}),
}
