from typing import Any

import pytest

from tests.engine.rig import Rig
from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.events import NodeSucceeded


async def test_each_item_goes_its_own_way() -> None:
    outcome = await run_node("flow.if", {"condition": "{{ json.n > 1 }}"}, [{"n": 1}, {"n": 2}, {"n": 3}])
    assert records(outcome, "true") == [{"n": 2}, {"n": 3}]
    assert records(outcome, "false") == [{"n": 1}]
    assert isinstance(outcome, NodeSucceeded)
    assert [item.sources for item in outcome.outputs["true"]] == [(1,), (2,)]


async def test_without_items_both_ways_are_dead() -> None:
    outcome = await run_node("flow.if", {"condition": True}, [])
    assert isinstance(outcome, NodeSucceeded)
    assert outcome.outputs == {}


def test_the_way_not_taken_is_skipped_and_a_merge_does_not_wait_for_it() -> None:
    run = Rig(
        {
            "nodes": [
                {"id": "start", "type": "trigger.manual"},
                {"id": "if", "type": "flow.if", "parameters": {"condition": "{{ json.ok }}"}},
                {"id": "yes", "type": "flow.no_op"},
                {"id": "no", "type": "flow.no_op"},
                {"id": "merge", "type": "flow.merge"},
            ],
            "connections": [
                "start -> if",
                "if.true -> yes -> merge.input_1",
                "if.false -> no -> merge.input_2",
            ],
        }
    ).start([{"ok": True}])
    assert run.runs() == {
        "start": "succeeded",
        "if": "succeeded",
        "yes": "succeeded",
        "no": "skipped",
        "merge": "succeeded",
    }


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ({"left": 1, "operator": "equals", "right": 1.0}, True),
        ({"left": 1, "operator": "equals", "right": "1"}, False),
        ({"left": 1, "operator": "equals", "right": True}, False),
        ({"left": "A", "operator": "equals", "right": "a", "ignore_case": True}, True),
        ({"left": [1, {"a": 2}], "operator": "equals", "right": [1, {"a": 2}]}, True),
        ({"left": 1, "operator": "not_equals", "right": 2}, True),
        ({"left": "workflow", "operator": "contains", "right": "flow"}, True),
        ({"left": [1, 2], "operator": "contains", "right": 2}, True),
        ({"left": {"a": 1}, "operator": "contains", "right": "a"}, True),
        ({"left": None, "operator": "contains", "right": "a"}, False),
        ({"left": [1], "operator": "not_contains", "right": 2}, True),
        ({"left": "de", "operator": "in", "right": ["de", "at"]}, True),
        ({"left": "fr", "operator": "not_in", "right": ["de", "at"]}, True),
        ({"left": "workflow", "operator": "starts_with", "right": "work"}, True),
        ({"left": "workflow", "operator": "ends_with", "right": "work"}, False),
        ({"left": "order 17", "operator": "matches", "right": "[0-9]+$"}, True),
        ({"left": "ORDER", "operator": "matches", "right": "^order", "ignore_case": True}, True),
        ({"left": "ORDER", "operator": "matches", "right": "^order"}, False),
        ({"left": 2, "operator": "gt", "right": 1.5}, True),
        ({"left": 2, "operator": "gte", "right": 2}, True),
        ({"left": "2025-01-02", "operator": "lt", "right": "2025-01-10"}, True),
        ({"left": 3, "operator": "lte", "right": 2}, False),
        ({"left": "", "operator": "is_empty"}, True),
        ({"left": {}, "operator": "is_empty"}, True),
        ({"left": 0, "operator": "is_empty"}, False),
        ({"left": [0], "operator": "is_not_empty"}, True),
        ({"field": "name", "operator": "exists"}, True),
        ({"field": "nick.name", "operator": "exists"}, False),
        ({"field": "nick.name", "operator": "not_exists"}, True),
        ({"field": "nick", "operator": "is_empty"}, True),
        ({"field": "name", "operator": "equals", "right": "Ada"}, True),
        ({"left": True, "operator": "is_true"}, True),
        ({"left": "true", "operator": "is_true"}, False),
        ({"left": False, "operator": "is_false"}, True),
        ({"left": None, "operator": "is_false"}, False),
    ],
)
async def test_a_rule(rule: dict[str, Any], holds: bool) -> None:
    outcome = await run_node("flow.if", {"rules": [rule]}, [{"name": "Ada"}])
    assert records(outcome, "true" if holds else "false") == [{"name": "Ada"}]


@pytest.mark.parametrize(("combine", "taken"), [("all", "false"), ("any", "true")])
async def test_rules_combine(combine: str, taken: str) -> None:
    rules = [
        {"left": "{{ json.n }}", "operator": "gt", "right": 5},
        {"field": "n", "operator": "lt", "right": 10},
    ]
    assert records(await run_node("flow.if", {"rules": rules, "combine": combine}, [{"n": 3}]), taken) == [{"n": 3}]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"left": "12", "operator": "gt", "right": 5}, "rules[0]: gt can not order text and a number"),
        ({"left": 5, "operator": "starts_with", "right": "5"}, "rules[0]: text is needed, but there is a number"),
        ({"left": 5, "operator": "contains", "right": "5"}, "rules[0]: a number can not contain anything"),
    ],
)
async def test_types_that_do_not_compare_fail_in_words(rule: dict[str, Any], message: str) -> None:
    failed = failure(await run_node("flow.if", {"rules": [rule]}))
    assert (failed.reason, failed.message, failed.field) == ("TYPE_MISMATCH", message, "rules[0]")


async def test_a_broken_pattern_is_named() -> None:
    failed = failure(await run_node("flow.if", {"rules": [{"left": "a", "operator": "matches", "right": "("}]}))
    assert failed.reason == "INVALID_PARAMETER"
    assert failed.field == "rules[0].right"
    assert "missing )" in failed.message


@pytest.mark.timeout(5)
async def test_a_hostile_pattern_does_not_hang() -> None:
    rule = {"left": "a" * 5000 + "!", "operator": "matches", "right": "^(a+)+$"}
    assert records(await run_node("flow.if", {"rules": [rule]}), "false") == [{}]


async def test_a_condition_that_is_no_boolean_fails() -> None:
    failed = failure(await run_node("flow.if", {"condition": "{{ json.name }}"}, [{"name": "Ada"}]))
    assert (failed.reason, failed.field, failed.node) == ("INVALID_PARAMETER", "condition", "node")


def test_what_can_be_seen_at_save_is_said_at_save() -> None:
    assert problems("flow.if", {}) == [
        "parameters: parameters: give either condition (an expression) or rules (a list of comparisons)"
    ]
    assert len(problems("flow.if", {"condition": "{{ json.a }}", "rules": [{"left": 1, "operator": "is_empty"}]})) == 1
    assert "needs right" in problems("flow.if", {"rules": [{"left": "{{ json.a }}", "operator": "gt"}]})[0]
    assert "is no path" in problems("flow.if", {"rules": [{"field": "a..b", "operator": "exists"}]})[0]
    assert "rules[0].operator" in problems("flow.if", {"rules": [{"left": 1, "operator": "is"}]})[0]
    assert "not both" in problems("flow.if", {"rules": [{"left": 1, "field": "a", "operator": "is_empty"}]})[0]
