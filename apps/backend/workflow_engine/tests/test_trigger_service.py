"""TriggerService as its callers see it: over gRPC, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.serving import Client, output, serving
from tests.test_integration_service import refused
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as rpc
from workflow_engine.utils.structs import to_struct

HOURLY = {"type": "trigger.cron", "parameters": {"expression": "0 * * * *", "overlap": "allow"}}
BASE = 1_767_225_600
"""2026-01-01T00:00:00Z in seconds."""


def drawing(**trigger: Any) -> dict[str, Any]:
    return {
        "nodes": [
            {"id": "start", **trigger},
            {"id": "set", "type": "flow.set", "parameters": {"assignments": [{"name": "done", "value": True}]}},
        ],
        "connections": ["start -> set"],
    }


class Triggers:
    """A client of the service, with shorthand."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.stub: Any = rpc.TriggerServiceStub(client.channel)

    async def publish(self, drawn: dict[str, Any]) -> str:
        workflow = await self.client.create(drawn)
        await self.client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=workflow.id))
        return str(workflow.id)

    async def of(self, workflow_id: str) -> list[it.Trigger]:
        return list((await self.stub.ListTriggers(it.ListTriggersRequest(workflow_id=workflow_id))).triggers)

    async def get(self, id: str) -> it.Trigger:
        return (await self.stub.GetTrigger(it.GetTriggerRequest(trigger_id=id))).trigger  # type: ignore[no-any-return]

    async def fire(self, id: str, payload: dict[str, Any], key: str = "") -> it.FireTriggerResponse:
        request = it.FireTriggerRequest(trigger_id=id, payload=to_struct(payload), idempotency_key=key)
        return await self.stub.FireTrigger(request)  # type: ignore[no-any-return]

    async def events(self, id: str, **fields: Any) -> list[it.TriggerEvent]:
        return list((await self.stub.ListTriggerEvents(it.ListTriggerEventsRequest(trigger_id=id, **fields))).events)

    async def create(self, workflow_id: str, parameters: dict[str, Any], **fields: Any) -> it.Trigger:
        type = fields.pop("type", "trigger.interval")
        key = fields.pop("idempotency_key", "")
        trigger = it.Trigger(workflow_id=workflow_id, type=type, parameters=to_struct(parameters), **fields)
        request = it.CreateTriggerRequest(trigger=trigger, idempotency_key=key)
        return (await self.stub.CreateTrigger(request)).trigger  # type: ignore[no-any-return]


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Triggers]:
    async with serving(database_url, tmp_path) as client:
        yield Triggers(client)


@pytest.fixture
async def sqlite_service(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Triggers]:
    async with serving(sqlite_url, tmp_path) as client:
        yield Triggers(client)


async def test_a_published_trigger_node_is_a_trigger_until_it_is_unpublished(service: Triggers) -> None:
    workflow_id = await service.publish(drawing(**HOURLY))

    [trigger] = await service.of(workflow_id)
    assert (trigger.node_id, trigger.type) == ("start", "trigger.cron")
    assert trigger.overlap == it.OVERLAP_POLICY_ALLOW
    assert trigger.next_at.ToSeconds() % 3600 == 0
    assert trigger.etag == "1"

    await service.client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=workflow_id))
    [again] = await service.of(workflow_id)
    assert (again.id, again.etag) == (trigger.id, "2")

    await service.client.stub.UnpublishWorkflow(ws.UnpublishWorkflowRequest(workflow_id=workflow_id))
    assert await service.of(workflow_id) == []
    async with refused(grpc.StatusCode.NOT_FOUND, "TRIGGER_NOT_FOUND"):
        await service.get(trigger.id)


async def test_fired_by_hand_it_runs_the_published_version_once_for_each_key(service: Triggers) -> None:
    workflow_id = await service.publish(drawing(**HOURLY))
    [trigger] = await service.of(workflow_id)

    first = await service.fire(trigger.id, {"n": 1}, "key")
    again = await service.fire(trigger.id, {"n": 1}, "key")

    assert first.event.decision == it.TRIGGER_DECISION_STARTED
    assert again.event.decision == it.TRIGGER_DECISION_DUPLICATE
    assert again.event.execution_id == first.event.execution_id
    execution = await service.client.wait(first.event.execution_id)
    assert output(execution) == [{"n": 1, "done": True}]
    assert (execution.mode, execution.workflow_version) == (ex.SCHEDULE, 1)
    assert execution.triggered_by == trigger.id
    events = await service.events(trigger.id)
    assert [event.id for event in events] == [again.event.id, first.event.id]
    assert [event.id for event in await service.events(trigger.id, limit=1)] == [again.event.id]


async def test_what_came_once_can_be_delivered_again(service: Triggers) -> None:
    workflow_id = await service.publish(drawing(**HOURLY))
    [trigger] = await service.of(workflow_id)
    first = await service.fire(trigger.id, {"n": 7})

    request = it.ReplayTriggerEventRequest(event_id=first.event.id, idempotency_key="once")
    again = await service.stub.ReplayTriggerEvent(request)
    third = await service.stub.ReplayTriggerEvent(request)

    assert again.event.execution_id != first.event.execution_id
    assert third.event.decision == it.TRIGGER_DECISION_DUPLICATE
    assert output(await service.client.wait(again.event.execution_id)) == [{"n": 7, "done": True}]
    async with refused(grpc.StatusCode.NOT_FOUND, "EVENT_NOT_FOUND"):
        await service.stub.ReplayTriggerEvent(it.ReplayTriggerEventRequest(event_id="evt_99"))


async def test_paused_it_stays_paused_through_a_new_version(service: Triggers) -> None:
    workflow_id = await service.publish(drawing(**HOURLY))
    [trigger] = await service.of(workflow_id)

    await service.stub.PauseTrigger(it.PauseTriggerRequest(trigger_id=trigger.id))
    await service.client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=workflow_id))

    paused = await service.get(trigger.id)
    assert paused.paused
    assert not paused.HasField("next_at")
    await service.stub.ResumeTrigger(it.ResumeTriggerRequest(trigger_id=trigger.id))
    resumed = await service.get(trigger.id)
    assert not resumed.paused
    assert resumed.HasField("next_at")
    async with refused(grpc.StatusCode.NOT_FOUND, "TRIGGER_NOT_FOUND"):
        await service.stub.PauseTrigger(it.PauseTriggerRequest(trigger_id="trig_none"))


async def test_a_backfill_fires_a_past_span_once_for_its_key(service: Triggers) -> None:
    workflow_id = await service.publish(drawing(**HOURLY))
    [trigger] = await service.of(workflow_id)
    request = it.BackfillTriggerRequest(trigger_id=trigger.id, idempotency_key="january")
    getattr(request, "from").FromSeconds(BASE)
    request.to.FromSeconds(BASE + 5 * 3600)

    done = await service.stub.BackfillTrigger(request)
    again = await service.stub.BackfillTrigger(request)

    assert (done.started, done.skipped) == (6, 0)
    assert (again.started, again.skipped) == (0, 6)
    events = [event for event in await service.events(trigger.id) if event.decision != it.TRIGGER_DECISION_DUPLICATE]
    assert [event.at.ToSeconds() - BASE for event in reversed(events)] == [hour * 3600 for hour in range(6)]


async def test_a_trigger_made_by_hand(service: Triggers) -> None:
    workflow_id = await service.publish(drawing(type="trigger.manual"))
    fields = {"pause_on_failure": True, "overlap": it.OVERLAP_POLICY_BUFFER_ONE, "idempotency_key": "k"}

    made = await service.create(workflow_id, {"every": "90s"}, **fields)

    assert (await service.create(workflow_id, {"every": "90s"}, **fields)).id == made.id
    assert made.pause_on_failure
    assert made.overlap == it.OVERLAP_POLICY_BUFFER_ONE
    assert made.catch_up_window.ToSeconds() == 3600
    assert made.next_at.ToSeconds() % 90 == 0
    fired = await service.fire(made.id, {"n": 1})
    assert output(await service.client.wait(fired.event.execution_id)) == [{"n": 1, "done": True}]

    change = it.Trigger(parameters=to_struct({"every": "1h"}), catch_up_limit=9)
    updated = await service.stub.UpdateTrigger(
        it.UpdateTriggerRequest(trigger_id=made.id, trigger=change, etag=made.etag)
    )
    assert updated.trigger.catch_up_limit == 9
    assert updated.trigger.next_at.ToSeconds() % 3600 == 0
    assert not updated.trigger.pause_on_failure, "new parameters are all the parameters"
    async with refused(grpc.StatusCode.ABORTED, "ETAG_MISMATCH"):
        await service.stub.UpdateTrigger(it.UpdateTriggerRequest(trigger_id=made.id, trigger=change, etag=made.etag))

    await service.client.stub.UnpublishWorkflow(ws.UnpublishWorkflowRequest(workflow_id=workflow_id))
    assert [each.id for each in await service.of(workflow_id)] == [made.id]
    async with refused(grpc.StatusCode.FAILED_PRECONDITION, "NOT_PUBLISHED"):
        await service.fire(made.id, {})
    await service.stub.DeleteTrigger(it.DeleteTriggerRequest(trigger_id=made.id))
    assert await service.of(workflow_id) == []
    assert len(await service.events(made.id)) == 1, "its events outlive it"


async def test_what_is_wrong_is_said_before_anything_is_stored(sqlite_service: Triggers) -> None:
    service = sqlite_service
    workflow_id = await service.publish(drawing(**HOURLY))
    [trigger] = await service.of(workflow_id)
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST") as said:
        await service.create(workflow_id, {"expression": "61 * * * *"}, type="trigger.cron")
    assert "trigger.parameters.expression" in said[0]
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"):
        await service.create(workflow_id, {}, type="flow.set")
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"):
        await service.create(workflow_id, {"every": "1h"}, condition="json.")
    async with refused(grpc.StatusCode.NOT_FOUND, "WORKFLOW_NOT_FOUND"):
        await service.create("wf_none", {"every": "1h"})
    async with refused(grpc.StatusCode.FAILED_PRECONDITION, "TRIGGER_OF_NODE"):
        await service.stub.DeleteTrigger(it.DeleteTriggerRequest(trigger_id=trigger.id))
    async with refused(grpc.StatusCode.FAILED_PRECONDITION, "TRIGGER_OF_NODE"):
        await service.stub.UpdateTrigger(it.UpdateTriggerRequest(trigger_id=trigger.id, trigger=it.Trigger()))
    for expression in ("* * * *", "nonsense", "@reboot", "0 0 31 2 *"):
        async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_WORKFLOW"):
            await service.client.create(drawing(type="trigger.cron", parameters={"expression": expression}))


async def test_the_next_runs_of_a_schedule_that_is_not_stored(sqlite_service: Triggers) -> None:
    parameters = to_struct({"expression": "30 1 * * *", "timezone": "Europe/Berlin"})
    request = it.PreviewTriggerRequest(trigger=it.Trigger(type="trigger.cron", parameters=parameters), count=3)
    request.after.FromJsonString("2026-10-24T00:00:00Z")

    shown = await sqlite_service.stub.PreviewTrigger(request)

    assert [time.ToJsonString() for time in shown.times] == [
        "2026-10-24T23:30:00Z",
        "2026-10-26T00:30:00Z",
        "2026-10-27T00:30:00Z",
    ]
    assert shown.timezone == "Europe/Berlin"


async def test_a_deleted_workflow_takes_all_its_triggers_along(service: Triggers) -> None:
    workflow_id = await service.publish(drawing(**HOURLY))
    await service.create(workflow_id, {"every": "1h"})
    assert len(await service.of(workflow_id)) == 2
    await service.client.stub.DeleteWorkflow(ws.DeleteWorkflowRequest(workflow_id=workflow_id))
    assert await service.of(workflow_id) == []


async def test_a_triggers_parameters_may_use_the_workflows_variables(sqlite_service: Triggers) -> None:
    drawn = drawing(type="trigger.cron", parameters={"expression": "{{ vars.when }}"})
    workflow_id = await sqlite_service.publish({**drawn, "vars": {"when": "@daily"}})
    [trigger] = await sqlite_service.of(workflow_id)
    assert trigger.next_at.ToSeconds() % 86_400 == 0
    broken = await sqlite_service.client.create(
        drawing(type="trigger.cron", parameters={"expression": "{{ json.when }}"})
    )
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_WORKFLOW"):
        await sqlite_service.client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=broken.id))
