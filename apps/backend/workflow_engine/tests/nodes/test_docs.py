from pathlib import Path
from typing import Literal

import pytest

from workflow_engine.nodes import docs
from workflow_engine.nodes.registry import AnyNode, installed
from workflow_engine.nodes.spec import CredentialSlot, Field, Node, Parameters


class Line(Parameters):
    """One line."""

    sku: str
    """What was bought."""


class OrderParameters(Parameters):
    """An order."""

    lines: list[Line] = Field(min_length=1)
    """What to
    order | buy."""
    speed: Literal["slow", "fast"] = "slow"
    """How fast."""


class Order(Node[OrderParameters]):
    """Orders things.

    Twice, if you ask twice.
    """

    type = "action.order"
    summary = "Orders things."
    credentials = (CredentialSlot("shop", ("http_bearer",), required=True),)
    example = {"lines": [{"sku": "a"}]}


@pytest.mark.parametrize(
    "says",
    [
        "# Order\n\n`action.order`, version 1. Orders things.\n\nOrders things.\n\nTwice, if you ask twice.\n",
        "| Runs | Once for each item;",
        "| in | `main` | items |  |",
        "| `lines` | list of [Line](#line), at least 1 entries | required | What to order \\| buy. |",
        '| `speed` | `slow` or `fast` | `"slow"` | How fast. |',
        "### Line\n\nOne line.\n",
        "| `sku` | string | required | What was bought. |",
        "| `shop` | Bearer token (`http_bearer`) | yes |",
        '"parameters": {\n    "lines": [',
    ],
)
def test_a_page_says_all_that_the_class_says(says: str) -> None:
    node: AnyNode = Order()  # type: ignore[assignment]
    assert says in docs.markdown(node)


def test_ports_that_follow_from_the_parameters_are_said_to() -> None:
    switch, plain = installed().find("flow.switch", 0), installed().find("flow.no_op", 0)
    assert switch
    assert plain
    assert "The parameters decide the ports" in docs.markdown(switch)
    assert "The parameters decide the ports" not in docs.markdown(plain)


def test_the_committed_pages_are_fresh() -> None:
    written = {page.name: page.read_text(encoding="utf-8") for page in docs.FOLDER.glob("*.md")}
    wanted = docs.pages()
    stale = sorted(name for name in written.keys() | wanted.keys() if written.get(name) != wanted.get(name))
    assert stale == [], "run: python -m workflow_engine.nodes.docs"


def test_writing_removes_pages_of_types_that_are_gone(tmp_path: Path) -> None:
    (tmp_path / "flow.gone.md").write_text("old")
    docs.write(tmp_path)
    assert {page.name for page in tmp_path.iterdir()} == set(docs.pages())


def test_operations_are_listed_by_their_names_in_the_order_in_which_they_are_written() -> None:
    slack = installed().find("external_action.slack", 0)
    assert slack
    page = docs.markdown(slack)
    listed = [line.removeprefix("### ") for line in page.splitlines() if line.startswith("### ")]
    assert listed[:3] == ["message.send", "message.update", "message.delete"]
    assert "[message.send](#messagesend) or [message.update](#messageupdate)" in page


def test_choices_within_choices_are_said_once() -> None:
    request = installed().find("action.http_request", 0)
    assert request
    page = docs.markdown(request)
    assert "| `headers` | object of text, number, true or false or null |" in page
    assert "[kind: json](#kind-json)" in page
    assert "### kind: json\n" in page


def test_a_form_begins_with_what_people_fill_in_first() -> None:
    def order(type: str, model: str = "") -> list[str]:
        node = installed().find(type, 0)
        assert node
        schema = node.parameters.model_json_schema()
        return list((schema["$defs"][model] if model else schema)["properties"])

    assert order("external_action.slack", "ListMessages") == ["operation", "channel", "oldest", "latest", "limit"]
    assert order("external_action.google_calendar", "CreateEvent")[:3] == ["operation", "start", "end"]
    assert order("external_action.email")[:5] == ["from", "to", "subject", "text", "html"]
    assert order("external_action.gmail", "SendMessage")[:5] == ["operation", "to", "subject", "text", "html"]
    assert order("flow.if")[:2] == ["rules", "combine"]
    assert order("flow.switch", "Case")[:2] == ["output", "rules"]
