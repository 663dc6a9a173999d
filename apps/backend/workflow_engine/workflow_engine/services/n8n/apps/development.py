"""n8n's nodes for repositories, issues, boards and payments."""

from __future__ import annotations

from collections.abc import Callable

from workflow_engine.services.n8n.apps.shared import members, most, service
from workflow_engine.services.n8n.reading import Parameters, Taken, Translated, plain


def _github(taken: Taken, resource: str, operation: str) -> Parameters:
    for group in ("options", "additionalFields", "additionalParameters"):
        taken.skip(*(f"{group}.{name}" for name in taken.given.get(group) or {}))
    taken.skip("additionalParameters", "editFields", "asBinaryProperty", "binaryData", "labels", "assignees")
    where = {"owner": taken.value("owner"), "repo": taken.value("repository")}
    number = taken.value("issueNumber")
    more = taken.given.get("additionalParameters") or {}
    match resource, operation:
        case "issue", "create":
            labels = [str(each.get("label")) for each in taken.given.get("labels") or [] if each.get("label")]
            return {
                "operation": "issue.create",
                **where,
                "title": taken.value("title"),
                "text": taken.value("body"),
                "labels": labels or None,
            }
        case "issue", "edit":
            fields = {key: taken.expression(value) for key, value in (taken.given.get("editFields") or {}).items()}
            return {
                "operation": "issue.update",
                **where,
                "number": number,
                "title": fields.get("title"),
                "text": fields.get("body"),
                "state": fields.get("state"),
            }
        case "issue", "createComment":
            return {"operation": "issue.comment", **where, "number": number, "text": taken.value("body")}
        case "issue", "get":
            return {"operation": "issue.get", **where, "number": number}
        case "repository", "getIssues":
            taken.skip("getRepositoryIssuesFilters")
            return {"operation": "issue.list", **where, "limit": most(taken)}
        case "repository", "get":
            return {"operation": "repository.get", **where}
        case "file", "get":
            ref = (more.get("reference") if isinstance(more, dict) else None) or None
            return {"operation": "file.get", **where, "file": taken.value("filePath"), "ref": taken.expression(ref)}
        case "file", "list":
            return {
                "operation": "api.call",
                "path": f"/repos/{where['owner']}/{where['repo']}/contents/{taken.value('filePath')}",
            }
        case "file", "create" | "edit":
            if taken.given.get("binaryData"):
                return {}
            if operation == "edit":
                taken.remark("action.sha", "GitHub wants the file's `sha`: read it with `file.get` before")
            return {
                "operation": "file.put",
                **where,
                "file": taken.value("filePath"),
                "text": taken.value("fileContent"),
                "message": taken.value("commitMessage") or "update",
                "sha": "{{ json.sha }}" if operation == "edit" else None,
            }
        case "release", "create":
            return {"operation": "release.create", **where, "tag_name": taken.value("releaseTag")}
    return {}


def _gitlab(taken: Taken, resource: str, operation: str) -> Parameters:
    taken.skip("labels", "assignee_ids", "editFields")
    project = f"{taken.value('owner')}/{taken.value('repository')}"
    match resource, operation:
        case "issue", "create":
            return {
                "operation": "issue.create",
                "project": project,
                "title": taken.value("title"),
                "description": taken.value("body"),
            }
        case "issue", "createComment":
            return {
                "operation": "issue.comment",
                "project": project,
                "iid": taken.value("issueNumber"),
                "text": taken.value("body"),
            }
        case "issue", "get":
            return {"operation": "issue.get", "project": project, "iid": taken.value("issueNumber")}
    return {}


def _jira(taken: Taken, resource: str, operation: str) -> Parameters:
    for group in ("options", "additionalFields", "updateFields"):
        taken.skip(*(f"{group}.{name}" for name in taken.given.get(group) or {}))
    taken.skip("jiraVersion", "additionalFields")
    issue = taken.value("issueKey")
    match resource, operation:
        case "issue", "create":
            more = taken.given.get("additionalFields") or {}
            kind, project = taken.get("issueType"), taken.get("project")
            shown = kind.get("cachedResultName") if isinstance(kind, dict) else None
            return {
                "operation": "issue.create",
                "project": taken.expression(plain(project)),
                "issue_type": shown or taken.expression(plain(kind)),
                "summary": taken.value("summary"),
                "description": taken.expression(more.get("description") or ""),
                "labels": more.get("labels") if isinstance(more.get("labels"), list) else None,
            }
        case "issue", "update":
            more = taken.get("updateFields") or {}
            return {
                "operation": "issue.update",
                "issue": issue,
                "summary": taken.expression(more.get("summary") or ""),
                "description": taken.expression(more.get("description") or ""),
            }
        case "issue", "get":
            taken.skip("simplifyOutput")
            return {"operation": "issue.get", "issue": issue}
        case "issue", "getAll":
            query = (taken.given.get("options") or {}).get("jql", "order by created DESC")
            return {"operation": "issue.search", "jql": taken.expression(query), "limit": most(taken)}
        case "issueComment", "add" | "create":
            return {"operation": "issue.comment", "issue": issue, "text": taken.value("comment")}
        case "issueComment", "getAll":
            return {"operation": "api.call", "path": f"/rest/api/3/issue/{issue}/comment"}
    return {}


def _trello(taken: Taken, resource: str, operation: str) -> Parameters:
    taken.skip(*(f"additionalFields.{name}" for name in taken.given.get("additionalFields") or {}))
    more = taken.given.get("additionalFields") or {}
    match resource, operation:
        case "card", "create":
            return {
                "operation": "card.create",
                "id_list": taken.value("listId"),
                "name": taken.value("name"),
                "desc": taken.value("description"),
                "due": taken.expression(more.get("due") or ""),
            }
        case "card", "get":
            return {"operation": "card.get", "card": taken.value("id")}
        case "card", "delete":
            return {"operation": "card.delete", "card": taken.value("id")}
        case "cardComment", "create":
            return {"operation": "card.comment", "card": taken.value("cardId"), "text": taken.value("text")}
        case "list", "getCards":
            return {"operation": "card.list", "list_id": taken.value("id")}
    return {}


def _linear(taken: Taken, resource: str, operation: str) -> Parameters:
    more = taken.given.get("additionalFields") or {}
    taken.skip(*(f"additionalFields.{name}" for name in more))
    match resource, operation:
        case "issue", "create":
            return {
                "operation": "issue.create",
                "team_id": taken.value("teamId"),
                "title": taken.value("title"),
                "description": taken.expression(more.get("description") or ""),
            }
        case "issue", "getAll":
            return {"operation": "issue.list", "limit": most(taken)}
    return {}


def _stripe(taken: Taken, resource: str, operation: str) -> Parameters:
    more = members(taken, "additionalFields")
    taken.skip(*(f"additionalFields.{name}" for name in more), "filters")
    match resource, operation:
        case "customer", "create":
            names = ("email", "name", "phone", "description")
            found = {name: more[name] for name in names if more.get(name)}
            return {"operation": "customer.create", "name": taken.value("name"), **found}
        case "customer", "get":
            return {"operation": "customer.get", "customer": taken.value("customerId")}
        case "customer", "getAll":
            return {"operation": "customer.list", "limit": most(taken)}
        case "balance", "get":
            return {"operation": "balance.get"}
        case "charge", "getAll":
            return {"operation": "api.call", "path": "/charges?limit=100"}
    return {}


TABLE: dict[str, Callable[[Taken], Translated]] = {
    "github": service("external_action.github", "issue", "create", _github),
    "gitlab": service("external_action.gitlab", "issue", "create", _gitlab),
    "jira": service("external_action.jira", "issue", "create", _jira),
    "trello": service("external_action.trello", "card", "create", _trello),
    "linear": service("external_action.linear", "issue", "create", _linear),
    "stripe": service("external_action.stripe", "balance", "get", _stripe),
}
