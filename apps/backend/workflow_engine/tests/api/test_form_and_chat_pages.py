"""The pages of form and chat triggers, as a person's browser and as programs meet them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.api.browser import browser
from tests.api.test_task_pages import SECRET
from tests.serving import Client, serving
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.utils import json
from workflow_engine.utils.structs import struct_to_dict

STEPS = {
    "path": "join",
    "title": "Join us",
    "steps": [
        {
            "title": "Who are you?",
            "fields": [
                {"name": "name", "required": True},
                {"name": "photo", "type": "file", "required": True, "accept": "image/*"},
            ],
        },
        {
            "title": "What do you like?",
            "fields": [
                {"name": "topics", "type": "choices", "options": ["art", "code"], "required": True},
                {"name": "age", "type": "integer", "minimum": 18},
            ],
        },
    ],
    "done_text": "See you **soon**.",
}


class World:
    def __init__(self, client: Client, session: aiohttp.ClientSession) -> None:
        self.client, self.session = client, session

    async def publish(self, type: str, parameters: dict[str, Any], *more: dict[str, Any], **links: str) -> str:
        """Publishes a workflow that starts with a trigger; returns its id."""
        nodes = [{"id": "in", "type": type, "parameters": parameters}, *more]
        ids = [node["id"] for node in nodes]
        drawing = {"nodes": nodes, "connections": [" -> ".join(ids)] if more else []}
        workflow = await self.client.create(drawing, name="Page")
        await self.client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=workflow.id))
        return workflow.id

    async def executions(self, workflow_id: str) -> list[ex.Execution]:
        """Oldest first, when all have ended."""
        request = ex.GetExecutionHistoryRequest(workflow_id=workflow_id)
        found = (await self.client.stub.GetExecutionHistory(request)).executions
        return [await self.client.wait(each.id) for each in reversed(found)]

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.session.get(self.client.http + path, headers=headers) as response:
            return response.status, await response.text()

    async def post(self, path: str, data: Any = None, **headers: str) -> tuple[int, str]:
        async with self.session.post(self.client.http + path, data=data, headers=headers) as response:
            return response.status, await response.text()

    async def chat(self, path: str, **said: str) -> list[tuple[str, dict[str, Any]]]:
        """What a program hears: (event, data)."""
        headers = {"accept": "text/event-stream"}
        async with self.session.post(self.client.http + path, json=said, headers=headers) as response:
            assert response.status == 200
            text = await response.text()
        return [(name, json.loads(data)) for name, data in re.findall(r"event: (.*)\ndata: (.*)\n\n", text)]


@pytest.fixture
async def world(sqlite_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with serving(sqlite_url, tmp_path, secret_key=SECRET) as client, aiohttp.ClientSession() as session:
        yield World(client, session)


def input_of(execution: ex.Execution) -> dict[str, Any]:
    return struct_to_dict(execution.input[0].json)


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of a page, as a browser sends them back."""
    import html

    return {
        name: html.unescape(value)
        for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
    }


class TestForms:
    async def test_a_form_starts_the_workflow_once(self, world: World) -> None:
        fields = [{"name": "email", "type": "email", "required": True}, {"name": "note", "type": "multiline"}]
        id = await world.publish("trigger.form", {"path": "contact", "title": "Contact", "fields": fields})
        status, page = await world.get("/forms/contact?email=ada%40example.com")
        assert status == 200
        assert 'value="ada@example.com"' in page
        sent = {**hidden(page), "email": "ada@", "note": "<b>hi</b>"}
        status, wrong = await world.post("/forms/contact", sent)
        assert status == 422
        assert "&lt;b&gt;hi&lt;/b&gt;" in wrong

        sent = {**hidden(wrong), "email": "ada@example.com", "note": "hi"}
        for _ in range(3):
            status, page = await world.post("/forms/contact", sent)
            assert status == 200
            assert "Thank you" in page

        [execution] = await world.executions(id)
        assert input_of(execution) == {"email": "ada@example.com", "note": "hi"}
        assert execution.triggered_by

    async def test_another_sites_page_and_unknown_paths_start_nothing(self, world: World) -> None:
        fields = [{"name": "n"}]
        id = await world.publish("trigger.form", {"path": "x/y", "title": "T", "fields": fields})
        status, _ = await world.post("/forms/x/y", {"n": "1"}, **{"Sec-Fetch-Site": "cross-site"})
        assert status == 403
        assert (await world.get("/forms/x"))[0] == 404
        assert (await world.post("/forms/x", {"n": "1"}))[0] == 404
        assert await world.executions(id) == []

    async def test_what_the_workflow_says_is_shown(self, world: World) -> None:
        say = {"assignments": [{"name": "message", "value": "Ticket **{{ json.n }}**"}]}
        await world.publish(
            "trigger.form",
            {"path": "t", "title": "T", "fields": [{"name": "n"}], "respond": "when_finished"},
            {"id": "say", "type": "flow.set", "parameters": say},
        )
        assert "<strong>7</strong>" in (await world.post("/forms/t", {"n": "7"}))[1]

    async def test_a_form_of_several_steps_in_a_browser_without_scripts(self, world: World, tmp_path: Path) -> None:
        id = await world.publish("trigger.form", STEPS)
        photo = tmp_path / "me.png"
        photo.write_bytes(b"\x89PNG\r\n")
        async with browser() as chromium:
            context = await chromium.new_context(java_script_enabled=False)
            page = await context.new_page()
            await page.goto(world.client.http + "/forms/join")
            await page.get_by_label("name").fill("Ada")
            await page.get_by_role("button", name="Continue").click()
            await page.get_by_role("alert").wait_for()
            await page.get_by_label("photo").set_input_files(photo)
            await page.get_by_role("button", name="Continue").click()
            await page.get_by_role("heading", name="What do you like?").wait_for()
            # Going back keeps everything, the file too.
            await page.get_by_label("age").fill("36")
            await page.get_by_role("button", name="Back").click()
            assert await page.get_by_label("name").input_value() == "Ada"
            await page.get_by_text("A file has been sent already").wait_for()
            await page.get_by_role("button", name="Continue").click()
            assert await page.get_by_label("age").input_value() == "36"
            await page.get_by_label("code").check()
            await page.get_by_role("button", name="Send").click()
            await page.get_by_role("heading", name="Thank you").wait_for()
            assert await page.get_by_text("soon").count() == 1
        [execution] = await world.executions(id)
        assert input_of(execution) == {"name": "Ada", "topics": ["code"], "age": 36}
        file = execution.input[0].binary["photo"]
        assert (file.file_name, file.size_bytes) == ("me.png", 6)

    async def test_steps_can_not_be_skipped_and_files_not_be_made_up(self, world: World) -> None:
        id = await world.publish("trigger.form", STEPS)
        sent = {"_step": "1", "topics": "art", "_carried": "{}", "_files": '{"photo": "forged"}', "_once": "x"}
        status, page = await world.post("/forms/join", sent)
        assert status == 200
        assert "Who are you?" in page
        assert await world.executions(id) == []


class TestChat:
    ECHO = {
        "id": "say",
        "type": "flow.set",
        "parameters": {"assignments": [{"name": "reply", "value": "You said **{{ json.message }}**"}]},
    }
    ASK = {
        "id": "ask",
        "type": "human.chat_reply",
        "parameters": {"text": "Which colour?", "session_id": "{{ json.session_id }}"},
    }
    TELL = {
        "id": "tell",
        "type": "flow.set",
        "parameters": {"assignments": [{"name": "reply", "value": "{{ json.answer.reply }} it is"}]},
    }

    async def test_a_program_hears_events_and_a_repeated_message_starts_nothing_again(self, world: World) -> None:
        id = await world.publish("trigger.chat", {"path": "c"}, self.ECHO)
        for _ in range(2):
            heard = await world.chat("/chat/c", message="<i>hi</i>", session_id="s", message_id="1")
            assert [name for name, _ in heard] == ["started", "reply", "done"]
            assert heard[1][1]["text"] == "You said **<i>hi</i>**"
            assert "<i>" not in heard[1][1]["html"]
        [execution] = await world.executions(id)
        assert input_of(execution) == {"message": "<i>hi</i>", "session_id": "s"}
        assert (await world.post("/chat/c", {"message": " "}))[0] == 400
        assert (await world.get("/chat/none"))[0] == 404

    async def test_a_workflow_that_fails_says_so(self, world: World) -> None:
        stop = {"id": "stop", "type": "flow.stop_and_error", "parameters": {"message": "internal detail"}}
        await world.publish("trigger.chat", {"path": "c"}, stop)
        heard = await world.chat("/chat/c", message="hi")
        assert [name for name, _ in heard] == ["started", "failed"]
        assert "internal detail" not in str(heard)

    async def test_a_question_is_answered_by_the_next_message(self, world: World) -> None:
        id = await world.publish("trigger.chat", {"path": "c"}, self.ASK, self.TELL)
        heard = await world.chat("/chat/c", message="A lamp", session_id="s")
        assert [name for name, _ in heard] == ["started", "ask", "done"]
        token = heard[1][1]["reply_to"]
        answered = await world.chat("/chat/c", message="red", session_id="s", reply_to=token)
        assert [(name, data.get("text")) for name, data in answered if name == "reply"] == [("reply", "red it is")]
        [execution] = await world.executions(id)
        assert execution.status == ex.SUCCESS
        # The question is answered: what comes now is a new start.
        again = await world.chat("/chat/c", message="blue", session_id="s", reply_to=token)
        assert again[1][0] == "ask"

    @pytest.mark.parametrize("scripts", [True, False], ids=["with_scripts", "without"])
    async def test_a_conversation_in_a_browser(self, world: World, scripts: bool) -> None:
        id = await world.publish("trigger.chat", {"path": "c", "greeting": "Hello!"}, self.ASK, self.TELL)
        async with browser() as chromium:
            context = await chromium.new_context(locale="zh-CN", java_script_enabled=scripts)
            page = await context.new_page()
            complaints: list[str] = []
            page.on("console", lambda said: complaints.append(said.text))
            await page.goto(world.client.http + "/chat/c")
            await page.get_by_text("Hello!").wait_for()
            for said, heard in (("A lamp", "Which colour?"), ("red", "red it is")):
                await page.get_by_role("textbox").fill(said)
                await page.get_by_role("button", name="发送").click()
                await page.get_by_text(heard).wait_for()
            if scripts:
                await page.reload()
                await page.get_by_text("red it is").wait_for()
                await page.get_by_role("button", name="新对话").click()
                assert await page.get_by_text("red it is").count() == 0
            assert complaints == []
        [execution] = await world.executions(id)
        assert execution.status == ex.SUCCESS
