"""external_action.notion: pages and databases of Notion."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from workflow_engine.nodes.action.http.pages import Cursors
from workflow_engine.nodes.external_action.service import (
    Account,
    CallApi,
    Field,
    Listing,
    Operation,
    Service,
    get,
    kind,
    patch,
    post,
    slot,
)
from workflow_engine.nodes.spec import Effect, Json, Parameters

_PAGES: dict[str, Any] = {
    "records": "results",
    "pages": Cursors(mode="cursor", parameter="start_cursor", path="next_cursor"),
    "page_size": ("page_size", 100),
}
Properties = dict[str, Json]


@kind
class NotionToken(Account):
    """The secret of a Notion integration; share the pages with it that it may see."""

    type = "notion"
    title = "Notion integration secret"
    probed = ("external_action.notion", {"operation": "user.me"})


class CreatePage(Operation):
    """Makes a page, below another one or in a database."""

    operation: Literal["page.create"]
    parent: dict[str, Json]
    """`{"database_id": "..."}` or `{"page_id": "..."}`."""
    properties: Properties
    """By name, in Notion's form; a page below a page has `title` only."""
    children: list[dict[str, Json]] | None = Field(default=None, max_length=100)
    """What stands on it: blocks."""
    http = post("/pages")


class GetPage(Operation):
    """A page's properties."""

    operation: Literal["page.get"]
    page_id: str
    """The page."""
    http = get("/pages/{page_id}")


class UpdatePage(Operation):
    """Changes a page's properties."""

    operation: Literal["page.update"]
    page_id: str
    """The page."""
    properties: Properties | None = None
    """Those that change."""
    archived: bool | None = None
    """Into the trash, or back."""
    http = patch("/pages/{page_id}")


class QueryDatabase(Listing):
    """The pages of a database."""

    operation: Literal["database.query"]
    database_id: str
    """The database."""
    filter: dict[str, Json] | None = None
    """Which ones, in Notion's form."""
    sorts: list[dict[str, Json]] | None = None
    """In which order."""
    http = post("/databases/{database_id}/query", effect=Effect.IDEMPOTENT, **_PAGES)


class GetDatabase(Operation):
    """A database's properties."""

    operation: Literal["database.get"]
    database_id: str
    """The database."""
    http = get("/databases/{database_id}")


class ListBlocks(Listing):
    """What stands on a page or below a block."""

    operation: Literal["block.list"]
    block_id: str
    """The page or block."""
    http = get("/blocks/{block_id}/children", **_PAGES)


class AppendBlocks(Operation):
    """Adds blocks at the end of a page or block."""

    operation: Literal["block.append"]
    block_id: str
    """The page or block."""
    children: list[dict[str, Json]] = Field(min_length=1, max_length=100)
    """The blocks."""
    http = patch("/blocks/{block_id}/children", effect=Effect.AT_MOST_ONCE)


class Search(Listing):
    """Pages and databases whose title matches."""

    operation: Literal["page.search"]
    words: str = Field(default="", serialization_alias="query")
    """Words of the title."""
    filter: dict[str, Json] | None = None
    """Only pages or only databases, as `{"property": "object", "value": "page"}`."""
    http = post("/search", effect=Effect.IDEMPOTENT, **_PAGES)


class Comment(Operation):
    """Comments on a page."""

    operation: Literal["comment.create"]
    page_id: str
    """The page."""
    text: str
    """What to say."""
    http = post("/comments")

    def body(self) -> Json:
        return {"parent": {"page_id": self.page_id}, "rich_text": [{"text": {"content": self.text}}]}


class ListUsers(Listing):
    """The people and bots of the workspace."""

    operation: Literal["user.list"]
    http = get("/users", **_PAGES)


class GetMe(Operation):
    """Which bot the token is for."""

    operation: Literal["user.me"]
    http = get("/users/me")


class NotionParameters(Parameters):
    """What to do."""

    action: Annotated[
        CreatePage
        | GetPage
        | UpdatePage
        | QueryDatabase
        | GetDatabase
        | ListBlocks
        | AppendBlocks
        | Search
        | Comment
        | ListUsers
        | GetMe
        | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class Notion(Service[NotionParameters]):
    """Works with the pages and databases that were shared with a Notion integration."""

    type = "external_action.notion"
    summary = "Pages and databases of Notion."
    base_url = "https://api.notion.com/v1"
    documentation_url = "https://developers.notion.com/reference/intro"
    headers = {"Notion-Version": "2022-06-28"}
    credentials = slot("notion", "oauth2")
    example = {
        "action": {
            "operation": "page.create",
            "parent": {"database_id": "8f2c"},
            "properties": {"Name": {"title": [{"text": {"content": "{{ json.name }}"}}]}},
        }
    }
