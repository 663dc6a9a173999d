"""n8n's nodes for services on the web. Each becomes one operation of our node for the same service."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from workflow_engine.services.n8n.reading import (
    Extra,
    Made,
    Parameters,
    Taken,
    Translated,
    Untranslatable,
    named,
    plain,
    without_empty,
)

Operations = Callable[[Taken, str, str], Parameters]


def _service(type: str, resource: str, operation: str, translate: Operations) -> Callable[[Taken], Translated]:
    """A translation of a service's node. `resource` and `operation` are what n8n means when it does not say."""

    def translated(taken: Taken) -> Translated:
        asked = str(taken.get("resource", resource)), str(taken.get("operation", operation))
        taken.skip("descriptionType", "toolDescription", "returnAll", "limit", "simple", "authentication")
        made = translate(taken, *asked)
        if not made:
            raise Untranslatable(f"its operation {asked[0]}.{asked[1]} has no counterpart")
        return type, {"action": {name: value for name, value in made.items() if value not in (None, "", {})}}

    return translated


def _limit(taken: Taken) -> Any:
    """The most records; n8n's own when it does not say."""
    return 1_000 if taken.given.get("returnAll") is True else taken.value("limit", 50)


def _listed(value: Any) -> list[str] | None:
    """`a@x.org, b@x.org` as a list."""
    if isinstance(value, list):
        return value or None
    if not isinstance(value, str) or not value.strip():
        return None
    if "{{" in value:
        return [value]
    return [each.strip() for each in value.split(",") if each.strip()]


def _members(taken: Taken, name: str) -> Parameters:
    """A collection such as `updateFields`, with its expressions in ours."""
    found = taken.get(name) or {}
    return {key: taken.expression(plain(value)) for key, value in found.items()} if isinstance(found, dict) else {}


# mail


def _gmail(taken: Taken, resource: str, operation: str) -> Parameters:
    more = taken.given.get("options") or taken.given.get("additionalFields") or {}
    taken.skip("options.appendAttribution", "options.senderName", "options.attachmentsUi", "options.replyTo")
    taken.skip("options.ccList", "options.bccList", "options.dataPropertyAttachmentsPrefixName", "options.labelIds")
    message = taken.value("messageId")
    match resource, operation:
        case ("message", "send") | ("draft", "create") | ("message", "reply"):
            made: Parameters = {
                "to": _listed(taken.value("sendTo", taken.get("toList", more.get("sendTo", "")))),
                "cc": _listed(taken.expression(more.get("ccList", ""))),
                "bcc": _listed(taken.expression(more.get("bccList", ""))),
                "subject": taken.value("subject"),
                **_text(taken, "message"),
            }
            if operation == "reply":
                taken.remark(
                    "action", "a reply needs `to`, `subject` and `thread_id`: they are read from the mail it answers"
                )
                made |= {"thread_id": "{{ default(json.threadId, '') }}", "in_reply_to": message}
                made["to"] = made["to"] or ["{{ json.headers.from }}"]
                made["subject"] = made["subject"] or "Re: {{ default(json.headers.subject, '') }}"
            if resource == "draft":
                made["to"] = made["to"] or ["{{ json.email }}"]
            return {"operation": "draft.create" if resource == "draft" else "message.send", **made}
        case "message", "sendAndWait":
            raise Untranslatable("sending and waiting for an answer is human.approval or human.form here, by e-mail")
        case "message", "get":
            return {"operation": "message.get", "message_id": message}
        case "message", "getAll":
            filters = _members(taken, "filters")
            said = [str(filters.get("q", ""))]
            said += [f"from:{filters['sender']}"] if filters.get("sender") else []
            said += {"unread": ["is:unread"], "read": ["is:read"]}.get(str(filters.get("readStatus")), [])
            said += [f"after:{filters['receivedAfter']}"] if filters.get("receivedAfter") else []
            said += [f"before:{filters['receivedBefore']}"] if filters.get("receivedBefore") else []
            taken.remark("action", "the list has ids only: read each mail with `message.get`")
            labels = filters.get("labelIds")
            return {
                "operation": "message.list",
                "q": " ".join(filter(None, said)),
                "label_ids": labels if isinstance(labels, list) else None,
                "limit": _limit(taken),
            }
        case ("message" | "thread", "addLabels" | "removeLabels"):
            labels = taken.value("labelIds", [])
            key = "add_label_ids" if operation == "addLabels" else "remove_label_ids"
            if resource == "thread":
                return {}
            return {"operation": "message.modify", "message_id": message, key: labels}
        case "message", "markAsRead":
            return {"operation": "message.modify", "message_id": message, "remove_label_ids": ["UNREAD"]}
        case "message", "markAsUnread":
            return {"operation": "message.modify", "message_id": message, "add_label_ids": ["UNREAD"]}
        case "message", "delete":
            return {"operation": "message.trash", "message_id": message}
        case "thread", "get":
            return {"operation": "thread.get", "thread_id": taken.value("threadId")}
        case "label", "getAll" | "send":
            return {"operation": "label.list"}
    return {}


def _text(taken: Taken, name: str) -> Parameters:
    said = taken.value(name)
    is_html = taken.get("emailType", "html") == "html"
    return {"html": said} if is_html and said else {"text": said}


def _email(taken: Taken) -> Translated:
    if taken.given.get("operation") == "sendAndWait":
        raise Untranslatable("sending and waiting for an answer is human.approval or human.form here, by e-mail")
    more = taken.given.get("options") or {}
    attached = taken.get("attachments") or more.get("attachments") or ""
    taken.skip(*(f"options.{name}" for name in more), "emailFormat", "resource")
    made = {
        "from": taken.value("fromEmail"),
        "to": _listed(taken.value("toEmail")),
        "cc": _listed(taken.expression(more.get("ccEmail") or taken.get("ccEmail") or "")),
        "bcc": _listed(taken.expression(more.get("bccEmail") or taken.get("bccEmail") or "")),
        "reply_to": taken.expression(more.get("replyTo") or ""),
        "subject": taken.value("subject"),
        "text": taken.value("text"),
        "html": taken.value("html"),
        "attachments": _listed(taken.expression(attached)),
    }
    return "external_action.email", {"subject": ""} | without_empty(made)


def _outlook(taken: Taken, resource: str, operation: str) -> Parameters:
    more = _members(taken, "additionalFields")
    taken.skip(*(f"additionalFields.{name}" for name in more), "output", "fields", "options.attachments")
    message = taken.value("messageId")
    match resource, operation:
        case ("message", "send") | ("draft", "create"):
            taken.skip("replyToSenderOnly")
            said = taken.value("bodyContent")
            is_html = str(more.get("bodyContentType", "html")).lower() == "html"
            return {
                "operation": "draft.create" if resource == "draft" else "message.send",
                "to": _listed(taken.value("toRecipients") or more.get("toRecipients") or ""),
                "cc": _listed(more.get("ccRecipients") or ""),
                "bcc": _listed(more.get("bccRecipients") or ""),
                "subject": taken.value("subject"),
                ("html" if is_html else "text"): said,
            }
        case "message", "reply":
            taken.skip("replyToSenderOnly")
            return {
                "operation": "message.reply",
                "message_id": message,
                "text": taken.value("message") or more.get("bodyContent") or "",
                "to_all": taken.given.get("replyToSenderOnly") is False,
            }
        case "message", "get":
            return {"operation": "message.get", "message_id": message}
        case "message", "getAll":
            filters = (taken.get("filtersUI") or {}).get("values") or {}
            found = filters.get("filters") or {}
            tests = [str(taken.expression(found.get("custom") or ""))]
            if found.get("readStatus") in ("unread", "read"):
                tests.append(f"isRead eq {'true' if found['readStatus'] == 'read' else 'false'}")
            folders = found.get("foldersToInclude") or []
            return {
                "operation": "message.list",
                "folder_id": folders[0] if folders else None,
                "search": taken.expression(filters.get("search") or ""),
                "filter": " and ".join(filter(None, tests)),
                "limit": _limit(taken),
            }
        case "message", "update":
            changed = _members(taken, "updateFields")
            return {
                "operation": "message.update",
                "message_id": message,
                "is_read": changed.get("isRead"),
                "categories": changed.get("categories"),
                "importance": str(changed["importance"]).lower() if changed.get("importance") else None,
            }
        case "message", "move":
            return {"operation": "message.move", "message_id": message, "folder_id": taken.value("folderId")}
        case "message", "delete":
            return {"operation": "message.delete", "message_id": message}
        case "event", "create":
            return {
                "operation": "event.create",
                "calendar_id": taken.value("calendarId"),
                "subject": taken.value("subject"),
                "start": taken.value("startDateTime"),
                "end": taken.value("endDateTime"),
            }
        case "event", "getAll":
            taken.skip("fromAllCalendars", "filters", "calendarId")
            return {"operation": "event.list", "limit": _limit(taken)}
        case "event", "delete":
            taken.skip("calendarId")
            return {"operation": "event.delete", "event_id": taken.value("eventId")}
    return {}


# Google


def _sheet(taken: Taken) -> str:
    """The sheet's name: n8n keeps its number, and beside it the name that it showed."""
    given = taken.get("sheetName")
    if isinstance(given, dict):
        if given.get("mode") == "name" or not given.get("cachedResultName"):
            return str(taken.expression(given.get("value", "")))
        return str(given["cachedResultName"])
    return str(taken.expression(given or ""))


def _sheets(taken: Taken, resource: str, operation: str) -> Parameters:
    if resource == "spreadsheet":
        sheets = [str(each.get("title", "Sheet1")) for each in named(taken.get("sheetsUi"))]
        return {"operation": "spreadsheet.create", "title": taken.value("title"), "sheets": sheets or None}
    for name in taken.given.get("options") or {}:
        taken.skip(f"options.{name}")
    taken.skip("combineFilters", "dataMode", "keyRow", "rawData", "valueInputMode", "dataProperty", "key", "columns")
    taken.skip("range", "sheetName", "fieldsUi", "columnToMatchOn", "valueToMatchOn", "filtersUI", "startIndex")
    document = taken.value("documentId", taken.get("sheetId", ""))
    where = {
        "spreadsheet_id": _id_of(document),
        "sheet": _sheet(taken) or str(taken.given.get("range", "")).split("!")[0],
    }
    match operation:
        case "read" | "getAll" | "lookup":
            filters = named(taken.given.get("filtersUI"))
            if filters or operation == "lookup":
                tests = [(each.get("lookupColumn"), each.get("lookupValue")) for each in filters] or [
                    (taken.get("lookupColumn"), taken.get("lookupValue"))
                ]
                match = {
                    str(name): taken.expression(value) for name, value in tests if name and value not in (None, "")
                }
                if match:
                    return {"operation": "record.find", **where, "match": match}
            range = taken.given.get("range")
            sheet = where.pop("sheet")
            written = range if isinstance(range, str) and "!" in range else sheet
            return {"operation": "row.read", **where, "range": written}
        case "append":
            return {"operation": "record.append", **where, "record": _record(taken)}
        case "update":
            return {"operation": "record.update", **where, "match_on": _match_on(taken), "record": _record(taken)}
        case "appendOrUpdate" | "upsert":
            return {"operation": "record.upsert", **where, "match_on": _match_on(taken), "record": _record(taken)}
        case "clear":
            where["range"] = where.pop("sheet")
            return {"operation": "row.clear", **where}
        case "create":
            where.pop("sheet")
            return {"operation": "sheet.add", **where, "title": taken.value("title")}
    return {}


def _record(taken: Taken) -> Any:
    columns = taken.given.get("columns")
    if isinstance(columns, dict) and columns.get("mappingMode") == "defineBelow":
        return {str(name): taken.expression(value) for name, value in (columns.get("value") or {}).items()}
    if found := named(taken.given.get("fieldsUi")):
        made = {
            str(each.get("column") or each.get("fieldId")): taken.expression(each.get("fieldValue", ""))
            for each in found
        }
        if taken.given.get("columnToMatchOn"):
            made[str(taken.given["columnToMatchOn"])] = taken.expression(taken.given.get("valueToMatchOn", ""))
        return made
    return "{{ json }}"


def _match_on(taken: Taken) -> list[str]:
    columns = taken.given.get("columns")
    found = columns.get("matchingColumns") if isinstance(columns, dict) else None
    chosen = found or taken.given.get("columnToMatchOn") or taken.given.get("key") or "id"
    return [str(each) for each in chosen] if isinstance(chosen, list) else [str(chosen)]


_ADDRESS = re.compile(r"/(?:d|folders)/([A-Za-z0-9_-]{10,})")


def _id_of(value: Any) -> Any:
    """The id in the address of a document of Google."""
    found = _ADDRESS.search(value) if isinstance(value, str) else None
    return found[1] if found else value


def _drive(taken: Taken, resource: str, operation: str) -> Parameters:
    taken.skip("driveId", "resolveData", "binaryData", "options.googleFileConversion", "options.binaryPropertyName")
    taken.skip("options.fields", "options.conversion", "sameFolder", "options.keepRevisionForever", "options.fileName")
    taken.skip(
        "options.simplifyOutput", "options.ocrLanguage", "options.useContentAsIndexableText", "changeFileContent"
    )
    file = _id_of(taken.value("fileId", taken.get("folderNoRootId", "")))
    folder = _id_of(taken.value("folderId"))
    parents = taken.get("parents")
    folder = folder or (taken.expression(parents[0]) if isinstance(parents, list) and parents else "")
    folder = "" if folder == "root" else folder
    match resource, operation:
        case "file", "download":
            return {"operation": "file.download", "file_id": file}
        case "file", "upload":
            slot = taken.value("inputDataFieldName", taken.get("binaryPropertyName", "data"))
            return {"operation": "file.upload", "binary": slot, "name": taken.value("name"), "folder_id": folder}
        case "fileFolder", _:
            filters = _members(taken, "filter")
            name = taken.value("queryString")
            query = name if taken.get("searchMethod", "name") == "query" else f"name contains '{name}'" if name else ""
            return {
                "operation": "file.list",
                "q": query,
                "folder_id": _id_of(filters.get("folderId")),
                "limit": _limit(taken),
            }
        case "file", "list":
            taken.skip("queryFilters", "useQueryString")
            return {"operation": "file.list", "q": taken.value("queryString"), "limit": _limit(taken)}
        case "folder", "create":
            return {"operation": "folder.create", "name": taken.value("name"), "folder_id": folder}
        case "file", "copy":
            return {"operation": "file.copy", "file_id": file, "name": taken.value("name"), "folder_id": folder}
        case "file", "move":
            taken.remark("action", "a file is in one folder: name the one to take it out of in `remove_parents`")
            return {"operation": "file.update", "file_id": file, "add_parents": folder}
        case "file", "update":
            return {"operation": "file.update", "file_id": file, "name": taken.value("newUpdatedFileName")}
        case ("file", "deleteFile" | "delete") | ("folder", "deleteFolder"):
            return {"operation": "file.delete", "file_id": file}
        case ("file" | "folder", "share"):
            granted = (taken.get("permissionsUi") or {}).get("permissionsValues") or {}
            return {
                "operation": "permission.create",
                "file_id": file,
                "type": granted.get("type", "anyone"),
                "role": granted.get("role", "reader"),
                "email_address": taken.expression(granted.get("emailAddress") or ""),
                "domain": granted.get("domain"),
            }
    return {}


def _calendar(taken: Taken, resource: str, operation: str) -> Parameters:
    calendar = taken.value("calendar")
    for group in ("additionalFields", "options"):
        taken.skip(*(f"{group}.{name}" for name in taken.given.get(group) or {}))
    taken.skip("useDefaultReminders", "additionalFields")
    match resource, operation:
        case "event", "create":
            more = _members(taken, "additionalFields")
            return {
                "operation": "event.create",
                "calendar_id": calendar,
                **_moments(taken, taken.given),
                **_event(more),
            }
        case "event", "update":
            more = _members(taken, "updateFields")
            return {
                "operation": "event.update",
                "calendar_id": calendar,
                "event_id": taken.value("eventId"),
                **_moments(taken, taken.given.get("updateFields") or {}),
                **_event(more),
            }
        case "event", "get":
            return {"operation": "event.get", "calendar_id": calendar, "event_id": taken.value("eventId")}
        case "event", "delete":
            return {"operation": "event.delete", "calendar_id": calendar, "event_id": taken.value("eventId")}
        case "event", "getAll":
            more = _members(taken, "options")
            return {
                "operation": "event.list",
                "calendar_id": calendar,
                "time_min": taken.value("timeMin") or more.get("timeMin"),
                "time_max": taken.value("timeMax") or more.get("timeMax"),
                "q": more.get("query"),
                "limit": _limit(taken),
            }
        case "calendar", "availability":
            return {
                "operation": "free_busy.get",
                "time_min": taken.value("timeMin"),
                "time_max": taken.value("timeMax"),
                "calendars": [calendar],
            }
    return {}


def _moments(taken: Taken, given: Parameters) -> Parameters:
    taken.skip("start", "end")
    return {name: {"date_time": taken.expression(given[name])} for name in ("start", "end") if given.get(name)}


def _event(more: Parameters) -> Parameters:
    attendees = more.get("attendees")
    return {
        "summary": more.get("summary"),
        "description": more.get("description"),
        "location": more.get("location"),
        "attendees": attendees if isinstance(attendees, list) and attendees else None,
    }


def _docs(taken: Taken, resource: str, operation: str) -> Parameters:
    document = _id_of(taken.value("documentURL"))
    match operation:
        case "get":
            return {"operation": "document.get", "document_id": document}
        case "create":
            taken.skip("folderId", "driveId")
            return {"operation": "document.create", "title": taken.value("title")}
        case "update":
            actions = named(taken.get("actionsUi"))
            texts = [each for each in actions if each.get("action", "insert") == "insert" and each.get("text")]
            if not texts or len(texts) != len(actions):
                return {}
            return {
                "operation": "text.append",
                "document_id": document,
                "text": "\n".join(str(taken.expression(each["text"])) for each in texts),
            }
    return {}


# chat


def _slack(taken: Taken, resource: str, operation: str) -> Parameters:
    taken.skip("select", "otherOptions", "messageType", "as_user", "attachments", "blocksUi", "webhookUrl", "username")
    for name in taken.given.get("options") or {}:
        taken.skip(f"options.{name}")
    channel = taken.value("channelId") or taken.value("channel") or taken.value("user")
    match resource, operation:
        case "message", "post":
            made: Parameters = {"operation": "message.send", "channel": channel, "text": taken.value("text")}
            if taken.given.get("messageType") == "block" and (text := taken.given.get("blocksUi")):
                blocks = taken.structure(text)
                blocks = blocks.get("blocks") if isinstance(blocks, dict) else blocks
                if blocks is None:
                    raise Untranslatable("its blocks can not be read as JSON")
                made["blocks"] = blocks
                made["text"] = made["text"] or " "
            elif taken.given.get("attachments"):
                taken.remark("action.blocks", "attachments are left out: Slack advises blocks")
            reply = ((taken.given.get("otherOptions") or {}).get("thread_ts") or {}).get("replyValues") or {}
            if reply.get("thread_ts"):
                made["thread_ts"] = taken.expression(reply["thread_ts"])
            made["text"] = made["text"] or " "
            return made
        case "message", "update":
            taken.skip("updateFields")
            return {
                "operation": "message.update",
                "channel": channel,
                "ts": taken.value("ts"),
                "text": taken.value("text"),
            }
        case "message", "delete":
            return {"operation": "message.delete", "channel": channel, "ts": taken.value("timestamp")}
        case "reaction", "add":
            return {
                "operation": "reaction.add",
                "channel": channel,
                "timestamp": taken.value("timestamp"),
                "name": taken.value("name"),
            }
        case "channel", "history":
            taken.skip("filters")
            return {"operation": "message.list", "channel": channel, "limit": _limit(taken)}
        case "channel", "replies":
            taken.skip("filters")
            return {"operation": "thread.list", "channel": channel, "ts": taken.value("ts"), "limit": _limit(taken)}
        case "channel", "getAll":
            taken.skip("filters")
            return {"operation": "channel.list", "limit": _limit(taken)}
        case "channel", "create":
            return {"operation": "channel.create", "name": taken.value("channelId")}
        case "user", "getAll":
            return {"operation": "user.list", "limit": _limit(taken)}
        case "user", "info" | "get":
            return {"operation": "api.call", "path": f"/users.info?user={taken.value('user')}"}
    return {}


def _discord(taken: Taken) -> Translated:
    if taken.given.get("authentication") == "webhook" or taken.given.get("webhookUri"):
        taken.skip("text", "content", "options", "embeds", "files", "resource", "operation")
        url = taken.value("webhookUri")
        text = taken.value("content") or taken.value("text")
        if not url:
            taken.remark("url", "put the channel's webhook address here: in n8n it was in a credential")
        body = {"kind": "json", "value": {"content": text}}
        return "action.http_request", {
            "method": "POST",
            "url": url or "https://discord.com/api/webhooks/",
            "body": body,
        }
    return _service("external_action.discord", "message", "send", _discord_bot)(taken)


def _discord_bot(taken: Taken, resource: str, operation: str) -> Parameters:
    taken.skip("guildId", "sendTo", "userId", "embeds", "files", "text", "name")
    for name in taken.given.get("options") or {}:
        taken.skip(f"options.{name}")
    channel, guild = taken.value("channelId"), taken.value("guildId")
    message = taken.value("messageId")
    match resource, operation:
        case "message", "send" if taken.given.get("sendTo", "channel") == "channel":
            return {"operation": "message.send", "channel_id": channel, "content": taken.value("content")}
        case "message", "getAll":
            return {"operation": "message.list", "channel_id": channel, "limit": _limit(taken)}
        case "message", "get":
            return {"operation": "message.get", "channel_id": channel, "message_id": message}
        case "message", "deleteMessage":
            return {"operation": "message.delete", "channel_id": channel, "message_id": message}
        case "message", "react":
            emoji = taken.value("emoji")
            return {"operation": "reaction.add", "channel_id": channel, "message_id": message, "emoji": emoji}
        case "channel", "getAll":
            return {"operation": "channel.list", "guild_id": guild}
        case "member", "getAll":
            taken.skip("after")
            return {"operation": "member.list", "guild_id": guild, "limit": _limit(taken)}
    return {}


def _telegram(taken: Taken, resource: str, operation: str) -> Parameters:
    more = taken.given.get("additionalFields") or {}
    taken.skip(
        *(f"additionalFields.{name}" for name in more), "binaryData", "replyKeyboardOptions", "replyKeyboardRemove"
    )
    taken.skip("replyMarkup", "inlineKeyboard", "forceReply", "replyKeyboard", "file", "binaryPropertyName", "fileType")
    chat = {"chat_id": taken.value("chatId")}
    mode = more.get("parse_mode", "Markdown")
    caption = taken.expression(more.get("caption") or "")
    match resource, operation:
        case "message", "sendMessage" | "sendAndWait" if operation == "sendMessage":
            made = {"operation": "message.send", **chat, "text": taken.value("text"), "parse_mode": mode}
            if more.get("disable_notification"):
                made["disable_notification"] = True
            if more.get("reply_to_message_id"):
                made["reply_parameters"] = {"message_id": taken.expression(more["reply_to_message_id"])}
            if taken.given.get("replyMarkup") == "inlineKeyboard":
                made["reply_markup"] = {"inline_keyboard": _keyboard(taken)}
            return made
        case "message", "editMessageText":
            taken.skip("messageType", "inlineMessageId")
            return {
                "operation": "message.edit",
                **chat,
                "message_id": taken.value("messageId"),
                "text": taken.value("text"),
                "parse_mode": mode,
            }
        case "message", "deleteMessage":
            return {"operation": "message.delete", **chat, "message_id": taken.value("messageId")}
        case "message", "sendPhoto" | "sendDocument" | "sendVideo" | "sendAudio" | "sendAnimation":
            if taken.given.get("binaryData"):
                slot = taken.value("binaryPropertyName", "data")
                kind = {"sendPhoto": "photo", "sendDocument": "document", "sendVideo": "video", "sendAudio": "audio"}
                return {
                    "operation": "file.send",
                    **chat,
                    "kind": kind.get(operation, "document"),
                    "binary": slot,
                    "caption": caption,
                }
            file = taken.value("file")
            if operation == "sendPhoto":
                return {"operation": "photo.send", **chat, "photo": file, "caption": caption}
            if operation == "sendDocument":
                return {"operation": "document.send", **chat, "document": file, "caption": caption}
            return {
                "operation": "api.call",
                "method": "POST",
                "path": f"/{operation}",
                "body": {**chat, operation[4:].lower(): file},
            }
        case "message", "sendLocation":
            return {
                "operation": "location.send",
                **chat,
                "latitude": taken.value("latitude"),
                "longitude": taken.value("longitude"),
            }
        case "message", "sendChatAction":
            return {
                "operation": "api.call",
                "method": "POST",
                "path": "/sendChatAction",
                "body": {**chat, "action": taken.value("action", "typing")},
            }
        case "file", "get" | "sendMessage":
            taken.skip("download")
            return {"operation": "file.download", "file_id": taken.value("fileId")}
        case "chat", "get":
            return {"operation": "chat.get", **chat}
        case "callback", "answerQuery":
            taken.skip("queryId")
            return {
                "operation": "callback.answer",
                "callback_query_id": taken.value("queryId"),
                "text": taken.expression(more.get("text") or ""),
            }
    return {}


def _keyboard(taken: Taken) -> list[list[Parameters]]:
    rows = named(taken.given.get("inlineKeyboard"))
    made = []
    for row in rows:
        buttons = named(row.get("row"))
        made.append(
            [
                {"text": taken.expression(each.get("text", ""))}
                | {key: taken.expression(value) for key, value in (each.get("additionalFields") or {}).items() if value}
                for each in buttons
            ]
        )
    return made


def _teams(taken: Taken, resource: str, operation: str) -> Parameters:
    taken.skip(*(f"options.{name}" for name in taken.given.get("options") or {}), "messageType")
    where = {"team_id": taken.value("teamId"), "channel_id": taken.value("channelId")}
    kind = taken.get("contentType", taken.given.get("messageType", "text"))
    match resource, operation:
        case "channelMessage", "create":
            return {"operation": "channel_message.send", **where, "text": taken.value("message"), "content_type": kind}
        case "channelMessage", "getAll":
            return {"operation": "channel_message.list", **where, "limit": _limit(taken)}
        case "chatMessage", "create":
            chat = taken.value("chatId")
            return {
                "operation": "chat_message.send",
                "chat_id": chat,
                "text": taken.value("message"),
                "content_type": kind,
            }
        case "channel", "create":
            return {"operation": "channel.create", "team_id": where["team_id"], "display_name": taken.value("name")}
        case "channel", "getAll":
            return {"operation": "channel.list", "team_id": where["team_id"]}
    return {}


def _twilio(taken: Taken, resource: str, operation: str) -> Parameters:
    taken.skip(*(f"options.{name}" for name in taken.given.get("options") or {}), "toWhatsapp", "twiml")
    prefix = "whatsapp:" if taken.given.get("toWhatsapp") else ""
    to, sender = f"{prefix}{taken.value('to')}", f"{prefix}{taken.value('from')}"
    if resource == "call":
        said = taken.value("message")
        twiml = said if taken.given.get("twiml") else f"<Response><Say>{said}</Say></Response>"
        return {"operation": "call.make", "to": to, "from": sender, "twiml": twiml}
    return {"operation": "message.send", "to": to, "from": sender, "body": taken.value("message")}


# records


def _airtable(taken: Taken, resource: str, operation: str) -> Parameters:
    for group in ("options", "additionalOptions"):
        taken.skip(*(f"{group}.{name}" for name in taken.given.get(group) or {}))
    taken.skip(
        "additionalOptions", "columns", "fields", "addAllFields", "updateAllFields", "updateFields", "triggerField"
    )
    taken.skip("id", "baseId")
    base = taken.value("base") or taken.value("application") or taken.value("baseId")
    where = {"base": _airtable_id(base), "table": _airtable_id(taken.value("table"))}
    more = {**(taken.given.get("options") or {}), **(taken.given.get("additionalOptions") or {})}
    match resource, operation:
        case "base", "getSchema":
            return {"operation": "table.list", "base": where["base"]}
        case "base", _:
            return {"operation": "base.list"}
        case _, "search" | "list":
            formula = taken.value("filterByFormula") or taken.expression(more.get("filterByFormula") or "")
            view = more.get("view")
            return {
                "operation": "record.list",
                **where,
                "filter_by_formula": formula,
                "view": plain(view) if view else None,
                "limit": _limit(taken),
            }
        case _, "get":
            return {"operation": "record.get", **where, "record_id": taken.value("id")}
        case _, "create" | "append":
            return {"operation": "record.create", **where, "records": [_cells(taken)]}
        case _, "update":
            cells = _cells(taken)
            id = taken.value("id") or (cells.pop("id", "") if isinstance(cells, dict) else "") or "{{ json.id }}"
            return {"operation": "record.update", **where, "record_id": id, "cells": cells}
        case _, "upsert":
            cells = _cells(taken)
            found = [each for each in _match_on(taken) if each != "id"]
            if not found:
                raise Untranslatable("it matches records by their id: use `record.update`")
            return {"operation": "record.upsert", **where, "merge_on": found[:3], "records": [cells]}
        case _, "deleteRecord" | "delete":
            return {"operation": "record.delete", **where, "record_id": taken.value("id")}
    return {}


def _airtable_id(value: Any) -> Any:
    found = re.search(r"/((?:app|tbl)[A-Za-z0-9]{10,})", value) if isinstance(value, str) else None
    return found[1] if found else value


def _cells(taken: Taken) -> Any:
    columns = taken.given.get("columns")
    if isinstance(columns, dict) and columns.get("mappingMode", "defineBelow") == "defineBelow":
        return {str(name): taken.expression(value) for name, value in (columns.get("value") or {}).items()}
    chosen = taken.given.get("fields")
    if isinstance(chosen, list) and chosen and not taken.given.get("addAllFields", True):
        return {str(name): "{{ json[" + json.dumps(str(name)) + "] }}" for name in chosen}
    return "{{ json }}"


_COMPARISONS = {"eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "is", "in", "cs", "cd"}


def _supabase(taken: Taken, resource: str, operation: str) -> Parameters:
    table: Parameters = {"table": taken.value("tableId")}
    if schema := taken.get("schema"):
        table["schema"] = schema
    taken.skip("dataToSend", "fieldsUi", "filters", "filterType", "matchType", "filterString", "inputsToIgnore")
    taken.skip("useCustomSchema")
    found = [each for each in named(taken.given.get("fieldsUi")) if each.get("fieldId")]
    row: Any = {str(each["fieldId"]): taken.expression(each.get("fieldValue", "")) for each in found}
    if taken.given.get("dataToSend") == "autoMapInputData":
        row = "{{ json }}"
    filters = []
    for each in named(taken.given.get("filters")):
        operator = str(each.get("condition", "eq"))
        if operator not in _COMPARISONS:
            raise Untranslatable(f"the comparison {operator!r} has no counterpart")
        value = taken.expression(each.get("keyValue", ""))
        filters.append({"column": str(each.get("keyName", "")), "operator": operator, "value": value})
    combined = {"match": "any"} if taken.given.get("matchType") == "anyFilter" and len(filters) > 1 else {}
    match operation:
        case "create":
            return {"operation": "row.insert", **table, "rows": [row]}
        case "get":
            return {"operation": "row.list", **table, "filters": filters, "limit": 1}
        case "getAll":
            return {"operation": "row.list", **table, "filters": filters, **combined, "limit": _limit(taken)}
        case "update":
            return {"operation": "row.update", **table, "filters": filters, **combined, "values": row}
        case "delete":
            if not filters:
                raise Untranslatable("it does not say which rows it deletes as a list of filters")
            return {"operation": "row.delete", **table, "filters": filters, **combined}
    return {}


def _notion(taken: Taken, resource: str, operation: str) -> Parameters:
    taken.skip(*(f"options.{name}" for name in taken.given.get("options") or {}))
    taken.skip(
        "filterType",
        "filters",
        "matchType",
        "filterJson",
        "simplifyOutput",
        "fetchNestedBlocks",
        "blockUi",
        "propertiesUi",
    )
    page = _notion_id(taken.value("pageId"))
    database = _notion_id(taken.value("databaseId"))
    match resource, operation:
        case "databasePage", "getAll":
            made: Parameters = {"operation": "database.query", "database_id": database, "limit": _limit(taken)}
            if taken.given.get("filterType") == "json":
                made["filter"] = taken.structure(taken.given.get("filterJson") or "{}")
            elif named(taken.given.get("filters")):
                raise Untranslatable("its filters have to be written as Notion's own `filter`")
            return made
        case "databasePage" | "page", "create":
            parent = {"database_id": database} if resource == "databasePage" else {"page_id": page}
            properties = _properties(taken)
            title = taken.value("title")
            if title and not any("title" in each for each in properties.values() if isinstance(each, dict)):
                properties["title"] = {"title": [{"text": {"content": title}}]}
            if taken.given.get("blockUi"):
                taken.remark("action.children", "blocks are left out: write them as Notion's own `children`")
            return {"operation": "page.create", "parent": parent, "properties": properties}
        case "databasePage", "update":
            return {"operation": "page.update", "page_id": page, "properties": _properties(taken)}
        case "databasePage" | "page", "get":
            return {"operation": "page.get", "page_id": page}
        case "page", "archive":
            return {"operation": "page.update", "page_id": page, "archived": True}
        case "page", "search":
            return {"operation": "page.search", "words": taken.value("text"), "limit": _limit(taken)}
        case "block", "getAll":
            block = _notion_id(taken.value("blockId"))
            return {"operation": "block.list", "block_id": block, "limit": _limit(taken)}
        case "database", "get":
            return {"operation": "database.get", "database_id": database}
        case "user", "getAll":
            return {"operation": "user.list", "limit": _limit(taken)}
    return {}


def _notion_id(value: Any) -> Any:
    found = re.search(r"notion\.so/.*?([0-9a-f]{32})", value) if isinstance(value, str) else None
    return found[1] if found else value


def _properties(taken: Taken) -> Parameters:
    """n8n's list of properties, each with a type in its key such as `Name|title`, in Notion's own form."""
    made: Parameters = {}
    for each in named(taken.given.get("propertiesUi")):
        name, _, kind = str(each.get("key", "")).partition("|")
        value = {key: taken.expression(each[key]) for key in each if key not in ("key",)}
        match kind:
            case "title" | "rich_text":
                text = value.get("title") or value.get("textContent") or ""
                made[name] = {kind: [{"text": {"content": text}}]}
            case "select" | "status":
                made[name] = {kind: {"name": value.get("selectValue") or value.get("statusValue") or ""}}
            case "multi_select":
                chosen = value.get("multiSelectValue")
                made[name] = {kind: [{"name": one} for one in (chosen if isinstance(chosen, list) else [chosen])]}
            case "number":
                made[name] = {kind: value.get("numberValue")}
            case "checkbox":
                made[name] = {kind: value.get("checkboxValue", False)}
            case "date":
                made[name] = {kind: {"start": value.get("date") or value.get("dateStart") or ""}}
            case "url" | "email" | "phone_number":
                found = value.get("urlValue") or value.get("emailValue") or value.get("phoneValue") or ""
                made[name] = {kind: found}
            case _:
                raise Untranslatable(f"the property {name!r} of kind {kind!r} has no counterpart")
    return made


def _hubspot(taken: Taken, resource: str, operation: str) -> Parameters:
    for group in ("options", "additionalFields"):
        taken.skip(*(f"{group}.{name}" for name in taken.given.get(group) or {}))
    taken.skip("additionalFields", "updateFields", "filterGroupsUi", "contactProperties", "type", "metadata")
    object = {"contact": "contacts", "company": "companies", "deal": "deals", "ticket": "tickets"}.get(resource)
    if object is None:
        return {}
    id = taken.value("contactId") or taken.value("companyId") or taken.value("dealId") or taken.value("ticketId")
    where = {"object": object}
    properties = _hubspot_properties(taken, resource)
    match operation:
        case "upsert":
            return {
                "operation": "record.upsert",
                **where,
                "id_property": "email",
                "id": taken.value("email"),
                "properties": properties,
            }
        case "create":
            return {"operation": "record.create", **where, "properties": properties}
        case "update":
            return {"operation": "record.update", **where, "record_id": id, "properties": properties}
        case "get":
            return {"operation": "record.get", **where, "record_id": id}
        case "getAll" | "getRecentlyCreatedUpdated":
            return {"operation": "record.list", **where, "limit": _limit(taken)}
        case "delete":
            return {"operation": "record.delete", **where, "record_id": id}
        case "searchByDomain":
            domain = {"property": "domain", "operator": "EQ", "value": taken.value("domain")}
            return {"operation": "record.search", **where, "filters": [domain], "limit": _limit(taken)}
        case "search":
            groups = named(taken.given.get("filterGroupsUi"))
            tests = [test for group in groups for test in named(group.get("filtersUi"))]
            if len(groups) > 1:
                raise Untranslatable("groups of filters have no counterpart: make a list of filters that all hold")
            return {
                "operation": "record.search",
                **where,
                "limit": _limit(taken),
                "filters": [
                    {
                        "property": str(plain(each.get("propertyName", ""))).partition("|")[0],
                        "operator": each.get("operator", "EQ"),
                        "value": taken.expression(each.get("value", "")),
                    }
                    for each in tests
                ],
            }
    return {}


def _hubspot_properties(taken: Taken, resource: str) -> Parameters:
    found = {**(taken.given.get("additionalFields") or {}), **(taken.given.get("updateFields") or {})}
    names = {"dealName": "dealname", "closeDate": "closedate", "companyDomainName": "domain", "phoneNumber": "phone"}
    made: Parameters = {}
    for name, value in found.items():
        if isinstance(value, str | int | float | bool):
            made[names.get(name, name.lower())] = taken.expression(value)
        elif name.startswith("custom") and isinstance(value, dict):
            for each in named(value):
                property = str(plain(each.get("property", ""))).partition("|")[0]
                made[property] = taken.expression(each.get("value", ""))
    for theirs, ours in (("email", "email"), ("stage", "dealstage"), ("name", "name"), ("ticketName", "subject")):
        if taken.given.get(theirs):
            made[ours] = taken.value(theirs)
    for theirs, ours in (("stageId", "hs_pipeline_stage"), ("pipelineId", "hs_pipeline")):
        if taken.given.get(theirs):
            made[ours] = taken.value(theirs)
    return made


# development


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
            return {"operation": "issue.list", **where, "limit": _limit(taken)}
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
            return {"operation": "issue.search", "jql": taken.expression(query), "limit": _limit(taken)}
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
            return {"operation": "issue.list", "limit": _limit(taken)}
    return {}


def _stripe(taken: Taken, resource: str, operation: str) -> Parameters:
    more = _members(taken, "additionalFields")
    taken.skip(*(f"additionalFields.{name}" for name in more), "filters")
    match resource, operation:
        case "customer", "create":
            names = ("email", "name", "phone", "description")
            found = {name: more[name] for name in names if more.get(name)}
            return {"operation": "customer.create", "name": taken.value("name"), **found}
        case "customer", "get":
            return {"operation": "customer.get", "customer": taken.value("customerId")}
        case "customer", "getAll":
            return {"operation": "customer.list", "limit": _limit(taken)}
        case "balance", "get":
            return {"operation": "balance.get"}
        case "charge", "getAll":
            return {"operation": "api.call", "path": "/charges?limit=100"}
    return {}


def _one_drive(taken: Taken, resource: str, operation: str) -> Parameters:
    taken.skip("binaryData", "options.parentFolderId")
    match resource, operation:
        case "file", "upload":
            if not taken.given.get("binaryData"):
                return {}
            slot = taken.value("binaryPropertyName", "data")
            return {
                "operation": "file.upload",
                "folder": taken.value("parentId") or "/",
                "name": taken.value("fileName") or "{{ item.binary.data.file_name }}",
                "binary": slot,
            }
        case "file", "download":
            taken.skip("binaryPropertyName")
            return {"operation": "file.download", "item": taken.value("fileId")}
        case "file" | "folder", "get":
            return {"operation": "item.get", "item": taken.value("fileId") or taken.value("folderId")}
        case "file" | "folder", "delete":
            return {"operation": "item.delete", "item": taken.value("fileId") or taken.value("folderId")}
        case "file" | "folder", "rename":
            return {"operation": "item.update", "item": taken.value("itemId"), "name": taken.value("newName")}
        case "file" | "folder", "search":
            return {"operation": "item.search", "words": taken.value("query")}
        case "folder", "create":
            return {"operation": "folder.create", "name": taken.value("name")}
        case "folder", "getChildren":
            return {"operation": "item.list", "folder": taken.value("folderId")}
    return {}


def _human(taken: Taken) -> Made | None:
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


def _or_human(translate: Callable[[Taken], Translated]) -> Callable[[Taken], Translated]:
    return lambda taken: _human(taken) or translate(taken)


def _whatsapp(taken: Taken) -> Translated:
    """WhatsApp's messages are one call of Meta's API."""
    if taken.given.get("operation", "send") not in ("send",) or taken.given.get("messageType", "text") != "text":
        raise Untranslatable("only its text messages have a counterpart")
    taken.skip(*(f"additionalFields.{name}" for name in taken.given.get("additionalFields") or {}), "messageType")
    body = {
        "messaging_product": "whatsapp",
        "to": taken.value("recipientPhoneNumber"),
        "type": "text",
        "text": {"body": taken.value("textBody")},
    }
    phone = taken.value("phoneNumberId")
    taken.remark("auth", "choose a bearer token of the WhatsApp app in the slot `auth`")
    url = f"https://graph.facebook.com/v20.0/{phone}/messages"
    return "action.http_request", {"method": "POST", "url": url, "body": {"kind": "json", "value": body}}


TABLE: dict[str, Callable[[Taken], Translated]] = {
    "gmail": _or_human(_service("external_action.gmail", "message", "send", _gmail)),
    "emailSend": _or_human(_email),
    "microsoftOutlook": _or_human(_service("external_action.microsoft_outlook", "message", "send", _outlook)),
    "googleSheets": _service("external_action.google_sheets", "sheet", "read", _sheets),
    "googleDrive": _service("external_action.google_drive", "file", "upload", _drive),
    "googleCalendar": _service("external_action.google_calendar", "event", "create", _calendar),
    "googleDocs": _service("external_action.google_docs", "document", "create", _docs),
    "slack": _or_human(_service("external_action.slack", "message", "post", _slack)),
    "discord": _or_human(_discord),
    "telegram": _or_human(_service("external_action.telegram", "message", "sendMessage", _telegram)),
    "microsoftTeams": _or_human(_service("external_action.microsoft_teams", "channelMessage", "create", _teams)),
    "whatsApp": _or_human(_whatsapp),
    "twilio": _service("external_action.twilio", "sms", "send", _twilio),
    "airtable": _service("external_action.airtable", "record", "list", _airtable),
    "supabase": _service("external_action.supabase", "row", "create", _supabase),
    "notion": _service("external_action.notion", "page", "create", _notion),
    "hubspot": _service("external_action.hubspot", "contact", "upsert", _hubspot),
    "github": _service("external_action.github", "issue", "create", _github),
    "gitlab": _service("external_action.gitlab", "issue", "create", _gitlab),
    "jira": _service("external_action.jira", "issue", "create", _jira),
    "trello": _service("external_action.trello", "card", "create", _trello),
    "linear": _service("external_action.linear", "issue", "create", _linear),
    "stripe": _service("external_action.stripe", "balance", "get", _stripe),
    "microsoftOneDrive": _service("external_action.one_drive", "file", "upload", _one_drive),
}
