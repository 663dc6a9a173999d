"""Slack, Discord, Telegram, Twilio and Microsoft Teams, each against a server that answers in its words."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.nodes.external_action.rig import Case, Reply, check, stage
from tests.nodes.harness import failure, records
from workflow_engine.engine.events import NodeSucceeded

SLACK = {"type": "slack", "token": "xoxb-1"}
DISCORD = {"type": "discord", "token": "bot-token"}
TELEGRAM = {"type": "telegram", "token": "42:abc"}
TWILIO = {"type": "twilio", "token": "twilio-token", "account_sid": "AC1"}
TEAMS = {"type": "oauth2", "access_token": "graph-token"}
DONE = Reply(status=204)


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {"operation": "message.send", "channel": "C1", "text": "hi", "thread_ts": "1.2"},
            "POST /chat.postMessage",
            {"channel": "C1", "text": "hi", "thread_ts": "1.2"},
            {"ok": True, "channel": "C1", "ts": "1503435956.000247", "message": {"text": "hi"}},
        ),
        Case(
            {"operation": "message.update", "channel": "C1", "ts": "1.2", "text": "hi"},
            "POST /chat.update",
            {"channel": "C1", "ts": "1.2", "text": "hi"},
            {"ok": True, "channel": "C1", "ts": "1.2", "text": "hi"},
        ),
        Case(
            {"operation": "message.delete", "channel": "C1", "ts": "1.2"},
            "POST /chat.delete",
            {"channel": "C1", "ts": "1.2"},
            {"ok": True, "channel": "C1", "ts": "1.2"},
        ),
        Case(
            {"operation": "message.list", "channel": "C1", "limit": 3},
            "GET /conversations.history?channel=C1&limit=3",
            answers=[
                Reply(
                    {
                        "ok": True,
                        "messages": [{"ts": "3"}, {"ts": "2"}],
                        "has_more": True,
                        "response_metadata": {"next_cursor": "bmV4dA=="},
                    }
                ),
                Reply({"ok": True, "messages": [{"ts": "1"}, {"ts": "0"}], "has_more": False}),
            ],
            then=["GET /conversations.history?channel=C1&limit=3&cursor=bmV4dA%3D%3D"],
            gives=[{"ts": "3"}, {"ts": "2"}, {"ts": "1"}],
        ),
        Case(
            {"operation": "thread.list", "channel": "C1", "ts": "1.2"},
            "GET /conversations.replies?channel=C1&ts=1.2&limit=100",
            answers={"ok": True, "messages": [{"ts": "1.2"}], "response_metadata": {"next_cursor": ""}},
            gives=[{"ts": "1.2"}],
        ),
        Case(
            {"operation": "reaction.add", "channel": "C1", "timestamp": "1.2", "name": "thumbsup"},
            "POST /reactions.add",
            {"channel": "C1", "timestamp": "1.2", "name": "thumbsup"},
            {"ok": True},
        ),
        Case(
            {"operation": "channel.list"},
            "GET /conversations.list?types=public_channel&exclude_archived=true&limit=100",
            answers={"ok": True, "channels": [{"id": "C1", "name": "general"}]},
            gives=[{"id": "C1", "name": "general"}],
        ),
        Case(
            {"operation": "channel.create", "name": "orders"},
            "POST /conversations.create",
            {"name": "orders", "is_private": False},
            {"ok": True, "channel": {"id": "C2"}},
            gives={"id": "C2"},
        ),
        Case(
            {"operation": "channel.invite", "channel": "C1", "users": ["U1", "U2"]},
            "POST /conversations.invite",
            {"channel": "C1", "users": "U1,U2"},
            {"ok": True, "channel": {"id": "C1"}},
            gives={"id": "C1"},
        ),
        Case(
            {"operation": "user.list"},
            "GET /users.list?limit=100",
            answers={"ok": True, "members": [{"id": "U1"}], "response_metadata": {"next_cursor": ""}},
            gives=[{"id": "U1"}],
        ),
        Case(
            {"operation": "user.find", "email": "ada@example.com"},
            "GET /users.lookupByEmail?email=ada@example.com",
            answers={"ok": True, "user": {"id": "U1"}},
            gives={"id": "U1"},
        ),
        Case({"operation": "account.get"}, "POST /auth.test", {}, {"ok": True, "team": "Acme", "user": "bot"}),
        Case(
            {"operation": "api.call", "method": "POST", "path": "/pins.add", "body": {"channel": "C1"}},
            "POST /pins.add",
            {"channel": "C1"},
            {"ok": True},
        ),
    ],
    ids=lambda case: case.id,
)
async def test_slack(tmp_path: Path, case: Case) -> None:
    await check(tmp_path, "external_action.slack", SLACK, case, {"Authorization": "Bearer xoxb-1"}, "/api")


@pytest.mark.parametrize(
    ("error", "retryable", "hint"),
    [
        ("invalid_auth", False, "token is not accepted"),
        ("not_in_channel", False, "invite the app"),
        ("ratelimited", True, "documentation"),
    ],
)
async def test_slack_says_200_to_what_it_refuses(tmp_path: Path, error: str, retryable: bool, hint: str) -> None:
    async with stage(tmp_path, SLACK, Reply({"ok": False, "error": error})) as there:
        event = await there.run("external_action.slack", {"operation": "message.send", "channel": "C1", "text": "hi"})
    failed = failure(event)
    assert failed.reason == "SLACK_REFUSED"
    assert error in failed.message
    assert hint in failed.hint
    assert failed.retryable is retryable


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {"operation": "message.send", "channel_id": "1", "content": "hi"},
            "POST /channels/1/messages",
            {"content": "hi"},
            {"id": "7", "channel_id": "1", "content": "hi"},
        ),
        Case(
            {"operation": "message.edit", "channel_id": "1", "message_id": "7", "content": "ho"},
            "PATCH /channels/1/messages/7",
            {"content": "ho"},
            {"id": "7", "content": "ho"},
        ),
        Case(
            {"operation": "message.delete", "channel_id": "1", "message_id": "7"},
            "DELETE /channels/1/messages/7",
            answers=DONE,
            gives={"done": True},
        ),
        Case(
            {"operation": "message.get", "channel_id": "1", "message_id": "7"},
            "GET /channels/1/messages/7",
            answers={"id": "7"},
        ),
        Case(
            {"operation": "message.list", "channel_id": "1", "limit": 3},
            "GET /channels/1/messages?limit=3",
            answers=[Reply([{"id": "9"}, {"id": "8"}]), Reply([{"id": "7"}, {"id": "6"}])],
            then=["GET /channels/1/messages?limit=3&before=8"],
            gives=[{"id": "9"}, {"id": "8"}, {"id": "7"}],
        ),
        Case(
            {"operation": "reaction.add", "channel_id": "1", "message_id": "7", "emoji": "👍"},
            "PUT /channels/1/messages/7/reactions/%F0%9F%91%8D/@me",
            answers=DONE,
            gives={"done": True},
        ),
        Case(
            {"operation": "channel.list", "guild_id": "5"}, "GET /guilds/5/channels", answers=[{"id": "1", "type": 0}]
        ),
        Case(
            {"operation": "channel.create", "guild_id": "5", "name": "orders"},
            "POST /guilds/5/channels",
            {"name": "orders", "type": 0},
            {"id": "2", "name": "orders"},
        ),
        Case(
            {"operation": "member.list", "guild_id": "5"},
            "GET /guilds/5/members?limit=100",
            answers=[Reply([{"user": {"id": "3"}}]), Reply([])],
            then=["GET /guilds/5/members?limit=100&after=3"],
            gives=[{"user": {"id": "3"}}],
        ),
        Case({"operation": "user.me"}, "GET /users/@me", answers={"id": "3", "bot": True}),
    ],
    ids=lambda case: case.id,
)
async def test_discord(tmp_path: Path, case: Case) -> None:
    await check(tmp_path, "external_action.discord", DISCORD, case, {"Authorization": "Bot bot-token"}, "/api/v10")


def telegram(result: Any) -> dict[str, Any]:
    return {"ok": True, "result": result}


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {"operation": "message.send", "chat_id": 4, "text": "hi", "parse_mode": "HTML"},
            "POST /bot42:abc/sendMessage",
            {"chat_id": 4, "text": "hi", "parse_mode": "HTML"},
            telegram({"message_id": 9}),
            gives={"message_id": 9},
        ),
        Case(
            {"operation": "message.edit", "chat_id": "@shop", "message_id": 9, "text": "ho"},
            "POST /bot42:abc/editMessageText",
            {"chat_id": "@shop", "message_id": 9, "text": "ho"},
            telegram({"message_id": 9}),
            gives={"message_id": 9},
        ),
        Case(
            {"operation": "message.delete", "chat_id": 4, "message_id": 9},
            "POST /bot42:abc/deleteMessage",
            {"chat_id": 4, "message_id": 9},
            telegram(True),
        ),
        Case(
            {"operation": "photo.send", "chat_id": 4, "photo": "https://a.example/p.png"},
            "POST /bot42:abc/sendPhoto",
            {"chat_id": 4, "photo": "https://a.example/p.png"},
            telegram({"message_id": 9}),
            gives={"message_id": 9},
        ),
        Case(
            {"operation": "document.send", "chat_id": 4, "document": "BQACAg", "caption": "bill"},
            "POST /bot42:abc/sendDocument",
            {"chat_id": 4, "document": "BQACAg", "caption": "bill"},
            telegram({"message_id": 9}),
            gives={"message_id": 9},
        ),
        Case(
            {"operation": "location.send", "chat_id": 4, "latitude": 52.5, "longitude": 13.4},
            "POST /bot42:abc/sendLocation",
            {"chat_id": 4, "latitude": 52.5, "longitude": 13.4},
            telegram({"message_id": 9}),
            gives={"message_id": 9},
        ),
        Case(
            {"operation": "chat.get", "chat_id": 4},
            "GET /bot42:abc/getChat?chat_id=4",
            answers=telegram({"id": 4, "type": "private"}),
            gives={"id": 4, "type": "private"},
        ),
        Case(
            {"operation": "callback.answer", "callback_query_id": "q"},
            "POST /bot42:abc/answerCallbackQuery",
            {"callback_query_id": "q"},
            telegram(True),
        ),
        Case({"operation": "bot.me"}, "GET /bot42:abc/getMe", answers=telegram({"id": 42}), gives={"id": 42}),
    ],
    ids=lambda case: case.id,
)
async def test_telegram(tmp_path: Path, case: Case) -> None:
    await check(tmp_path, "external_action.telegram", TELEGRAM, case, {})


async def test_telegram_takes_a_file_of_the_item_and_gives_one_that_was_sent(tmp_path: Path) -> None:
    replies = [
        Reply({"ok": True, "result": {"file_id": "f", "file_path": "photos/cat 1.jpg"}}),
        Reply(b"\xff\xd8cat"),
        Reply(telegram({"message_id": 9})),
    ]
    async with stage(tmp_path, TELEGRAM, *replies) as there:
        got = await there.run("external_action.telegram", {"operation": "file.download", "file_id": "f"})
        assert isinstance(got, NodeSucceeded), got
        cat = got.outputs["main"][0]
        assert cat.json["file_name"] == "cat 1.jpg"
        sent = await there.run(
            "external_action.telegram",
            {"operation": "file.send", "chat_id": 4, "kind": "photo", "caption": "a cat"},
            [cat],
        )
        assert records(sent) == [{"message_id": 9}]
        assert there.asked == [
            "GET /bot42:abc/getFile?file_id=f",
            "GET /file/bot42:abc/photos/cat%201.jpg",
            "POST /bot42:abc/sendPhoto",
        ]
        body = await there.there.seen[2].read()
    assert b'name="chat_id"\r\n\r\n4\r\n' in body
    assert b'name="photo"; filename="cat 1.jpg"' in body
    assert b"\xff\xd8cat" in body
    assert b"a cat" in body


async def test_telegram_says_in_the_body_how_long_to_wait(tmp_path: Path) -> None:
    body = {
        "ok": False,
        "error_code": 429,
        "description": "Too Many Requests: retry after 7",
        "parameters": {"retry_after": 7},
    }
    async with stage(tmp_path, TELEGRAM, Reply(body, 429)) as there:
        event = await there.run("external_action.telegram", {"operation": "message.send", "chat_id": 4, "text": "hi"})
    failed = failure(event)
    assert failed.retryable
    assert failed.retry_after == 7000
    assert "retry after 7" in failed.message


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {"operation": "message.send", "to": "+49", "from": "+1", "body": "hi"},
            "POST /Accounts/AC1/Messages.json",
            {"To": "+49", "From": "+1", "Body": "hi"},
            {"sid": "SM1", "status": "queued"},
        ),
        Case({"operation": "message.get", "sid": "SM1"}, "GET /Accounts/AC1/Messages/SM1.json", answers={"sid": "SM1"}),
        Case(
            {"operation": "message.list", "to": "+49", "limit": 2},
            "GET /Accounts/AC1/Messages.json?To=%2B49&PageSize=2",
            answers=[
                Reply(
                    {
                        "messages": [{"sid": "SM1"}],
                        "next_page_uri": "/2010-04-01/Accounts/AC1/Messages.json?PageToken=x",
                    }
                ),
                Reply({"messages": [{"sid": "SM2"}], "next_page_uri": None}),
            ],
            then=["GET /Accounts/AC1/Messages.json?PageToken=x"],
            gives=[{"sid": "SM1"}, {"sid": "SM2"}],
        ),
        Case(
            {"operation": "call.make", "to": "+49", "from": "+1", "twiml": "<Response/>"},
            "POST /Accounts/AC1/Calls.json",
            {"To": "+49", "From": "+1", "Twiml": "<Response/>"},
            {"sid": "CA1"},
        ),
        Case({"operation": "call.get", "sid": "CA1"}, "GET /Accounts/AC1/Calls/CA1.json", answers={"sid": "CA1"}),
        Case(
            {"operation": "number.list"},
            "GET /Accounts/AC1/IncomingPhoneNumbers.json?PageSize=100",
            answers={"incoming_phone_numbers": [{"sid": "PN1"}], "next_page_uri": None},
            gives=[{"sid": "PN1"}],
        ),
        Case({"operation": "account.get"}, "GET /Accounts/AC1.json", answers={"sid": "AC1", "status": "active"}),
    ],
    ids=lambda case: case.id,
)
async def test_twilio(tmp_path: Path, case: Case) -> None:
    pair = base64.b64encode(b"AC1:twilio-token").decode()
    await check(tmp_path, "external_action.twilio", TWILIO, case, {"Authorization": f"Basic {pair}"}, "/2010-04-01")


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {"operation": "channel_message.send", "team_id": "t", "channel_id": "19:c@thread.tacv2", "text": "hi"},
            "POST /teams/t/channels/19:c@thread.tacv2/messages",
            {"body": {"contentType": "text", "content": "hi"}},
            {"id": "1"},
        ),
        Case(
            {
                "operation": "channel_message.reply",
                "team_id": "t",
                "channel_id": "c",
                "message_id": "1",
                "text": "<b>ho</b>",
                "content_type": "html",
            },
            "POST /teams/t/channels/c/messages/1/replies",
            {"body": {"contentType": "html", "content": "<b>ho</b>"}},
            {"id": "2"},
        ),
        Case(
            {"operation": "channel_message.list", "team_id": "t", "channel_id": "c", "limit": 2},
            "GET /teams/t/channels/c/messages?$top=2",
            answers=[
                Reply(
                    {"value": [{"id": "2"}], "@odata.nextLink": "BASE/v1.0/teams/t/channels/c/messages?$skiptoken=x"}
                ),
                Reply({"value": [{"id": "1"}]}),
            ],
            then=["GET /teams/t/channels/c/messages?$skiptoken=x"],
            gives=[{"id": "2"}, {"id": "1"}],
        ),
        Case(
            {"operation": "chat_message.send", "chat_id": "19:x@unq.gbl.spaces", "text": "hi"},
            "POST /chats/19:x@unq.gbl.spaces/messages",
            {"body": {"contentType": "text", "content": "hi"}},
            {"id": "1"},
        ),
        Case(
            {"operation": "chat.list"}, "GET /me/chats?$top=50", answers={"value": [{"id": "x"}]}, gives=[{"id": "x"}]
        ),
        Case({"operation": "team.list"}, "GET /me/joinedTeams", answers={"value": [{"id": "t"}]}, gives=[{"id": "t"}]),
        Case(
            {"operation": "channel.list", "team_id": "t"},
            "GET /teams/t/channels",
            answers={"value": [{"id": "c"}]},
            gives=[{"id": "c"}],
        ),
        Case(
            {"operation": "channel.create", "team_id": "t", "display_name": "Orders"},
            "POST /teams/t/channels",
            {"displayName": "Orders", "membershipType": "standard"},
            {"id": "c"},
        ),
        Case({"operation": "user.me"}, "GET /me", answers={"id": "u", "displayName": "Ada"}),
    ],
    ids=lambda case: case.id,
)
async def test_microsoft_teams(tmp_path: Path, case: Case) -> None:
    headers = {"Authorization": "Bearer graph-token"}
    await check(tmp_path, "external_action.microsoft_teams", TEAMS, case, headers, "/v1.0")
