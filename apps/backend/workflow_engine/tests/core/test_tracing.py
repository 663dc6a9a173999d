"""Trace contexts: what is read, what is kept, and what is worked out."""

from __future__ import annotations

import subprocess
import sys

import pytest

from workflow_engine.core.tracing import Origin, kept, of_execution, parse

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_traceparent_is_read_and_written() -> None:
    assert str(parse(CALLER)) == CALLER
    unsampled = parse(CALLER[:-1] + "0")
    assert unsampled is not None
    assert not unsampled.sampled
    later_version = parse(f"01{CALLER[2:]}-more")
    assert str(later_version) == CALLER


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "x",
        CALLER.upper(),
        "ff" + CALLER[2:],
        CALLER + "-more",
        CALLER + "\n",
        "00-" + "0" * 32 + CALLER[35:],
        CALLER[:36] + "0" * 16 + "-01",
    ],
)
def test_what_is_no_traceparent_is_as_good_as_none(wrong: str) -> None:
    assert parse(wrong) is None
    assert kept(wrong) == ""


def test_an_execution_is_in_its_callers_trace_or_the_first_of_its_own() -> None:
    caller = parse(CALLER)
    assert caller is not None
    assert of_execution("exec_1", kept(CALLER)).trace_id == caller.trace_id
    assert of_execution("exec_1", "").trace_id != of_execution("exec_2", "").trace_id


def test_ids_are_the_same_in_every_process() -> None:
    """A crash between two attempts does not begin a new trace."""
    program = "from workflow_engine.core.tracing import *; print(of_execution('exec_1', '').beneath('a[0]', 0, 1))"
    elsewhere = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert elsewhere.stdout.strip() == str(of_execution("exec_1", "").beneath("a[0]", 0, 1))


def test_what_is_repeated_is_kept_beside_the_caller() -> None:
    before = of_execution("exec_1", "")
    assert Origin.read(kept(CALLER, before)) == Origin(parse(CALLER), before)
    assert Origin.read(kept("", before)) == Origin(None, before)
