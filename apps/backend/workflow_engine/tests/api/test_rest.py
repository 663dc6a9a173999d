"""The REST gateway as a stranger with an HTTP client meets it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.serving import Client, serving

GREETING = {
    "name": "Greeting",
    "workflow": {
        "nodes": [
            {"id": "start", "type": "trigger.manual"},
            {
                "id": "greet",
                "type": "flow.set",
                "parameters": {"assignments": [{"name": "text", "value": "Hello {{ json.name }}"}]},
            },
        ],
        "connections": [{"fromNode": "start", "toNode": "greet"}],
    },
}
WAITING = {
    "name": "Waiting",
    "workflow": {
        "nodes": [
            {"id": "start", "type": "trigger.manual"},
            {"id": "wait", "type": "flow.wait", "parameters": {"signal": "go"}},
        ],
        "connections": [{"fromNode": "start", "toNode": "wait"}],
    },
}


@dataclass
class Rest:
    """A person with curl."""

    session: aiohttp.ClientSession
    url: str

    async def ask(self, verb: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        async with self.session.request(verb, self.url + path, json=body, **options) as response:
            return response.status, await response.json(content_type=None)

    async def get(self, path: str, **query: Any) -> Any:
        status, answer = await self.ask("GET", path, params=query)
        assert status == 200, answer
        return answer

    async def post(self, path: str, body: Any = None) -> Any:
        status, answer = await self.ask("POST", path, {} if body is None else body)
        assert status == 200, answer
        return answer

    async def refused(self, verb: str, path: str, body: Any = None, **options: Any) -> dict[str, Any]:
        async with self.session.request(verb, self.url + path, json=body, **options) as response:
            assert response.content_type == "application/problem+json", await response.text()
            answer: dict[str, Any] = await response.json(content_type=None)
            assert answer["status"] == response.status
            return answer


@pytest.fixture
async def client(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(sqlite_url, tmp_path, cors_origins=["https://app.example.com"]) as client:
        yield client


@pytest.fixture
async def rest(client: Client) -> AsyncIterator[Rest]:
    async with aiohttp.ClientSession() as session:
        yield Rest(session, client.http)


class TestUnary:
    async def test_a_workflow_is_made_run_and_read_with_curl(self, rest: Rest) -> None:
        made = await rest.post("/v1/workflows", GREETING)
        assert made["success"] is True
        id = made["workflow"]["id"]

        run = await rest.post(
            f"/v1/workflows/{id}/executions",
            {"mode": "MANUAL", "triggeredBy": "user-123", "input": [{"json": {"name": "Ada"}}], "wait": "20s"},
        )
        assert run["status"] == "SUCCESS"
        assert run["execution"]["output"][0]["json"] == {"name": "Ada", "text": "Hello Ada"}

        history = await rest.get("/v1/executions", workflow_id=id)
        assert [each["id"] for each in history["executions"]] == [run["executionId"]]
        assert history["total"] == "1"

    async def test_names_of_the_proto_are_taken_too_in_bodies_and_queries(self, rest: Rest) -> None:
        made = await rest.post("/v1/workflows", GREETING)
        id = made["workflow"]["id"]
        one = await rest.post(f"/v1/workflows/{id}/executions", {"triggered_by": "ada", "wait": "20s"})
        both = [await rest.get("/v1/executions", **{name: id}) for name in ("workflow_id", "workflowId")]
        assert both[0] == both[1]
        assert both[0]["executions"][0]["triggeredBy"] == "ada"
        assert one["executionId"] == both[0]["executions"][0]["id"]

    async def test_a_query_holds_lists_enums_times_durations_and_booleans(self, rest: Rest) -> None:
        made = await rest.post("/v1/workflows", GREETING)
        id = made["workflow"]["id"]
        run = await rest.post(f"/v1/workflows/{id}/executions", {"input": [{"json": {"name": "Ada"}}], "wait": "20s"})
        found = await rest.get(
            "/v1/executions?statuses=SUCCESS&statuses=6&since=2020-01-01T00:00:00Z&limit=5"
            "&until=2100-01-01T00:00:00.5%2B01:00"
        )
        assert [each["id"] for each in found["executions"]] == [run["executionId"]]
        assert (await rest.get("/v1/executions?statuses=ERROR"))["executions"] == []
        assert (await rest.get("/v1/executions?until=2020-01-01T00:00:00Z"))["executions"] == []
        assert (await rest.get(f"/v1/executions/{run['executionId']}/wait?timeout=20.5s"))["success"] is True
        summary = await rest.get(f"/v1/executions/{run['executionId']}?summaryOnly=true")
        assert summary["execution"]["nodeRuns"] == []

    async def test_a_default_is_said_and_nothing_is_rounded(self, rest: Rest) -> None:
        made = await rest.post("/v1/workflows", GREETING)
        assert made["workflow"]["publishedVersion"] == 0
        assert made["warnings"] == []
        id = made["workflow"]["id"]
        given = {"name": "Ada", "big": 2**53 + 1, "fine": 2**53}
        run = await rest.post(f"/v1/workflows/{id}/executions", {"input": [{"json": given}], "wait": "20s"})
        item = run["execution"]["output"][0]["json"]
        assert (item["big"], item["fine"]) == (str(2**53 + 1), 2**53)

    async def test_a_workflow_is_changed_and_removed(self, rest: Rest) -> None:
        made = (await rest.post("/v1/workflows", GREETING))["workflow"]
        body = {"workflow": {"description": "says hello"}, "updateMask": "description", "etag": made["etag"]}
        status, changed = await rest.ask("PATCH", f"/v1/workflows/{made['id']}", body)
        assert (status, changed["workflow"]["description"]) == (200, "says hello")
        stale = await rest.refused("PATCH", f"/v1/workflows/{made['id']}", body)
        assert (stale["status"], stale["reason"]) == (409, "ETAG_MISMATCH")
        status, _ = await rest.ask("DELETE", f"/v1/workflows/{made['id']}?etag={changed['workflow']['etag']}")
        assert status == 200
        assert (await rest.refused("GET", f"/v1/workflows/{made['id']}"))["status"] == 404


class TestRefusals:
    async def test_the_problem_says_what_where_and_why(self, rest: Rest) -> None:
        missing = await rest.refused("GET", "/v1/workflows/wf_none")
        assert missing == {
            "type": "urn:workflow-engine:WORKFLOW_NOT_FOUND",
            "title": "Not Found",
            "status": 404,
            "detail": "there is no workflow 'wf_none'",
            "code": "NOT_FOUND",
            "reason": "WORKFLOW_NOT_FOUND",
            "metadata": {"workflow_id": "wf_none"},
        }

    @pytest.mark.parametrize(
        ("verb", "path", "body", "field"),
        [
            ("POST", "/v1/workflows", {"name": ""}, "name"),
            ("POST", "/v1/workflows", {"nam": "x"}, "nam"),
            ("POST", "/v1/workflows", {"name": 7}, "name"),
            ("POST", "/v1/workflows", [], "body"),
            ("POST", "/v1/workflows?name=x", {}, "name"),
            ("POST", "/v1/workflows", {"name": "x", "workflow": {"nodes": [{"idd": "a"}]}}, "workflow.nodes[0].idd"),
            ("POST", "/v1/workflows/w/executions", {"wait": "soon"}, "wait"),
            ("GET", "/v1/executions?statuses=DONE", None, "statuses"),
            ("GET", "/v1/executions?limit=many", None, "limit"),
            ("GET", "/v1/executions?limit=-1", None, "limit"),
            ("GET", "/v1/executions?since=yesterday", None, "since"),
            ("GET", "/v1/executions?workflow=x", None, "workflow"),
            ("GET", "/v1/workflows?activeOnly=perhaps", None, "activeOnly"),
            ("GET", "/v1/workflows/w?workflowId=other", None, "workflowId"),
        ],
    )
    async def test_bad_input_is_told_by_its_field(
        self, rest: Rest, verb: str, path: str, body: Any, field: str
    ) -> None:
        told = await rest.refused(verb, path, body)
        assert (told["status"], told["code"], told["reason"]) == (400, "INVALID_ARGUMENT", "INVALID_REQUEST")
        assert told["violations"][0]["field"] == field, told

    async def test_what_is_no_json_is_told(self, rest: Rest) -> None:
        for text in ('{"name": ', "NaN", '{"name": "\\ud800"}', "[" * 5_000):
            async with rest.session.post(
                f"{rest.url}/v1/workflows", data=text, headers={"content-type": "application/json"}
            ) as response:
                assert response.status == 400, await response.text()
        async with rest.session.post(f"{rest.url}/v1/workflows", data={"name": "x"}) as form:
            assert form.status == 400
            assert "application/json" in (await form.json(content_type=None))["detail"]

    async def test_a_place_that_is_not_there_and_a_verb_that_it_does_not_take(self, rest: Rest) -> None:
        assert (await rest.refused("GET", "/v1/nowhere"))["status"] == 404
        assert (await rest.refused("PUT", "/v1/workflows"))["status"] == 405

    async def test_a_body_that_is_too_large_is_not_read(self, sqlite_url: str, tmp_path: Path) -> None:
        async with (
            serving(sqlite_url, tmp_path, http_max_body_bytes=5_000) as client,
            aiohttp.ClientSession() as session,
        ):
            rest = Rest(session, client.http)
            assert (await rest.refused("POST", "/v1/workflows", {"name": "x" * 5_000}))["status"] == 413

            async def chunks() -> AsyncIterator[bytes]:
                for _ in range(6):
                    yield b" " * 1_000

            headers = {"content-type": "application/json"}
            async with session.post(f"{client.http}/v1/workflows", data=chunks(), headers=headers) as response:
                assert response.status == 413


class TestHeaders:
    async def test_a_request_id_is_kept_or_given(self, rest: Rest) -> None:
        async with rest.session.get(f"{rest.url}/v1/workflows", headers={"x-request-id": "mine-1"}) as response:
            assert response.headers["x-request-id"] == "mine-1"
        async with rest.session.get(f"{rest.url}/v1/workflows", headers={"x-request-id": "no good"}) as response:
            assert response.headers["x-request-id"] not in ("", "no good")

    async def test_large_answers_are_compressed(self, rest: Rest) -> None:
        async with rest.session.get(f"{rest.url}/v1/node-types") as response:
            assert response.headers["content-encoding"] == "gzip"
            assert (await response.json())["nodeTypes"]

    async def test_only_pages_of_named_origins_may_call(self, rest: Rest) -> None:
        asked = {"origin": "https://app.example.com", "access-control-request-method": "PATCH"}
        async with rest.session.options(f"{rest.url}/v1/workflows/w", headers=asked) as response:
            assert response.headers["access-control-allow-origin"] == "https://app.example.com"
        async with rest.session.get(
            f"{rest.url}/v1/workflows", headers={"origin": "https://evil.example.com"}
        ) as response:
            assert "access-control-allow-origin" not in response.headers


async def events(response: aiohttp.ClientResponse, most: int = 1_000) -> list[dict[str, str]]:
    """The next events of a stream, up to `most` or its end."""
    found: list[dict[str, str]] = []
    now: dict[str, str] = {}
    async for line in response.content:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            now[name] = value
        elif now:
            if "data" in now:
                found.append(now)
                if len(found) == most:
                    break
            now = {}
    return found


class TestStreams:
    async def test_an_execution_is_watched_live_and_taken_up_again(self, rest: Rest) -> None:
        id = (await rest.post("/v1/workflows", WAITING))["workflow"]["id"]
        run = (await rest.post(f"/v1/workflows/{id}/executions"))["executionId"]
        url = f"{rest.url}/v1/executions/{run}/events"
        async with rest.session.get(url) as watching:
            assert watching.content_type == "text/event-stream"
            assert "content-encoding" not in watching.headers
            first = await events(watching, 2)
            assert [each["id"] for each in first] == ["1", "2"]
            assert json.loads(first[0]["data"])["event"]["type"] == "EVENT_TYPE_EXECUTION_STARTED"
        # The connection is lost here; the browser comes back with the last id that it saw.
        async with rest.session.get(url, headers={"last-event-id": "1"}) as again:
            assert (await events(again, 1))[0] == first[1]
            await rest.post(f"/v1/executions/{run}/signals", {"name": "go", "payload": {"ok": True}})
            rest_of_it = await events(again)
        assert rest_of_it[-1]["event"] == "end"
        last = json.loads(rest_of_it[-2]["data"])
        assert (last["event"]["type"], last["status"]) == ("EVENT_TYPE_EXECUTION_ENDED", "SUCCESS")
        async with rest.session.get(url, headers={"last-event-id": rest_of_it[-2]["id"]}) as done:
            assert done.status == 204

    async def test_a_stream_that_can_not_begin_is_a_problem(self, rest: Rest) -> None:
        assert (await rest.refused("GET", "/v1/executions/ex_none/events"))["reason"] == "EXECUTION_NOT_FOUND"
        told = await rest.refused("GET", "/v1/executions/x/events", headers={"last-event-id": "seven"})
        assert told["violations"][0]["field"] == "Last-Event-ID"

    async def test_silence_is_filled_and_a_server_that_stops_lets_go(
        self, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("workflow_engine.api.rest.events.HEARTBEAT", 0.01)
        async with aiohttp.ClientSession() as session:
            async with serving(sqlite_url, tmp_path) as client:
                rest = Rest(session, client.http)
                id = (await rest.post("/v1/workflows", WAITING))["workflow"]["id"]
                run = (await rest.post(f"/v1/workflows/{id}/executions"))["executionId"]
                watching = await session.get(f"{rest.url}/v1/executions/{run}/events")
                async for line in watching.content:
                    if line == b": still here\n":
                        break
            rest_of_it = await events(watching)
            assert all("event" not in each for each in rest_of_it), "it is not at its end"
            watching.close()


async def test_ready_says_whether_to_send_requests(rest: Rest) -> None:
    assert (await rest.get("/readyz")) == {"status": "ready"}
