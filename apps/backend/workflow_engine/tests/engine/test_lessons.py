"""What others got wrong, each as a test of its own."""

from __future__ import annotations

from typing import Any

from tests.engine.rig import Rig
from workflow_engine.engine import fork
from workflow_engine.engine.items import Failure

START = {"id": "start", "type": "trigger.manual"}


def chain(*nodes: dict[str, Any] | str) -> dict[str, Any]:
    made = [{"id": node} if isinstance(node, str) else node for node in nodes]
    return {"nodes": [START, *made], "connections": [" -> ".join(["start", *(node["id"] for node in made)])]}


def mapped(**parameters: Any) -> dict[str, Any]:
    return {
        "nodes": [
            START,
            {"id": "map", "type": "flow.map", "parameters": parameters},
            {"id": "a"},
            {"id": "b"},
            {"id": "z"},
        ],
        "connections": ["start -> map", "map.body -> a -> b", "b -> map.return", "map.done -> z"],
    }


class TestCrashLosesOrMislabelsRuns:
    def test_a_run_that_failed_is_still_failed_after_a_crash(self) -> None:
        rig = Rig(chain("a", "b")).start().succeed("a").fail("b").crash()
        assert (rig.status, rig.runs()) == ("ERROR", {"start": "succeeded", "a": "succeeded", "b": "failed"})

    def test_a_run_that_was_under_way_is_not_called_failed(self) -> None:
        rig = Rig(chain("a")).start().crash()
        assert rig.runs()["a"] == "ready"
        assert sorted(rig.outstanding) == ["a"]


class TestResumeRepeatsSideEffects:
    def test_what_was_recorded_is_not_performed_again(self) -> None:
        rig = Rig(chain("a", "b")).start().succeed("a").crash().crash().succeed("b")
        assert rig.performed.count("a#1") == 1
        assert rig.status == "SUCCESS"

    def test_items_that_were_done_are_not_done_again_by_the_next_attempt(self) -> None:
        rig = Rig(chain({"id": "a", "retry": {"max_attempts": 2, "initial_interval": "1s"}})).start(
            [{"n": 0}, {"n": 1}]
        )
        rig.item_done("a", 0, [{"n": 0}]).fail("a", retryable=True).crash().pass_time(1_000)
        assert list(rig.outstanding["a"].work.done) == [0]

    def test_a_step_that_was_done_is_given_back_after_a_crash_a_retry_and_a_wait(self) -> None:
        rig = Rig(chain({"id": "agent", "retry": {"max_attempts": 2, "initial_interval": "1s"}})).start()
        rig.step_done("agent", "model:0", {"says": "look"}, tokens=5).crash()
        assert rig.outstanding["agent"].work.steps == {"model:0": {"says": "look"}}
        rig.step_done("agent", "tool:0", "found", tokens=2).fail("agent", retryable=True).crash().pass_time(1_000)
        assert list(rig.outstanding["agent"].work.steps) == ["model:0", "tool:0"]
        rig.suspend("agent", "approval").crash().signal("approval")
        assert list(rig.outstanding["agent"].work.steps) == ["model:0", "tool:0"]

    def test_a_step_is_not_stored_twice(self) -> None:
        rig = Rig(chain("agent")).start().step_done("agent", "model:0", 1).step_done("agent", "model:0", 2)
        assert rig.outstanding["agent"].work.attempt == 1
        assert rig.crash().outstanding["agent"].work.steps == {"model:0": 1}

    def test_what_a_failed_attempt_consumed_is_counted(self) -> None:
        rig = (
            Rig(chain("agent")).start().step_done("agent", "model:0", 1, tokens=5).step_done("agent", "b", 2, tokens=7)
        )
        record = rig.fail("agent").history.runs[rig.plan.by_id["agent"], ()]
        assert (record.usage, [step.key for step in record.steps]) == ({"tokens": 12}, ["model:0", "b"])

    def test_a_charge_whose_outcome_is_unknown_waits_instead_of_being_repeated(self) -> None:
        rig = Rig(chain({"id": "charge", "type": "action.charge"})).start().crash()
        assert not rig.outstanding
        assert rig.status == "WAITING"
        assert rig.resolve("charge", "succeeded", [{"paid": True}]).output == [{"paid": True}]


class TestParentStuckWhenAChildFailsAfterAWait:
    def test_the_childs_failure_reaches_the_parent(self) -> None:
        sub = {"id": "sub", "type": "flow.subworkflow", "parameters": {"workflow_id": "child"}}
        rig = Rig(chain(sub)).start().crash()
        (child,) = rig.children
        rig.child_ends(child, "ERROR", failure=Failure("BROKEN", "the child is broken"))
        assert rig.status == "ERROR"
        assert rig.state.failure is not None
        assert rig.state.failure.cause is not None
        assert rig.state.failure.cause.reason == "BROKEN"


class TestHumanStepsRefusedInsideLoops:
    def test_a_wait_for_a_signal_inside_a_map_inside_a_loop(self) -> None:
        drawing = {
            "nodes": [
                START,
                {"id": "loop", "type": "flow.loop", "parameters": {"mode": "times", "times": 2}},
                {"id": "map", "type": "flow.map"},
                {"id": "ask", "type": "flow.wait", "parameters": {"signal": "answer"}},
            ],
            "connections": [
                "start -> loop",
                "loop.body -> map",
                "map.body -> ask",
                "ask -> map.return",
                "map.done -> loop.return",
            ],
        }
        rig = Rig(drawing).start([{"n": 0}, {"n": 1}])
        rig.signal("answer", node="ask", path=(0, 1)).crash().signal("answer", node="ask", path=(0, 0))
        rig.signal("answer").crash().signal("answer")
        assert rig.status == "SUCCESS"
        assert rig.runs()["ask[1][1]"] == "succeeded"


class TestErrorsAreNotHidden:
    def test_an_error_port_delivers_what_went_wrong_with_the_item(self) -> None:
        drawing = {
            "nodes": [START, {"id": "a", "on_error": "ON_ERROR_ERROR_PORT"}, {"id": "mend"}],
            "connections": ["start -> a", "a.error -> mend"],
        }
        rig = Rig(drawing).start([{"n": 1}]).fail("a", "BROKEN")
        (item,) = rig.input("mend")
        assert item["n"] == 1
        assert item["error"]["reason"] == "BROKEN"

    def test_a_map_collects_what_failed_beside_what_did_not(self) -> None:
        drawing = mapped(on_item_failure="collect")
        drawing["nodes"].append({"id": "failed"})
        drawing["connections"].append("map.error -> failed")
        rig = Rig(drawing).start([{"n": 0}, {"n": 1}]).fail("a[0]").succeed("a[1]").succeed("b[1]")
        assert rig.input("z") == [{"n": 1}]
        assert rig.input("failed")[0]["n"] == 0


class TestRunStateTooBigToSave:
    def test_a_map_of_ten_thousand_branches_keeps_only_what_is_open(self) -> None:
        rig = Rig(mapped(concurrency=5)).start([{"n": n} for n in range(10_000)])
        for index in range(3_000):
            rig.succeed(f"a[{index}]").succeed(f"b[{index}]")
            if not index % 500:
                assert len(rig.state.frames) <= 6
                assert len(rig.state.runs) <= 11


class TestGoingBack:
    def test_a_retry_keeps_the_branches_of_a_map_that_succeeded(self) -> None:
        rig = Rig(mapped(concurrency=9)).start([{"n": 0}, {"n": 1}, {"n": 2}])
        rig.succeed("a[0]").succeed("b[0]").succeed("a[1]").succeed("a[2]").fail("b[1]")
        assert rig.status == "ERROR"
        seeds = fork.failed_runs(rig.plan, rig.events)
        again = Rig(rig.plan).start([{"n": 0}, {"n": 1}, {"n": 2}], reuse=fork.reusable(rig.plan, rig.events, seeds))
        assert sorted(again.outstanding) == ["b[1]", "b[2]"]
        assert again.succeed("b[1]").succeed("b[2]").succeed("z").status == "SUCCESS"

    def test_a_rerun_does_anew_what_follows_and_keeps_what_does_not(self) -> None:
        drawing = {
            "nodes": [START, {"id": "a"}, {"id": "b"}, {"id": "c"}],
            "connections": ["start -> a -> b", "start -> c"],
        }
        rig = Rig(drawing).start().succeed("a").succeed("b").succeed("c")
        seeds = fork.runs_of(rig.plan, rig.events, ["a"])
        again = Rig(rig.plan).start(reuse=fork.reusable(rig.plan, rig.events, seeds))
        assert sorted(again.outstanding) == ["a"]
        assert again.runs()["c"] == "succeeded"

    def test_a_loop_goes_on_from_the_iteration_that_failed(self) -> None:
        drawing = {
            "nodes": [
                START,
                {"id": "loop", "type": "flow.loop", "parameters": {"mode": "times", "times": 3}},
                {"id": "a"},
            ],
            "connections": ["start -> loop", "loop.body -> a", "a -> loop.return"],
        }
        rig = Rig(drawing).start().succeed("a[0]").fail("a[1]")
        seeds = fork.failed_runs(rig.plan, rig.events)
        again = Rig(rig.plan).start(reuse=fork.reusable(rig.plan, rig.events, seeds))
        assert sorted(again.outstanding) == ["a[1]"]
        assert again.succeed("a[1]").succeed("a[2]").status == "SUCCESS"

    def test_a_retry_survives_a_crash(self) -> None:
        rig = Rig(chain("a", "b")).start().succeed("a", [{"x": 1}]).fail("b")
        reuse = fork.reusable(rig.plan, rig.events, fork.failed_runs(rig.plan, rig.events))
        again = Rig(rig.plan).start(reuse=reuse).crash()
        assert again.input("b") == [{"x": 1}]
        assert again.succeed("b").status == "SUCCESS"
