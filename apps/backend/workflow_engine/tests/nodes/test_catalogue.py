"""What holds for every node type, and a check that each is tested; see tests/seen.py for what a whole run shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.nodes.harness import problems
from tests.seen import NOTES, lacking, must_fail
from workflow_engine.nodes.registry import installed
from workflow_engine.nodes.spec import Call, CredentialSlot, Effect, Emit, Node, Parameters, emit

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("type", installed().types())
def test_an_unknown_parameter_is_refused_when_saving(type: str) -> None:
    node = installed().find(type)
    assert node
    assert problems(type, node.example) == []
    found = problems(type, {**node.example, "no_such_thing": "{{ json.x }}"})
    assert found == ["parameters.no_such_thing: there is no parameter 'no_such_thing'"]


@pytest.mark.parametrize("type", installed().types())
def test_a_new_node_can_be_stored_as_it_is(type: str) -> None:
    """Whoever adds a node in the editor has not said anything yet, and shall not be told off for it."""
    node = installed().find(type)
    assert node
    assert problems(type, node.starter) == []
    assert node.starter.items() <= node.example.items()


class Asks(Node[Parameters]):
    """Asks somebody."""

    type = "action.asks"
    summary = "Asks somebody."
    effect = Effect.IDEMPOTENT

    def run(self, call: Call[Parameters]) -> Emit:
        return emit({})


class Counts(Asks):
    """Counts."""

    type = "action.counts"
    effect = Effect.PURE


class Signs(Counts):
    """Signs."""

    type = "action.signs"
    credentials = (CredentialSlot("key", ("crypto_key",)),)


def test_a_run_that_leaves_out_a_node_type_fails() -> None:
    """As where CI is set and somebody has added node types without tests."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "testpaths=tests/nodes/flow/test_limit.py",
    ]
    environment = {
        name: value for name, value in os.environ.items() if name != NOTES and not name.startswith("PYTEST_")
    }
    ended = subprocess.run(command, env=environment | {"CI": "1"}, capture_output=True, text=True, cwd=ROOT)
    assert ended.returncode == 1, ended.stdout
    assert " passed" in ended.stdout
    said = ended.stdout.splitlines()
    assert "no test shows that action.ssh works" in said
    assert "no test shows that action.ssh fails" in said
    assert "no test shows that flow.limit works" not in said


def test_who_is_not_tested_is_named() -> None:
    nodes: list[Any] = [Asks(), Counts(), Signs()]
    assert [must_fail(node) for node in nodes] == [True, False, True]
    noted = {"action.asks works", "action.counts fails", "action.signs works", "action.signs fails"}
    assert lacking(nodes, noted) == [
        "no test shows that action.asks fails",
        "no test shows that action.counts works",
    ]
