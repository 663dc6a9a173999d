"""Scenario files: a drawing and a story, in YAML, for people to read.

    title: What is shown
    about: Why it is so.            # optional
    workflow: {nodes: [...], connections: ["a -> b", "check.true -> c.input_1"]}
    story:                           # steps and expectations, in order
      - start: [{x: 1}]              # the first items
      - running: [a, b]              # exactly these attempts are under way
      - succeed: a                   # its input goes on; or {a: [{y: 2}]}, or {a: {port: [...]}}
      - fail: a                      # for good; or {a: {reason: X, retryable: true}}
      - step: {a: {name: value}}     # a run that takes many steps has done one
      - pass: 5s                     # time goes by
      - signal: go                   # or {name: go, payload: 1}
      - child: {status: SUCCESS, output: [{...}]}   # the oldest child ends
      - cancel / pause / resume / crash
      - resolve: {a: succeeded}
      - status: SUCCESS
      - output: [{...}]
      - runs: {a: succeeded, b: skipped}   # these at least
      - steps: {a: {name: value}}    # exactly these are given back to the run
      - input: {join: {input_1: [{...}]}}

A node without a type is a step whose outcome the story decides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.engine.rig import Rig

FOLDER = Path(__file__).parent / "scenarios"
UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def files() -> list[Path]:
    return sorted(FOLDER.glob("*.yaml"))


def read(path: Path) -> dict[str, Any]:
    story = yaml.safe_load(path.read_text())
    assert isinstance(story, dict), path
    return story


def play(story: dict[str, Any], *, crashing: bool = False) -> Rig:
    """Plays a story; `crashing` has the process die after every step of it."""
    rig = Rig(story["workflow"])
    for number, step in enumerate(story["story"], 1):
        word, told = (step, None) if isinstance(step, str) else next(iter(step.items()))
        try:
            _step(rig, word, told)
            # A crash parks what must not be repeated; a story that is about that says so itself.
            if crashing and rig.state.execution_id and not _charging(rig):
                rig.crash()
        except AssertionError as error:
            raise AssertionError(f"step {number}, {word}: {error}") from error
    return rig


def _charging(rig: Rig) -> bool:
    return any(task.node.kind.type == "action.charge" for task in rig.outstanding.values())


def _step(rig: Rig, word: str, told: Any) -> None:
    match word:
        case "start":
            rig.start(told if told is not None else [{}])
        case "succeed":
            for run, outputs in _runs(told):
                rig.succeed(run, outputs)
        case "fail":
            for run, how in _runs(told):
                rig.fail(run, **(how or {}))
        case "step":
            for run, done in told.items():
                for key, value in done.items():
                    rig.step_done(run, key, value)
        case "pass":
            rig.pass_time(_milliseconds(told))
        case "signal":
            rig.signal(**told) if isinstance(told, dict) else rig.signal(told)
        case "child":
            rig.child_ends(next(iter(rig.children)), **(told or {}))
        case "resolve":
            for run, decision in told.items():
                rig.resolve(run, decision)
        case "cancel":
            rig.cancel()
        case "pause":
            rig.pause()
        case "resume":
            rig.resume()
        case "crash":
            rig.crash()
        case _:
            _expect(rig, word, told)


def _expect(rig: Rig, word: str, told: Any) -> None:
    match word:
        case "running":
            assert sorted(rig.outstanding) == sorted(told or [])
        case "status":
            assert rig.status == told
        case "output":
            assert rig.output == told
        case "runs":
            runs = rig.runs()
            assert {run: runs.get(run) for run in told} == told
        case "input":
            for run, ports in told.items():
                expected = ports if isinstance(ports, dict) else {"main": ports}
                assert {port: rig.input(run, port) for port in expected} == expected
        case "steps":
            for run, done in told.items():
                assert rig.state.runs[rig.outstanding[run].key].work.steps == done
        case "children":
            assert len(rig.children) == told
        case "failure":
            assert rig.state.failure is not None
            assert rig.state.failure.reason == told
        case _:
            raise AssertionError(f"there is no step {word!r}")


def _runs(told: Any) -> list[tuple[str, Any]]:
    if isinstance(told, str):
        return [(told, None)]
    if isinstance(told, list):
        return [(run, None) for run in told]
    return list(told.items())


def _milliseconds(written: str) -> int:
    number = written.rstrip("msdh")
    return int(number) * UNITS[written[len(number) :]]
