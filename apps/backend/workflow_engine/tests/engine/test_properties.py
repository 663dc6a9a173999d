"""Any graph, any order, any failures, a crash after any event: the same result, and nothing done twice."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.rig import Rig
from workflow_engine.engine import machine
from workflow_engine.engine.events import StepSucceeded
from workflow_engine.engine.state import Backoff, Looping, Mapping, Parked, Running, Scheduled, Waiting

Drawing = dict[str, Any]


@st.composite
def bodies(draw: st.DrawFn, prefix: str, depth: int) -> tuple[list[dict[str, Any]], list[str], list[str], list[str]]:
    """A random part of a drawing: its nodes, its connections, the ends to feed and the ends that lead on."""
    nodes: list[dict[str, Any]] = []
    links: list[str] = []
    ways: list[str] = []
    entries: list[str] = []
    for index in range(draw(st.integers(1, 4 if depth else 6))):
        id = f"{prefix}{index}"
        kinds = ["task", "task", "if", "merge", "quorum"] + (["loop", "map"] if depth else [])
        kind = draw(st.sampled_from(kinds))
        sources = draw(st.lists(st.sampled_from(ways), max_size=3, unique=True)) if ways else []
        node: dict[str, Any] = {"id": id}
        into = [id]
        out = [id]
        match kind:
            case "task":
                node["on_error"] = draw(st.sampled_from(["ON_ERROR_STOP", "ON_ERROR_CONTINUE", "ON_ERROR_ERROR_PORT"]))
                if draw(st.booleans()):
                    node["retry"] = {"max_attempts": 2, "initial_interval": "1s"}
                if node["on_error"] == "ON_ERROR_ERROR_PORT":
                    out.append(f"{id}.error")
            case "if":
                node |= {"type": "flow.if", "parameters": {"condition": f"{{{{ json.n % 2 == {index % 2} }}}}"}}
                out = [f"{id}.true", f"{id}.false"]
            case "merge" | "quorum":
                inputs = max(len(sources), 2)
                parameters: dict[str, Any] = {"mode": "append", "inputs": inputs}
                if kind == "quorum":
                    cancel = draw(st.booleans())
                    parameters = {"mode": "first", "inputs": inputs, "cancel_rest": cancel}
                node |= {"type": "flow.merge", "parameters": parameters}
                into = [f"{id}.input_{number + 1}" for number in range(inputs)]
            case _:
                parameters = {"mode": "times", "times": 2} if kind == "loop" else {"concurrency": 2}
                if kind == "map":
                    parameters["on_item_failure"] = draw(st.sampled_from(["stop", "collect", "drop"]))
                node |= {"type": f"flow.{kind}", "parameters": parameters}
                inner, inner_links, feeds, leads = draw(bodies(f"{id}_", depth - 1))
                nodes += inner
                links += inner_links + [f"{id}.body -> {feed}" for feed in feeds]
                links += [f"{lead} -> {id}.return" for lead in leads]
                out = [f"{id}.done"]
        nodes.append(node)
        if sources:
            links += [f"{source} -> {into[number % len(into)]}" for number, source in enumerate(sources)]
        else:
            entries.append(into[0])
        ways += out
    return nodes, links, entries, ways


@st.composite
def drawings(draw: st.DrawFn) -> Drawing:
    nodes, links, entries, _ = draw(bodies("n", 2))
    start = {"id": "start", "type": "trigger.manual"}
    return {"nodes": [start, *nodes], "connections": [*(f"start -> {entry}" for entry in entries), *links]}


INPUT = [{"n": 0}, {"n": 1}, {"n": 2}]


def fails(run: str, attempt: int, broken: frozenset[int]) -> bool:
    """Whether an attempt fails; decided by its name, so that it is the same in every order."""
    return (sum(map(ord, run)) * 7 + attempt) % 10 in broken


def steps_of(run: str) -> int:
    """How many steps a run takes before its attempt ends, one way or the other."""
    return 2 if sum(map(ord, run)) % 5 == 0 else 0


def play(drawing: Drawing, broken: frozenset[int], choose: Any, *, crashing: bool = False) -> Rig:
    """Plays an execution to its end; `choose` picks which attempt ends next."""
    rig = Rig(drawing).start(INPUT)
    for _ in range(20_000):
        if rig.state.status:
            return rig
        if crashing:
            rig.crash()
        if not rig.outstanding:
            assert rig.wake_at is not None, f"it neither ends nor waits for something named: {rig.runs()}"
            rig.pass_time(rig.wake_at - rig.now)
            continue
        run = choose(sorted(rig.outstanding))
        for number in range(steps_of(run)):
            rig.step_done(run, f"step:{number}")
            if crashing:
                rig.crash()
        attempt = rig.outstanding[run].work.attempt
        if fails(run, attempt, broken):
            rig.fail(run, retryable=True)
        else:
            rig.succeed(run)
    raise AssertionError("it does not come to an end")


broken_sets = st.frozensets(st.integers(0, 9), max_size=3)
QUICK = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


def has_race(drawing: Drawing) -> bool:
    """Who comes first decides: at a quorum, and in a map's branch whose failure stops the rest of that branch only."""
    parameters = [node.get("parameters", {}) for node in drawing["nodes"]]
    return any(each.get("mode") == "first" or each.get("on_item_failure") in ("collect", "drop") for each in parameters)


@QUICK
@given(drawings(), broken_sets, st.randoms(use_true_random=False))
def test_every_execution_ends_whatever_the_order(drawing: Drawing, broken: frozenset[int], random: Any) -> None:
    rig = play(drawing, broken, random.choice)
    assert rig.state.status in ("SUCCESS", "ERROR")
    assert rig.state.runs == {}
    assert not rig.outstanding


@QUICK
@given(drawings(), broken_sets, st.randoms(use_true_random=False))
def test_the_order_of_completions_does_not_change_the_result(
    drawing: Drawing, broken: frozenset[int], random: Any
) -> None:
    # A failure stops what has not run yet; everything else but a race is settled.
    if has_race(drawing):
        return
    first, other = play(drawing, broken, min), play(drawing, broken, random.choice)
    assert first.state.status == other.state.status
    if first.state.status == "SUCCESS":
        assert first.output == other.output
        assert first.runs() == other.runs()


@QUICK
@given(drawings(), broken_sets, st.randoms(use_true_random=False))
def test_a_crash_after_every_event_changes_nothing(drawing: Drawing, broken: frozenset[int], random: Any) -> None:
    seed = random.getrandbits(32)
    told = play(drawing, broken, _chooser(seed))
    crashed = play(drawing, broken, _chooser(seed), crashing=True)
    assert (crashed.state.status, crashed.output, crashed.runs()) == (told.state.status, told.output, told.runs())
    recorded = [event for event in crashed.events if type(event).__name__ in ("NodeSucceeded", "AttemptFailed")]
    names = [(event.node, event.path, event.attempt, getattr(event, "turn", 0)) for event in recorded]  # type: ignore[union-attr]
    assert len(names) == len(set(names)), "an attempt is recorded once"
    assert _steps(crashed) == _steps(told), "no step is lost, and none is done twice"


def _steps(rig: Rig) -> list[tuple[str, tuple[int, ...], str]]:
    return [(event.node, event.path, event.key) for event in rig.events if isinstance(event, StepSucceeded)]


def _chooser(seed: int) -> Any:
    """Picks by the name of the runs alone, so that a crashing execution picks the same."""
    return lambda runs: min(runs, key=lambda run: hash((seed, run)))


@QUICK
@given(drawings(), broken_sets, st.randoms(use_true_random=False), st.integers(0, 60))
def test_replaying_any_prefix_gives_the_state_of_that_moment(
    drawing: Drawing, broken: frozenset[int], random: Any, length: int
) -> None:
    rig = play(drawing, broken, random.choice)
    prefix = rig.events[: max(length % (len(rig.events) + 1), 1)]
    once, again = machine.replay(rig.plan, prefix), machine.replay(rig.plan, prefix)
    assert once.runs.keys() == again.runs.keys()
    for run in once.runs.values():
        assert isinstance(run, Scheduled | Running | Backoff | Waiting | Parked | Looping | Mapping)
    ready = machine.decide(once, rig.now)
    assert once.runs or once.status or ready.wake_at or once.closed, "something is left to do, or it has ended"


@QUICK
@given(drawings(), broken_sets, st.randoms(use_true_random=False), st.integers(0, 30))
def test_cancelling_at_any_moment_ends_it(drawing: Drawing, broken: frozenset[int], random: Any, moment: int) -> None:
    rig = Rig(drawing).start(INPUT)
    for _ in range(moment):
        if rig.state.status or not rig.outstanding:
            break
        run = random.choice(sorted(rig.outstanding))
        if fails(run, rig.outstanding[run].work.attempt, broken):
            rig.fail(run, retryable=True)
        else:
            rig.succeed(run)
    if not rig.state.status:
        rig.cancel()
        assert rig.state.status in ("CANCELED", "ERROR")
    assert rig.state.runs == {}
    assert not rig.outstanding
