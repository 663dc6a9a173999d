"""The page of a task, as mail scanners, phones, strangers and a real browser meet it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import BrowserContext, Page

from tests.api.browser import browser
from tests.clock import ManualClock
from tests.serving import Client, output, serving
from workflow_engine.core.signing import Signer
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import integration_pb2 as pb
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as rpc

HOUR = 3_600_000
SECRET = "a-secret-key-of-thirty-two-chars!"
START = {"id": "start", "type": "trigger.manual"}
APPROVAL = {
    "id": "ask",
    "type": "human.approval",
    "parameters": {"title": "Pay <b>7</b>?", "text": "# Why\n\nIt is *due*.", "timeout": "1h", "comment": "to_refuse"},
}


class World:
    """A server whose clock stands still, and a stranger who has nothing but links."""

    def __init__(self, client: Client, clock: ManualClock, session: aiohttp.ClientSession) -> None:
        self.client, self.clock, self.session = client, clock, session
        self.inbox: Any = rpc.TriggerServiceStub(client.channel)

    async def asks(self, node: dict[str, Any], **item: Any) -> pb.Task:
        drawing = {"nodes": [START, node], "connections": [f"start -> {node['id']}"]}
        workflow = await self.client.create(drawing, name="Invoices")
        return (await self.open_tasks(await self.client.start(workflow.id, item)))[0]

    async def open_tasks(self, execution_id: str = "", count: int = 1) -> list[pb.Task]:
        """The open tasks, once there are `count`."""
        request = pb.ListTasksRequest(execution_id=execution_id, statuses=[pb.TASK_STATUS_OPEN])
        # An execution that a node started has an id that nobody was told, so nobody can be waited for.
        for _ in range(1_000):
            if len(tasks := (await self.inbox.ListTasks(request)).tasks) == count:
                return list(tasks)
            await asyncio.sleep(0.01)
        raise AssertionError(f"{len(tasks)} tasks are open, not {count}")

    async def link(self, task: pb.Task, who: str = "ada@example.com") -> str:
        return str((await self.inbox.CreateTaskLink(pb.CreateTaskLinkRequest(task_id=task.id, user_id=who))).url)

    async def status(self, task: pb.Task) -> str:
        found = (await self.inbox.GetTask(pb.GetTaskRequest(task_id=task.id))).task
        return str(pb.TaskStatus.Name(found.status).removeprefix("TASK_STATUS_"))

    async def get(self, url: str, **headers: str) -> tuple[int, str]:
        async with self.session.get(url, headers=headers) as response:
            return response.status, await response.text()

    async def post(self, url: str, data: Any = None, **headers: str) -> tuple[int, str]:
        async with self.session.post(url, data=data, headers=headers) as response:
            return response.status, await response.text()


@pytest.fixture
async def world(sqlite_url: str, tmp_path: Path) -> AsyncIterator[World]:
    clock = ManualClock()
    async with (
        serving(sqlite_url, tmp_path, clock=clock, secret_key=SECRET) as client,
        aiohttp.ClientSession() as session,
    ):
        yield World(client, clock, session)


class TestLinks:
    async def test_looking_never_answers_and_the_form_does_once(self, world: World) -> None:
        task = await world.asks(APPROVAL)
        link = await world.link(task)
        for _ in range(3):
            status, page = await world.get(link)
            assert status == 200
        async with world.session.head(link) as head:
            assert head.status == 200
        assert await world.status(task) == "OPEN"
        assert "Pay &lt;b&gt;7&lt;/b&gt;?" in page
        assert "<em>due</em>" in page

        status, page = await world.post(link, {"approved": "true", "comment": "fine"})

        assert (status, "You approved" in page) == (200, True)
        assert await world.status(task) == "ANSWERED"
        again = await world.post(link, {"approved": "false", "comment": "no"})
        assert again[0] == 200
        assert "You approved" in again[1]
        ended = await world.client.wait(task.execution_id)
        assert output(ended)[0]["answer"] == {"approved": True, "comment": "fine"}
        [answer] = output(ended)[0]["answers"]
        assert answer["by"] == "ada@example.com"

    async def test_a_link_that_is_cut_off_or_made_up_is_refused_kindly(self, world: World) -> None:
        link = await world.link(await world.asks(APPROVAL))
        forged = Signer("task links", "another key of thirty-two chars!!!").sign("task_1", "ada", 2**31)
        other_purpose = Signer("chat", SECRET).sign("task_1", "ada", 2**31)
        base = link.rpartition("/")[0]
        for token in (link.rpartition("/")[2][:-4], forged, other_purpose, "%00", "a" * 5_000):
            status, page = await world.get(f"{base}/{token}")
            assert status == 404
            assert "This link does not work" in page
            assert (await world.post(f"{base}/{token}", {"approved": "true"}))[0] == 404

    async def test_what_is_over_is_said_to_be_over(self, world: World) -> None:
        decided, late, stopped = [await world.asks(APPROVAL) for _ in range(3)]
        links = [await world.link(task) for task in (decided, late, stopped)]
        await world.post(await world.link(decided, "grace@example.com"), {"approved": "true"})
        await world.client.stub.CancelExecution(ex.CancelExecutionRequest(execution_id=stopped.execution_id))
        await world.client.stub.WaitExecution(ex.WaitExecutionRequest(execution_id=stopped.execution_id))
        assert "Others have answered" in (await world.get(links[0]))[1]
        assert "has ended or gone on" in (await world.get(links[2]))[1]
        world.clock.advance(HOUR)
        await world.client.wait(late.execution_id)
        for link in links:
            assert (await world.post(link, {"approved": "true"}))[0] == 410
        assert "The time for an answer is over" in (await world.get(links[1]))[1]
        assert await world.status(late) == "EXPIRED"

    async def test_a_link_to_a_task_without_an_end_has_one_itself(self, world: World) -> None:
        task = await world.asks({"id": "ask", "type": "human.approval", "parameters": {"title": "Go on?"}})
        link = await world.link(task)
        world.clock.advance(31 * 24 * HOUR)
        status, page = await world.get(link)
        assert status == 410
        assert "This link has expired" in page
        assert await world.status(task) == "OPEN"

    async def test_another_sites_form_is_not_taken(self, world: World) -> None:
        task = await world.asks(APPROVAL)
        link = await world.link(task)
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
            status, page = await world.post(link, {"approved": "true"}, **headers)
            assert status == 403
            assert "Please open the page itself" in page
        assert await world.status(task) == "OPEN"

    async def test_without_a_secret_key_no_link_can_be_made(self, sqlite_url: str, tmp_path: Path) -> None:
        async with serving(sqlite_url, tmp_path) as client, aiohttp.ClientSession() as session:
            world = World(client, ManualClock(), session)
            task = await world.asks(APPROVAL)
            with pytest.raises(Exception, match="SECRET_KEY is not set"):
                await world.link(task)


class TestPages:
    async def test_the_page_may_do_nothing_and_is_kept_nowhere(self, world: World) -> None:
        link = await world.link(await world.asks(APPROVAL))
        async with world.session.get(link) as response:
            policy = response.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'")
            assert "script-src" not in policy
            assert "unsafe-inline" not in policy
            assert response.headers["cache-control"] == "no-store"
            assert response.headers["referrer-policy"] == "no-referrer"

    @pytest.mark.parametrize(
        ("accepts", "lang", "word"),
        [
            ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans", "同意"),
            ("de-DE,de;q=0.9,en;q=0.5,zh;q=0.2", "en", "Approve"),
            ("", "en", "Approve"),
        ],
    )
    async def test_it_speaks_the_readers_language(self, world: World, accepts: str, lang: str, word: str) -> None:
        _, page = await world.get(await world.link(await world.asks(APPROVAL)), **{"Accept-Language": accepts})
        assert f'<html lang="{lang}">' in page
        assert word in page

    async def test_markdown_can_not_reach_out(self, world: World) -> None:
        text = (
            "<script>alert(1)</script> <img src=x onerror=alert(1)> [a](javascript:alert(1)) [b](https://example.com)"
            ' ![c](https://tracker.example/x.png) <a href="https://example.com" onclick="x()">d</a>'
        )
        node = {"id": "ask", "type": "human.approval", "parameters": {"title": "t", "text": text}}
        _, page = await world.get(await world.link(await world.asks(node)))
        prose = page.partition('class="prose">')[2].partition("</div>")[0]
        tags = set(re.findall(r"<(\w+)", prose))
        assert tags <= {"p", "a", "br"}
        assert re.findall(r'<a [^>]*?href="([^"]*)"', prose) == ["https://example.com"]
        assert 'rel="noopener noreferrer nofollow"' in prose

    async def test_what_is_wrong_is_said_beside_the_field_and_nothing_is_lost(self, world: World) -> None:
        fields = [
            {"name": "mail", "label": "E-mail", "type": "email", "required": True},
            {"name": "pieces", "type": "integer", "minimum": 1},
            {"name": "colour", "type": "choice", "options": ["red", "blue"], "required": True},
            {"name": "extras", "type": "choices", "options": ["bow", "card"]},
            {"name": "photo", "type": "file", "required": True},
        ]
        node = {"id": "ask", "type": "human.form", "parameters": {"title": "Order", "fields": fields}}
        task = await world.asks(node)
        link = await world.link(task)

        status, page = await world.post(link, {"mail": "ada@", "pieces": "many", "extras": "bow"})

        assert status == 422
        assert "Please correct 4 things" in page
        assert 'value="ada@"' in page
        assert 'value="many"' in page
        assert 'value="bow" checked' in page
        for words in ("This is not an e-mail address.", "Give a whole number.", "This is needed."):
            assert words in page
        assert await world.status(task) == "OPEN"

        form = aiohttp.FormData(quote_fields=False)
        for name, value in (("mail", "ada@example.com"), ("pieces", "3"), ("colour", "red"), ("extras", "card")):
            form.add_field(name, value)
        form.add_field("photo", b"\x89PNG\r\n", filename="../lamp.png", content_type="image/png")
        assert (await world.post(link, form))[0] == 200

        ended = await world.client.wait(task.execution_id)
        assert output(ended)[0]["answer"] == {
            "mail": "ada@example.com",
            "pieces": 3,
            "colour": "red",
            "extras": ["card"],
        }
        photo = ended.output[0].binary["photo"]
        assert (photo.file_name, photo.media_type, photo.size_bytes) == ("lamp.png", "image/png", 6)

    async def test_data_is_shown_for_correction_and_keeps_its_kind(self, world: World) -> None:
        node = {"id": "ask", "type": "human.edit", "parameters": {"title": "Check"}}
        task = await world.asks(node, total=12, name="", paid=True, lines=[1])
        link = await world.link(task)
        status, page = await world.post(link, {"total": "x", "name": "", "lines": "[1,"})
        assert status == 422
        assert "This is not JSON" in page
        sent = {"total": "13,5", "name": "Ada\r\nL", "lines": "[1, 2]"}
        assert (await world.post(link, sent))[0] == 200
        ended = await world.client.wait(task.execution_id)
        assert output(ended) == [{"total": 13.5, "name": "Ada\nL", "paid": False, "lines": [1, 2]}]

    async def test_attachments_can_be_looked_at_by_whoever_has_the_link(self, world: World) -> None:
        nodes = [
            START,
            {
                "id": "file",
                "type": "action.convert_to_file",
                "parameters": {"format": {"type": "json"}, "file_name": "note.html", "binary": "note"},
            },
            APPROVAL,
        ]
        workflow = await world.client.create({"nodes": nodes, "connections": ["start -> file -> ask"]})
        id = await world.client.start(workflow.id, {"text": "<script>alert(1)</script>"})
        [task] = await world.open_tasks(id)
        link = await world.link(task)
        [name] = task.files
        assert f"/files/{name}" in (await world.get(link))[1]
        async with world.session.get(f"{link}/files/{name}") as response:
            assert response.headers["content-disposition"].startswith("attachment")
            assert response.headers["content-type"] == "application/octet-stream"
            assert "alert" in await response.text()
        assert (await world.get(f"{link}/files/other"))[0] == 404
        assert (await world.get(f"{link[:-3]}xyz/files/{name}"))[0] == 404


class TestInABrowser:
    async def test_one_answer_one_refusal_one_timeout_end_as_drawn(self, world: World) -> None:
        """Three branches of a map, side by side, in a sub-workflow; nobody has anything but a link and a browser."""
        ways = {"approved": "paid", "refused": "returned", "timeout": "forgotten"}
        child = {
            "nodes": [
                START,
                {"id": "each", "type": "flow.map", "parameters": {"concurrency": 3}},
                {**APPROVAL, "parameters": {**APPROVAL["parameters"], "title": "Pay {{ json.invoice }}?"}},
                *(
                    {"id": way, "type": "flow.set", "parameters": {"assignments": [{"name": "was", "value": way}]}}
                    for way in ways.values()
                ),
            ],
            "connections": [
                "start -> each",
                "each.body -> ask",
                *(f"ask.{port} -> {way} -> each.return" for port, way in ways.items()),
            ],
        }
        called = await world.client.create(child, name="Pay")
        await world.client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=called.id))
        parent = {
            "nodes": [START, {"id": "pay", "type": "flow.subworkflow", "parameters": {"workflow_id": called.id}}],
            "connections": ["start -> pay"],
        }
        workflow = await world.client.create(parent, name="All invoices")
        id = await world.client.start(workflow.id, *({"invoice": f"R-{n}"} for n in range(3)))
        tasks = {task.title: task for task in await world.open_tasks(count=3)}
        links = {title: await world.link(task, f"{title[4:7]}@example.com") for title, task in tasks.items()}

        async with browser() as chromium:
            phone = await chromium.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=False)
            approving = await opened(phone, links["Pay R-0?"])
            await approving.get_by_label("Comment").fill("as agreed")
            await approving.get_by_role("button", name="Approve").click()
            await approving.get_by_role("heading", name="You approved").wait_for()

            desk = await chromium.new_context(locale="zh-CN", color_scheme="dark")
            refusing = await opened(desk, links["Pay R-1?"])
            await refusing.get_by_role("button", name="拒绝").click()
            await refusing.get_by_role("alert").wait_for()
            await refusing.get_by_label("备注").fill("twice the price")
            await refusing.get_by_role("button", name="拒绝").click()
            await refusing.get_by_role("heading", name="您已拒绝").wait_for()

            hesitating = await opened(phone, links["Pay R-2?"])
            world.clock.advance(HOUR)
            ended = await world.client.wait(id)
            await hesitating.get_by_role("button", name="Approve").click()
            await hesitating.get_by_role("heading", name="Too late").wait_for()

        assert ended.status == ex.SUCCESS
        assert [(each["invoice"], each["was"]) for each in output(ended)] == [
            ("R-0", "paid"),
            ("R-1", "returned"),
            ("R-2", "forgotten"),
        ]
        assert [[each["by"] for each in item["answers"]] for item in output(ended)] == [
            ["R-0@example.com"],
            ["R-1@example.com"],
            [],
        ]
        assert [await world.status(task) for task in tasks.values()].count("ANSWERED") == 2


async def opened(context: BrowserContext, url: str) -> Page:
    page = await context.new_page()
    await page.goto(url)
    return page
