"""n8n's nodes for mail, and for the files that lie beside it."""

from __future__ import annotations

from collections.abc import Callable

from workflow_engine.services.n8n.apps.shared import listed, members, most, or_human, service
from workflow_engine.services.n8n.reading import Parameters, Taken, Translated, Untranslatable, without_empty


def _gmail(taken: Taken, resource: str, operation: str) -> Parameters:
    more = taken.given.get("options") or taken.given.get("additionalFields") or {}
    taken.skip("options.appendAttribution", "options.senderName", "options.attachmentsUi", "options.replyTo")
    taken.skip("options.ccList", "options.bccList", "options.dataPropertyAttachmentsPrefixName", "options.labelIds")
    message = taken.value("messageId")
    match resource, operation:
        case ("message", "send") | ("draft", "create") | ("message", "reply"):
            made: Parameters = {
                "to": listed(taken.value("sendTo", taken.get("toList", more.get("sendTo", "")))),
                "cc": listed(taken.expression(more.get("ccList", ""))),
                "bcc": listed(taken.expression(more.get("bccList", ""))),
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
            filters = members(taken, "filters")
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
                "limit": most(taken),
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
        "to": listed(taken.value("toEmail")),
        "cc": listed(taken.expression(more.get("ccEmail") or taken.get("ccEmail") or "")),
        "bcc": listed(taken.expression(more.get("bccEmail") or taken.get("bccEmail") or "")),
        "reply_to": taken.expression(more.get("replyTo") or ""),
        "subject": taken.value("subject"),
        "text": taken.value("text"),
        "html": taken.value("html"),
        "attachments": listed(taken.expression(attached)),
    }
    return "external_action.email", {"subject": ""} | without_empty(made)


def _outlook(taken: Taken, resource: str, operation: str) -> Parameters:
    more = members(taken, "additionalFields")
    taken.skip(*(f"additionalFields.{name}" for name in more), "output", "fields", "options.attachments")
    message = taken.value("messageId")
    match resource, operation:
        case ("message", "send") | ("draft", "create"):
            taken.skip("replyToSenderOnly")
            said = taken.value("bodyContent")
            is_html = str(more.get("bodyContentType", "html")).lower() == "html"
            return {
                "operation": "draft.create" if resource == "draft" else "message.send",
                "to": listed(taken.value("toRecipients") or more.get("toRecipients") or ""),
                "cc": listed(more.get("ccRecipients") or ""),
                "bcc": listed(more.get("bccRecipients") or ""),
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
                "limit": most(taken),
            }
        case "message", "update":
            changed = members(taken, "updateFields")
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
            return {"operation": "event.list", "limit": most(taken)}
        case "event", "delete":
            taken.skip("calendarId")
            return {"operation": "event.delete", "event_id": taken.value("eventId")}
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


TABLE: dict[str, Callable[[Taken], Translated]] = {
    "gmail": or_human(service("external_action.gmail", "message", "send", _gmail)),
    "emailSend": or_human(_email),
    "microsoftOutlook": or_human(service("external_action.microsoft_outlook", "message", "send", _outlook)),
    "microsoftOneDrive": service("external_action.one_drive", "file", "upload", _one_drive),
}
