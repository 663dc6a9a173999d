"""A workflow that n8n has exported, as ours: its nodes, what connects them, what it reports.

What maps is translated. A node that has no counterpart becomes a `flow.no_op` that keeps the original in its notes; a
node whose expression has none keeps its place and its other parameters, and is disabled until a person has put that
right. Either way an error in the report says so. Nothing is dropped in silence: a parameter that has no counterpart is
named in the report as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from google.protobuf import json_format

from workflow_engine.engine.plan import Issue
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.services.n8n import ai, apps, data, flow, plain, triggers, web
from workflow_engine.services.n8n.flow import switch_outputs
from workflow_engine.services.n8n.reading import Extra, Made, Problem, Taken, Untranslatable, literal

PREFIXES = ("n8n-nodes-base.", "@n8n/n8n-nodes-langchain.", "n8n-nodes-langchain.")
TABLE = {**plain.TABLE, **web.TABLE, **data.TABLE, **apps.TABLE, **ai.TABLE, **triggers.TABLE, **flow.TABLE}
NOTES = 10_000
_CONSTANT = re.compile(r"\bvars\.([A-Za-z_]\w*)")
_TAKERS = {"model": "ai_agent.", "memory": "ai_agent.agent", "tools": "ai_agent.agent", "retriever": "ai_agent.agent"}
"""Which node types have a port for parts; all others of n8n's such connections say nothing here."""


def from_n8n(document: Any) -> tuple[pb.Workflow, list[pb.ValidationIssue]]:
    """The workflow, and what did not map. Raises ValueError for what is no n8n workflow."""
    if isinstance(document, dict) and isinstance(document.get("workflow"), dict):
        document = document["workflow"]  # as n8n's template library hands it out
    if isinstance(document, list) and len(document) == 1:
        document = document[0]  # as `n8n export:workflow` writes it
    if not isinstance(document, dict) or not isinstance(document.get("nodes"), list):
        raise ValueError("an n8n workflow has a list of nodes")
    return _Import(document).run()


def settle(workflow: pb.Workflow, check: Callable[[pb.Workflow], Iterable[Issue]]) -> list[pb.ValidationIssue]:
    """Takes out of a translated workflow what `check` finds wrong with it, so that it can be saved, and says so.

    An expression that is wrong becomes text, a parameter that is missing an empty one, and its node is disabled. What
    is still wrong then becomes a `flow.no_op`.
    """
    report: list[pb.ValidationIssue] = []
    for attempt in range(ROUNDS):
        issues = [issue for issue in check(workflow) if issue.is_error and issue.node]
        if not issues:
            break
        nodes = {node.id: node for node in workflow.nodes}
        rest = []
        for issue in issues:
            node = nodes.get(issue.node)
            if issue.code == "SCOPE_CROSSED" and _uncrossed(workflow, issue):
                report.append(_told(issue.node, issue, "the connection was left out"))
            elif attempt < ROUNDS - 2 and node is not None and node.type != "flow.no_op" and _eased(node, issue):
                report.append(_told(node.id, issue, "it was disabled"))
            else:
                rest.append(issue)
        if len(rest) == len(issues):
            report += leave_out(workflow, rest)
    return report


ROUNDS = 8


def _uncrossed(workflow: pb.Workflow, issue: Issue) -> bool:
    """Takes away the connection that an issue names first, as `from.port -> to.port`."""
    for index, link in enumerate(workflow.connections):
        if f"{link.from_node}.{link.from_port} -> {link.to_node}.{link.to_port}" in issue.message:
            del workflow.connections[index]
            return True
    return False


def _told(id: str, issue: Issue, what: str) -> pb.ValidationIssue:
    return pb.ValidationIssue(
        severity=pb.SEVERITY_ERROR,
        code="NOT_MAPPED",
        node_id=id,
        field=issue.field,
        message=f"{what}: {issue.message}",
        suggestion=issue.suggestion or "put it right, then enable the node",
    )


def _eased(node: pb.Node, issue: Issue) -> bool:
    """Makes one parameter harmless and disables its node; false where that is no help."""
    steps: list[str | int] = [
        int(part[1]) if part[1] else part[0] for part in _STEP.findall(issue.field.removeprefix("parameters."))
    ]
    if not steps or not issue.field.startswith("parameters."):
        return False
    tree = json_format.MessageToDict(node.parameters)
    at: Any = tree
    for step in steps[:-1]:
        try:
            at = at[step]
        except (KeyError, IndexError, TypeError):
            return False
    last, missing = steps[-1], issue.code == "MISSING_PARAMETER"
    there = (isinstance(at, list) and isinstance(last, int) and last < len(at)) or (isinstance(at, dict) and last in at)
    if missing and isinstance(at, dict) and not there:
        at[last] = ""
    elif there and isinstance(at[last], str) and "{{" in at[last]:
        at[last] = literal(at[last].replace("{{ '{{' }}", "{{"))
    else:
        return False
    node.parameters.Clear()
    json_format.ParseDict(tree, node.parameters)
    node.disabled = True
    node.notes = f"{node.notes}\n{issue.field}: {issue.message}".strip()[:NOTES]
    return True


_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def leave_out(workflow: pb.Workflow, issues: Iterable[Issue]) -> list[pb.ValidationIssue]:
    """Puts a `flow.no_op` in place of each node that came out wrong."""
    report: list[pb.ValidationIssue] = []
    wrong = {issue.node: issue for issue in reversed(list(issues)) if issue.is_error and issue.node}
    for node in workflow.nodes:
        if (issue := wrong.get(node.id)) is not None and node.type != "flow.no_op":
            node.notes = json_format.MessageToJson(node, preserving_proto_field_name=True, indent=None)[:NOTES]
            node.type, node.type_version = "flow.no_op", 0
            node.ClearField("parameters")
            report.append(_told(node.id, issue, "it came out wrong and was left out; its notes hold what was tried"))
    kept: dict[tuple[str, str, str, str], pb.Connection] = {}
    for connection in workflow.connections:
        ports = {connection.from_port, connection.to_port}
        if connection.from_node in wrong or connection.to_node in wrong:
            if ports & PARTS:
                continue
            if connection.from_node in wrong:
                connection.from_port = "main"
            if connection.to_node in wrong:
                connection.to_port = "main"
        link = (connection.from_node, connection.from_port, connection.to_node, connection.to_port)
        kept.setdefault(link, connection)
    connections = [pb.Connection.FromString(each.SerializeToString()) for each in kept.values()]
    del workflow.connections[:]
    workflow.connections.extend(connections)
    return report


PARTS = frozenset(("model", "tool", "tools", "memory", "embedding", "retriever", "reranker"))
"""Ports that bind nodes to one another, and carry no items."""


class _Import:
    def __init__(self, document: dict[str, Any]) -> None:
        self.document = sound(document)
        self.written = json.dumps(self.document["nodes"], ensure_ascii=False)
        self.report: list[pb.ValidationIssue] = []
        self.nodes: list[dict[str, Any]] = []
        self.links: list[dict[str, str]] = []
        self.ids: dict[str, str] = {}
        """Our node id by n8n's node name."""
        self.taken_ids: set[str] = set()
        self.made: dict[str, Made] = {}
        """What became of a node, by n8n's name."""
        self.sources: dict[str, dict[str, Any]] = {}
        self.extras: dict[tuple[str, str], str] = {}
        """Our id of an extra node, by n8n's name and its suffix."""

    def run(self) -> tuple[pb.Workflow, list[pb.ValidationIssue]]:
        notes = []
        wanted = []
        for source in self.document["nodes"]:
            self.sources[source["name"]] = source
            if kind_of(source) == "stickyNote":
                notes.append(str((source.get("parameters") or {}).get("content", "")))
            elif kind_of(source) not in ai.ABSORBED:
                wanted.append(source)
        for source in wanted:
            self.node(source)
        self.connections()
        self.without_cycles()
        tree: dict[str, Any] = {
            "name": self.document["name"] or "Imported from n8n",
            "description": "\n\n".join(note for note in notes if note)[:10_000],
            "nodes": self.nodes,
            "connections": [dict(each) for each in {tuple(link.items()): None for link in self.links}],
        }
        if named := sorted(set(_CONSTANT.findall(json.dumps(self.nodes)))):
            tree["vars"] = dict.fromkeys(named, "")
            message = f"n8n read {', '.join(named)} from its environment or its variables"
            self.say("", "vars", message, "they are constants of the workflow here: fill them in")
        settings = self.document["settings"]
        if isinstance(settings.get("timezone"), str) and settings["timezone"] not in ("", "DEFAULT"):
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

    def node(self, source: dict[str, Any]) -> None:
        name = source["name"]
        id = self.ids[name] = self.new_id(name)
        if name != source["given_name"]:
            first = source["given_name"]
            self.say(
                id,
                "name",
                f"another node is named {first!r} too: connections and expressions that name it mean that one",
            )
        taken = Taken(source, lambda kind: list(self.bound_to(name, kind)), self.written)
        built: dict[str, Any] = {"id": id, "name": name}
        try:
            made = self.translated(taken)
            if source.get("executeOnce") and not made.type.startswith(("trigger.", "flow.merge", "flow.loop")):
                only = Extra("first item", "flow.limit", {"count": 1})
                made = replace(made, before=(only, *made.before))
            for field in taken.left():
                self.say(id, f"parameters.{field}", f"n8n's {field!r} has no counterpart and was left out")
            for field, message in taken.remarks:
                self.say(id, f"parameters.{field}", message)
            built |= {"type": made.type, "parameters": made.parameters}
            if description := taken.given.get("toolDescription"):
                # What an agent is told of a node that it may use.
                built["notes"] = str(description).removeprefix("=")[:NOTES]
            self.troubled(id, built, made, taken.problems)
        except (Untranslatable, TypeError, KeyError, AttributeError, ValueError) as why:
            made = Made("flow.no_op", {})
            built |= {"type": "flow.no_op", "parameters": {}}
            built["notes"] = json.dumps(source, ensure_ascii=False)[:NOTES]
            reason = str(why) if isinstance(why, Untranslatable) else "its parameters are not as n8n writes them"
            self.say(id, "type", reason, "replace this node; its notes hold the original", is_error=True)
        self.made[name] = made
        built |= self.behaviour(id, source)
        retried: dict[str, Any] = {key: built[key] for key in ("retry", "on_error") if key in built}
        if worker_of(made) is not None:
            # It is the node in front that fails; what is made of its result passes a failure on.
            built.pop("retry", None)
            if built.get("on_error") == "ON_ERROR_ERROR_PORT":
                del built["on_error"]
        self.nodes.append(built)
        self.around(name, made, built, retried)

    def translated(self, taken: Taken) -> Made:
        kind = kind_of(taken.source)
        translate = TABLE.get(kind) or TABLE.get(kind.removesuffix("Tool"))
        if translate is None:
            raise Untranslatable(f"{taken.source.get('type')} has no counterpart here")
        made = translate(taken)
        return made if isinstance(made, Made) else Made(*made)

    def troubled(self, id: str, built: dict[str, Any], made: Made, problems: list[Problem]) -> None:
        """Names what could not be translated, and keeps it from running."""
        for problem in problems:
            field = _place_of(problem.text, made.parameters) or "parameters"
            suggestion = "write it anew, then enable the node"
            self.say(
                id, field, f"{problem.text[:300]!r} can not be translated: {problem.why}", suggestion, is_error=True
            )
        if problems:
            built["disabled"] = True
            built["notes"] = "\n".join(f"n8n had: {problem.text}\n{problem.why}" for problem in problems)[:NOTES]

    def around(self, name: str, made: Made, built: dict[str, Any], retried: dict[str, Any]) -> None:
        """The further nodes that one of n8n's takes."""
        place = built.get("position") or {"x": 0, "y": 0}
        groups = ((made.before, -1), (made.beside, 0), (tuple(each for _, each in made.parts), 0))
        for group, direction in groups:
            for number, extra in enumerate(group, 1):
                id = self.extras[name, extra.suffix] = self.new_id(f"{name} {extra.suffix}")
                shift = {
                    "x": place["x"] + direction * 110 * number,
                    "y": place["y"] + (0 if direction else 140 * number),
                }
                self.nodes.append(
                    {
                        "id": id,
                        "name": f"{name} ({extra.suffix})"[:200],
                        "type": extra.type,
                        "parameters": extra.parameters,
                        "position": shift,
                        **(retried if extra is worker_of(made) else {}),
                        **({"disabled": True} if built.get("disabled") and "." in extra.type else {}),
                    }
                )
        onward = [self.extras[name, each.suffix] for each in made.before[1:]] + [self.ids[name]]
        for extra, target in zip(made.before, onward, strict=False):
            for port in extra.ports:
                self.link(self.extras[name, extra.suffix], port, target, "main")
        for port, extra in made.parts:
            target = self.part_target(name)
            self.link(self.extras[name, extra.suffix], extra.ports[0], target, port)

    def new_id(self, name: str) -> str:
        base = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower()[:50] or "node"
        id, number = base, 1
        while id in self.taken_ids:
            number += 1
            id = f"{base}_{number}"
        self.taken_ids.add(id)
        return id

    def behaviour(self, id: str, source: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if source["position"]:
            made["position"] = {"x": source["position"][0], "y": source["position"][1]}
        if source.get("disabled"):
            made["disabled"] = True
        if source.get("retryOnFail"):
            made["retry"] = {
                "max_attempts": max(source["maxTries"], 1),
                "initial_interval": f"{source['waitBetweenTries'] / 1000}s",
                "backoff_coefficient": 1,
            }
        match source.get("onError"):
            case "continueErrorOutput":
                made["on_error"] = "ON_ERROR_ERROR_PORT"
            case "continueRegularOutput":
                made["on_error"] = "ON_ERROR_CONTINUE"
            case _ if source.get("continueOnFail"):
                made["on_error"] = "ON_ERROR_CONTINUE"
        if source.get("alwaysOutputData"):
            message = "n8n's alwaysOutputData has no counterpart and was left out"
            instead = (
                "where no items must not end the branch, put action.run_code behind it: items.length ? items : [{}]"
            )
            self.say(id, "alwaysOutputData", message, instead)
        if source.get("credentials"):
            self.say(id, "credentials", "credentials are not in an export", "choose them anew in the node")
        pinned = self.document["pinData"].get(source["name"])
        if isinstance(pinned, list):
            records = [each.get("json", each) for each in pinned if isinstance(each, dict)]
            items = [{"json": each} for each in records if isinstance(each, dict)]
            made["pinned"] = {"outputs": {"main": {"items": items}}}
        return made

    # connections

    def drawn(self) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
        """Every connection: from which node, of which kind, by which output, and where to."""
        for name, kinds in self.document["connections"].items():
            for kind, outputs in kinds.items():
                for index, found in enumerate(outputs):
                    for link in found:
                        yield name, kind, index, link

    def bound_to(self, name: str, kind: str) -> Iterator[dict[str, Any]]:
        """The nodes that a connection of a kind binds to a node, and those behind them that only pass it on."""
        for source, of, _, link in self.drawn():
            if link.get("node") == name and of == kind and source in self.sources:
                yield self.sources[source]
                if kind_of(self.sources[source]) in ai.ABSORBED and source != name:
                    yield from self.bound_to(source, kind)

    def connections(self) -> None:
        for name, kind, index, link in self.drawn():
            target = str(link.get("node", ""))
            if name not in self.sources or target not in self.sources:
                message = f"{name!r} -> {target!r} names a node that is not there"
                self.say(self.ids.get(name, name), "connections", message)
            elif kind == "main":
                if name in self.ids and target in self.ids:
                    self.connection(name, index, target, link["index"])
            else:
                self.binding(name, kind, target)

    def connection(self, name: str, index: int, target: str, input: int) -> None:
        made = self.made[target]
        first = self.extras[target, made.before[0].suffix] if made.before else self.ids[target]
        port = "main" if made.before else self.input(name, target, input)
        out, worker = self.output(name, index), worker_of(self.made[name])
        fails = out == "error" and worker is not None
        starts = [(self.extras[name, worker.suffix] if fails and worker else self.ids[name], out)]
        starts += [(self.extras[name, each.suffix], "main") for each in self.made[name].beside]
        for source, out in starts:
            self.link(source, out, first, port)

    def link(self, source: str, out: str, target: str, into: str) -> None:
        self.links.append({"from_node": source, "from_port": out, "to_node": target, "to_port": into})

    def without_cycles(self) -> None:
        """n8n may go back to any node; here a loop does that, so the way back is left out, and said."""
        onward: dict[str, list[dict[str, str]]] = {}
        for link in self.links:
            if link["to_port"] != "return":
                onward.setdefault(link["from_node"], []).append(link)
        done: set[str] = set()
        for start in [node["id"] for node in self.nodes]:
            self._walk(start, onward, done)

    def _walk(self, start: str, onward: dict[str, list[dict[str, str]]], done: set[str]) -> None:
        """Depth first, without Python's stack: drawings are long."""
        todo: list[tuple[str, Iterator[dict[str, str]]]] = []
        on_the_way: set[str] = set()

        def enter(id: str) -> None:
            todo.append((id, iter(list(onward.get(id, [])))))
            on_the_way.add(id)

        if start not in done:
            enter(start)
        while todo:
            id, links = todo[-1]
            link = next(links, None)
            if link is None:
                todo.pop()
                on_the_way.discard(id)
                done.add(id)
            elif link["to_node"] in on_the_way:
                self.links = [each for each in self.links if each is not link]
                self.say(
                    id,
                    "connections",
                    f"the way back to {link['to_node']!r} was left out",
                    "repeat nodes with flow.loop, for example in mode `until`",
                    is_error=True,
                )
            elif link["to_node"] not in done:
                enter(link["to_node"])

    def binding(self, name: str, kind: str, target: str) -> None:
        """A connection of an AI part; it may lead through nodes that are none here."""
        if name in self.ids and target not in self.ids:
            for _, onward, _, link in [each for each in self.drawn() if each[0] == target]:
                if link.get("node") != name and onward != "main":
                    self.binding(name, kind, str(link.get("node", "")))
            return
        if name not in self.ids or target not in self.ids:
            return
        type = self.made[name].type
        if type == "flow.no_op" or self.made[target].type == "flow.no_op":
            return
        if kind not in ai.LINKS:
            self.say(self.ids[name], f"connections.{kind}", f"a connection of kind {kind!r} was left out")
            return
        out, into = ai.LINKS[kind]
        if type in ("memory.retriever", "memory.vector_store"):
            out = into = "retriever"
            if type == "memory.vector_store":
                return
        taker = next(
            (each.type for each in self.made[target].before if each.type.startswith("ai_agent.")),
            self.made[target].type,
        )
        if taker.startswith(_TAKERS.get(into, "memory.")):
            self.link(self.ids[name], out, self.part_target(target), into)

    def part_target(self, name: str) -> str:
        """The node that takes parts: the one that asks a model, where there is one in front."""
        for extra in self.made[name].before:
            if extra.type.startswith("ai_agent."):
                return self.extras[name, extra.suffix]
        return self.ids[name]

    def output(self, name: str, index: int) -> str:
        source, made = self.sources[name], self.made[name]
        match made.type:
            case _ if made.outputs:
                ports = list(made.outputs)
            case "flow.if":
                ports = ["true", "false"]
            case "flow.filter":
                ports = ["main", "rejected"]
            case "flow.switch":
                ports = switch_outputs(source)
            case "flow.loop":
                # Version 3 of n8n's node has the done branch first; older ones had the loop first.
                ports = ["done", "body"] if source["typeVersion"] >= 3 else ["body", "done"]
            case _:
                ports = ["main"]
        if index < len(ports):
            return ports[index]
        return "error" if source.get("onError") == "continueErrorOutput" else ports[-1]

    def input(self, name: str, target: str, index: int) -> str:
        match self.made[target].type:
            case "flow.merge" | "flow.compare":
                return f"input_{index + 1}"
            case "flow.loop":
                return "return" if self.leads_back(name, target) else "main"
            case _:
                return "main"

    def leads_back(self, name: str, loop: str) -> bool:
        """Whether `name` is reached from the loop's body, so that its connection to the loop is the way back."""
        onward: dict[str, list[tuple[int, str]]] = {}
        for source, kind, index, link in self.drawn():
            if kind == "main":
                onward.setdefault(source, []).append((index, str(link.get("node", ""))))
        todo = [target for index, target in onward.get(loop, []) if self.output(loop, index) == "body"]
        seen: set[str] = set()
        while todo:
            at = todo.pop()
            if at == name:
                return True
            if at in seen or at == loop:
                continue
            seen.add(at)
            todo += [target for _, target in onward.get(at, [])]
        return False


def worker_of(made: Made) -> Extra | None:
    """The node in front that does the work, where the one with n8n's name only makes of its result what n8n's gave."""
    works = [each for each in made.before if each.type.startswith(("ai_agent.", "external_action.", "action."))]
    return works[-1] if works and made.type in ("flow.set", "action.transform") else None


def sound(document: dict[str, Any]) -> dict[str, Any]:
    """The document with everything of the kind that n8n writes; what is of another kind is left out.

    Of several nodes with one name, as other tools write them, the first keeps it: connections and expressions mean
    that one.
    """
    nodes: dict[str, dict[str, Any]] = {}
    for source in document["nodes"]:
        if not isinstance(source, dict) or not isinstance(source.get("type"), str):
            raise ValueError("each node is an object with a type")
        given = str(source.get("name") or source.get("id") or "node")
        name = _free(given, nodes)
        nodes[name] = source | {
            "name": name,
            "given_name": given,
            "parameters": _mapping(source.get("parameters")),
            "typeVersion": _number(source.get("typeVersion"), 1),
            "position": _position(source.get("position")),
            "maxTries": int(_number(source.get("maxTries"), 3)),
            "waitBetweenTries": int(_number(source.get("waitBetweenTries"), 1000)),
        }
    connections: dict[str, dict[str, list[list[dict[str, Any]]]]] = {}
    for name, kinds in _mapping(document.get("connections")).items():
        for kind, outputs in _mapping(kinds).items():
            connections.setdefault(str(name), {})[str(kind)] = [
                [
                    link | {"index": int(_number(link.get("index"), 0))}
                    for link in _list(found)
                    if isinstance(link, dict) and isinstance(link.get("node"), str)
                ]
                for found in _list(outputs)
            ]
    return document | {
        "name": str(document.get("name") or "")[:255],
        "nodes": list(nodes.values()),
        "connections": connections,
        "settings": _mapping(document.get("settings")),
        "pinData": _mapping(document.get("pinData")),
    }


def _free(name: str, taken: dict[str, Any]) -> str:
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name} {number}"
    return free


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any, otherwise: float) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return otherwise
    return found if abs(found) < 1e9 else otherwise


def _position(value: Any) -> list[float]:
    return [_number(each, 0) for each in value] if isinstance(value, list) and len(value) == 2 else []


def kind_of(source: dict[str, Any]) -> str:
    """n8n's name of a node type, without the package that it is from."""
    type = str(source.get("type", ""))
    for prefix in PREFIXES:
        type = type.removeprefix(prefix)
    return type


def _place_of(text: str, value: Any, path: str = "parameters") -> str:
    """Where a text stands in parameters; empty when it does not."""
    match value:
        case str():
            return path if text in value else ""
        case dict():
            return next((found for key, each in value.items() if (found := _place_of(text, each, f"{path}.{key}"))), "")
        case list():
            rows = enumerate(value)
            return next((found for key, each in rows if (found := _place_of(text, each, f"{path}[{key}]"))), "")
    return ""


__all__ = ["from_n8n", "settle"]
