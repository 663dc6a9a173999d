"""n8n's nodes for services that have no node type here, where a plain HTTP request does the same.

Where n8n keeps a server's address in the credential, it becomes a constant of the workflow, to be filled in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workflow_engine.services.n8n.reading import Parameters, Taken, Translated, Untranslatable, without_empty


def _sent(taken: Taken, method: str, url: str, *, body: Any = None, query: Any = None, **more: Any) -> Translated:
    taken.remark("auth", "choose a credential for the service in the slot `auth`")
    for group in ("options", "additionalFields", "updateFields", "filters", "otherOptions"):
        taken.skip(group, *(f"{group}.{name}" for name in taken.given.get(group) or {}))
    taken.skip("returnAll", "limit", "resolveProperties", "encodeProperties", "attachments")
    made: Parameters = {"method": method, "url": url, "query": query, **more}
    if body is not None:
        made["body"] = {"kind": "json", "value": body}
    return "action.http_request", without_empty(made)


def _more(taken: Taken, group: str) -> Parameters:
    found = taken.given.get(group) or {}
    return {name: taken.expression(value) for name, value in found.items() if value not in ("", None, [], {})}


def _asked(taken: Taken, resource: str, operation: str) -> tuple[str, str]:
    return str(taken.get("resource", resource)), str(taken.get("operation", operation))


def _wordpress(taken: Taken) -> Translated:
    resource, operation = _asked(taken, "post", "create")
    base = f"{{{{ vars.WORDPRESS_URL }}}}/wp-json/wp/v2/{'users' if resource == 'user' else f'{resource}s'}"
    id = taken.value("postId") or taken.value("pageId") or taken.value("userId")
    match operation:
        case "create":
            return _sent(taken, "POST", base, body={"title": taken.value("title"), **_more(taken, "additionalFields")})
        case "update":
            return _sent(taken, "POST", f"{base}/{id}", body=_more(taken, "updateFields"), idempotent=True)
        case "get":
            return _sent(taken, "GET", f"{base}/{id}")
        case "getAll":
            count = 100 if taken.given.get("returnAll") else taken.value("limit", 10)
            return _sent(taken, "GET", base, query={"per_page": count})
    raise Untranslatable(f"its operation {resource}.{operation} has no counterpart")


def _mattermost(taken: Taken) -> Translated:
    resource, operation = _asked(taken, "message", "post")
    if (resource, operation) != ("message", "post"):
        raise Untranslatable(f"its operation {resource}.{operation} has no counterpart")
    body = {"channel_id": taken.value("channelId"), "message": taken.value("message")}
    return _sent(taken, "POST", "{{ vars.MATTERMOST_URL }}/api/v4/posts", body=body)


def _weather(taken: Taken) -> Translated:
    taken.skip("locationSelection", "format", "language")
    _, operation = _asked(taken, "", "currentWeather")
    path = {"currentWeather": "weather", "5DayForecast": "forecast"}.get(operation)
    if path is None:
        raise Untranslatable(f"its operation {operation} has no counterpart")
    query = {
        "q": taken.value("cityName"),
        "id": taken.value("cityId"),
        "lat": taken.value("latitude"),
        "lon": taken.value("longitude"),
        "zip": taken.value("zipCode"),
        "units": taken.get("format", "metric"),
        "lang": taken.value("language"),
    }
    return _sent(taken, "GET", f"https://api.openweathermap.org/data/2.5/{path}", query=without_empty(query))


def _hacker_news(taken: Taken) -> Translated:
    resource, _ = _asked(taken, "article", "get")
    if resource == "article":
        return _sent(taken, "GET", f"https://hn.algolia.com/api/v1/items/{taken.value('articleId')}")
    if resource == "user":
        return _sent(taken, "GET", f"https://hn.algolia.com/api/v1/users/{taken.value('username')}")
    more = taken.given.get("additionalFields") or {}
    tags = more.get("tags")
    query = {
        "query": taken.expression(more.get("keyword") or ""),
        "tags": ",".join(tags) if isinstance(tags, list) else tags,
        "hitsPerPage": 1000 if taken.given.get("returnAll") else taken.value("limit", 100),
    }
    url = "https://hn.algolia.com/api/v1/search"
    return _sent(taken, "GET", url, query=without_empty(query), records_path="hits")


def _pipedrive(taken: Taken) -> Translated:
    resource, operation = _asked(taken, "deal", "create")
    base = f"https://api.pipedrive.com/v1/{'activities' if resource == 'activity' else f'{resource}s'}"
    id = taken.value(f"{resource}Id")
    found = {"records_path": "data"}
    match operation:
        case "create":
            taken.skip("associateWith")
            names = ("title", "name", "content", "subject", "type", "person_id", "organization_id", "done")
            body = {name: taken.value(name) for name in names if taken.given.get(name) not in (None, "")}
            return _sent(taken, "POST", base, body={**body, **_more(taken, "additionalFields")}, **found)
        case "update":
            return _sent(taken, "PUT", f"{base}/{id}", body=_more(taken, "updateFields"), **found)
        case "get":
            return _sent(taken, "GET", f"{base}/{id}", **found)
        case "delete":
            return _sent(taken, "DELETE", f"{base}/{id}", **found)
        case "getAll":
            return _sent(taken, "GET", base, query={"limit": taken.value("limit", 100)}, **found)
        case "search":
            taken.skip("exactMatch")
            query = {"term": taken.value("term"), "limit": taken.value("limit", 100)}
            return _sent(taken, "GET", f"{base}/search", query=query, records_path="data.items[].item")
    raise Untranslatable(f"its operation {resource}.{operation} has no counterpart")


TABLE: dict[str, Callable[[Taken], Translated]] = {
    "wordpress": _wordpress,
    "mattermost": _mattermost,
    "openWeatherMap": _weather,
    "hackerNews": _hacker_news,
    "pipedrive": _pipedrive,
}
