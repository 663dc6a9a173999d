"""n8n's nodes for chats and messages."""

from __future__ import annotations

import re
from collections.abc import Callable

from workflow_engine.services.n8n.apps.shared import most, or_human, service
from workflow_engine.services.n8n.reading import Extra, Made, Parameters, Taken, Translated, Untranslatable, named


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
            return {"operation": "message.list", "channel": channel, "limit": most(taken)}
        case "channel", "replies":
            taken.skip("filters")
            return {"operation": "thread.list", "channel": channel, "ts": taken.value("ts"), "limit": most(taken)}
        case "channel", "getAll":
            taken.skip("filters")
            return {"operation": "channel.list", "limit": most(taken)}
        case "channel", "create":
            return {"operation": "channel.create", "name": taken.value("channelId")}
        case "user", "getAll":
            return {"operation": "user.list", "limit": most(taken)}
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
    return service("external_action.discord", "message", "send", _discord_bot)(taken)


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
            return {"operation": "message.list", "channel_id": channel, "limit": most(taken)}
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
            return {"operation": "member.list", "guild_id": guild, "limit": most(taken)}
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


def _telegram_answer(taken: Taken) -> Translated:
    """n8n delivers Telegram's answer as it comes, ours what is under `result` in it."""
    type, parameters = service("external_action.telegram", "message", "sendMessage", _telegram)(taken)
    operation = str(parameters["action"].get("operation", ""))
    if taken.is_tool or operation == "file.download" or not re.search(r"json\??\.result\b", taken.document):
        return type, parameters
    assigned = [{"name": "ok", "value": True}, {"name": "result", "value": "{{ json }}"}]
    sent = (Extra("message", type, parameters),)
    return Made("flow.set", {"assignments": assigned, "keep_only": True}, before=sent)


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
            return {"operation": "channel_message.list", **where, "limit": most(taken)}
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
    "slack": or_human(service("external_action.slack", "message", "post", _slack)),
    "discord": or_human(_discord),
    "telegram": or_human(_telegram_answer),
    "microsoftTeams": or_human(service("external_action.microsoft_teams", "channelMessage", "create", _teams)),
    "whatsApp": or_human(_whatsapp),
    "twilio": service("external_action.twilio", "sms", "send", _twilio),
}
