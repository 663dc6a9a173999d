"""GitHub, GitLab, Jira, Linear and Trello, each against a server that answers in its words."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.nodes.external_action.rig import Case, Reply, check, sent_body, stage
from tests.nodes.harness import failure, records

GITHUB = {"type": "github", "token": "ghp_1"}
GITLAB = {"type": "gitlab", "token": "glpat-1"}
JIRA = {"type": "jira", "token": "jira-token", "email": "ada@example.com"}
LINEAR = {"type": "linear", "token": "lin_api_1"}
TRELLO = {"type": "trello", "token": "trello-token", "key": "app-key"}
REPO = {"owner": "acme", "repo": "shop"}
DONE = Reply(status=204)
by_id: dict[str, Any] = {"ids": lambda case: case.id}


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {"operation": "issue.create", **REPO, "title": "Broken", "text": "Look", "labels": ["bug"]},
            "POST /repos/acme/shop/issues",
            {"title": "Broken", "body": "Look", "labels": ["bug"]},
            {"number": 7, "html_url": "https://github.com/acme/shop/issues/7"},
        ),
        Case({"operation": "issue.get", **REPO, "number": 7}, "GET /repos/acme/shop/issues/7", answers={"number": 7}),
        Case(
            {"operation": "issue.list", **REPO, "state": "all", "limit": 3},
            "GET /repos/acme/shop/issues?state=all&per_page=3",
            answers=[
                Reply(
                    [{"number": 3}, {"number": 2}],
                    headers={
                        "Link": '<BASE/repositories/1/issues?per_page=3&page=2>; rel="next", '
                        '<BASE/repositories/1/issues?page=9>; rel="last"'
                    },
                ),
                Reply([{"number": 1}, {"number": 0}]),
            ],
            then=["GET /repositories/1/issues?per_page=3&page=2"],
            gives=[{"number": 3}, {"number": 2}, {"number": 1}],
        ),
        Case(
            {"operation": "issue.update", **REPO, "number": 7, "state": "closed"},
            "PATCH /repos/acme/shop/issues/7",
            {"state": "closed"},
            {"number": 7, "state": "closed"},
        ),
        Case(
            {"operation": "issue.comment", **REPO, "number": 7, "text": "Done"},
            "POST /repos/acme/shop/issues/7/comments",
            {"body": "Done"},
            {"id": 1},
        ),
        Case(
            {"operation": "issue.search", "q": "repo:acme/shop is:open"},
            "GET /search/issues?q=repo:acme/shop+is:open&per_page=100",
            answers={"total_count": 1, "items": [{"number": 7}]},
            gives=[{"number": 7}],
        ),
        Case(
            {"operation": "pull.create", **REPO, "title": "Fix", "head": "fix", "base": "main"},
            "POST /repos/acme/shop/pulls",
            {"title": "Fix", "head": "fix", "base": "main"},
            {"number": 8},
        ),
        Case(
            {"operation": "pull.list", **REPO},
            "GET /repos/acme/shop/pulls?state=open&per_page=100",
            answers=[{"number": 8}],
        ),
        Case(
            {"operation": "pull.merge", **REPO, "number": 8, "merge_method": "squash"},
            "PUT /repos/acme/shop/pulls/8/merge",
            {"merge_method": "squash"},
            {"merged": True},
        ),
        Case(
            {"operation": "file.get", **REPO, "file": "docs/read me.md", "ref": "main"},
            "GET /repos/acme/shop/contents/docs/read%20me.md?ref=main",
            answers={"sha": "s", "encoding": "base64", "content": base64.b64encode(b"hello\n").decode() + "\n"},
            gives={"sha": "s", "text": "hello\n"},
        ),
        Case(
            {"operation": "file.put", **REPO, "file": "a.txt", "text": "hi", "message": "add", "sha": "s"},
            "PUT /repos/acme/shop/contents/a.txt",
            {"message": "add", "sha": "s", "content": "aGk="},
            {"content": {"sha": "t"}},
        ),
        Case(
            {"operation": "release.create", **REPO, "tag_name": "v1", "text": "First"},
            "POST /repos/acme/shop/releases",
            {"tag_name": "v1", "body": "First"},
            {"id": 1},
        ),
        Case(
            {"operation": "workflow.dispatch", **REPO, "workflow": "ci.yml", "inputs": {"env": "prod"}},
            "POST /repos/acme/shop/actions/workflows/ci.yml/dispatches",
            {"ref": "main", "inputs": {"env": "prod"}},
            DONE,
            gives={"done": True},
        ),
        Case({"operation": "repository.get", **REPO}, "GET /repos/acme/shop", answers={"id": 1}),
        Case(
            {"operation": "repository.list"},
            "GET /user/repos?visibility=all&per_page=100",
            answers=[{"id": 1}],
        ),
        Case({"operation": "user.me"}, "GET /user", answers={"login": "ada"}),
        Case(
            {"operation": "api.call", "path": "/repos/acme/shop/topics?page=2"},
            "GET /repos/acme/shop/topics?page=2",
            answers={"names": ["x"]},
        ),
    ],
    **by_id,
)
async def test_github(tmp_path: Path, case: Case) -> None:
    headers = {
        "Authorization": "Bearer ghp_1",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    await check(tmp_path, "external_action.github", GITHUB, case, headers)


async def test_github_tells_every_field_that_it_does_not_like(tmp_path: Path) -> None:
    body = {
        "message": "Validation Failed",
        "errors": [{"resource": "Issue", "field": "title", "code": "missing_field", "message": "title is missing"}],
    }
    async with stage(tmp_path, GITHUB, Reply(body, 422)) as there:
        failed = failure(await there.run("external_action.github", {"operation": "issue.create", **REPO, "title": "x"}))
    assert "Validation Failed: title is missing" in failed.message


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {"operation": "issue.create", "project": "acme/shop", "title": "Broken"},
            "POST /projects/acme%2Fshop/issues",
            {"title": "Broken"},
            {"iid": 7},
        ),
        Case({"operation": "issue.get", "project": "5", "iid": 7}, "GET /projects/5/issues/7", answers={"iid": 7}),
        Case(
            {"operation": "issue.list", "project": "5"},
            "GET /projects/5/issues?state=opened&per_page=100",
            answers=[
                Reply([{"iid": 2}], headers={"Link": '<BASE/api/v4/projects/5/issues?page=2>; rel="next"'}),
                Reply([{"iid": 1}]),
            ],
            then=["GET /projects/5/issues?page=2"],
            gives=[{"iid": 2}, {"iid": 1}],
        ),
        Case(
            {"operation": "issue.update", "project": "5", "iid": 7, "state_event": "close"},
            "PUT /projects/5/issues/7",
            {"state_event": "close"},
            {"iid": 7},
        ),
        Case(
            {"operation": "issue.comment", "project": "5", "iid": 7, "text": "Done"},
            "POST /projects/5/issues/7/notes",
            {"body": "Done"},
            {"id": 1},
        ),
        Case(
            {
                "operation": "merge_request.create",
                "project": "5",
                "source_branch": "fix",
                "target_branch": "main",
                "title": "Fix",
            },
            "POST /projects/5/merge_requests",
            {"source_branch": "fix", "target_branch": "main", "title": "Fix"},
            {"iid": 8},
        ),
        Case(
            {"operation": "merge_request.list", "project": "5"},
            "GET /projects/5/merge_requests?state=opened&per_page=100",
            answers=[{"iid": 8}],
        ),
        Case(
            {"operation": "merge_request.merge", "project": "5", "iid": 8, "squash": True},
            "PUT /projects/5/merge_requests/8/merge",
            {"squash": True},
            {"state": "merged"},
        ),
        Case(
            {"operation": "pipeline.run", "project": "5", "ref": "main"},
            "POST /projects/5/pipeline",
            {"ref": "main"},
            {"id": 3},
        ),
        Case(
            {"operation": "file.get", "project": "5", "file": "src/a.py"},
            "GET /projects/5/repository/files/src%2Fa.py?ref=HEAD",
            answers={"content": "aGk="},
        ),
        Case(
            {"operation": "project.list", "search": "shop"},
            "GET /projects?membership=true&search=shop&per_page=100",
            answers=[{"id": 5}],
        ),
        Case({"operation": "user.me"}, "GET /user", answers={"username": "ada"}),
    ],
    **by_id,
)
async def test_gitlab(tmp_path: Path, case: Case) -> None:
    await check(tmp_path, "external_action.gitlab", GITLAB, case, {"PRIVATE-TOKEN": "glpat-1"}, "/api/v4")


def adf(text: str) -> dict[str, Any]:
    paragraph = {"type": "paragraph", "content": [{"type": "text", "text": text}]}
    return {"type": "doc", "version": 1, "content": [paragraph]}


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {
                "operation": "issue.create",
                "project": "SHOP",
                "summary": "Broken",
                "description": "Look",
                "fields": {"priority": {"name": "High"}},
            },
            "POST /rest/api/3/issue",
            {
                "fields": {
                    "project": {"key": "SHOP"},
                    "issuetype": {"name": "Task"},
                    "summary": "Broken",
                    "description": adf("Look"),
                    "priority": {"name": "High"},
                }
            },
            {"id": "1", "key": "SHOP-1"},
        ),
        Case({"operation": "issue.get", "issue": "SHOP-1"}, "GET /rest/api/3/issue/SHOP-1", answers={"key": "SHOP-1"}),
        Case(
            {"operation": "issue.update", "issue": "SHOP-1", "labels": ["x"], "assignee": "a1"},
            "PUT /rest/api/3/issue/SHOP-1",
            {"fields": {"labels": ["x"], "assignee": {"accountId": "a1"}}},
            DONE,
            gives={"done": True},
        ),
        Case(
            {"operation": "issue.search", "jql": "project = SHOP", "limit": 150},
            "POST /rest/api/3/search/jql",
            {"jql": "project = SHOP", "fields": ["*navigable"], "maxResults": 100},
            answers=[
                Reply({"issues": [{"key": "SHOP-1"}], "nextPageToken": "t"}),
                Reply({"issues": [{"key": "SHOP-2"}], "isLast": True}),
            ],
            then=["POST /rest/api/3/search/jql"],
            gives=[{"key": "SHOP-1"}, {"key": "SHOP-2"}],
        ),
        Case(
            {"operation": "transition.list", "issue": "SHOP-1"},
            "GET /rest/api/3/issue/SHOP-1/transitions",
            answers={"transitions": [{"id": "31", "name": "Done"}]},
            gives=[{"id": "31", "name": "Done"}],
        ),
        Case(
            {"operation": "issue.transition", "issue": "SHOP-1", "transition": "31"},
            "POST /rest/api/3/issue/SHOP-1/transitions",
            {"transition": {"id": "31"}},
            DONE,
            gives={"done": True},
        ),
        Case(
            {"operation": "issue.comment", "issue": "SHOP-1", "text": "Done"},
            "POST /rest/api/3/issue/SHOP-1/comment",
            {"body": adf("Done")},
            {"id": "9"},
        ),
        Case(
            {"operation": "issue.assign", "issue": "SHOP-1"},
            "PUT /rest/api/3/issue/SHOP-1/assignee",
            {"accountId": None},
            DONE,
            gives={"done": True},
        ),
        Case(
            {"operation": "project.list"},
            "GET /rest/api/3/project/search?maxResults=50",
            answers=[
                Reply({"values": [{"key": "A"}], "nextPage": "BASE/rest/api/3/project/search?startAt=50"}),
                Reply({"values": [{"key": "B"}], "isLast": True}),
            ],
            then=["GET /rest/api/3/project/search?startAt=50"],
            gives=[{"key": "A"}, {"key": "B"}],
        ),
        Case({"operation": "user.me"}, "GET /rest/api/3/myself", answers={"accountId": "a1"}),
    ],
    **by_id,
)
async def test_jira(tmp_path: Path, case: Case) -> None:
    pair = base64.b64encode(b"ada@example.com:jira-token").decode()
    await check(tmp_path, "external_action.jira", JIRA, case, {"Authorization": f"Basic {pair}"})


async def test_jira_tells_which_fields_are_wrong(tmp_path: Path) -> None:
    body = {"errorMessages": [], "errors": {"summary": "You must specify a summary of the issue."}}
    async with stage(tmp_path, JIRA, Reply(body, 400)) as there:
        failed = failure(
            await there.run("external_action.jira", {"operation": "issue.create", "project": "SHOP", "summary": " "})
        )
    assert "summary: You must specify a summary" in failed.message


async def test_linear(tmp_path: Path) -> None:
    """One endpoint for everything: what differs are the document and its variables."""
    table = [
        ({"operation": "issue.create", "team_id": "t", "title": "Broken"}, "issueCreate",
         {"input": {"teamId": "t", "title": "Broken"}}, {"issueCreate": {"issue": {"id": "1"}}}, [{"id": "1"}]),
        ({"operation": "issue.update", "id": "ENG-1", "state_id": "s"}, "issueUpdate",
         {"id": "ENG-1", "input": {"stateId": "s"}}, {"issueUpdate": {"issue": {"id": "1"}}}, [{"id": "1"}]),
        ({"operation": "issue.get", "id": "ENG-1"}, "issue(id", {"id": "ENG-1"}, {"issue": {"id": "1"}}, [{"id": "1"}]),
        ({"operation": "issue.comment", "issue_id": "1", "text": "Done"}, "commentCreate",
         {"input": {"issueId": "1", "body": "Done"}}, {"commentCreate": {"comment": {"id": "c"}}}, [{"id": "c"}]),
        ({"operation": "team.list"}, "teams", {}, {"teams": {"nodes": [{"id": "t"}]}}, [{"id": "t"}]),
        ({"operation": "user.list"}, "users", {}, {"users": {"nodes": [{"id": "u"}]}}, [{"id": "u"}]),
        ({"operation": "user.me"}, "viewer", {}, {"viewer": {"id": "u"}}, [{"id": "u"}]),
        ({"operation": "graphql.run", "text": "query { x }", "variables": {"a": 1}}, "query { x }", {"a": 1},
         {"x": 1}, [{"x": 1}]),
    ]  # fmt: skip
    for action, says, variables, data, gives in table:
        async with stage(tmp_path, LINEAR, Reply({"data": data})) as there:
            event = await there.run("external_action.linear", action)
            assert records(event) == gives, action
            assert there.asked == ["POST /graphql"]
            body = await sent_body(there.there.seen[0])
            assert says in body["query"]
            assert body["variables"] == variables
            assert there.there.seen[0].headers["Authorization"] == "lin_api_1"


async def test_linear_pages_and_refuses_inside_200(tmp_path: Path) -> None:
    def page(id: str, cursor: str, more: bool) -> Reply:
        info = {"hasNextPage": more, "endCursor": cursor}
        return Reply({"data": {"issues": {"nodes": [{"id": id}], "pageInfo": info}}})

    async with stage(tmp_path, LINEAR, page("1", "c1", True), page("2", "c2", False)) as there:
        wanted = {"team": {"key": {"eq": "ENG"}}}
        event = await there.run("external_action.linear", {"operation": "issue.list", "filter": wanted})
        assert records(event) == [{"id": "1"}, {"id": "2"}]
        first, second = [(await sent_body(each))["variables"] for each in there.there.seen]
        assert first == {"filter": wanted, "first": 100}
        assert second == {"filter": wanted, "first": 100, "after": "c1"}
    refused = {"errors": [{"message": "Entity not found: Issue", "extensions": {"code": "INPUT_ERROR"}}]}
    async with stage(tmp_path, LINEAR, Reply(refused)) as there:
        failed = failure(await there.run("external_action.linear", {"operation": "issue.get", "id": "ENG-9"}))
        assert failed.reason == "LINEAR_REFUSED"
        assert "Entity not found" in failed.message


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {"operation": "card.create", "id_list": "l", "name": "Broken", "id_labels": ["x"]},
            "POST /cards",
            {"idList": "l", "name": "Broken", "idLabels": ["x"]},
            {"id": "c"},
        ),
        Case({"operation": "card.get", "card": "c"}, "GET /cards/c", answers={"id": "c"}),
        Case(
            {"operation": "card.update", "card": "c", "id_list": "done", "due_complete": True},
            "PUT /cards/c",
            {"idList": "done", "dueComplete": True},
            {"id": "c"},
        ),
        Case({"operation": "card.delete", "card": "c"}, "DELETE /cards/c", answers={"limits": {}}),
        Case(
            {"operation": "card.comment", "card": "c", "text": "Done"},
            "POST /cards/c/actions/comments",
            {"text": "Done"},
            {"id": "a"},
        ),
        Case({"operation": "card.list", "list_id": "l"}, "GET /lists/l/cards", answers=[{"id": "c"}]),
        Case({"operation": "list.list", "board": "b"}, "GET /boards/b/lists", answers=[{"id": "l"}]),
        Case(
            {"operation": "list.create", "id_board": "b", "name": "Doing"},
            "POST /lists",
            {"idBoard": "b", "name": "Doing"},
            {"id": "l"},
        ),
        Case({"operation": "board.list"}, "GET /members/me/boards", answers=[{"id": "b"}]),
        Case({"operation": "member.me"}, "GET /members/me", answers={"id": "m"}),
    ],
    **by_id,
)
async def test_trello(tmp_path: Path, case: Case) -> None:
    headers = {"Authorization": 'OAuth oauth_consumer_key="app-key", oauth_token="trello-token"'}
    await check(tmp_path, "external_action.trello", TRELLO, case, headers, "/1")
