"""Google Calendar, Gmail, Google Sheets, Notion, Airtable and Stripe, each against a server that answers as it does."""

from __future__ import annotations

import base64
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from tests.nodes.action.world import content
from tests.nodes.external_action.rig import Case, Reply, check, sent_body, stage
from tests.nodes.harness import failure, records
from workflow_engine.engine.events import NodeSucceeded
from workflow_engine.engine.items import Item
from workflow_engine.utils.json import loads

GOOGLE = {"type": "oauth2", "access_token": "ya29.1"}
NOTION = {"type": "notion", "token": "ntn_1"}
AIRTABLE = {"type": "airtable", "token": "pat1"}
STRIPE = {"type": "stripe", "token": "sk_test_1"}
BEARER = {"Authorization": "Bearer ya29.1"}
DONE = Reply(status=204)
by_id: dict[str, Any] = {"ids": lambda case: case.id}
WHEN = {"start": {"date_time": "2026-03-01T09:00:00Z"}, "end": {"date_time": "2026-03-01T10:00:00Z"}}


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {
                "operation": "event.create",
                "calendar_id": "ada@example.com",
                "summary": "Talk",
                "attendees": ["bob@example.com"],
                "send_updates": "all",
                **WHEN,
            },
            "POST /calendars/ada@example.com/events?sendUpdates=all",
            {
                "summary": "Talk",
                "attendees": [{"email": "bob@example.com"}],
                "start": {"dateTime": "2026-03-01T09:00:00Z"},
                "end": {"dateTime": "2026-03-01T10:00:00Z"},
            },
            {"id": "e", "status": "confirmed"},
        ),
        Case(
            {"operation": "event.update", "event_id": "e", "location": "Room 1"},
            "PATCH /calendars/primary/events/e?sendUpdates=none",
            {"location": "Room 1"},
            {"id": "e"},
        ),
        Case({"operation": "event.get", "event_id": "e"}, "GET /calendars/primary/events/e", answers={"id": "e"}),
        Case(
            {"operation": "event.list", "time_min": "2026-03-01T00:00:00Z", "order_by": "startTime"},
            "GET /calendars/primary/events"
            "?timeMin=2026-03-01T00:00:00Z&singleEvents=true&orderBy=startTime&maxResults=100",
            answers=[Reply({"items": [{"id": "1"}], "nextPageToken": "p2"}), Reply({"items": [{"id": "2"}]})],
            then=[
                "GET /calendars/primary/events"
                "?timeMin=2026-03-01T00:00:00Z&singleEvents=true&orderBy=startTime&maxResults=100&pageToken=p2"
            ],
            gives=[{"id": "1"}, {"id": "2"}],
        ),
        Case(
            {"operation": "event.delete", "event_id": "e"},
            "DELETE /calendars/primary/events/e?sendUpdates=none",
            answers=DONE,
            gives={"done": True},
        ),
        Case(
            {"operation": "calendar.list"},
            "GET /users/me/calendarList?maxResults=100",
            answers={"items": [{"id": "primary"}]},
            gives=[{"id": "primary"}],
        ),
        Case(
            {"operation": "free_busy.get", "time_min": "2026-03-01T00:00:00Z", "time_max": "2026-03-02T00:00:00Z"},
            "POST /freeBusy",
            {
                "timeMin": "2026-03-01T00:00:00Z",
                "timeMax": "2026-03-02T00:00:00Z",
                "items": [{"id": "primary"}],
            },
            {"calendars": {"primary": {"busy": []}}},
        ),
    ],
    **by_id,
)
async def test_google_calendar(tmp_path: Path, case: Case) -> None:
    await check(tmp_path, "external_action.google_calendar", GOOGLE, case, BEARER, "/calendar/v3")


MAIL = {
    "id": "m",
    "labelIds": ["INBOX"],
    "payload": {
        "mimeType": "multipart/alternative",
        "headers": [{"name": "Subject", "value": "Hi"}],
        "parts": [
            {
                "mimeType": "text/plain",
                "body": {"data": base64.urlsafe_b64encode("Grüße".encode()).decode().rstrip("=")},
            },
            {"mimeType": "text/html", "body": {"data": base64.urlsafe_b64encode(b"<p>hi</p>").decode()}},
        ],
    },
}


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {"operation": "message.get", "message_id": "m"},
            "GET /users/me/messages/m?format=full",
            answers=MAIL,
            gives={
                "id": "m",
                "labelIds": ["INBOX"],
                "headers": {"subject": "Hi"},
                "text": "Grüße",
                "html": "<p>hi</p>",
            },
        ),
        Case(
            {"operation": "message.list", "q": "is:unread", "label_ids": ["INBOX", "X"], "limit": 2},
            "GET /users/me/messages?q=is:unread&labelIds=INBOX&labelIds=X&maxResults=2",
            answers=[Reply({"messages": [{"id": "1"}], "nextPageToken": "n"}), Reply({"messages": [{"id": "2"}]})],
            then=["GET /users/me/messages?q=is:unread&labelIds=INBOX&labelIds=X&maxResults=2&pageToken=n"],
            gives=[{"id": "1"}, {"id": "2"}],
        ),
        Case(
            {"operation": "message.list", "q": "nothing"},
            "GET /users/me/messages?q=nothing&maxResults=100",
            answers={"resultSizeEstimate": 0},
            gives=[],
        ),
        Case(
            {"operation": "message.modify", "message_id": "m", "remove_label_ids": ["UNREAD"]},
            "POST /users/me/messages/m/modify",
            {"removeLabelIds": ["UNREAD"]},
            {"id": "m"},
        ),
        Case({"operation": "message.trash", "message_id": "m"}, "POST /users/me/messages/m/trash", {}, {"id": "m"}),
        Case({"operation": "thread.get", "thread_id": "t"}, "GET /users/me/threads/t", answers={"id": "t"}),
        Case(
            {"operation": "label.list"},
            "GET /users/me/labels",
            answers={"labels": [{"id": "INBOX"}]},
            gives=[{"id": "INBOX"}],
        ),
        Case({"operation": "profile.get"}, "GET /users/me/profile", answers={"emailAddress": "ada@example.com"}),
    ],
    **by_id,
)
async def test_gmail(tmp_path: Path, case: Case) -> None:
    await check(tmp_path, "external_action.gmail", GOOGLE, case, BEARER, "/gmail/v1")


@pytest.mark.parametrize("operation", ["message.send", "draft.create"])
async def test_gmail_sends_a_message_in_base64url(tmp_path: Path, operation: str) -> None:
    action = {
        "operation": operation,
        "to": ["Ada <ada@example.com>"],
        "subject": "Hi\nthere",
        "text": "Grüße",
        "html": "<p>Grüße</p>",
        "thread_id": "t",
        "in_reply_to": "<1@example.com>",
    }
    async with stage(tmp_path, GOOGLE, Reply({"id": "m"})) as there:
        assert records(await there.run("external_action.gmail", action)) == [{"id": "m"}]
        body = await sent_body(there.there.seen[0])
    said = body["message"] if operation == "draft.create" else body
    assert said["threadId"] == "t"
    mail = message_from_bytes(base64.urlsafe_b64decode(said["raw"]), policy=policy.default)
    assert mail["To"] == "Ada <ada@example.com>"
    assert mail["Subject"] == "Hi there"
    assert mail["In-Reply-To"] == "<1@example.com>"
    assert mail.get_body(("plain",)).get_content().strip() == "Grüße"  # type: ignore[union-attr]


SHEET = {"spreadsheet_id": "s", "range": "Orders!A:C"}


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {"operation": "row.read", **SHEET},
            "GET /spreadsheets/s/values/Orders!A:C?valueRenderOption=UNFORMATTED_VALUE",
            answers={"values": [["id", "total", "note"], [1, 9.5, "x"], [2, 3]]},
            gives=[{"id": 1, "total": 9.5, "note": "x"}, {"id": 2, "total": 3, "note": None}],
        ),
        Case(
            {"operation": "row.append", **SHEET, "rows": [[1, "=A1"]]},
            "POST /spreadsheets/s/values/Orders!A:C:append?valueInputOption=USER_ENTERED",
            {"values": [[1, "=A1"]]},
            {"updates": {"updatedRows": 1}},
        ),
        Case(
            {"operation": "row.update", **SHEET, "rows": [[1]], "value_input_option": "RAW"},
            "PUT /spreadsheets/s/values/Orders!A:C?valueInputOption=RAW",
            {"values": [[1]]},
            {"updatedRows": 1},
        ),
        Case(
            {"operation": "row.clear", **SHEET},
            "POST /spreadsheets/s/values/Orders!A:C:clear",
            {},
            {"clearedRange": "x"},
        ),
        Case(
            {"operation": "spreadsheet.get", "spreadsheet_id": "s"},
            "GET /spreadsheets/s",
            answers={"spreadsheetId": "s"},
        ),
        Case(
            {"operation": "spreadsheet.create", "title": "Orders", "sheets": ["2026"]},
            "POST /spreadsheets",
            {"properties": {"title": "Orders"}, "sheets": [{"properties": {"title": "2026"}}]},
            {"spreadsheetId": "s"},
        ),
        Case(
            {"operation": "sheet.add", "spreadsheet_id": "s", "title": "2027"},
            "POST /spreadsheets/s:batchUpdate",
            {"requests": [{"addSheet": {"properties": {"title": "2027"}}}]},
            {"replies": [{}]},
        ),
    ],
    **by_id,
)
async def test_google_sheets(tmp_path: Path, case: Case) -> None:
    await check(tmp_path, "external_action.google_sheets", GOOGLE, case, BEARER, "/v4")


FILE = "fields=id,name,mimeType,size,parents,createdTime,modifiedTime,webViewLink,trashed,md5Checksum"
EVERY = "supportsAllDrives=true"


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {"operation": "file.list", "folder_id": "it's", "q": "trashed = false or starred = true"},
            "GET /drive/v3/files?q='it%5C's'+in+parents+and+(trashed+%3D+false+or+starred+%3D+true)"
            f"&fields=nextPageToken,files({FILE[7:]})&{EVERY}&includeItemsFromAllDrives=true&pageSize=100",
            answers=[Reply({"files": [{"id": "1"}], "nextPageToken": "n"}), Reply({"files": [{"id": "2"}]})],
            then=[
                "GET /drive/v3/files?q='it%5C's'+in+parents+and+(trashed+%3D+false+or+starred+%3D+true)"
                f"&fields=nextPageToken,files({FILE[7:]})&{EVERY}&includeItemsFromAllDrives=true&pageSize=100&pageToken=n"
            ],
            gives=[{"id": "1"}, {"id": "2"}],
        ),
        Case({"operation": "file.get", "file_id": "f"}, f"GET /drive/v3/files/f?{FILE}&{EVERY}", answers={"id": "f"}),
        Case(
            {"operation": "folder.create", "name": "2026", "folder_id": "p"},
            f"POST /drive/v3/files?{FILE}&{EVERY}",
            {"name": "2026", "mimeType": "application/vnd.google-apps.folder", "parents": ["p"]},
            {"id": "n"},
        ),
        Case(
            {"operation": "file.copy", "file_id": "f", "name": "Copy"},
            f"POST /drive/v3/files/f/copy?{FILE}&{EVERY}",
            {"name": "Copy"},
            {"id": "c"},
        ),
        Case(
            {"operation": "file.update", "file_id": "f", "name": "New", "add_parents": "b", "remove_parents": "a"},
            f"PATCH /drive/v3/files/f?addParents=b&removeParents=a&{FILE}&{EVERY}",
            {"name": "New"},
            {"id": "f"},
        ),
        Case(
            {"operation": "file.delete", "file_id": "f"},
            f"DELETE /drive/v3/files/f?{EVERY}",
            answers=DONE,
            gives=[{"done": True}],
        ),
        Case(
            {
                "operation": "permission.create",
                "file_id": "f",
                "type": "user",
                "role": "reader",
                "email_address": "a@b.c",
            },
            f"POST /drive/v3/files/f/permissions?{EVERY}",
            {"type": "user", "role": "reader", "emailAddress": "a@b.c"},
            {"id": "1"},
        ),
        Case({"operation": "about.get"}, "GET /drive/v3/about?fields=user,storageQuota", answers={"user": {}}),
    ],
    **by_id,
)
async def test_google_drive(tmp_path: Path, case: Case) -> None:
    await check(tmp_path, "external_action.google_drive", GOOGLE, case, BEARER)


async def test_a_file_goes_to_drive_and_comes_back(tmp_path: Path) -> None:
    replies = [Reply({"id": "f"}), Reply(b"%PDF-1.7", headers={"Content-Type": "application/pdf"})]
    async with stage(tmp_path, GOOGLE, *replies) as there:
        assert there.context.blobs
        file = Item({}, {"data": await there.context.blobs.write(b"%PDF-1.7", "application/pdf", "bill.pdf")})
        type = "external_action.google_drive"
        assert records(await there.run(type, {"operation": "file.upload", "folder_id": "p"}, [file])) == [{"id": "f"}]
        back = await there.run(type, {"operation": "file.download", "file_id": "f"})
        assert isinstance(back, NodeSucceeded)
        assert await content(there.context, back.outputs["main"][0].binary["data"]) == b"%PDF-1.7"
        nothing = await there.run(type, {"operation": "file.upload", "binary": "other"}, [file])
        assert failure(nothing).reason == "BINARY_MISSING"
        assert there.asked == [
            f"POST /upload/drive/v3/files?uploadType=multipart&{FILE}&{EVERY}",
            f"GET /drive/v3/files/f?alt=media&{EVERY}",
        ]
        sent = there.there.seen[0]
        kind = sent.headers["Content-Type"].encode()
        about, data = message_from_bytes(b"Content-Type: " + kind + b"\r\n\r\n" + await sent.read()).get_payload()
        assert loads(about.get_payload()) == {"name": "bill.pdf", "parents": ["p"]}
        assert (data.get_content_type(), data.get_payload()) == ("application/pdf", "%PDF-1.7")


async def test_what_drive_will_not_hand_out(tmp_path: Path) -> None:
    refused = {"error": {"code": 403, "message": "Only files with binary content can be downloaded."}}
    async with stage(tmp_path, GOOGLE, Reply(refused, 403)) as there:
        failed = failure(
            await there.run("external_action.google_drive", {"operation": "file.download", "file_id": "f"})
        )
    assert failed.reason == "HTTP_4XX"
    assert "Only files with binary content" in failed.message


TITLE = {"Name": {"title": [{"text": {"content": "Ada"}}]}}


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {"operation": "page.create", "parent": {"database_id": "d"}, "properties": TITLE},
            "POST /pages",
            {"parent": {"database_id": "d"}, "properties": TITLE},
            {"object": "page", "id": "p"},
        ),
        Case({"operation": "page.get", "page_id": "p"}, "GET /pages/p", answers={"id": "p"}),
        Case(
            {"operation": "page.update", "page_id": "p", "archived": True},
            "PATCH /pages/p",
            {"archived": True},
            {"id": "p"},
        ),
        Case(
            {"operation": "database.query", "database_id": "d", "filter": {"property": "Done"}, "limit": 2},
            "POST /databases/d/query",
            {"filter": {"property": "Done"}, "page_size": 2},
            answers=[
                Reply({"results": [{"id": "1"}], "has_more": True, "next_cursor": "c"}),
                Reply({"results": [{"id": "2"}], "has_more": False, "next_cursor": None}),
            ],
            then=["POST /databases/d/query"],
            gives=[{"id": "1"}, {"id": "2"}],
        ),
        Case({"operation": "database.get", "database_id": "d"}, "GET /databases/d", answers={"id": "d"}),
        Case(
            {"operation": "block.list", "block_id": "p"},
            "GET /blocks/p/children?page_size=100",
            answers={"results": [{"id": "b"}], "next_cursor": None},
            gives=[{"id": "b"}],
        ),
        Case(
            {"operation": "block.append", "block_id": "p", "children": [{"type": "divider", "divider": {}}]},
            "PATCH /blocks/p/children",
            {"children": [{"type": "divider", "divider": {}}]},
            {"object": "list"},
        ),
        Case(
            {"operation": "page.search", "words": "Orders"},
            "POST /search",
            {"query": "Orders", "page_size": 100},
            {"results": [{"id": "p"}], "next_cursor": None},
            gives=[{"id": "p"}],
        ),
        Case(
            {"operation": "comment.create", "page_id": "p", "text": "Look"},
            "POST /comments",
            {"parent": {"page_id": "p"}, "rich_text": [{"text": {"content": "Look"}}]},
            {"id": "c"},
        ),
        Case(
            {"operation": "user.list"},
            "GET /users?page_size=100",
            answers={"results": [{"id": "u"}], "next_cursor": None},
            gives=[{"id": "u"}],
        ),
        Case({"operation": "user.me"}, "GET /users/me", answers={"id": "u"}),
    ],
    **by_id,
)
async def test_notion(tmp_path: Path, case: Case) -> None:
    headers = {"Authorization": "Bearer ntn_1", "Notion-Version": "2022-06-28"}
    await check(tmp_path, "external_action.notion", NOTION, case, headers, "/v1")


OPEN_ORDERS = "GET /app1/My%20Orders?filterByFormula=%7BPaid%7D&fields%5B%5D=A&fields%5B%5D=B&pageSize=100"
TABLE = {"base": "app1", "table": "My Orders"}


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {"operation": "record.create", **TABLE, "records": [{"Number": 1}], "typecast": True},
            "POST /app1/My%20Orders",
            {"records": [{"fields": {"Number": 1}}], "typecast": True},
            {"records": [{"id": "rec1", "fields": {"Number": 1}}]},
            gives=[{"id": "rec1", "fields": {"Number": 1}}],
        ),
        Case(
            {"operation": "record.get", **TABLE, "record_id": "rec1"},
            "GET /app1/My%20Orders/rec1",
            answers={"id": "rec1", "fields": {}},
        ),
        Case(
            {"operation": "record.list", **TABLE, "filter_by_formula": "{Paid}", "field_names": ["A", "B"]},
            OPEN_ORDERS,
            answers=[Reply({"records": [{"id": "1"}], "offset": "itr"}), Reply({"records": [{"id": "2"}]})],
            then=[
                "GET /app1/My%20Orders?filterByFormula=%7BPaid%7D&fields%5B%5D=A&fields%5B%5D=B&pageSize=100&offset=itr"
            ],
            gives=[{"id": "1"}, {"id": "2"}],
        ),
        Case(
            {"operation": "record.update", **TABLE, "record_id": "rec1", "cells": {"Paid": True}},
            "PATCH /app1/My%20Orders/rec1",
            {"fields": {"Paid": True}},
            {"id": "rec1"},
        ),
        Case(
            {"operation": "record.upsert", **TABLE, "records": [{"Number": 1}], "merge_on": ["Number"]},
            "PATCH /app1/My%20Orders",
            {"performUpsert": {"fieldsToMergeOn": ["Number"]}, "records": [{"fields": {"Number": 1}}]},
            {"records": [{"id": "rec1"}], "createdRecords": [], "updatedRecords": ["rec1"]},
            gives=[{"id": "rec1"}],
        ),
        Case(
            {"operation": "record.delete", **TABLE, "record_id": "rec1"},
            "DELETE /app1/My%20Orders/rec1",
            answers={"deleted": True, "id": "rec1"},
        ),
        Case(
            {"operation": "table.list", "base": "app1"},
            "GET /meta/bases/app1/tables",
            answers={"tables": [{"id": "tbl"}]},
            gives=[{"id": "tbl"}],
        ),
        Case(
            {"operation": "base.list"}, "GET /meta/bases", answers={"bases": [{"id": "app1"}]}, gives=[{"id": "app1"}]
        ),
        Case({"operation": "user.me"}, "GET /meta/whoami", answers={"id": "usr"}),
    ],
    **by_id,
)
async def test_airtable(tmp_path: Path, case: Case) -> None:
    await check(tmp_path, "external_action.airtable", AIRTABLE, case, {"Authorization": "Bearer pat1"}, "/v0")


KEY = "exec:node"
"""The idempotency key that a run's node has in these tests."""


@pytest.mark.parametrize(
    "case",
    [
        Case(
            {"operation": "customer.create", "email": "ada@example.com", "metadata": {"shop": "1"}},
            "POST /customers",
            {"email": "ada@example.com", "metadata[shop]": "1"},
            {"id": "cus_1", "object": "customer"},
        ),
        Case(
            {"operation": "customer.update", "customer": "cus_1", "name": "Ada"},
            "POST /customers/cus_1",
            {"name": "Ada"},
            {"id": "cus_1"},
        ),
        Case({"operation": "customer.get", "customer": "cus_1"}, "GET /customers/cus_1", answers={"id": "cus_1"}),
        Case(
            {"operation": "customer.list", "email": "ada@example.com", "limit": 3},
            "GET /customers?email=ada@example.com&limit=3",
            answers=[
                Reply({"data": [{"id": "cus_2"}, {"id": "cus_1"}], "has_more": True}),
                Reply({"data": [{"id": "cus_0"}], "has_more": False}),
            ],
            then=["GET /customers?email=ada@example.com&limit=3&starting_after=cus_1"],
            gives=[{"id": "cus_2"}, {"id": "cus_1"}, {"id": "cus_0"}],
        ),
        Case(
            {"operation": "payment_intent.create", "amount": 1200, "currency": "eur", "confirm": True},
            "POST /payment_intents",
            {"amount": "1200", "currency": "eur", "confirm": "true"},
            {"id": "pi_1", "status": "succeeded"},
        ),
        Case(
            {"operation": "payment_intent.get", "payment_intent": "pi_1"},
            "GET /payment_intents/pi_1",
            answers={"id": "pi_1"},
        ),
        Case(
            {"operation": "payment_intent.list", "customer": "cus_1"},
            "GET /payment_intents?customer=cus_1&limit=100",
            answers={"data": [{"id": "pi_1"}], "has_more": False},
            gives=[{"id": "pi_1"}],
        ),
        Case(
            {"operation": "refund.create", "payment_intent": "pi_1", "amount": 200},
            "POST /refunds",
            {"payment_intent": "pi_1", "amount": "200"},
            {"id": "re_1"},
        ),
        Case(
            {"operation": "invoice.create", "customer": "cus_1"},
            "POST /invoices",
            {"customer": "cus_1"},
            {"id": "in_1"},
        ),
        Case(
            {"operation": "invoice_item.create", "customer": "cus_1", "amount": 500, "currency": "eur"},
            "POST /invoiceitems",
            {"customer": "cus_1", "amount": "500", "currency": "eur"},
            {"id": "ii_1"},
        ),
        Case({"operation": "invoice.finalize", "invoice": "in_1"}, "POST /invoices/in_1/finalize", {}, {"id": "in_1"}),
        Case(
            {
                "operation": "checkout_session.create",
                "success_url": "https://us.example/ok",
                "line_items": [{"price": "price_1", "quantity": 2}],
            },
            "POST /checkout/sessions",
            {
                "mode": "payment",
                "success_url": "https://us.example/ok",
                "line_items[0][price]": "price_1",
                "line_items[0][quantity]": "2",
            },
            {"id": "cs_1", "url": "https://checkout.stripe.com/c/pay/cs_1"},
        ),
        Case(
            {"operation": "subscription.create", "customer": "cus_1", "items": [{"price": "price_1"}]},
            "POST /subscriptions",
            {"customer": "cus_1", "items[0][price]": "price_1"},
            {"id": "sub_1"},
        ),
        Case(
            {"operation": "subscription.cancel", "subscription": "sub_1"},
            "DELETE /subscriptions/sub_1",
            answers={"id": "sub_1", "status": "canceled"},
        ),
        Case(
            {"operation": "product.list", "active": True},
            "GET /products?active=true&limit=100",
            answers={"data": [{"id": "prod_1"}], "has_more": False},
            gives=[{"id": "prod_1"}],
        ),
        Case({"operation": "balance.get"}, "GET /balance", answers={"available": []}),
    ],
    **by_id,
)
async def test_stripe(tmp_path: Path, case: Case) -> None:
    headers = {"Authorization": "Bearer sk_test_1"}
    if case.asks.startswith("POST"):
        headers["Idempotency-Key"] = KEY
    await check(tmp_path, "external_action.stripe", STRIPE, case, headers, "/v1")


async def test_stripe_charges_each_item_under_a_key_of_its_own(tmp_path: Path) -> None:
    async with stage(tmp_path, STRIPE, Reply({"id": "re_1"})) as there:
        await there.run("external_action.stripe", {"operation": "refund.create", "payment_intent": "pi_1"}, [{}, {}])
        keys = [each.headers["Idempotency-Key"] for each in there.there.seen]
    assert keys == ["exec:node:0", "exec:node:1"]
