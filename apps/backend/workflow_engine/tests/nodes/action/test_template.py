"""Ordinary and hostile templates, each in a real process."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.nodes.harness import NOW, failure, problems, records, run_node
from workflow_engine.engine.events import AnyEvent, NodeSucceeded
from workflow_engine.nodes.context import Context
from workflow_engine.runtime.sandbox import ProcessSandbox

TYPE = "action.template"


async def run(template: str, items: Any = ({},), **parameters: Any) -> AnyEvent:
    context = Context("exec", "wf", NOW, sandbox=ProcessSandbox())
    return await run_node(TYPE, {"template": template, **parameters}, items, context=context)


async def test_each_item_gets_its_text() -> None:
    lines = "{% for each in json.orders -%}\n- {{ each.title }} {{ '%.2f' % each.price }}\n{% endfor %}"
    template = "Dear {{ json.name }},\n" + lines
    ann = {"name": "Ann <a@b>", "orders": [{"title": "Tea", "price": 3}, {"title": "Milk", "price": 1.5}]}
    event = await run(template, [ann, {"name": "Bé", "orders": []}])
    assert records(event) == [
        {**ann, "text": "Dear Ann <a@b>,\n- Tea 3.00\n- Milk 1.50\n"},
        {"name": "Bé", "orders": [], "text": "Dear Bé,\n"},
    ]
    assert isinstance(event, NodeSucceeded)
    assert [item.sources for item in event.outputs["main"]] == [(0,), (1,)]


async def test_all_items_in_one_text() -> None:
    event = await run("{{ items | map(attribute='n') | join(', ') }}", [{"n": 1}, {"n": 2}], mode="all_items")
    assert records(event) == [{"text": "1, 2"}]
    assert records(await run("none", [], mode="all_items")) == [{"text": "none"}]
    assert records(await run("none", [])) == []


async def test_in_html_data_is_no_markup() -> None:
    template = "<p>{{ json.name }}</p>"
    assert records(await run(template, [{"name": "<b>"}], html=True, output_field="page")) == [
        {"name": "<b>", "page": "<p>&lt;b&gt;</p>"}
    ]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a\n{{ json.nam }}", "line 2: UndefinedError: 'dict object' has no attribute 'nam'"),
        ("{{ 1 / 0 }}", "line 1: ZeroDivisionError"),
        ("{{ items | nth }}", "TemplateAssertionError: No filter named 'nth'"),
    ],
)
async def test_a_failure_says_what_and_where(template: str, message: str) -> None:
    failed = failure(await run(template))
    assert (failed.reason, failed.field) == ("CODE_FAILED", "template")
    assert message in failed.message


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{% for x in range(99999) %}{% for y in range(99999) %}{% endfor %}{% endfor %}", "CODE_TIMEOUT"),
        ("{% for x in range(10**9) %}{% endfor %}", "CODE_FAILED"),
        ("{{ 'x' * 10**10 }}", "CODE_MEMORY"),
        ("{{ ('x' * 10**6) | center(10**10) }}", "CODE_MEMORY"),
        ("{{ 'x' * 10**7 }}", "CODE_OUTPUT_TOO_LARGE"),
        ("{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}", "CODE_FAILED"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "CODE_FAILED"),
        ("{{ cycler.__init__.__globals__.os.popen('id').read() }}", "CODE_FAILED"),
        ("{{ '{0.__class__.__init__.__globals__}'.format(cycler) }}", "CODE_FAILED"),
        ("{{ ['{0.__class__}'] | map('format', cycler) | first }}", "CODE_FAILED"),
        ("{% include '/etc/passwd' %}", "CODE_FAILED"),
        ("{{ json.update({'a': 1}) }}", "CODE_FAILED"),
    ],
)
async def test_a_hostile_template_ends_in_a_clear_failure(template: str, reason: str) -> None:
    started = time.monotonic()
    # One that shall hit another wall must not hit that of time first, however busy the machine is.
    seconds = 1.5 if reason == "CODE_TIMEOUT" else 20
    failed = failure(await run(template, timeout=seconds))
    assert failed.reason == reason, failed
    assert time.monotonic() - started < 5 * seconds


def test_mistakes_are_found_when_saving() -> None:
    assert problems(TYPE, {"template": "{{ json.name }}"}) == []
    assert problems(TYPE, {"template": "a\n{% if %}"}) == [
        "parameters.template: line 2: Expected an expression, got 'end of statement block'"
    ]
    assert "nested too deeply" in problems(TYPE, {"template": "{{" + "(" * 5000})[0]
    assert problems(TYPE, {"template": "x", "text": "y"}) == ["parameters.text: there is no parameter 'text'"]
