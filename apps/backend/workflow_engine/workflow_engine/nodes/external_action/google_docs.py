"""external_action.google_docs: text documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from workflow_engine.engine.items import Item, Items
from workflow_engine.nodes.action.http.answer import Answer
from workflow_engine.nodes.external_action.service import CallApi, CamelOperation, Field, Service, get, post, slot
from workflow_engine.nodes.spec import Effect, Json, Parameters


class OnDocument(CamelOperation):
    document_id: str
    """From its address: `docs.google.com/document/d/<this>/edit`."""


class GetDocument(OnDocument):
    """A document: its title and its text."""

    operation: Literal["document.get"]
    full: bool = False
    """Give all that Google tells, with styles and positions, as `document`."""
    http = get("/documents/{document_id}")
    apart = frozenset({"operation", "full"})

    def result(self, answer: Answer) -> Items:
        document: dict[str, Any] = answer.body if isinstance(answer.body, dict) else {}
        told: dict[str, Json] = {
            "documentId": document.get("documentId"),
            "title": document.get("title"),
            "text": "".join(_texts((document.get("body") or {}).get("content"))),
        }
        return [Item(told | ({"document": document} if self.full else {}))]


def _texts(content: Any) -> Iterator[str]:
    """What stands in paragraphs and tables, in order."""
    for each in content or []:
        for element in (each.get("paragraph") or {}).get("elements", []):
            yield (element.get("textRun") or {}).get("content", "")
        for row in (each.get("table") or {}).get("tableRows", []):
            for cell in row.get("tableCells", []):
                yield from _texts(cell.get("content"))


class CreateDocument(CamelOperation):
    """Makes an empty document in the account's own folder."""

    operation: Literal["document.create"]
    title: str
    """Its title."""
    http = post("/documents")


class AppendText(OnDocument):
    """Writes a text at the end."""

    operation: Literal["text.append"]
    text: str = Field(min_length=1)
    """What to write."""
    http = post("/documents/{document_id}:batchUpdate")

    def body(self) -> Json:
        return {"requests": [{"insertText": {"endOfSegmentLocation": {}, "text": self.text}}]}


class ReplaceText(OnDocument):
    """Puts other texts in place of given ones, wherever they stand: a copy of a template becomes a letter."""

    operation: Literal["text.replace"]
    replacements: dict[str, str] = Field(min_length=1, max_length=500)
    """New texts by what they replace, e.g. `[[name]]`."""
    match_case: bool = True
    """Whether upper and lower case have to fit."""
    http = post("/documents/{document_id}:batchUpdate", effect=Effect.IDEMPOTENT)

    def body(self) -> Json:
        return {
            "requests": [
                {"replaceAllText": {"containsText": {"text": old, "matchCase": self.match_case}, "replaceText": new}}
                for old, new in self.replacements.items()
            ]
        }


class UpdateDocument(OnDocument):
    """Anything else: requests in Google's own form, all of them or none."""

    operation: Literal["document.update"]
    requests: list[dict[str, Json]] = Field(min_length=1, max_length=1000)
    """For example `[{"insertText": {"location": {"index": 1}, "text": "Hello"}}]`."""
    http = post("/documents/{document_id}:batchUpdate")


class GoogleDocsParameters(Parameters):
    """What to do."""

    action: Annotated[
        GetDocument | CreateDocument | AppendText | ReplaceText | UpdateDocument | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class GoogleDocs(Service[GoogleDocsParameters]):
    """Reads and writes text documents that the credential was granted access to.

    To fill in a template, copy it with external_action.google_drive and replace its placeholders here; to get a PDF,
    export it there. Writing text at the end is not repeated after a crash.
    """

    type = "external_action.google_docs"
    name = "Google Docs"
    summary = "Text documents."
    base_url = "https://docs.googleapis.com/v1"
    documentation_url = "https://developers.google.com/workspace/docs/api/reference/rest"
    credentials = slot("oauth2")
    example = {
        "action": {
            "operation": "text.replace",
            "document_id": "{{ json.id }}",
            "replacements": {"[[name]]": "{{ json.name }}"},
        }
    }
