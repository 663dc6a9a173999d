"""Microsoft Outlook, OneDrive and Google Docs, each against a server that answers in its words."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.nodes.action.world import content
from tests.nodes.external_action.rig import Case, Reply, check, sent_body, stage
from tests.nodes.harness import failure, problems, records
from workflow_engine.engine.events import NodeSucceeded
from workflow_engine.engine.items import Item

GRAPH = {"type": "oauth2", "access_token": "graph-token"}
GOOGLE = {"type": "oauth2", "access_token": "google-token"}
BEARER = {"Authorization": "Bearer graph-token"}
ACCEPTED = Reply(status=202)
DONE = Reply(status=204)
by_id: dict[str, Any] = {"ids": lambda case: case.id}
MAIL = {
    "subject": "Hi",
    "body": {"contentType": "text", "content": "Hello"},
    "importance": "normal",
    "toRecipients": [{"emailAddress": {"address": "ada@example.com", "name": "Ada"}}],
}
WRITTEN = {"to": ["Ada <ada@example.com>"], "subject": "Hi", "text": "Hello"}


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {"operation": "message.send", **WRITTEN},
            "POST /me/sendMail",
            {"message": MAIL, "saveToSentItems": True},
            ACCEPTED,
            gives=[{"done": True}],
        ),
        Case(
            {"operation": "draft.create", **WRITTEN, "text": "", "html": "<b>x</b>", "bcc": ["b@example.com"]},
            "POST /me/messages",
            {
                **MAIL,
                "body": {"contentType": "html", "content": "<b>x</b>"},
                "bccRecipients": [{"emailAddress": {"address": "b@example.com"}}],
            },
            {"id": "m"},
        ),
        Case(
            {"operation": "draft.send", "message_id": "m/="},
            "POST /me/messages/m%2F=/send",
            {},
            ACCEPTED,
            gives=[{"done": True}],
        ),
        Case(
            {"operation": "message.reply", "message_id": "m/=", "text": "Yes", "to_all": True},
            "POST /me/messages/m%2F=/replyAll",
            {"comment": "Yes"},
            ACCEPTED,
            gives=[{"done": True}],
        ),
        Case(
            {"operation": "message.forward", "message_id": "m", "to": ["b@example.com"]},
            "POST /me/messages/m/forward",
            {"comment": "", "toRecipients": [{"emailAddress": {"address": "b@example.com"}}]},
            ACCEPTED,
            gives=[{"done": True}],
        ),
        Case(
            {"operation": "message.list", "folder_id": "inbox", "filter": "isRead eq false", "select": ["subject"]},
            "GET /me/mailFolders/inbox/messages?$filter=isRead+eq+false&$select=subject&$top=100",
            answers=[
                Reply({"value": [{"id": "1"}], "@odata.nextLink": "BASE/v1.0/me/messages?$skip=1"}),
                Reply({"value": [{"id": "2"}]}),
            ],
            then=["GET /me/messages?$skip=1"],
            gives=[{"id": "1"}, {"id": "2"}],
        ),
        Case({"operation": "message.get", "message_id": "m"}, "GET /me/messages/m", answers={"id": "m"}),
        Case(
            {"operation": "message.update", "message_id": "m", "is_read": True},
            "PATCH /me/messages/m",
            {"isRead": True},
            {"id": "m"},
        ),
        Case(
            {"operation": "message.move", "message_id": "m", "folder_id": "archive"},
            "POST /me/messages/m/move",
            {"destinationId": "archive"},
            {"id": "n"},
        ),
        Case(
            {"operation": "message.delete", "message_id": "m"},
            "DELETE /me/messages/m",
            answers=DONE,
            gives=[{"done": True}],
        ),
        Case(
            {"operation": "attachment.list", "message_id": "m"},
            "GET /me/messages/m/attachments?$select=id,name,contentType,size,isInline",
            answers={"value": [{"id": "a"}]},
            gives=[{"id": "a"}],
        ),
        Case({"operation": "folder.list"}, "GET /me/mailFolders?$top=100", answers={"value": []}, gives=[]),
        Case(
            {
                "operation": "event.create",
                "subject": "Lunch",
                "start": "2026-02-01T12:00:00",
                "end": "2026-02-01T13:00:00",
                "time_zone": "Europe/Berlin",
                "attendees": ["ada@example.com"],
            },
            "POST /me/events",
            {
                "subject": "Lunch",
                "start": {"dateTime": "2026-02-01T12:00:00", "timeZone": "Europe/Berlin"},
                "end": {"dateTime": "2026-02-01T13:00:00", "timeZone": "Europe/Berlin"},
                "attendees": [{"emailAddress": {"address": "ada@example.com"}, "type": "required"}],
            },
            {"id": "e"},
        ),
        Case(
            {"operation": "event.update", "event_id": "e", "location": "Room 1"},
            "PATCH /me/events/e",
            {"location": {"displayName": "Room 1"}},
            {"id": "e"},
        ),
        Case(
            {"operation": "event.list", "start": "2026-02-01T00:00:00Z", "end": "2026-03-01T00:00:00Z", "limit": 5},
            "GET /me/calendarView?startDateTime=2026-02-01T00:00:00Z&endDateTime=2026-03-01T00:00:00Z&$top=5",
            answers={"value": [{"id": "e"}]},
            gives=[{"id": "e"}],
        ),
        Case(
            {"operation": "event.delete", "event_id": "e"}, "DELETE /me/events/e", answers=DONE, gives=[{"done": True}]
        ),
        Case({"operation": "user.me"}, "GET /me", answers={"id": "u"}),
    ],
    **by_id,
)
async def test_microsoft_outlook(tmp_path: Path, case: Case) -> None:
    await check(tmp_path, "external_action.microsoft_outlook", GRAPH, case, BEARER, "/v1.0")


async def test_files_go_with_a_mail_and_come_from_one(tmp_path: Path) -> None:
    bill = bytes(range(256)) * 2_000
    async with stage(tmp_path, GRAPH, ACCEPTED, Reply(b"%PDF", headers={"Content-Type": "application/pdf"})) as there:
        assert there.context.blobs
        item = Item({}, {"bill": await there.context.blobs.write(bill, "application/pdf", "bill.pdf")})
        type = "external_action.microsoft_outlook"
        sent = await there.run(type, {"operation": "message.send", **WRITTEN, "attachments": ["bill"]}, [item])
        assert isinstance(sent, NodeSucceeded), sent
        (attached,) = (await sent_body(there.there.seen[0]))["message"]["attachments"]
        assert base64.b64decode(attached.pop("contentBytes")) == bill
        assert attached == {
            "@odata.type": "#microsoft.graph.fileAttachment",
            "name": "bill.pdf",
            "contentType": "application/pdf",
        }
        got = await there.run(type, {"operation": "attachment.download", "message_id": "m", "attachment_id": "a"})
        assert isinstance(got, NodeSucceeded), got
        assert await content(there.context, got.outputs["main"][0].binary["data"]) == b"%PDF"
        assert there.asked[1] == "GET /me/messages/m/attachments/a/$value"


async def test_what_is_too_much_for_a_mail_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    async with stage(tmp_path, GRAPH, ACCEPTED) as there:
        assert there.context.blobs
        item = Item({}, {"film": await there.context.blobs.write(bytes(4 << 20), "video/mp4", "film.mp4")})
        action = {"operation": "message.send", **WRITTEN, "attachments": ["film"]}
        failed = failure(await there.run("external_action.microsoft_outlook", action, [item]))
        assert (failed.reason, failed.field) == ("FILE_TOO_LARGE", "action.attachments")
        assert there.asked == []


def test_an_address_that_is_none_is_refused_at_save() -> None:
    action = {"operation": "message.send", **WRITTEN, "to": ["nobody"]}
    (said,) = problems("external_action.microsoft_outlook", {"action": action})
    assert "no e-mail address" in said


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {"operation": "item.list", "folder": "/My reports/2026"},
            "GET /me/drive/root:/My%20reports/2026:/children?$top=100",
            answers={"value": [{"id": "1"}]},
            gives=[{"id": "1"}],
        ),
        Case({"operation": "item.list"}, "GET /me/drive/root/children?$top=100", answers={"value": []}, gives=[]),
        Case(
            {"operation": "item.search", "words": "it's"},
            "GET /me/drive/root/search(q='it''s')?$top=100",
            answers={"value": []},
            gives=[],
        ),
        Case({"operation": "item.get", "item": "01AB!7"}, "GET /me/drive/items/01AB!7", answers={"id": "01AB!7"}),
        Case(
            {"operation": "folder.create", "drive_id": "b!x", "name": "New", "folder": "01AB"},
            "POST /drives/b!x/items/01AB/children",
            {"name": "New", "folder": {}, "@microsoft.graph.conflictBehavior": "fail"},
            {"id": "f"},
        ),
        Case(
            {"operation": "item.update", "item": "/a.txt", "name": "b.txt", "to_folder_id": "f"},
            "PATCH /me/drive/root:/a.txt:",
            {"name": "b.txt", "parentReference": {"id": "f"}},
            {"id": "1"},
        ),
        Case(
            {"operation": "item.delete", "item": "1"}, "DELETE /me/drive/items/1", answers=DONE, gives=[{"done": True}]
        ),
        Case(
            {"operation": "link.create", "item": "1", "scope": "anonymous"},
            "POST /me/drive/items/1/createLink",
            {"type": "view", "scope": "anonymous"},
            {"link": {"webUrl": "https://x"}},
            gives={"webUrl": "https://x"},
        ),
        Case(
            {"operation": "site.search"}, "GET /sites?search=*", answers={"value": [{"id": "s"}]}, gives=[{"id": "s"}]
        ),
        Case({"operation": "drive.list", "site_id": "a,b"}, "GET /sites/a,b/drives", answers={"value": []}, gives=[]),
        Case({"operation": "drive.get"}, "GET /me/drive", answers={"id": "d"}),
    ],
    **by_id,
)
async def test_one_drive(tmp_path: Path, case: Case) -> None:
    await check(tmp_path, "external_action.one_drive", GRAPH, case, BEARER, "/v1.0")


async def test_a_file_goes_to_one_drive_and_comes_back_from_where_it_lies(tmp_path: Path) -> None:
    moved = Reply(status=302, headers={"Location": "BASE/elsewhere?key=1"})
    async with stage(tmp_path, GRAPH, Reply({"id": "f"}), moved, Reply(b"a;b")) as there:
        assert there.context.blobs
        file = Item({}, {"data": await there.context.blobs.write(b"a;b", "text/csv", "june.csv")})
        type = "external_action.one_drive"
        action = {"operation": "file.upload", "folder": "/Reports", "name": "June 26.csv"}
        assert records(await there.run(type, action, [file])) == [{"id": "f"}]
        assert await there.there.seen[0].read() == b"a;b"
        got = await there.run(type, {"operation": "file.download", "item": "/Reports/June 26.csv"})
        assert isinstance(got, NodeSucceeded), got
        assert await content(there.context, got.outputs["main"][0].binary["data"]) == b"a;b"
        assert there.asked == [
            "PUT /me/drive/root:/Reports/June%2026.csv:/content",
            "GET /me/drive/root:/Reports/June%2026.csv:/content",
            "GET /elsewhere?key=1",
        ]


@pytest.mark.parametrize("item", ["/../secrets", "a/b", "."])
async def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, item: str) -> None:
    async with stage(tmp_path, GRAPH, Reply({})) as there:
        event = await there.run("external_action.one_drive", {"operation": "item.get", "item": item})
        if item == "a/b":
            assert there.asked == ["GET /me/drive/items/a%2Fb"]
        else:
            assert failure(event).reason == "INVALID_PARAMETER"


PAGE = {
    "documentId": "d",
    "title": "Letter",
    "body": {
        "content": [
            {"sectionBreak": {}},
            {"paragraph": {"elements": [{"textRun": {"content": "Dear "}}, {"textRun": {"content": "Ada\n"}}]}},
            {
                "table": {
                    "tableRows": [
                        {"tableCells": [{"content": [{"paragraph": {"elements": [{"textRun": {"content": "1\n"}}]}}]}]}
                    ]
                }
            },
        ]
    },
}


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {"operation": "document.get", "document_id": "d"},
            "GET /documents/d",
            answers=PAGE,
            gives={"documentId": "d", "title": "Letter", "text": "Dear Ada\n1\n"},
        ),
        Case(
            {"operation": "document.create", "title": "New"}, "POST /documents", {"title": "New"}, {"documentId": "n"}
        ),
        Case(
            {"operation": "text.append", "document_id": "d", "text": "PS"},
            "POST /documents/d:batchUpdate",
            {"requests": [{"insertText": {"endOfSegmentLocation": {}, "text": "PS"}}]},
            {"documentId": "d"},
        ),
        Case(
            {"operation": "text.replace", "document_id": "d", "replacements": {"[[name]]": "Ada"}},
            "POST /documents/d:batchUpdate",
            {
                "requests": [
                    {
                        "replaceAllText": {
                            "containsText": {"text": "[[name]]", "matchCase": True},
                            "replaceText": "Ada",
                        }
                    }
                ]
            },
            {"documentId": "d"},
        ),
        Case(
            {"operation": "document.update", "document_id": "d", "requests": [{"deleteHeader": {"headerId": "h"}}]},
            "POST /documents/d:batchUpdate",
            {"requests": [{"deleteHeader": {"headerId": "h"}}]},
            {"documentId": "d"},
        ),
    ],
    **by_id,
)
async def test_google_docs(tmp_path: Path, case: Case) -> None:
    bearer = {"Authorization": "Bearer google-token"}
    await check(tmp_path, "external_action.google_docs", GOOGLE, case, bearer, "/v1")
