"""Runs a contestant in processes of its own, and says what all of them together cost."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

CPU = "CPU time: s"
PEAK = "peak memory, database server included: MiB"
PATIENCE = 300
"""Seconds after which a contestant is given up."""
_SET_CHILD_SUBREAPER = 36


class Failed(Exception):
    """A contestant gave no figures; the text says why."""


def adopt_orphans() -> None:
    """Makes servers that put themselves into the background ours to wait for, so that their cost is known (Linux)."""
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(command: Sequence[str], folder: Path, cwd: Path, environment: Mapping[str, str]) -> dict[str, float]:
    """The figures that `command` prints, and the cost of it and of every process that it started.

    Expects that this process has no other children: whatever is left of them is stopped at the end.

    Raises:
        Failed: it ended otherwise than it should, or not in time.
    """
    said, complaints = folder / "stdout", folder / "stderr"
    with said.open("wb") as stdout, complaints.open("wb") as stderr:
        process = subprocess.Popen(
            command, cwd=cwd, env=os.environ | environment, stdout=stdout, stderr=stderr, stdin=subprocess.DEVNULL
        )
    over = threading.Event()
    peak = _Peak(over)
    peak.start()
    timer = threading.Timer(PATIENCE, process.kill)
    timer.start()
    cpu, code = 0.0, -1
    try:
        while True:
            pid, status, usage = os.wait4(-1, 0)
            cpu += usage.ru_utime + usage.ru_stime
            if pid == process.pid:
                process.returncode = code = os.waitstatus_to_exitcode(status)
                _stop_the_rest()
    except ChildProcessError:
        pass  # nobody is left
    finally:
        timer.cancel()
        over.set()
        peak.join()
    if code != 0:
        last = complaints.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise Failed(f"it ended with {code}: {last[0][:200]}")
    figures = next((line for line in reversed(said.read_text().splitlines()) if line.startswith("{")), None)
    if figures is None:
        raise Failed("it printed no figures")
    return json.loads(figures) | {CPU: cpu, PEAK: peak.bytes / 1024**2}


def _stop_the_rest() -> None:
    """A contestant stops its own servers; what a failed one leaves behind must not run beside the next."""
    for pid in _descendants():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class _Peak(threading.Thread):
    """The most memory seen at once: what is private to each of our processes, and what they share, once."""

    def __init__(self, over: threading.Event) -> None:
        super().__init__(daemon=True)
        self.over, self.bytes = over, 0

    def run(self) -> None:
        while not self.over.wait(0.25):
            private, shared = 0, 0
            for pid in _descendants():
                held = _held(pid)
                private += held.get("RssAnon", 0)
                shared = max(shared, held.get("RssShmem", 0))
            self.bytes = max(self.bytes, private + shared)


def _held(pid: int) -> dict[str, int]:
    """Bytes by kind of memory; nothing for a process that is gone."""
    with suppress(OSError):
        lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words and words[0].startswith("Rss")}
    return {}


def _descendants() -> list[int]:
    parents = dict[int, int]()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                # The name, in parentheses, may hold spaces; the state and the parent follow it.
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = [os.getpid()]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]
