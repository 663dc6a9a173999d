"""external_action.github: repositories, issues and pull requests on GitHub."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from workflow_engine.engine.items import Item, Items
from workflow_engine.nodes.action.http.answer import Answer
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
    patch,
    post,
    put,
    slot,
)
from workflow_engine.nodes.spec import Effect, Json, Parameters

_PAGES: dict[str, Any] = {"pages": Links(mode="link_header"), "page_size": ("per_page", 100)}


@kind
class GitHubToken(Account):
    """A personal access token, or an app's installation token."""

    type = "github"
    title = "GitHub token"
    probed = ("external_action.github", {"operation": "user.me"})


class InRepository(Operation):
    owner: str
    """Who owns the repository."""
    repo: str
    """The repository's name."""


class CreateIssue(InRepository):
    """Opens an issue."""

    operation: Literal["issue.create"]
    title: str
    """Its title."""
    text: str | None = Field(default=None, serialization_alias="body")
    """What it says; Markdown."""
    labels: list[str] | None = None
    """Names of labels."""
    assignees: list[str] | None = None
    """Login names."""
    http = post("/repos/{owner}/{repo}/issues")


class GetIssue(InRepository):
    """One issue or pull request."""

    operation: Literal["issue.get"]
    number: int
    """Its number."""
    http = get("/repos/{owner}/{repo}/issues/{number}")


class ListIssues(InRepository, Listing):
    """Issues and pull requests of a repository."""

    operation: Literal["issue.list"]
    state: Literal["open", "closed", "all"] = "open"
    """Which ones."""
    labels: str | None = None
    """Only with all of these, comma-separated."""
    since: str | None = None
    """Only changed after this time (ISO 8601)."""
    http = get("/repos/{owner}/{repo}/issues", **_PAGES)


class UpdateIssue(InRepository):
    """Changes an issue."""

    operation: Literal["issue.update"]
    number: int
    """Its number."""
    title: str | None = None
    """The new title."""
    text: str | None = Field(default=None, serialization_alias="body")
    """What it says now."""
    state: Literal["open", "closed"] | None = None
    """Open or close it."""
    labels: list[str] | None = None
    """All its labels from now on."""
    assignees: list[str] | None = None
    """All its assignees from now on."""
    http = patch("/repos/{owner}/{repo}/issues/{number}")


class Comment(InRepository):
    """Comments on an issue or pull request."""

    operation: Literal["issue.comment"]
    number: int
    """Its number."""
    text: str = Field(serialization_alias="body")
    """What to say; Markdown."""
    http = post("/repos/{owner}/{repo}/issues/{number}/comments")


class SearchIssues(Listing):
    """Issues and pull requests that match a search."""

    operation: Literal["issue.search"]
    q: str
    """As in GitHub's search box, e.g. `repo:acme/shop is:open label:bug`."""
    http = get("/search/issues", records="items", **_PAGES)


class CreatePull(InRepository):
    """Opens a pull request."""

    operation: Literal["pull.create"]
    title: str
    """Its title."""
    head: str
    """The branch with the changes; `user:branch` for a fork's."""
    base: str
    """The branch to merge into."""
    text: str | None = Field(default=None, serialization_alias="body")
    """What it says; Markdown."""
    draft: bool | None = None
    """Not ready for review."""
    http = post("/repos/{owner}/{repo}/pulls")


class ListPulls(InRepository, Listing):
    """Pull requests of a repository."""

    operation: Literal["pull.list"]
    state: Literal["open", "closed", "all"] = "open"
    """Which ones."""
    http = get("/repos/{owner}/{repo}/pulls", **_PAGES)


class MergePull(InRepository):
    """Merges a pull request."""

    operation: Literal["pull.merge"]
    number: int
    """Its number."""
    merge_method: Literal["merge", "squash", "rebase"] = "merge"
    """How."""
    sha: str | None = None
    """Only if its head is this commit."""
    http = put("/repos/{owner}/{repo}/pulls/{number}/merge", effect=Effect.AT_MOST_ONCE)


class GetFile(InRepository):
    """A text file, decoded under `text`."""

    operation: Literal["file.get"]
    file: str
    """Its path in the repository."""
    ref: str | None = None
    """Branch, tag or commit; the default branch when empty."""
    http = get("/repos/{owner}/{repo}/contents/{file:path}")

    def result(self, answer: Answer) -> Items:
        items = super().result(answer)
        return [Item(_decoded(item.json)) for item in items]


class PutFile(InRepository):
    """Writes a text file, as one commit."""

    operation: Literal["file.put"]
    file: str
    """Its path in the repository."""
    text: str
    """What it holds from now on."""
    message: str
    """The commit's message."""
    branch: str | None = None
    """The default branch when empty."""
    sha: str | None = None
    """Of the file that is replaced; empty for a new one."""
    http = put("/repos/{owner}/{repo}/contents/{file:path}", effect=Effect.AT_MOST_ONCE)

    def body(self) -> Json:
        fields = self.fields()
        content = base64.b64encode(fields.pop("text").encode()).decode()
        return {**fields, "content": content}


class CreateRelease(InRepository):
    """Makes a release."""

    operation: Literal["release.create"]
    tag_name: str
    """The tag; made when there is none."""
    name: str | None = None
    """Its title."""
    text: str | None = Field(default=None, serialization_alias="body")
    """What it says; Markdown."""
    draft: bool | None = None
    """Not shown yet."""
    prerelease: bool | None = None
    """Not ready for production."""
    http = post("/repos/{owner}/{repo}/releases")


class DispatchWorkflow(InRepository):
    """Starts a workflow of GitHub Actions."""

    operation: Literal["workflow.dispatch"]
    workflow: str
    """Its file name or id."""
    ref: str = "main"
    """Branch or tag."""
    inputs: dict[str, str] | None = None
    """What it asks for."""
    http = post("/repos/{owner}/{repo}/actions/workflows/{workflow}/dispatches")


class GetRepository(InRepository):
    """One repository."""

    operation: Literal["repository.get"]
    http = get("/repos/{owner}/{repo}")


class ListRepositories(Listing):
    """Repositories that the token may see."""

    operation: Literal["repository.list"]
    visibility: Literal["all", "public", "private"] = "all"
    """Which ones."""
    http = get("/user/repos", **_PAGES)


class GetMe(Operation):
    """Who the token stands for."""

    operation: Literal["user.me"]
    http = get("/user")


class GitHubParameters(Parameters):
    """What to do."""

    action: Annotated[
        CreateIssue
        | GetIssue
        | ListIssues
        | UpdateIssue
        | Comment
        | SearchIssues
        | CreatePull
        | ListPulls
        | MergePull
        | GetFile
        | PutFile
        | CreateRelease
        | DispatchWorkflow
        | GetRepository
        | ListRepositories
        | GetMe
        | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class GitHub(Service[GitHubParameters]):
    """Works with repositories on GitHub, or on a GitHub Enterprise Server that the credential names.

    What is made, merged or written is not repeated after a crash; reads, changes of an issue and the like are.
    """

    type = "external_action.github"
    name = "GitHub"
    summary = "Repositories, issues and pull requests on GitHub."
    base_url = "https://api.github.com"
    documentation_url = "https://docs.github.com/rest"
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    credentials = slot("github", "oauth2")
    example = {
        "action": {
            "operation": "issue.create",
            "owner": "acme",
            "repo": "shop",
            "title": "{{ json.title }}",
            "labels": ["bug"],
        }
    }


def _decoded(file: dict[str, Json]) -> dict[str, Json]:
    if file.get("encoding") != "base64":
        return file
    content = base64.b64decode(file["content"])
    rest = {name: value for name, value in file.items() if name not in ("content", "encoding")}
    try:
        return {**rest, "text": content.decode()}
    except UnicodeDecodeError:
        return file
