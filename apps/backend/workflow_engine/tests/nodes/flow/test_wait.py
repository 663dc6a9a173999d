from typing import Any

import pytest

from tests.engine.rig import START, Rig
from tests.nodes.harness import NOW, failure, problems, records, run_node
from workflow_engine.engine.events import NodeSucceeded, NodeSuspended
from workflow_engine.nodes.context import Context

MINUTE = 60_000


def waiting(**parameters: Any) -> Rig:
    return Rig(
        {
            "nodes": [
                {"id": "wait", "type": "flow.wait", "parameters": parameters},
                {"id": "after", "type": "flow.no_op"},
                *([{"id": "late", "type": "flow.no_op"}] if "timeout" in parameters else []),
            ],
            "connections": ["wait -> after", *(["wait.timeout -> late"] if "timeout" in parameters else [])],
        }
    ).start([{"id": 1}, {"id": 2}])


def test_for_a_while() -> None:
    run = waiting(duration="2h30m")
    assert run.wake_at == START + 150 * MINUTE
    assert run.pass_time(150 * MINUTE - 1).runs()["wait"] == "waiting"
    assert run.pass_time(1).output == [{"id": 1}, {"id": 2}]


def test_a_crash_does_not_begin_the_wait_anew() -> None:
    run = waiting(duration="10m").pass_time(9 * MINUTE).crash()
    assert run.wake_at == START + 10 * MINUTE
    assert run.pass_time(MINUTE).status == "SUCCESS"


def test_for_a_signal_whose_payload_every_item_carries() -> None:
    run = waiting(signal="approved", timeout="2d").signal("rejected").signal("approved", {"by": "Ada"})
    assert run.status == "SUCCESS"
    assert run.input("after") == [{"id": 1, "signal": {"by": "Ada"}}, {"id": 2, "signal": {"by": "Ada"}}]
    assert run.runs()["late"] == "skipped"


def test_a_signal_that_does_not_come_in_time_leads_elsewhere() -> None:
    run = waiting(signal="approved", timeout="2d").pass_time(2 * 24 * 60 * MINUTE)
    assert run.input("late") == [{"id": 1}, {"id": 2}]
    assert run.runs()["after"] == "skipped"


def test_a_signal_without_timeout_is_awaited_for_ever() -> None:
    run = waiting(signal="approved")
    assert run.wake_at is None
    assert run.signal("approved").input("after") == [{"id": 1, "signal": None}, {"id": 2, "signal": None}]


def test_a_wait_inside_a_map_waits_for_each_branch() -> None:
    run = Rig(
        {
            "nodes": [
                {"id": "map", "type": "flow.map"},
                {"id": "wait", "type": "flow.wait", "parameters": {"signal": "go {{ json.id }}"}},
            ],
            "connections": ["map.body -> wait -> map.return"],
        }
    ).start([{"id": 1}, {"id": 2}])
    run.signal("go 2", "b")
    assert run.runs() == {"map": "running", "wait[0]": "waiting", "wait[1]": "succeeded"}
    assert run.signal("go 1", "a").output == [{"id": 1, "signal": "a"}, {"id": 2, "signal": "b"}]


@pytest.mark.parametrize(
    ("duration", "milliseconds"),
    [
        (90, 90_000),
        (0.5, 500),
        ("250ms", 250),
        ("1.5s", 1500),
        ("1h 30m", 5_400_000),
        ("1w2d", 777_600_000),
        (" 5m ", 300_000),
    ],
)
async def test_durations(duration: Any, milliseconds: int) -> None:
    outcome = await run_node("flow.wait", {"duration": duration})
    assert isinstance(outcome, NodeSuspended)
    assert outcome.until == NOW + milliseconds


@pytest.mark.parametrize("parameters", [{"duration": 0}, {"until": "2020-01-01T00:00:00Z"}])
async def test_what_is_over_already_does_not_wait(parameters: dict[str, Any]) -> None:
    assert records(await run_node("flow.wait", parameters, [{"a": 1}])) == [{"a": 1}]


async def test_without_items_it_waits_all_the_same() -> None:
    assert isinstance(await run_node("flow.wait", {"duration": "1s"}, []), NodeSuspended)


@pytest.mark.parametrize(
    ("until", "timezone", "epoch"),
    [
        ("2025-07-01T09:00:00Z", "Europe/Berlin", 1_751_360_400_000),
        ("2025-07-01T09:00:00+02:00", "UTC", 1_751_353_200_000),
        ("2025-07-01T09:00:00", "Europe/Berlin", 1_751_353_200_000),
        ("{{ timestamp('2025-07-01T09:00:00Z') }}", "UTC", 1_751_360_400_000),
    ],
)
async def test_until_a_moment(until: str, timezone: str, epoch: int) -> None:
    context = Context("exec", "wf", NOW, timezone=timezone)
    outcome = await run_node("flow.wait", {"until": until}, context=context)
    assert isinstance(outcome, NodeSuspended)
    assert outcome.until == epoch


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "exactly one of duration, until and signal"),
        ({"duration": "1s", "signal": "go"}, "exactly one of duration, until and signal"),
        ({"duration": "1s", "timeout": "1s"}, "timeout is for signal"),
        ({"duration": "soon"}, "write a duration"),
        ({"duration": -1}, "greater than or equal to 0"),
        ({"duration": True}, "write a duration"),
        ({"duration": "99999w"}, "less than or equal"),
        ({"until": "tomorrow"}, "ISO 8601"),
    ],
)
def test_what_can_not_work_is_refused_at_save(parameters: dict[str, Any], words: str) -> None:
    assert words in problems("flow.wait", parameters)[0]


async def test_a_computed_duration_must_be_finite() -> None:
    failed = failure(await run_node("flow.wait", {"duration": "{{ 1.0 / json.n }}"}, [{"n": 0.0}]))
    assert failed.field == "duration"


async def test_only_a_wait_with_a_timeout_can_time_out() -> None:
    found = await run_node("flow.wait", {"duration": "0s"})
    assert isinstance(found, NodeSucceeded)
    run = waiting(signal="go")
    assert [port.name for port in run.plan.node("wait").shape.outputs] == ["main"]
