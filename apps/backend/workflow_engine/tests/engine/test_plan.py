"""What is wrong with a drawing is found before it runs, with the node, the field and what to do."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.engine.rig import catalogue, workflow
from workflow_engine.engine.plan import Issue
from workflow_engine.engine.planning import build

START = {"id": "start", "type": "trigger.manual"}
LOOP = {"id": "loop", "type": "flow.loop", "parameters": {"mode": "times", "times": 2}}


def issues(*nodes: dict[str, Any], links: tuple[str, ...] = (), **more: Any) -> list[Issue]:
    drawing = {"nodes": [START, *nodes], "connections": list(links), **more}
    return build(workflow(drawing), catalogue()).issues


A, B = {"id": "a"}, {"id": "b"}
READS = {
    "id": "b",
    "type": "flow.set",
    "parameters": {"assignments": [{"name": "x", "value": '{{ node["a"].json.x }}'}]},
}

CASES: dict[str, tuple[list[Issue], str, str, str]] = {
    "DUPLICATE_NODE_ID": (issues(A, A, links=("start -> a",)), "a", "nodes[2].id", "of its own"),
    "DUPLICATE_NODE_NAME": (issues(A | {"name": "start"}), "a", "nodes[1].name", ""),
    "UNKNOWN_NODE_TYPE": (issues({"id": "a", "type": "flow.iff"}), "a", "nodes[1].type", "flow.if"),
    "DANGLING_CONNECTION": (issues(A, links=("start -> aa",)), "aa", "connections[0].to_node", "'a'"),
    "DUPLICATE_CONNECTION": (issues(A, links=("start -> a", "start -> a")), "a", "connections[1]", ""),
    "UNKNOWN_PORT": (issues(A, B, links=("start -> a", "a.eror -> b")), "a", "connections[1].from_port", "it has main"),
    "CYCLE_OUTSIDE_LOOP": (issues(A, B, links=("start -> a -> b -> a",)), "a", "connections", "flow.loop"),
    "SCOPE_CROSSED": (
        issues(LOOP, A, B, links=("start -> loop", "loop.body -> a", "a -> loop.return", "loop.done -> b", "a -> b")),
        "b",
        "connections",
        "done",
    ),
    "UNKNOWN_REFERENCE": (issues(READS, links=("start -> b",)), "b", "parameters.assignments[0].value", ""),
    "REFERENCE_NOT_UPSTREAM": (
        issues(A, READS, links=("start -> a", "start -> b")),
        "b",
        "parameters.assignments[0].value",
        "connect 'a'",
    ),
    "UNREACHABLE_NODE": (issues(A), "a", "", "connect it"),
    "NO_RETURN": (issues(LOOP, A, links=("start -> loop", "loop.body -> a")), "loop", "", "loop.return"),
    "UNKNOWN_NODE": (issues(A | {"undo_node": "b"}, links=("start -> a",)), "a", "undo_node", ""),
    "UNDO_NODE_CONNECTED": (issues(A | {"undo_node": "b"}, B, links=("start -> a -> b",)), "b", "undo_node", "off"),
    "UNDO_NODE_SHARED": (
        issues(A | {"undo_node": "u"}, B | {"undo_node": "u"}, {"id": "u"}, links=("start -> a -> b",)),
        "u",
        "undo_node",
        "copy",
    ),
    "UNKNOWN_TIMEZONE": (issues(settings={"timezone": "Europe/Berlinn"}), "", "settings.timezone", "Europe/Berlin"),
    "MISSING_PARAMETER": (
        issues({"id": "s", "type": "flow.sort"}, links=("start -> s",)),
        "s",
        "parameters.fields",
        "",
    ),
    "UNKNOWN_PARAMETER": (
        issues({"id": "n", "type": "flow.no_op", "parameters": {"x": 1}}, links=("start -> n",)),
        "n",
        "parameters.x",
        "remove",
    ),
    "INVALID_EXPRESSION": (
        issues({"id": "i", "type": "flow.if", "parameters": {"condition": "{{ jsn.x }}"}}, links=("start -> i",)),
        "i",
        "parameters.condition",
        "json",
    ),
}


@pytest.mark.parametrize("code", CASES)
def test_each_issue_names_node_field_and_what_to_do(code: str) -> None:
    found, node, field, suggestion = CASES[code]
    (issue,) = [issue for issue in found if issue.code == code]
    assert (issue.node, issue.field) == (node, field)
    assert suggestion in issue.suggestion
    assert issue.message


def test_a_node_inside_a_loop_is_not_read_from_outside() -> None:
    reads = READS | {"id": "after"}
    links = ("start -> loop", "loop.body -> a", "a -> loop.return", "loop.done -> after")
    (issue,) = issues(LOOP, A, reads, links=links)
    assert issue.code == "REFERENCE_NOT_UPSTREAM"
    assert "'loop' delivers when it is done" in issue.suggestion


def test_ten_thousand_nodes_are_planned_in_time_that_grows_with_them() -> None:
    def seconds(count: int) -> float:
        nodes = [{"id": f"n{number}"} for number in range(count)]
        drawn = workflow({"nodes": [START, *nodes], "connections": [" -> ".join(["start", *(n["id"] for n in nodes)])]})
        began = time.process_time()
        assert build(drawn, catalogue()).plan is not None
        return time.process_time() - began

    small = min(seconds(1_000) for _ in range(3))
    # Ten times the nodes: far less than the hundred times that a quadratic plan would take.
    assert seconds(10_000) < 50 * small
