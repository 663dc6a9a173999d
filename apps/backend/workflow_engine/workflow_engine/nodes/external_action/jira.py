"""external_action.jira: issues of Jira Cloud."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from workflow_engine.nodes.action.http.auth import Signature
from workflow_engine.nodes.action.http.pages import Cursors, NextUrls
from workflow_engine.nodes.external_action.service import (
    Account,
    CallApi,
    CamelListing,
    CamelOperation,
    Field,
    Operation,
    Service,
    get,
    kind,
    post,
    put,
    slot,
)
from workflow_engine.nodes.spec import Effect, Json, NodeFailure, Parameters


@kind
class JiraToken(Account):
    """An Atlassian account's API token and its site."""

    type = "jira"
    title = "Jira API token"
    email: str = Field(min_length=3, max_length=500)
    """The account's address."""
    base_url: str = Field(pattern=r"^https?://[^\s?#]+$", max_length=2000)
    """The site, e.g. `https://acme.atlassian.net`."""
    probed = ("external_action.jira", {"operation": "user.me"})


class CreateIssue(CamelOperation):
    """Makes an issue."""

    operation: Literal["issue.create"]
    project: str
    """The project's key, e.g. `SHOP`."""
    issue_type: str = "Task"
    """By name."""
    summary: str = Field(max_length=255)
    """Its title."""
    description: str | None = None
    """What it says; paragraphs are parted by an empty line."""
    labels: list[str] | None = None
    """Its labels."""
    assignee: str | None = None
    """Account id."""
    fields_more: dict[str, Json] = Field(default={}, alias="fields")
    """Further fields in Jira's own form."""
    http = post("/rest/api/3/issue")

    def body(self) -> Json:
        fields: dict[str, Json] = {
            "project": {"key": self.project},
            "issuetype": {"name": self.issue_type},
            "summary": self.summary,
        }
        return {"fields": {**fields, **_common(self.description, self.labels, self.assignee), **self.fields_more}}


class GetIssue(CamelOperation):
    """One issue."""

    operation: Literal["issue.get"]
    issue: str
    """Its key, e.g. `SHOP-1`."""
    http = get("/rest/api/3/issue/{issue}")


class UpdateIssue(CamelOperation):
    """Changes an issue."""

    operation: Literal["issue.update"]
    issue: str
    """Its key."""
    summary: str | None = None
    """The new title."""
    description: str | None = None
    """What it says now."""
    labels: list[str] | None = None
    """All its labels from now on."""
    assignee: str | None = None
    """Account id."""
    fields_more: dict[str, Json] = Field(default={}, alias="fields")
    """Further fields in Jira's own form."""
    http = put("/rest/api/3/issue/{issue}")

    def body(self) -> Json:
        summary = {"summary": self.summary} if self.summary is not None else {}
        common = _common(self.description, self.labels, self.assignee)
        return {"fields": {**summary, **common, **self.fields_more}}


class SearchIssues(CamelListing):
    """Issues that match a query."""

    operation: Literal["issue.search"]
    jql: str
    """In Jira's query language, e.g. `project = SHOP AND status = "To Do"`."""
    wanted: list[str] = Field(default=["*navigable"], serialization_alias="fields")
    """Names of the fields to give."""
    http = post(
        "/rest/api/3/search/jql",
        effect=Effect.IDEMPOTENT,
        records="issues",
        pages=Cursors(mode="cursor", parameter="nextPageToken", path="nextPageToken"),
        page_size=("maxResults", 100),
    )


class ListTransitions(CamelOperation):
    """What can be done to an issue in its present status."""

    operation: Literal["transition.list"]
    issue: str
    """Its key."""
    http = get("/rest/api/3/issue/{issue}/transitions", records="transitions")


class Transition(CamelOperation):
    """Moves an issue to another status."""

    operation: Literal["issue.transition"]
    issue: str
    """Its key."""
    transition: str
    """The transition's id, from `transition.list`."""
    http = post("/rest/api/3/issue/{issue}/transitions")

    def body(self) -> Json:
        return {"transition": {"id": self.transition}}


class Comment(CamelOperation):
    """Comments on an issue."""

    operation: Literal["issue.comment"]
    issue: str
    """Its key."""
    text: str
    """What to say."""
    http = post("/rest/api/3/issue/{issue}/comment")

    def body(self) -> Json:
        return {"body": document(self.text)}


class Assign(CamelOperation):
    """Gives an issue to somebody."""

    operation: Literal["issue.assign"]
    issue: str
    """Its key."""
    account_id: str | None = None
    """To whom; nobody when absent."""
    http = put("/rest/api/3/issue/{issue}/assignee")

    def body(self) -> Json:
        return {"accountId": self.account_id}


class ListProjects(CamelListing):
    """The projects that the account may see."""

    operation: Literal["project.list"]
    http = get(
        "/rest/api/3/project/search",
        records="values",
        pages=NextUrls(mode="next_url", path="nextPage"),
        page_size=("maxResults", 50),
    )


class GetMe(CamelOperation):
    """Whose token it is."""

    operation: Literal["user.me"]
    http = get("/rest/api/3/myself")


class JiraParameters(Parameters):
    """What to do."""

    action: Annotated[
        CreateIssue
        | GetIssue
        | UpdateIssue
        | SearchIssues
        | ListTransitions
        | Transition
        | Comment
        | Assign
        | ListProjects
        | GetMe
        | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class Jira(Service[JiraParameters]):
    """Works with issues of a Jira Cloud site.

    With an OAuth credential, `base_url` is `https://api.atlassian.com/ex/jira/<cloud id>`. Texts are plain; Jira's own
    document format is made of them. Making issues and comments is not repeated after a crash.
    """

    type = "external_action.jira"
    summary = "Issues of Jira Cloud."
    base_url = ""
    documentation_url = "https://developer.atlassian.com/cloud/jira/platform/rest/v3/"
    credentials = slot("jira", "oauth2")
    example = {"action": {"operation": "issue.create", "project": "SHOP", "summary": "{{ json.title }}"}}

    def address(self, secret: dict[str, Any], operation: Operation) -> str:
        if not secret.get("base_url"):
            raise NodeFailure(
                "CREDENTIAL_MISSING",
                "the credential does not say which site it is for",
                field="auth",
                hint="set its base_url to https://api.atlassian.com/ex/jira/<cloud id>",
            )
        return super().address(secret, operation)

    def signature(self, secret: dict[str, Any]) -> Signature:
        if "token" in secret:
            pair = base64.b64encode(f"{secret['email']}:{secret['token']}".encode()).decode()
            return Signature({"Authorization": f"Basic {pair}"})
        return super().signature(secret)


def _common(description: str | None, labels: list[str] | None, assignee: str | None) -> dict[str, Json]:
    fields: dict[str, Json] = {}
    if description is not None:
        fields["description"] = document(description)
    if labels is not None:
        fields["labels"] = labels
    if assignee is not None:
        fields["assignee"] = {"accountId": assignee}
    return fields


def document(text: str) -> dict[str, Json]:
    """A text in Atlassian's document format."""
    paragraphs = [part.strip() for part in text.split("\n\n") if part.strip()]
    content = [{"type": "paragraph", "content": [{"type": "text", "text": part}]} for part in paragraphs]
    return {"type": "doc", "version": 1, "content": content or [{"type": "paragraph", "content": []}]}
