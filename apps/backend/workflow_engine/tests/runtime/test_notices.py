"""Messages about tasks: through a real mail server and a server that speaks Slack's words, with links that work."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiosmtpd.controller import Controller

from tests.api.test_task_pages import SECRET, START
from tests.clock import ManualClock
from tests.runtime.peers import peer
from tests.serving import Client, free_port, output, serving
from workflow_engine.engine.tasks import Notice, Task
from workflow_engine.models import tasks
from workflow_engine.models.store import Store
from workflow_engine.nodes.human.channels import message
from workflow_engine.nodes.registry import installed
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.proto import workflow_service_pb2_grpc as rpc
from workflow_engine.utils.structs import to_struct

HOUR = 3_600_000


class Peers:
    """A mail server and a Slack."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, EmailMessage]] = []
        self.slack: list[dict[str, Any]] = []
        self.slack_is_down = False

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append((envelope.rcpt_tos[0], mail))
        return "250 OK"

    async def post(self, request: web.Request) -> web.Response:
        if self.slack_is_down:
            return web.json_response({"ok": False, "error": "internal_error"}, status=500)
        self.slack.append(await request.json())
        return web.json_response({"ok": True, "channel": "C1", "ts": "1"})


class World:
    def __init__(self, client: Client, clock: ManualClock, peers: Peers, session: aiohttp.ClientSession) -> None:
        self.client, self.clock, self.peers, self.session = client, clock, peers, session
        self.inbox: Any = rpc.TriggerServiceStub(client.channel)
        self.credentials: dict[str, str] = {}

    async def until(self, holds: Callable[[], Any]) -> None:
        """Lets the world go on until something holds; its clock stands still meanwhile."""
        for _ in range(2_000):
            found = holds()
            if await found if asyncio.iscoroutine(found) else found:
                return
            # An alarm that was set for a time that has come already rings at the next look.
            self.clock.advance(0)
            await asyncio.sleep(0.005)
        raise AssertionError("it never came to that")

    async def keep(self, slot: str, **fields: Any) -> None:
        stub: Any = rpc.IntegrationServiceStub(self.client.channel)
        request = it.CreateCredentialRequest(name=slot, type=fields.pop("type"), fields=to_struct(fields))
        self.credentials[slot] = (await stub.CreateCredential(request)).credential.id

    async def ask(self, **parameters: Any) -> str:
        """Starts an execution that asks; returns its id."""
        node = {
            "id": "ask",
            "type": "human.approval",
            "parameters": {"title": "Pay & go?", **parameters},
            "credentials": self.credentials,
        }
        workflow = await self.client.create({"nodes": [START, node], "connections": ["start -> ask"]})
        return await self.client.start(workflow.id, {"n": 7})

    async def task(self) -> it.Task:
        [task] = (await self.inbox.ListTasks(it.ListTasksRequest())).tasks
        found: it.Task = (await self.inbox.GetTask(it.GetTaskRequest(task_id=task.id))).task
        return found

    async def all_sent(self) -> bool:
        return all(not notice.HasField("due_at") for notice in (await self.task()).notices)


@pytest.fixture
async def world(sqlite_url: str, tmp_path: Path) -> AsyncIterator[World]:
    peers, clock = Peers(), ManualClock()
    controller = Controller(peers, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        async with (
            peer(peers.post) as slack,
            serving(sqlite_url, tmp_path, clock=clock, secret_key=SECRET) as client,
            aiohttp.ClientSession() as session,
        ):
            world = World(client, clock, peers, session)
            await world.keep("email", type="smtp", host="127.0.0.1", port=controller.port, security="none")
            await world.keep("slack", type="slack", token="xoxb-1", base_url=slack.url)
            yield world
    finally:
        controller.stop()


def link_in(text: str) -> str:
    found = re.search(r"http://[^\s|>\"]+/tasks/[\w-]+", text)
    assert found is not None, text
    return found[0]


async def test_everyone_is_told_reminded_and_escalated_to_until_somebody_answers(world: World) -> None:
    mails = world.peers.mails
    id = await world.ask(
        text="**Today**, please.",
        assignees=["ada@example.com", "grace@example.com"],
        notify=[{"channel": "email", "from": "Shop <shop@example.com>"}],
        remind_every="1h",
        reminders=1,
        escalate=[{"after": "2h", "to": ["boss@example.com"]}],
    )
    await world.until(lambda: len(mails) == 2)
    assert sorted(to for to, _ in mails) == ["ada@example.com", "grace@example.com"]
    mail = dict(mails)["ada@example.com"]
    assert (mail["subject"], mail["from"]) == ("Pay & go?", "Shop <shop@example.com>")
    html = mail.get_body(("html",))
    assert html is not None
    assert "<strong>Today</strong>" in html.get_content()

    world.clock.advance(HOUR)
    await world.until(lambda: len(mails) == 4)
    assert {mail["subject"] for _, mail in mails[2:]} == {"Reminder: Pay & go?"}
    world.clock.advance(HOUR)
    await world.until(lambda: len(mails) == 5)
    assert mails[4][0] == "boss@example.com"

    text = mails[4][1].get_body(("plain",))
    assert text is not None
    async with world.session.post(link_in(text.get_content()), data={"approved": "true"}) as answered:
        assert "You approved" in await answered.text()
    ended = await world.client.wait(id)
    assert [each["by"] for each in output(ended)[0]["answers"]] == ["boss@example.com"]


async def test_nobody_is_reminded_of_what_is_done(world: World) -> None:
    await world.ask(
        assignees=["ada@example.com"],
        notify=[{"channel": "email", "from": "shop@example.com"}],
        remind_every="1h",
    )
    await world.until(lambda: len(world.peers.mails) == 1)
    await world.inbox.AnswerTask(
        it.AnswerTaskRequest(
            task_id=(await world.task()).id, user_id="ada@example.com", data=to_struct({"approved": True})
        )
    )
    assert await world.all_sent()
    world.clock.advance(24 * HOUR)
    assert len(world.peers.mails) == 1


async def test_a_message_that_does_not_get_through_is_tried_again_and_says_why(world: World) -> None:
    world.peers.slack_is_down = True
    await world.ask(notify=[{"channel": "slack", "to": ["#ops"]}], timeout="2d")

    async def failed() -> bool:
        notices = (await world.task()).notices
        return bool(notices and notices[0].tries)

    await world.until(failed)
    [notice] = (await world.task()).notices
    assert "500" in notice.error
    assert notice.HasField("due_at")

    world.peers.slack_is_down = False
    world.clock.advance(60_000)
    await world.until(world.all_sent)
    [notice] = (await world.task()).notices
    assert (notice.tries, notice.error, notice.HasField("sent_at")) == (2, "", True)
    [said] = world.peers.slack
    assert said["channel"] == "#ops"
    assert said["text"].startswith("*Pay &amp; go?*")
    async with world.session.post(link_in(said["text"]), data={"approved": "false"}) as answered:
        assert "You refused" in await answered.text()
    assert [each.user_id for each in (await world.task()).answers] == ["slack:#ops"]


async def test_one_that_is_stored_during_a_look_is_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    mails, next_due = world.peers.mails, tasks.next_due
    looked, may_go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slowly(store: Store) -> int | None:
        found = next_due(store)
        if found is None:
            loop.call_soon_threadsafe(looked.set)
            may_go_on.wait(10)
        return found

    notify = [{"channel": "email", "from": "shop@example.com"}]
    await world.ask(assignees=["ada@example.com"], notify=notify, remind_every="1h", reminders=1)
    await world.until(lambda: len(mails) == 1)
    monkeypatch.setattr(tasks, "next_due", slowly)
    world.clock.advance(HOUR)
    await asyncio.wait_for(looked.wait(), 10)
    await world.ask(assignees=["grace@example.com"], notify=notify)
    may_go_on.set()
    await world.until(lambda: len(mails) == 3)
    assert mails[2][0] == "grace@example.com"


async def test_what_people_wrote_is_never_an_expression(world: World) -> None:
    await world.ask(notify=[{"channel": "slack", "to": ["#ops"]}], text="t", title="{{ '{{ 1 + 1 }}' }}")
    await world.until(lambda: world.peers.slack)
    assert "{{ 1 + 1 }}" in world.peers.slack[0]["text"]


async def test_a_channel_without_a_credential_fails_before_anyone_waits(world: World) -> None:
    id = await world.ask(notify=[{"channel": "discord", "to": ["1"]}])
    ended = await world.client.wait(id)
    assert "needs a credential" in ended.failure.message
    assert ended.failure.field == "notify"


@pytest.mark.parametrize("channel", ["email", "slack", "discord", "telegram"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_channel_speaks_through_a_node_type_that_takes_its_words(channel: str, language: str) -> None:
    settings = {"language": language, "from": "shop@example.com"}
    notice = Notice(at=0, occasion="reminder", channel=channel, to="a@example.com", settings=settings)
    made = message(Task(kind="approval", title="Hey @everyone?"), notice, "https://example.com/tasks/x")
    node = installed().find(made.type)
    assert node is not None
    assert node.check(made.parameters) == ()
    assert made.slot in [slot.name for slot in node.credentials]
    assert "https://example.com/tasks/x" in str(made.item)
    if channel == "discord":
        assert "@everyone" not in made.item["text"]
