"""action.markdown."""

from __future__ import annotations

from typing import Any

import pytest

from tests.nodes.harness import problems, records, run_node

TYPE = "action.markdown"


async def made(operation: str, **do: Any) -> Any:
    event = await run_node(TYPE, {"do": {"operation": operation, **do}, "output_field": "made"}, [{"n": 1}])
    (record,) = records(event)
    assert record["n"] == 1
    return record["made"]


async def test_markdown_becomes_html_that_can_do_nothing_but_be_read() -> None:
    html = await made(
        "to_html", text="# Hi\n\n**a** <script>alert(1)</script>\n\n[x](javascript:alert(1))\n\n| a |\n|---|\n| 1 |"
    )
    assert "<h1>Hi</h1>" in html
    assert "<strong>a</strong>" in html
    assert "<td>1</td>" in html
    assert "<script" not in html
    assert "href" not in html


async def test_html_becomes_markdown() -> None:
    page = "<h1>Hi</h1><p>a <b>b</b> <a href='https://x.example'>l</a></p><ul><li>1</li></ul><script>x()</script>"
    assert await made("to_markdown", html=page) == "# Hi\n\na **b** [l](https://x.example)\n\n- 1"


@pytest.mark.parametrize("html", ["", "<", "<p", "a < b", "\x00", "<table><tr></table></p>" * 500])
async def test_broken_html_is_read_as_well_as_it_can_be(html: str) -> None:
    assert isinstance(await made("to_markdown", html=html), str)


async def test_no_items_make_none() -> None:
    assert records(await run_node(TYPE, {"do": {"operation": "to_html", "text": "x"}}, [])) == []


def test_what_is_refused_at_save() -> None:
    assert problems(TYPE, {"do": {"operation": "to_html", "text": "x", "safe": False}}) == [
        "parameters.do.safe: there is no parameter 'do.safe'"
    ]
    assert problems(TYPE, {"do": {"operation": "to_markdown"}}) == ["parameters.do.html: do.html is required"]
