"""What a whole run of the tests has seen of each node type: that it works, and that it fails in its own words.

Whoever adds a node type and tests only that it is there, or only that all goes well, is told so at the end of the run.
A type that computes and meets nobody need not fail, nor one that meets only a person or the engine's own database; one
with another effect, a credential, or something that it listens to or looks at has to. Only what runs in the process of
the tests is seen. Each process writes down what it saw, since the tests may be spread over several.
"""

from __future__ import annotations

import functools
import inspect
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from workflow_engine.engine.shape import Effect
from workflow_engine.nodes.registry import AnyNode, installed
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.nodes.trigger.base import HttpTrigger, ListenTrigger, PollTrigger

NOTES = "TESTS_HAVE_SEEN"
"""The environment variable that names the folder of the notes."""
WATCHED = ("run", "tools", "offered", "listen", "poll", "recall", "retrieve", "language_model")
"""What the runtime calls of a node type, and what nodes call of the parts that they bind."""
seen: set[str] = set()
"""`type works` and `type fails`."""


def watch() -> None:
    """From now on notes how each node type's own methods end."""
    for node in installed():
        for name in WATCHED:
            if hasattr(type(node), name):
                setattr(type(node), name, _watched(node.type, getattr(type(node), name)))


def _watched(type: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def works(*_: Any) -> None:
        seen.add(f"{type} works")

    async def awaited(result: Any) -> Any:
        try:
            given = await result
        except NodeFailure:
            seen.add(f"{type} fails")
            raise
        works()
        return given

    @functools.wraps(method)
    def noted(self: Any, asked: Any, *more: Any) -> Any:
        if method.__name__ == "listen":
            # It has no end of its own: it works once it has delivered something.
            asked.emit = _then(asked.emit, works)
        try:
            result = method(self, asked, *more)
        except NodeFailure:
            seen.add(f"{type} fails")
            raise
        if inspect.isawaitable(result):
            return awaited(result)
        works()
        return result

    return noted


def _then(emit: Callable[..., Any], works: Callable[[], None]) -> Callable[..., Any]:
    async def emitted(*args: Any, **options: Any) -> Any:
        works()
        return await emit(*args, **options)

    return emitted


def must_fail(node: AnyNode) -> bool:
    """Whether a test has to show it failing."""
    if isinstance(node, HttpTrigger) or node.type.startswith("human."):
        return False
    if node.type.startswith("memory."):
        return bool(node.credentials)
    meets = isinstance(node, ListenTrigger | PollTrigger) or bool(node.credentials)
    return meets or node.shape(dict(node.example)).effect is not Effect.PURE


def lacking(nodes: Iterable[AnyNode], noted: set[str]) -> list[str]:
    """What no test has shown, a sentence each."""
    wanted = [(node, how) for node in nodes for how in (("works", "fails") if must_fail(node) else ("works",))]
    return [f"no test shows that {node.type} {how}" for node, how in wanted if f"{node.type} {how}" not in noted]


def begin() -> None:
    """In the process that leads the run, before any other is started."""
    os.environ.setdefault(NOTES, tempfile.mkdtemp(prefix="tests-have-seen-"))


def write_down() -> None:
    (Path(os.environ[NOTES]) / str(os.getpid())).write_text("\n".join(seen))


def all_notes() -> set[str]:
    return {line for file in Path(os.environ[NOTES]).iterdir() for line in file.read_text().splitlines()}
