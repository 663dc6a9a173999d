"""What the translations of n8n's service nodes share: how a service is declared, and n8n's ways of writing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workflow_engine.services.n8n.reading import Extra, Made, Parameters, Taken, Translated, Untranslatable, plain

Operations = Callable[[Taken, str, str], Parameters]


def service(
    type: str, resource: str, operation: str, translate: Operations
) -> Callable[[Taken], tuple[str, Parameters]]:
    """A translation of a service's node. `resource` and `operation` are what n8n means when it does not say."""

    def translated(taken: Taken) -> tuple[str, Parameters]:
        asked = str(taken.get("resource", resource)), str(taken.get("operation", operation))
        taken.skip("descriptionType", "toolDescription", "returnAll", "limit", "simple", "authentication")
        made = translate(taken, *asked)
        if not made:
            raise Untranslatable(f"its operation {asked[0]}.{asked[1]} has no counterpart")
        return type, {"action": {name: value for name, value in made.items() if value not in (None, "", {})}}

    return translated


def most(taken: Taken) -> Any:
    """The most records; n8n's own when it does not say."""
    return 1_000 if taken.given.get("returnAll") is True else taken.value("limit", 50)


def listed(value: Any) -> list[str] | None:
    """`a@x.org, b@x.org` as a list."""
    if isinstance(value, list):
        return value or None
    if not isinstance(value, str) or not value.strip():
        return None
    if "{{" in value:
        return [value]
    return [each.strip() for each in value.split(",") if each.strip()]


def members(taken: Taken, name: str) -> Parameters:
    """A collection such as `updateFields`, with its expressions in ours."""
    found = taken.get(name) or {}
    return {key: taken.expression(plain(value)) for key, value in found.items()} if isinstance(found, dict) else {}


def match_on(taken: Taken) -> list[str]:
    columns = taken.given.get("columns")
    found = columns.get("matchingColumns") if isinstance(columns, dict) else None
    chosen = found or taken.given.get("columnToMatchOn") or taken.given.get("key") or "id"
    return [str(each) for each in chosen] if isinstance(chosen, list) else [str(chosen)]


def human(taken: Taken) -> Made | None:
    """n8n's `send and wait` of any service: a person is asked."""
    if taken.given.get("operation") != "sendAndWait":
        return None
    taken.skip(*taken.given, *(f"options.{name}" for name in taken.given.get("options") or {}))
    said = taken.value("message") or ""
    title = taken.value("subject") or "Please decide"
    taken.remark(
        "type", "it asks in the inbox of tasks; choose a channel such as e-mail or Slack in `notify` to tell people"
    )
    if taken.given.get("responseType") in ("freeText", "customForm"):
        fields = [{"name": "text", "label": "Answer", "type": "multiline", "required": True}]
        asked = Extra("ask", "human.form", {"title": title[:200], "text": said, "fields": fields})
        return Made("flow.set", {"assignments": [{"name": "data", "value": "{{ json.answer }}"}]}, before=(asked,))
    asked = Extra("ask", "human.approval", {"title": title[:200], "text": said}, ("approved", "refused"))
    return Made(
        "flow.set", {"assignments": [{"name": "data.approved", "value": "{{ json.answer.approved }}"}]}, before=(asked,)
    )


def or_human(translate: Callable[[Taken], Translated]) -> Callable[[Taken], Translated]:
    return lambda taken: human(taken) or translate(taken)
