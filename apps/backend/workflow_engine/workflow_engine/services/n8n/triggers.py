"""n8n's nodes that start a workflow."""

from __future__ import annotations

import re
from collections.abc import Callable

from workflow_engine.services.n8n.reading import (
    Extra,
    Made,
    Parameters,
    Taken,
    Translated,
    Untranslatable,
    without_empty,
)

_WEEKDAYS = {"0": "SUN", "1": "MON", "2": "TUE", "3": "WED", "4": "THU", "5": "FRI", "6": "SAT", "7": "SUN"}
_UNITS = {"seconds": "s", "minutes": "m", "hours": "h", "days": "d", "weeks": "d"}


def _manual(taken: Taken) -> Translated:
    taken.skip(*taken.given)
    return "trigger.manual", {}


def _error(taken: Taken) -> Translated:
    taken.remark("type", "name this workflow as `error_workflow_id` in the settings of those whose failures it is for")
    return "trigger.manual", {}


# schedules


def _schedule(taken: Taken) -> Translated:
    found = (taken.get("rule") or {}).get("interval") or [{}]
    return _several([_rule(each or {}) for each in found])


def _several(made: list[Translated]) -> Translated:
    (type, parameters), *others = [each for each in made if isinstance(each, tuple)]
    beside = tuple(Extra(str(number), *each) for number, each in enumerate(others, 2))
    return Made(type, parameters, beside=beside) if beside else (type, parameters)


def _rule(rule: Parameters) -> Translated:
    hour, minute = rule.get("triggerAtHour", 0) or 0, rule.get("triggerAtMinute", 0) or 0
    match rule.get("field", "days"):
        case "cronExpression":
            return _cron_of(str(rule.get("expression", "")).removeprefix("="))
        case "seconds":
            return "trigger.interval", {"every": f"{rule.get('secondsInterval', 30)}s"}
        case "minutes":
            return _every_minutes(int(rule.get("minutesInterval", 5)))
        case "hours":
            count = int(rule.get("hoursInterval", 1))
            if 24 % count:
                return "trigger.interval", {"every": f"{count}h"}
            return _cron_of(f"{minute} {'*' if count == 1 else f'*/{count}'} * * *")
        case "days":
            count = int(rule.get("daysInterval", 1))
            if count > 1:
                return "trigger.interval", {"every": f"{count}d", "offset": f"{hour}h{minute}m"}
            return _cron_of(f"{minute} {hour} * * *")
        case "weeks":
            days = rule.get("triggerAtDay") or [0]
            if int(rule.get("weeksInterval", 1)) > 1:
                raise Untranslatable("every second week and so on has no counterpart: use trigger.interval with `14d`")
            names = ",".join(_WEEKDAYS[str(each)] for each in days)
            return _cron_of(f"{minute} {hour} * * {names}")
        case "months":
            count, day = int(rule.get("monthsInterval", 1)), rule.get("triggerAtDayOfMonth", 1)
            return _cron_of(f"{minute} {hour} {day} {'*' if count == 1 else f'*/{count}'} *")
        case other:
            raise Untranslatable(f"starting every {other!r} has no counterpart")


def _every_minutes(count: int) -> Translated:
    if 60 % count:
        return "trigger.interval", {"every": f"{count}m"}
    return _cron_of("* * * * *" if count == 1 else f"*/{count} * * * *")


def _cron_of(expression: str) -> Translated:
    if not expression.strip() or "{{" in expression:
        raise Untranslatable("its cron expression is empty, or is to be computed")
    return "trigger.cron", {"expression": expression.strip()}


def _cron(taken: Taken) -> Translated:
    made = []
    for each in (taken.get("triggerTimes") or {}).get("item") or [{}]:
        hour, minute = each.get("hour", 14), each.get("minute", 0)
        match each.get("mode", "everyDay"):
            case "everyMinute":
                made.append(_cron_of("* * * * *"))
            case "everyHour":
                made.append(_cron_of(f"{minute} * * * *"))
            case "everyDay":
                made.append(_cron_of(f"{minute} {hour} * * *"))
            case "everyWeek":
                made.append(_cron_of(f"{minute} {hour} * * {_WEEKDAYS[str(each.get('weekday', '1'))]}"))
            case "everyMonth":
                made.append(_cron_of(f"{minute} {hour} {each.get('dayOfMonth', 1)} * *"))
            case "everyX":
                made.append(
                    ("trigger.interval", {"every": f"{each.get('value', 2)}{_UNITS[each.get('unit', 'hours')]}"})
                )
            case "custom":
                made.append(_cron_of(str(each.get("cronExpression", ""))))
    return _several(made)


def _interval(taken: Taken) -> Translated:
    return "trigger.interval", {"every": f"{taken.get('interval', 1)}{_UNITS[taken.get('unit', 'seconds')]}"}


# web


def _webhook(taken: Taken) -> Translated:
    methods = taken.get("httpMethod", "GET")
    made: Parameters = {
        "path": _path(taken),
        "methods": methods if isinstance(methods, list) else [methods],
        "verify": {"basicAuth": "basic", "headerAuth": "header", "jwtAuth": "jwt"}.get(
            taken.get("authentication", "none"), "none"
        ),
        "respond": {"lastNode": "when_finished", "responseNode": "respond_node", "streaming": "streaming"}.get(
            taken.get("responseMode", "onReceived"), "at_once"
        ),
        "raw": bool(taken.option("rawBody")),
    }
    answer = {"noData": "none", "firstEntryBinary": "file"}.get(taken.get("responseData", "firstEntryJson"))
    if answer and made["respond"] != "at_once":
        made["answer"] = answer
    if origins := taken.option("allowedOrigins"):
        made["allowed_origins"] = [each.strip() for each in str(origins).split(",")]
    taken.skip(
        "multipleMethods", "responseCode", "options.responseCode", "options.noResponseBody", "options.binaryData"
    )
    taken.skip(
        "options.binaryPropertyName", "responseBinaryPropertyName", "options.responseData", "options.ipWhitelist"
    )
    if taken.option("ipWhitelist"):
        taken.remark("parameters.options.ipWhitelist", "addresses are not checked here: do so in front of the server")
    return "trigger.webhook", {name: value for name, value in made.items() if value not in ("", False)}


def _path(taken: Taken) -> str:
    """A path that ours can have; empty for one that is made up."""
    said = str(taken.get("path", "") or "").removeprefix("=").strip("/")
    return said if re.fullmatch(r"[A-Za-z0-9._~/:-]+", said) and "//" not in said else ""


_KINDS = {
    "textarea": "multiline",
    "email": "email",
    "number": "number",
    "date": "date",
    "dropdown": "choice",
    "radio": "choice",
    "checkbox": "choices",
    "file": "file",
}


def form_fields(taken: Taken) -> tuple[list[Parameters], dict[str, str]]:
    """The questions of a form, and which name each label stands for, where they differ."""
    fields: list[Parameters] = []
    labels: dict[str, str] = {}
    given = taken.get("formFields") or taken.option("formFields") or {}
    for number, each in enumerate(given.get("values") or [], 1):
        kind = each.get("fieldType", "text")
        if kind in ("html", "hiddenField"):
            continue
        label = str(each.get("fieldLabel") or each.get("fieldName") or each.get("elementName") or f"field {number}")
        label = label.removeprefix("=")
        name = re.sub(r"\W+", "_", label, flags=re.ASCII).strip("_")[:60] or f"field_{number}"
        name = name if not name[0].isdigit() else f"field_{name}"
        while name in labels.values():
            name += "_"
        labels[label] = name
        made: Parameters = {"name": name, "label": label[:200], "type": _KINDS.get(kind, "text")}
        options = [str(option.get("option", "")) for option in (each.get("fieldOptions") or {}).get("values") or []]
        if made["type"] in ("choice", "choices"):
            made["options"] = options or ["yes"]
            if each.get("multiselect"):
                made["type"] = "choices"
        if each.get("requiredField"):
            made["required"] = True
        if each.get("placeholder"):
            made["description"] = str(each["placeholder"])
        if kind == "file" and each.get("acceptFileTypes"):
            made["accept"] = str(each["acceptFileTypes"])[:200]
        fields.append(made)
    return fields, {label: name for label, name in labels.items() if label != name}


def _form(taken: Taken) -> Translated:
    fields, labels = form_fields(taken)
    if not fields:
        raise Untranslatable("its form has no fields")
    waits = taken.get("responseMode", "onReceived") in ("lastNode", "responseNode")
    made = {
        "path": _path(taken),
        "title": str(taken.value("formTitle") or taken.name)[:200],
        "text": taken.value("formDescription"),
        "fields": fields,
        "submit_label": taken.option("buttonLabel", ""),
        "respond": "when_finished" if waits else "at_once",
    }
    taken.skip("options.path", "options.appendAttribution", "options.respondWithOptions", "options.customCss")
    taken.skip("options.useWorkflowTimezone", "options.ignoreBots", "formSubmittedText", "requiresAuthentication")
    made = without_empty(made)
    if labels:
        renamed = [{"field": name, "to": f'["{label}"]'} for label, name in labels.items() if '"' not in label]
        return Made("flow.rename", {"fields": renamed}, before=(Extra("form", "trigger.form", made),))
    return "trigger.form", made


def _chat(taken: Taken) -> Translated:
    made = without_empty({"title": taken.option("title") or "Chat", "greeting": taken.value("initialMessages")})
    taken.skip("public", "mode", "options.responseMode", "options.allowFileUploads", "options.loadPreviousSession")
    taken.skip("options.subtitle", "options.inputPlaceholder", "options.showWelcomeScreen", "options.getStarted")
    taken.skip("options.allowedFilesMimeTypes", "options.allowedOrigins", "options.customCss")
    names = [
        {"name": "chatInput", "value": "{{ json.message }}"},
        {"name": "sessionId", "value": "{{ json.session_id }}"},
    ]
    if "manualChat" in str(taken.source.get("type")) and taken.version < 1.1:
        names.append({"name": "input", "value": "{{ json.message }}"})
    return Made("flow.set", {"assignments": names}, before=(Extra("chat", "trigger.chat", made),))


def _pushed(service: str, how: str, query: str = "body") -> Callable[[Taken], Translated]:
    """A service that calls a URL of ours. n8n registers it there by itself, here a person does."""

    def translate(taken: Taken) -> Translated:
        taken.skip(*taken.given, *(f"options.{name}" for name in taken.given.get("options") or {}))
        taken.skip(*(f"additionalFields.{name}" for name in taken.given.get("additionalFields") or {}))
        taken.remark("webhook", f"{service} has to be told the webhook's address, which n8n did by itself: {how}")
        return Made(
            "action.transform", {"query": query}, before=(Extra("webhook", "trigger.webhook", {"methods": ["POST"]}),)
        )

    return translate


# what is looked at from time to time


def every(taken: Taken) -> str:
    """How often n8n polls."""
    found = (taken.get("pollTimes") or {}).get("item") or [{}]
    first = found[0] or {}
    match first.get("mode", "everyMinute"):
        case "everyHour":
            return "1h"
        case "everyDay":
            return "1d"
        case "everyX":
            return f"{first.get('value', 2)}{_UNITS[first.get('unit', 'hours')]}"
        case _:
            return "1m"


def _poll(taken: Taken, request: Parameters, key: str) -> Parameters:
    return {"request": request, "every": every(taken), "key": key}


def _gmail(taken: Taken) -> Translated:
    filters = taken.get("filters") or {}
    said = [str(filters.get("q") or "")]
    said += [f"from:{filters['sender']}"] if filters.get("sender") else []
    said += {"unread": ["is:unread"], "read": ["is:read"]}.get(filters.get("readStatus", "unread"), [])
    taken.skip(
        "simple", "event", "options.downloadAttachments", "options.dataPropertyAttachmentsPrefixName", "maxResults"
    )
    request = {
        "url": "https://gmail.googleapis.com/gmail/v1/users/me/messages",
        "query": without_empty({"q": " ".join(filter(None, said)), "labelIds": filters.get("labelIds")}),
        "records_path": "messages",
    }
    got = {"action": {"operation": "message.get", "message_id": "{{ json.id }}"}}
    poll = Extra("new mail", "trigger.poll", _poll(taken, request, "json.id"))
    taken.remark("action", "a mail's headers are under `json.headers` by lower-case name, its text under `json.text`")
    return Made("external_action.gmail", got, before=(poll,))


def _drive(taken: Taken) -> Translated:
    folder = taken.value("folderToWatch") or taken.value("fileToWatch")
    taken.skip("triggerOn", "event", "folderToWatch", "fileToWatch", "options.fileType")
    if "{{" in str(folder):
        raise Untranslatable("its folder is an expression, and a trigger has nothing to read from")
    request = {
        "url": "https://www.googleapis.com/drive/v3/files",
        "query": {
            "q": (f"'{folder}' in parents and " if folder else "") + "trashed = false",
            "orderBy": "createdTime desc",
            "fields": "files(id,name,mimeType,size,parents,createdTime,modifiedTime,webViewLink)",
        },
        "records_path": "files",
    }
    return "trigger.poll", _poll(taken, request, "json.id") | {
        "start": "changed" if "Updated" in str(taken.given.get("event", "")) else "new"
    }


def _sheets(taken: Taken) -> Translated:
    document, sheet = taken.value("documentId"), taken.value("sheetName")
    taken.skip("event", "options.columnsToWatch", "options.valueRender", "options.dataLocationOnSheet")
    read = {"action": {"operation": "row.read", "spreadsheet_id": document}}
    cached = (taken.given.get("sheetName") or {}).get("cachedResultName") if isinstance(sheet, str) else None
    if cached:
        read["action"]["range"] = str(cached)
    taken.remark(
        "type", "it reads the whole sheet at each look; compare with what you have, or let the sheet call a webhook"
    )
    return Made(
        "external_action.google_sheets", read, before=(Extra("every", "trigger.interval", {"every": every(taken)}),)
    )


def _airtable(taken: Taken) -> Translated:
    base, table = taken.value("baseId"), taken.value("tableId")
    extra = taken.get("additionalFields") or {}
    taken.skip(
        "triggerField", "downloadAttachments", "downloadFieldNames", *(f"additionalFields.{name}" for name in extra)
    )
    request = {
        "url": f"https://api.airtable.com/v0/{base}/{table}",
        "query": without_empty({"view": extra.get("viewId"), "filterByFormula": extra.get("formula")}),
        "pagination": {"mode": "cursor", "parameter": "offset", "path": "offset"},
        "records_path": "records",
    }
    return "trigger.poll", _poll(taken, request, "json.id")


def _outlook(taken: Taken) -> Translated:
    taken.skip("event", "output", "fields", "filters", "options", "pollTimes")
    request = {
        "url": "https://graph.microsoft.com/v1.0/me/messages",
        "query": {"$top": 50, "$orderby": "receivedDateTime desc"},
        "headers": {"Prefer": 'outlook.body-content-type="text"'},
        "records_path": "value",
    }
    return "trigger.poll", _poll(taken, request, "json.id")


def _notion(taken: Taken) -> Translated:
    database = taken.value("databaseId")
    taken.skip("event", "simple")
    request = {
        "method": "POST",
        "idempotent": True,
        "url": f"https://api.notion.com/v1/databases/{database}/query",
        "headers": {"Notion-Version": "2022-06-28"},
        "body": {"kind": "json", "value": {"page_size": 100}},
        "records_path": "results",
    }
    changed = "Updated" in str(taken.given.get("event", ""))
    return "trigger.poll", _poll(taken, request, "json.id") | {"start": "changed" if changed else "new"}


def _imap(taken: Taken) -> Translated:
    taken.skip("format", "dataPropertyAttachmentsPrefixName", "downloadAttachments", "options.forceReconnect")
    taken.skip("options.trackLastMessageId")
    made: Parameters = {
        "folder": taken.get("mailbox", "INBOX"),
        "mark_seen": taken.get("postProcessAction", "read") == "read",
    }
    wanted = taken.option("customEmailConfig")
    if wanted:
        taken.remark("search", f"n8n's search {wanted} is left out: write it in IMAP's own words")
    return "trigger.email", made


def _rss(taken: Taken) -> Translated:
    return "trigger.rss", {"url": taken.value("feedUrl"), "every": every(taken)}


def _local_file(taken: Taken) -> Translated:
    taken.skip("events", "options.ignored", "options.awaitWriteFinish", "options.depth", "triggerOn")
    return "trigger.file_change", {"folder": str(taken.get("path", "")).strip("/")}


def _mqtt(taken: Taken) -> Translated:
    taken.skip("options.jsonParseBody", "options.onlyMessage", "options.parallelProcessing")
    return "trigger.mqtt", {"topics": [each.strip() for each in str(taken.get("topics", "")).split(",")]}


def _rabbitmq(taken: Taken) -> Translated:
    taken.skip(*(f"options.{name}" for name in taken.given.get("options") or {}))
    return "trigger.amqp", {"queue": taken.value("queue")}


_ADDRESS = "put it into the service's webhook settings"
TABLE: dict[str, Callable[[Taken], Translated]] = {
    "manualTrigger": _manual,
    "start": _manual,
    "executeWorkflowTrigger": _manual,
    "manualChatTrigger": _chat,
    "chatTrigger": _chat,
    "errorTrigger": _error,
    "scheduleTrigger": _schedule,
    "cron": _cron,
    "interval": _interval,
    "webhook": _webhook,
    "formTrigger": _form,
    "emailReadImap": _imap,
    "rssFeedReadTrigger": _rss,
    "localFileTrigger": _local_file,
    "gmailTrigger": _gmail,
    "googleDriveTrigger": _drive,
    "googleSheetsTrigger": _sheets,
    "airtableTrigger": _airtable,
    "notionTrigger": _notion,
    "microsoftOutlookTrigger": _outlook,
    "telegramTrigger": _pushed(
        "Telegram", "call https://api.telegram.org/bot<token>/setWebhook?url=<address> once, with your bot's token"
    ),
    "slackTrigger": _pushed("Slack", "put it into the app's Event Subscriptions", "body.event || body"),
    "githubTrigger": _pushed("GitHub", "add it under Settings, Webhooks of the repository", "@"),
    "gitlabTrigger": _pushed("GitLab", "add it under Settings, Webhooks of the project", "@"),
    "stripeTrigger": _pushed("Stripe", "add it under Developers, Webhooks"),
    "typeformTrigger": _pushed("Typeform", "add it under Connect, Webhooks of the form", "body.form_response || body"),
    "jotFormTrigger": _pushed("Jotform", "add it under Settings, Integrations, Webhooks of the form"),
    "calendlyTrigger": _pushed("Calendly", "make a webhook subscription by its API"),
    "calTrigger": _pushed("Cal.com", "add it under Settings, Developer, Webhooks", "body.payload || body"),
    "jiraTrigger": _pushed("Jira", "add it under System, Webhooks"),
    "linearTrigger": _pushed("Linear", "add it under Settings, API, Webhooks"),
    "trelloTrigger": _pushed("Trello", "make a webhook by its API"),
    "hubspotTrigger": _pushed("HubSpot", "add it to the app's webhook subscriptions"),
    "pipedriveTrigger": _pushed("Pipedrive", "add it under Tools and apps, Webhooks"),
    "shopifyTrigger": _pushed("Shopify", "add it under Settings, Notifications, Webhooks"),
    "wooCommerceTrigger": _pushed("WooCommerce", "add it under Settings, Advanced, Webhooks"),
    "whatsAppTrigger": _pushed(
        "WhatsApp", "put it into the app's configuration at Meta", "body.entry[0].changes[0].value || body"
    ),
    "asanaTrigger": _pushed("Asana", "make a webhook by its API"),
    "clickUpTrigger": _pushed("ClickUp", "make a webhook by its API"),
    "zendeskTrigger": _pushed("Zendesk", _ADDRESS),
    "eventbriteTrigger": _pushed("Eventbrite", _ADDRESS),
    "mailchimpTrigger": _pushed("Mailchimp", _ADDRESS),
    "twilioTrigger": _pushed("Twilio", _ADDRESS),
    "facebookLeadAdsTrigger": _pushed("Facebook", _ADDRESS),
    "mqttTrigger": _mqtt,
    "rabbitmqTrigger": _rabbitmq,
}
