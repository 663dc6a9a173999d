"""external_action.gitlab: projects, issues and merge requests on GitLab."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from workflow_engine.nodes.action.http.auth import Signature
from workflow_engine.nodes.action.http.pages import Links
from workflow_engine.nodes.external_action.service import (
    Account,
    CallApi,
    Field,
    Listing,
    Operation,
    Service,
    get,
    kind,
    post,
    put,
    slot,
)
from workflow_engine.nodes.spec import Effect, Parameters

_PAGES: dict[str, Any] = {"pages": Links(mode="link_header"), "page_size": ("per_page", 100)}


@kind
class GitLabToken(Account):
    """A personal, group or project access token."""

    type = "gitlab"
    title = "GitLab token"
    probed = ("external_action.gitlab", {"operation": "user.me"})


class InProject(Operation):
    project: str
    """The project's id, or its path such as `group/project`."""


class CreateIssue(InProject):
    """Opens an issue."""

    operation: Literal["issue.create"]
    title: str
    """Its title."""
    description: str | None = None
    """What it says; Markdown."""
    labels: str | None = None
    """Comma-separated."""
    assignee_ids: list[int] | None = None
    """Users by id."""
    http = post("/projects/{project}/issues")


class GetIssue(InProject):
    """One issue."""

    operation: Literal["issue.get"]
    iid: int
    """Its number in the project."""
    http = get("/projects/{project}/issues/{iid}")


class ListIssues(InProject, Listing):
    """Issues of a project."""

    operation: Literal["issue.list"]
    state: Literal["opened", "closed", "all"] = "opened"
    """Which ones."""
    labels: str | None = None
    """Only with all of these, comma-separated."""
    search: str | None = None
    """Only with this in title or description."""
    http = get("/projects/{project}/issues", **_PAGES)


class UpdateIssue(InProject):
    """Changes an issue."""

    operation: Literal["issue.update"]
    iid: int
    """Its number in the project."""
    title: str | None = None
    """The new title."""
    description: str | None = None
    """What it says now."""
    labels: str | None = None
    """All its labels from now on, comma-separated."""
    state_event: Literal["close", "reopen"] | None = None
    """Close or open it."""
    http = put("/projects/{project}/issues/{iid}")


class CommentIssue(InProject):
    """Comments on an issue."""

    operation: Literal["issue.comment"]
    iid: int
    """Its number in the project."""
    text: str = Field(serialization_alias="body")
    """What to say; Markdown."""
    http = post("/projects/{project}/issues/{iid}/notes")


class CreateMergeRequest(InProject):
    """Opens a merge request."""

    operation: Literal["merge_request.create"]
    source_branch: str
    """The branch with the changes."""
    target_branch: str
    """The branch to merge into."""
    title: str
    """Its title."""
    description: str | None = None
    """What it says; Markdown."""
    remove_source_branch: bool | None = None
    """Delete the branch once it is merged."""
    http = post("/projects/{project}/merge_requests")


class ListMergeRequests(InProject, Listing):
    """Merge requests of a project."""

    operation: Literal["merge_request.list"]
    state: Literal["opened", "closed", "merged", "all"] = "opened"
    """Which ones."""
    http = get("/projects/{project}/merge_requests", **_PAGES)


class Merge(InProject):
    """Merges a merge request."""

    operation: Literal["merge_request.merge"]
    iid: int
    """Its number in the project."""
    squash: bool | None = None
    """Make one commit of it."""
    sha: str | None = None
    """Only if its head is this commit."""
    http = put("/projects/{project}/merge_requests/{iid}/merge", effect=Effect.AT_MOST_ONCE)


class RunPipeline(InProject):
    """Starts a pipeline."""

    operation: Literal["pipeline.run"]
    ref: str
    """Branch or tag."""
    variables: list[dict[str, str]] | None = None
    """As `{"key": "...", "value": "..."}`."""
    http = post("/projects/{project}/pipeline")


class GetFile(InProject):
    """A file's content, in Base64, and what is known of it."""

    operation: Literal["file.get"]
    file: str
    """Its path in the repository."""
    ref: str = "HEAD"
    """Branch, tag or commit."""
    http = get("/projects/{project}/repository/files/{file}")


class ListProjects(Listing):
    """Projects that the token may see."""

    operation: Literal["project.list"]
    membership: bool = True
    """Only those it is a member of."""
    search: str | None = None
    """Only with this in the name."""
    http = get("/projects", **_PAGES)


class GetMe(Operation):
    """Who the token stands for."""

    operation: Literal["user.me"]
    http = get("/user")


class GitLabParameters(Parameters):
    """What to do."""

    action: Annotated[
        CreateIssue
        | GetIssue
        | ListIssues
        | UpdateIssue
        | CommentIssue
        | CreateMergeRequest
        | ListMergeRequests
        | Merge
        | RunPipeline
        | GetFile
        | ListProjects
        | GetMe
        | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class GitLab(Service[GitLabParameters]):
    """Works with projects on gitlab.com, or on the server that the credential's `base_url` names (with `/api/v4`)."""

    type = "external_action.gitlab"
    name = "GitLab"
    summary = "Projects, issues and merge requests on GitLab."
    base_url = "https://gitlab.com/api/v4"
    documentation_url = "https://docs.gitlab.com/api/rest/"
    credentials = slot("gitlab", "oauth2")
    example = {"action": {"operation": "issue.create", "project": "acme/shop", "title": "{{ json.title }}"}}

    def signature(self, secret: dict[str, Any]) -> Signature:
        if "token" in secret:
            return Signature({"PRIVATE-TOKEN": str(secret["token"])})
        return super().signature(secret)
