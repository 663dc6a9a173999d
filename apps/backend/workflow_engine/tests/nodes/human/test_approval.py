"""human.approval: quorums, refusals, time, and every scope that it can stand in."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.rig import Rig
from tests.nodes.harness import failure, problems, run_node
from workflow_engine.engine.events import NodeSuspended

HOUR = 3_600_000


def asking(**parameters: Any) -> Rig:
    """`ask` leads to `yes`, `no` and, with a timeout, `late`."""
    late = ["ask.timeout -> late"] if "timeout" in parameters else []
    return Rig(
        {
            "nodes": [
                {"id": "ask", "type": "human.approval", "parameters": {"title": "Pay {{ json.n }}?", **parameters}},
                *({"id": id, "type": "flow.no_op"} for id in ("yes", "no", "late")[: 3 if late else 2]),
            ],
            "connections": ["ask.approved -> yes", "ask.refused -> no", *late],
        }
    ).start([{"n": 7}])


def statuses(run: Rig) -> list[str]:
    return [change.status for change in run.tasks.values()]


def test_a_yes_goes_one_way_and_tells_who_said_it_when() -> None:
    run = asking()
    [change] = run.tasks.values()
    assert (change.task.title, change.status) == ("Pay 7?", "open")

    run.answer("ask", "ada", approved=True, comment="fine")

    [item] = run.output
    assert item["n"] == 7
    assert item["answer"] == {"approved": True, "comment": "fine"}
    assert item["answers"] == [
        {"by": "ada", "at": "2025-06-15T15:06:40+00:00", "data": {"approved": True, "comment": "fine"}}
    ]
    assert run.runs()["no"] == "skipped"
    assert statuses(run) == ["answered"]


def test_a_no_goes_the_other() -> None:
    run = asking().answer("ask", "ada", approved=False)
    assert run.runs() == {"ask": "succeeded", "no": "succeeded", "yes": "skipped"}


def test_time_that_runs_out_goes_a_way_of_its_own() -> None:
    run = asking(timeout="1h").pass_time(HOUR - 1)
    assert run.runs()["ask"] == "waiting"
    run.pass_time(1)
    assert run.runs()["late"] == "succeeded"
    assert statuses(run) == ["expired"]


def test_two_of_three_have_to_approve() -> None:
    run = asking(assignees="ada, grace, alan", quorum=2).answer("ask", "ada", approved=True)
    assert run.runs()["ask"] == "waiting"
    # One person is one vote, however often it is cast.
    run.answer("ask", "ada", approved=True).crash()
    assert run.runs()["ask"] == "waiting"
    run.answer("ask", "alan", approved=True)
    assert run.runs()["yes"] == "succeeded"
    assert [answer["by"] for answer in run.output[0]["answers"]] == ["ada", "alan"]


def test_one_refusal_is_enough_unless_more_are_asked_for() -> None:
    parameters = {"assignees": ["ada", "grace", "alan"], "quorum": 2}
    assert asking(**parameters).answer("ask", "ada", approved=False).runs()["no"] == "succeeded"
    lenient = asking(**parameters, refusals=2).answer("ask", "ada", approved=False)
    assert lenient.runs()["ask"] == "waiting"
    assert lenient.answer("ask", "grace", approved=False).runs()["no"] == "succeeded"


def test_when_everyone_has_answered_without_a_quorum_it_is_refused() -> None:
    run = asking(assignees=["ada", "grace"], quorum=2, refusals=2)
    run.answer("ask", "ada", approved=True).answer("ask", "grace", approved=False)
    assert run.runs()["no"] == "succeeded"


def test_escalation_is_in_the_task_from_the_start_and_wakes_nobody() -> None:
    run = asking(assignees=["ada"], escalate=[{"after": "4h", "to": ["boss"]}])
    [change] = run.tasks.values()
    assert [(each.user, each.since - run.now if each.since else 0) for each in change.task.assignees] == [
        ("ada", 0),
        ("boss", 4 * HOUR),
    ]
    assert run.wake_at is None


def test_a_run_that_is_stopped_takes_its_task_along() -> None:
    run = asking().cancel()
    assert run.status == "CANCELED"
    assert statuses(run) == ["canceled"]


def test_an_answer_during_a_pause_counts_and_goes_on_later() -> None:
    run = asking().pause().answer("ask", "ada", approved=True)
    assert (run.status, statuses(run)) == ("PAUSED", ["answered"])
    assert run.resume().status == "SUCCESS"


def test_each_branch_of_a_map_and_each_turn_of_a_loop_asks_for_itself() -> None:
    run = Rig(
        {
            "nodes": [
                {"id": "map", "type": "flow.map"},
                {"id": "ask", "type": "human.approval", "parameters": {"title": "{{ json.n }}?", "timeout": "1h"}},
            ],
            "connections": [
                "map.body -> ask",
                "ask.approved -> map.return",
                "ask.refused -> map.return",
                "ask.timeout -> map.return",
            ],
        }
    ).start([{"n": 1}, {"n": 2}, {"n": 3}])
    assert sorted(change.task.title for change in run.tasks.values()) == ["1?", "2?", "3?"]
    run.answer("ask[1]", approved=False).crash().answer("ask[0]", approved=True).pass_time(HOUR)
    assert [(item["n"], item["answer"] and item["answer"]["approved"]) for item in run.output] == [
        (1, True),
        (2, False),
        (3, None),
    ]
    assert sorted(statuses(run)) == ["answered", "answered", "expired"]


async def test_without_items_it_asks_all_the_same() -> None:
    outcome = await run_node("human.approval", {"title": "Go on?"}, [])
    assert isinstance(outcome, NodeSuspended)
    assert outcome.tasks[0].title == "Go on?"


async def test_the_same_attempt_asks_under_the_same_id_and_another_under_another() -> None:
    first, again = [await run_node("human.approval", {"title": "Go on?"}) for _ in range(2)]
    assert isinstance(first, NodeSuspended)
    assert isinstance(again, NodeSuspended)
    assert first.tasks[0].id == again.tasks[0].id


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "title is required"),
        ({"title": "a", "quorum": 3, "assignees": ["ada", "grace"]}, "quorum is 3, but only 2 may answer"),
        ({"title": "a", "escalate": [{"after": "1h", "to": ["boss"]}]}, "escalate needs assignees"),
        ({"title": "a", "comment": "maybe"}, "comment"),
        ({"title": "a", "assignees": ["a\nb"]}, "assignees[0]"),
        ({"title": "a", "mail": "x"}, "there is no parameter 'mail'"),
    ],
)
def test_what_can_not_work_is_refused_at_save(parameters: dict[str, Any], words: str) -> None:
    assert words in problems("human.approval", parameters)[0]


async def test_a_title_that_comes_out_empty_fails_in_words() -> None:
    failed = failure(await run_node("human.approval", {"title": "{{ json.name }}"}, [{"name": ""}]))
    assert (failed.reason, failed.field) == ("INVALID_PARAMETER", "title")
