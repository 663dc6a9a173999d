"""external_action.linear: issues of Linear, over its GraphQL API."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from workflow_engine.engine.items import Items
from workflow_engine.nodes.action.http.answer import Answer, records
from workflow_engine.nodes.action.http.auth import Signature
from workflow_engine.nodes.action.http.pages import Cursors, found
from workflow_engine.nodes.external_action.service import (
    Account,
    CamelListing,
    CamelOperation,
    Field,
    Operation,
    Service,
    kind,
    post,
    slot,
)
from workflow_engine.nodes.spec import Effect, Json, NodeFailure, Parameters

ISSUE = (
    "id identifier title description url priority createdAt updatedAt dueDate "
    "state { id name type } assignee { id name email } team { id key } labels { nodes { id name } }"
)


@kind
class LinearKey(Account):
    """A personal API key of Linear."""

    type = "linear"
    title = "Linear API key"
    probed = ("external_action.linear", {"operation": "user.me"})


class Query(CamelOperation):
    """An operation whose document is fixed; its fields become the variables."""

    document: ClassVar[str]
    data: ClassVar[str]
    """JMESPath of what is wanted in `data`."""
    http = post("/graphql", effect=Effect.IDEMPOTENT)

    def variables(self) -> dict[str, Json]:
        return self.fields()

    def body(self) -> Json:
        return {"query": self.document, "variables": self.variables()}

    def result(self, answer: Answer) -> Items:
        value = found(f"data.{self.data}", answer.body)
        return [] if value is None else records(value)


class IssueFields(Query):
    title: str | None = None
    """Its title."""
    description: str | None = None
    """What it says; Markdown."""
    state_id: str | None = None
    """Its state in the team's workflow."""
    assignee_id: str | None = None
    """Whose it is."""
    priority: int | None = Field(default=None, ge=0, le=4)
    """0 for none, 1 for urgent to 4 for low."""
    label_ids: list[str] | None = None
    """All its labels."""
    due_date: str | None = None
    """`2026-03-01`."""


class CreateIssue(IssueFields):
    """Makes an issue."""

    operation: Literal["issue.create"]
    team_id: str
    """The team."""
    title: str
    """Its title."""
    http = post("/graphql")
    document = f"mutation($input: IssueCreateInput!) {{ issueCreate(input: $input) {{ success issue {{ {ISSUE} }} }} }}"
    data = "issueCreate.issue"

    def variables(self) -> dict[str, Json]:
        return {"input": self.fields()}


class UpdateIssue(IssueFields):
    """Changes an issue."""

    operation: Literal["issue.update"]
    id: str
    """Its id, or its identifier such as `ENG-1`."""
    document = (
        "mutation($id: String!, $input: IssueUpdateInput!) "
        f"{{ issueUpdate(id: $id, input: $input) {{ success issue {{ {ISSUE} }} }} }}"
    )
    data = "issueUpdate.issue"

    def variables(self) -> dict[str, Json]:
        fields = self.fields()
        return {"id": fields.pop("id"), "input": fields}


class GetIssue(Query):
    """One issue."""

    operation: Literal["issue.get"]
    id: str
    """Its id, or its identifier such as `ENG-1`."""
    document = f"query($id: String!) {{ issue(id: $id) {{ {ISSUE} }} }}"
    data = "issue"


class ListIssues(Query, CamelListing):
    """Issues, the last changed first."""

    operation: Literal["issue.list"]
    filter: dict[str, Json] | None = None
    """Which ones, in Linear's form, e.g. `{"team": {"key": {"eq": "ENG"}}}`."""
    http = post(
        "/graphql",
        effect=Effect.IDEMPOTENT,
        records="data.issues.nodes",
        pages=Cursors(
            mode="cursor",
            parameter="after",
            path="data.issues.pageInfo.hasNextPage && data.issues.pageInfo.endCursor",
        ),
    )
    document = (
        "query($first: Int, $after: String, $filter: IssueFilter) "
        "{ issues(first: $first, after: $after, filter: $filter, orderBy: updatedAt) "
        f"{{ nodes {{ {ISSUE} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    )
    data = "issues.nodes"

    def variables(self) -> dict[str, Json]:
        return {**self.fields(), "first": min(self.limit, 100)}


class Comment(Query):
    """Comments on an issue."""

    operation: Literal["issue.comment"]
    issue_id: str
    """The issue's id."""
    text: str = Field(serialization_alias="body")
    """What to say; Markdown."""
    http = post("/graphql")
    document = (
        "mutation($input: CommentCreateInput!) "
        "{ commentCreate(input: $input) { success comment { id body url createdAt } } }"
    )
    data = "commentCreate.comment"

    def variables(self) -> dict[str, Json]:
        return {"input": self.fields()}


class ListTeams(Query):
    """The teams, with the states of their workflows."""

    operation: Literal["team.list"]
    document = "query { teams(first: 250) { nodes { id key name states { nodes { id name type } } } } }"
    data = "teams.nodes"


class ListUsers(Query):
    """The people of the workspace."""

    operation: Literal["user.list"]
    document = "query { users(first: 250) { nodes { id name email active } } }"
    data = "users.nodes"


class GetMe(Query):
    """Whose key it is."""

    operation: Literal["user.me"]
    document = "query { viewer { id name email } }"
    data = "viewer"


class GraphQl(Query):
    """Any other query or mutation. It is sent at most once."""

    operation: Literal["graphql.run"]
    text: str
    """The document, in GraphQL."""
    values: dict[str, Json] = Field(default={}, alias="variables")
    """The variables."""
    http = post("/graphql")

    def body(self) -> Json:
        return {"query": self.text, "variables": self.values}

    def result(self, answer: Answer) -> Items:
        return records(found("data", answer.body) or {})


class LinearParameters(Parameters):
    """What to do."""

    action: Annotated[
        CreateIssue | UpdateIssue | GetIssue | ListIssues | Comment | ListTeams | ListUsers | GetMe | GraphQl,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class Linear(Service[LinearParameters]):
    """Works with issues of Linear. Errors inside an answer of 200 fail with LINEAR_REFUSED.

    Making issues and comments is not repeated after a crash.
    """

    type = "external_action.linear"
    summary = "Issues of Linear."
    base_url = "https://api.linear.app"
    documentation_url = "https://linear.app/developers/graphql"
    credentials = slot("linear", "oauth2")
    example = {"action": {"operation": "issue.create", "team_id": "8f2c", "title": "{{ json.title }}"}}

    def signature(self, secret: dict[str, Any]) -> Signature:
        if "token" in secret:
            return Signature({"Authorization": str(secret["token"])})
        return super().signature(secret)

    def place_page(self, body: dict[str, Json], more: dict[str, Json]) -> dict[str, Json]:
        return {**body, "variables": {**body["variables"], **more}}

    def check_answer(self, operation: Operation, answer: Answer) -> None:
        errors = found("errors", answer.body)
        if not errors:
            return
        first = errors[0]
        kind = str((first.get("extensions") or {}).get("code", ""))
        raise NodeFailure(
            "LINEAR_REFUSED",
            f"Linear answered: {first.get('message', 'an error')}",
            hint="see the ids, and the rights of the key",
            retryable=kind in ("RATELIMITED", "INTERNAL_SERVER_ERROR"),
            details={"code": kind, "sent": True},
        )
