from typing import Any

import pytest

from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.events import NodeSucceeded
from workflow_engine.nodes.registry import installed

SIZES: dict[str, Any] = {
    "cases": [
        {"output": "large", "rules": [{"field": "n", "operator": "gte", "right": 100}]},
        {"output": "medium", "condition": "{{ json.n >= 10 }}"},
    ]
}
ITEMS = [{"n": 5}, {"n": 50}, {"n": 500}]


async def test_the_first_case_that_holds_takes_the_item() -> None:
    outcome = await run_node("flow.switch", SIZES, ITEMS)
    assert records(outcome, "large") == [{"n": 500}]
    assert records(outcome, "medium") == [{"n": 50}]
    assert isinstance(outcome, NodeSucceeded)
    assert set(outcome.outputs) == {"large", "medium"}


async def test_a_fallback_takes_the_rest() -> None:
    assert records(await run_node("flow.switch", SIZES | {"fallback": True}, ITEMS), "fallback") == [{"n": 5}]


async def test_all_matches_sends_an_item_to_every_case_that_holds() -> None:
    outcome = await run_node("flow.switch", SIZES | {"all_matches": True}, ITEMS)
    assert records(outcome, "medium") == [{"n": 50}, {"n": 500}]
    assert records(outcome, "large") == [{"n": 500}]


@pytest.mark.parametrize(
    ("value", "output"),
    [("de", "de"), (404, "404"), (404.0, "404"), (12345678.0, "12345678"), (True, "true"), ("xx", "fallback")],
)
async def test_an_expression_names_the_output(value: Any, output: str) -> None:
    parameters = {
        "mode": "expression",
        "value": "{{ json.key }}",
        "outputs": ["de", "404", "12345678", "true"],
        "fallback": True,
    }
    outcome = await run_node("flow.switch", parameters, [{"key": value}])
    assert isinstance(outcome, NodeSucceeded)
    assert list(outcome.outputs) == [output]


async def test_without_items_every_output_is_dead() -> None:
    outcome = await run_node("flow.switch", SIZES, [])
    assert isinstance(outcome, NodeSucceeded)
    assert outcome.outputs == {}


async def test_a_value_that_can_name_nothing_fails() -> None:
    parameters = {"mode": "expression", "value": "{{ json }}", "outputs": ["a"]}
    failed = failure(await run_node("flow.switch", parameters, [{"key": 1}]))
    assert (failed.reason, failed.field, failed.hint) == ("TYPE_MISMATCH", "value", "give one of a")


async def test_a_failing_rule_is_named_by_its_case() -> None:
    failed = failure(await run_node("flow.switch", {"cases": SIZES["cases"][:1]}, [{"n": "many"}]))
    assert (failed.reason, failed.field) == ("TYPE_MISMATCH", "cases[0].rules[0]")


def test_ports_follow_the_parameters_and_cases_may_share_one() -> None:
    node = installed().find("flow.switch", 0)
    assert node
    cases = [*SIZES["cases"], {"output": "large", "condition": True}]
    assert [port.name for port in node.shape({"cases": cases, "fallback": True}).outputs] == [
        "large",
        "medium",
        "fallback",
    ]


@pytest.mark.parametrize(
    ("parameters", "field", "words"),
    [
        ({}, "parameters", "mode rules needs cases"),
        ({"mode": "expression", "value": "{{ json.a }}"}, "parameters", "mode expression needs outputs"),
        (
            {"cases": [{"output": "{{ json.a }}", "condition": True}]},
            "parameters.cases[0].output",
            "can not be an expression",
        ),
        (
            {"mode": "expression", "value": "a", "outputs": ["a", "{{ json.a }}"]},
            "parameters.outputs[1]",
            "can not be an expression",
        ),
        ({"mode": "{{ json.mode }}", "cases": []}, "parameters.mode", "can not be an expression"),
        ({"cases": [{"output": "error", "condition": True}]}, "parameters", "can not be named 'error'"),
    ],
)
def test_what_decides_the_ports_is_checked_at_save(parameters: dict[str, Any], field: str, words: str) -> None:
    assert any(found.startswith(f"{field}: ") and words in found for found in problems("flow.switch", parameters))
