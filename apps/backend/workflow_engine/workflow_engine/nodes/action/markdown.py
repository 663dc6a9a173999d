"""action.markdown: Markdown as HTML, and HTML as Markdown."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from workflow_engine.nodes.action.results import FieldName, with_field
from workflow_engine.nodes.spec import Call, Emit, Node, NodeFailure, Parameters

LONGEST = 2_000_000


class ToHtml(Parameters):
    """Markdown as a part of a page, for a mail or a website."""

    operation: Literal["to_html"]
    """CommonMark with tables and strikethrough."""
    text: str = Field(max_length=LONGEST)
    """The Markdown."""


class ToMarkdown(Parameters):
    """A page as Markdown, for people to read and for language models."""

    operation: Literal["to_markdown"]
    """Headings, lists, links, tables and code are kept; scripts and styles go."""
    html: str = Field(max_length=LONGEST)
    """The page, or a part of one."""


class MarkdownParameters(Parameters):
    do: Annotated[ToHtml | ToMarkdown, Field(discriminator="operation")]
    """What to make."""
    output_field: FieldName = "text"
    """Field for what was made."""


class MarkdownNode(Node[MarkdownParameters]):
    """Makes HTML of Markdown, or Markdown of HTML, and puts it into a field of the item.

    The HTML has no scripts, no styles and no pictures, whatever the text says: HTML inside of Markdown is shown as the
    text that it is. Links open in a page of their own.
    """

    type = "action.markdown"
    name = "Markdown"
    summary = "Makes HTML of Markdown, or Markdown of HTML."
    example = {"do": {"operation": "to_html", "text": "{{ json.body }}"}, "output_field": "html"}

    def run(self, call: Call[MarkdownParameters]) -> Emit:
        match call.parameters.do:
            case ToHtml(text=text):
                from workflow_engine.utils.markdown import to_html

                made = str(to_html(text))
            case ToMarkdown(html=html):
                made = _markdown(html)
        return with_field(call.item, call.parameters.output_field, made)


def _markdown(html: str) -> str:
    import html_to_markdown

    try:
        return (html_to_markdown.convert(html).content or "").strip()
    except html_to_markdown.ConversionError as error:
        raise NodeFailure("INVALID_DATA", f"this HTML can not be read: {error}", field="do.html") from None
