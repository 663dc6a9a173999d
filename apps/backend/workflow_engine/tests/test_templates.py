"""The gallery's templates, each carried out by a real engine against systems on this machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from tests.ai.model_server import ModelServer, Use, model_server
from tests.runtime.peers import peer
from tests.serving import Client, output, runs, serving
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as rpc
from workflow_engine.utils.structs import struct_to_dict, to_struct

TEMPLATES = Path(__file__).parent.parent / "examples" / "templates"
NAMES = sorted(path.stem for path in TEMPLATES.glob("*.json"))


@dataclass
class World:
    """All the systems that templates talk to, as one server; `told` is what was sent to them."""

    url: str = ""
    told: list[tuple[str, str, Any]] = field(default_factory=list)
    looks: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path, query = request.path, request.query
        body = json.loads(await request.read() or b"null")
        if request.method != "GET":
            self.told.append((request.method, path, body))
        match request.method, path.strip("/").split("/"):
            case "GET", ["forecast"]:
                assert query["latitude"] == "52.52"
                daily = {"precipitation_probability_max": [80, 10], "temperature_2m_max": [19.5, 22]}
                return web.json_response({"daily": daily})
            case "GET", ["fine"]:
                return web.json_response({"ok": True})
            case "GET", ["broken"]:
                return web.Response(status=503)
            case "GET", ["orders"]:
                pages = {"1": [("DE", 10, "paid"), ("FR", 30, "paid")], "2": [("DE", 5, "paid"), ("FR", 9, "open")]}
                found = [{"country": c, "total": t, "status": s} for c, t, s in pages.get(query.get("page", "1"), [])]
                return web.json_response({"orders": found})
            case "GET", ["contacts"]:
                first = [{"email": "Ada@Example.com", "name": "Ada"}, {"email": "bad@example.com", "name": "Bob"}]
                second = [{"email": "ada@example.com ", "name": "Ada L."}]
                if query.get("cursor") == "two":
                    return web.json_response({"contacts": second})
                return web.json_response({"contacts": first, "next_cursor": "two"})
            case "PUT", ["contacts", email]:
                return web.Response(status=400) if email.startswith("bad") else web.json_response(body)
            case "POST", ["cars"] if body["trip"] == "no-car":
                return web.json_response({"why": "none left"}, status=409)
            case "POST", ["jobs"]:
                return web.json_response({"id": "j1", "status": "new"})
            case "GET", ["jobs", "j1"]:
                self.looks += 1
                return web.json_response({"id": "j1", "status": "done" if self.looks >= 3 else "busy", "result": 42})
            case "GET", ["companies", domain]:
                if domain == "big.example":
                    return web.json_response({"employees": 900})
                return web.Response(status=404)
            case "GET", ["customers"]:
                return web.json_response([{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"}])
            case "GET", ["invoices"]:
                return web.json_response([{"customer_id": 1, "due": 120}])
            case "GET", ["tickets"]:
                return web.json_response([{"customer_id": 2, "open": 3}])
            case _:
                return web.json_response({"id": f"{path.strip('/').split('/')[0]}-1", "received": body})

    def texts(self) -> list[str]:
        return [body["text"] for _, path, body in self.told if path == "/notify"]


@dataclass
class Gallery:
    client: Client
    world: World
    models: ModelServer

    @property
    def people(self) -> Any:
        return rpc.TriggerServiceStub(self.client.channel)

    async def asked(self, execution_id: str = "") -> it.Task:
        """What waits for a person, once it does."""
        for _ in range(200):
            found = await self.people.ListTasks(
                it.ListTasksRequest(execution_id=execution_id, statuses=[it.TASK_STATUS_OPEN])
            )
            if found.tasks:
                return found.tasks[0]  # type: ignore[no-any-return]
            await asyncio.sleep(0.02)
        raise AssertionError("nobody was asked")

    async def call(self, name: str, path: str, body: dict[str, Any], **vars: Any) -> str:
        """Publishes a template and calls its webhook; gives the execution."""
        workflow = await self.taken(name, **vars)
        await self.client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=workflow))
        async with (
            ClientSession() as session,
            session.post(f"{self.client.http}/webhooks/{path}", json=body) as answer,
        ):
            assert answer.status == 202
        history = await self.client.stub.GetExecutionHistory(ex.GetExecutionHistoryRequest(workflow_id=workflow))
        return str(history.executions[0].id)

    async def taken(self, name: str, **vars: Any) -> str:
        """Imports a template as the editor does; its addresses lead to the world."""
        template = json.loads((TEMPLATES / f"{name}.json").read_text())
        template["vars"] = template.get("vars", {}) | vars
        content = json.dumps(template)
        answer = await self.client.stub.ImportWorkflow(ws.ImportWorkflowRequest(content=content))
        assert not answer.report
        return str(answer.workflow.id)

    async def run(self, name: str, *input: dict[str, Any], **vars: Any) -> ex.Execution:
        return await self.client.run(await self.taken(name, **vars), *input)


@pytest.fixture
async def gallery(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Gallery]:
    world = World()
    async with (
        peer(world.answer) as server,
        model_server() as models,
        serving(sqlite_url, tmp_path, **models.settings()) as client,
    ):
        world.url = server.url
        yield Gallery(client, world, models)


def test_there_are_twelve_and_more_and_each_says_what_it_is_for() -> None:
    assert len(NAMES) >= 12
    for name in NAMES:
        template = json.loads((TEMPLATES / f"{name}.json").read_text())
        assert template["name"], name
        assert len(template["description"]) > 40, name
        assert template["tags"], name
        assert all("position" in node and "name" in node for node in template["nodes"]), name
    # A template without a test is a promise that nobody keeps.
    told = Path(__file__).read_text()
    assert [name for name in NAMES if f'"{name}"' not in told] == []


async def test_weather_alert(gallery: Gallery) -> None:
    url = gallery.world.url
    run = await gallery.run("weather_alert", weather_url=f"{url}/forecast", notify_url=f"{url}/notify")
    assert run.status == ex.SUCCESS
    assert gallery.world.texts() == ["Take an umbrella: rain is 80 % likely, at up to 19.5 °C."]


async def test_website_monitor(gallery: Gallery) -> None:
    url = gallery.world.url
    sites = [f"{url}/fine", f"{url}/broken"]
    run = await gallery.run("website_monitor", sites=sites, notify_url=f"{url}/notify")
    assert run.status == ex.SUCCESS
    assert gallery.world.texts() == [f"{url}/broken does not answer well."]


async def test_daily_report(gallery: Gallery) -> None:
    run = await gallery.run("daily_report", orders_url=f"{gallery.world.url}/orders")
    assert run.status == ex.SUCCESS
    best = next(each for each in run.node_runs if each.node_id == "best_first").outputs["main"].items
    assert [(item.json["country"], item.json["revenue"]) for item in best] == [("FR", 30), ("DE", 15)]
    assert run.output[0].binary["data"].file_name == "sales.xlsx"


async def test_sync_contacts(gallery: Gallery) -> None:
    url = f"{gallery.world.url}/contacts"
    run = await gallery.run("sync_contacts", source_url=url, target_url=url)
    assert run.status == ex.SUCCESS
    assert ("PUT", "/contacts/ada@example.com", {"email": "ada@example.com", "name": "Ada L."}) in gallery.world.told
    written, failed = (next(each for each in run.node_runs if each.node_id == id) for id in ("done", "failed"))
    assert written.outputs["main"].items[0].json["written"] == 1
    assert failed.outputs["main"].items[0].json["failed"][0]["email"] == "bad@example.com"


async def test_book_a_trip(gallery: Gallery) -> None:
    run = await gallery.run("book_a_trip", {"trip": "T-7"}, travel_url=gallery.world.url)
    assert output(run) == [{"trip": "T-7", "flight": "flights-1", "hotel": "hotels-1", "car": "cars-1"}]

    gallery.world.told.clear()
    run = await gallery.run("book_a_trip", {"trip": "no-car"}, travel_url=gallery.world.url)
    assert run.status == ex.ERROR
    undone = [path for method, path, _ in gallery.world.told if method == "DELETE"]
    assert undone == ["/hotels/hotels-1", "/flights/flights-1"]


async def test_import_csv(gallery: Gallery) -> None:
    csv = "name,email\nAda,ada@example.com\n,nobody@example.com\nBob,bob\n"
    run = await gallery.run("import_csv", {"csv": csv}, people_url=f"{gallery.world.url}/people")
    assert run.status == ex.SUCCESS
    assert [body for _, path, body in gallery.world.told] == [{"name": "Ada", "email": "ada@example.com"}]
    assert [item.get("reason") for item in output(run)] == [None, "no name", "no e-mail address"]


async def test_slow_api(gallery: Gallery) -> None:
    records = {"records": [{"n": number} for number in range(23)]}
    run = await gallery.run("slow_api", records, api_url=f"{gallery.world.url}/bulk", pause_seconds=0)
    assert run.status == ex.SUCCESS
    assert [len(body["records"]) for _, _, body in gallery.world.told] == [10, 10, 3]
    assert output(run) == [{"batches": 3}]


async def test_wait_for_a_job(gallery: Gallery) -> None:
    run = await gallery.run("wait_for_a_job", {"a": 1}, jobs_url=f"{gallery.world.url}/jobs", look_every_seconds=0)
    assert output(run) == [{"id": "j1", "status": "done", "result": 42}]
    assert gallery.world.looks == 3


async def test_enrich_leads(gallery: Gallery) -> None:
    url = gallery.world.url
    leads = [
        {"email": "ceo@big.example", "budget": 20_000},
        {"email": "cto@big.example"},
        {"email": "me@small.example"},
    ]
    run = await gallery.run("enrich_leads", *leads, companies_url=f"{url}/companies", notify_url=f"{url}/notify")
    assert run.status == ex.SUCCESS
    assert gallery.world.texts() == ["Call ceo@big.example today: score 90."]
    nexts = {item["lead"]["email"]: item["next"] for item in output(run) if "next" in item}
    assert nexts == {"cto@big.example": "mail this week", "me@small.example": "newsletter"}


async def test_three_sources(gallery: Gallery) -> None:
    run = await gallery.run("three_sources", base_url=gallery.world.url)
    assert [(item["name"], item.get("due"), item.get("open")) for item in output(run)] == [
        ("Ada", 120, None),
        ("Bob", None, 3),
    ]


async def test_tell_about_failures(gallery: Gallery) -> None:
    helper = await gallery.taken("tell_about_failures", notify_url=f"{gallery.world.url}/notify")
    await gallery.client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=helper))
    drawing = {
        "nodes": [
            {"id": "start", "type": "trigger.manual"},
            {"id": "stop", "type": "flow.stop_and_error", "parameters": {"message": "out of paper"}},
        ],
        "connections": ["start -> stop"],
        "settings": {"error_workflow_id": helper},
    }
    broken = await gallery.client.create(drawing, name="Printing")
    run = await gallery.client.run(broken.id)
    assert run.status == ex.ERROR
    told = await gallery.client.wait(f"{run.id}.error")
    assert told.status == ex.SUCCESS
    assert gallery.world.texts() == [f"Workflow {broken.id} failed at stop: out of paper ({run.id})"]


@pytest.mark.parametrize("paid", [True, False])
async def test_wait_for_payment(gallery: Gallery, paid: bool) -> None:
    patience = "1h" if paid else "0s"
    workflow = await gallery.taken("wait_for_payment", shop_url=gallery.world.url, patience=patience)
    id = await gallery.client.start(workflow, {"id": "o-1"})
    if paid:
        await gallery.client.stub.SignalExecution(ex.SignalExecutionRequest(execution_id=id, name="paid"))
    run = await gallery.client.wait(id)
    assert output(run) == [{"order": "o-1", "state": "shipped" if paid else "dropped"}]
    assert [path for _, path, _ in gallery.world.told] == ["/shipments" if paid else "/reminders"]


async def test_clean_data(gallery: Gallery) -> None:
    rows = [
        {"name": " ada lovelace ", "lines": [{"price": 2, "amount": 3}]},
        {"name": "", "lines": []},
        {"name": "BOB", "lines": [{"price": 10, "amount": 1}]},
    ]
    run = await gallery.run("clean_data", {"rows": rows})
    assert output(run) == [{"name": "Bob", "total": 10}, {"name": "Ada Lovelace", "total": 6}]
    assert runs(run)["clean"] == "SUCCEEDED"


async def test_refund_approval(gallery: Gallery) -> None:
    url = gallery.world.url
    small = await gallery.call(
        "refund_approval", "refunds", {"order": "1", "amount": 5, "reason": "late"}, shop_url=url
    )
    assert (await gallery.client.wait(small)).status == ex.SUCCESS
    assert gallery.world.told.pop() == ("POST", "/refunds", {"order": "1", "amount": 5})

    body = {"order": "2", "amount": 120, "reason": "The parcel never arrived."}
    async with ClientSession() as session, session.post(f"{gallery.client.http}/webhooks/refunds", json=body) as answer:
        assert answer.status == 202
    task = await gallery.asked()
    assert (task.title, task.text) == ("Refund of 120 for order 2?", "The parcel never arrived.")
    said = to_struct({"approved": False, "comment": "It is on its way."})
    await gallery.people.AnswerTask(it.AnswerTaskRequest(task_id=task.id, user_id="ada", data=said))
    assert (await gallery.client.wait(task.execution_id)).status == ex.SUCCESS
    assert gallery.world.told == [("POST", "/messages", {"order": "2", "text": "It is on its way."})]


async def test_sort_support_mail(gallery: Gallery) -> None:
    gallery.models.plays(Use([("final_answer", {"category": "complaint", "confidence": 0.9})]))
    url = gallery.world.url
    mail = {"from": "bob@example.com", "text": "It broke."}
    run = await gallery.call("sort_support_mail", "support", mail, notify_url=f"{url}/notify", tickets_url=f"{url}/t")
    assert (await gallery.client.wait(run)).status == ex.SUCCESS
    assert gallery.world.texts() == ["A complaint from bob@example.com: It broke."]


async def test_read_invoices(gallery: Gallery) -> None:
    gallery.models.plays(Use([("final_answer", {"number": "R-7", "total": 119.0, "due": "2026-12-01"})]))
    workflow = await gallery.taken("read_invoices", books_url=f"{gallery.world.url}/invoices")
    run = await gallery.client.start(workflow, {"text": "Invoice R-7, 119 EUR, due 1 December 2026"})
    task = await gallery.asked(run)
    facts = struct_to_dict(task.data)
    assert facts == {"number": "R-7", "total": 119, "due": "2026-12-01"}
    corrected = to_struct(facts | {"total": 191})
    await gallery.people.AnswerTask(it.AnswerTaskRequest(task_id=task.id, user_id="ada", data=corrected))
    assert (await gallery.client.wait(run)).status == ex.SUCCESS
    assert gallery.world.told == [("POST", "/invoices", {"number": "R-7", "total": 191, "due": "2026-12-01"})]
