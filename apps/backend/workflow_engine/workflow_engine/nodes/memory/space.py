"""Whose memory, and which: every memory is kept in a space, and a space belongs to one owner."""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic import Field

from workflow_engine.nodes.context import Memories
from workflow_engine.nodes.spec import Call, Parameters


class Remembered(Parameters):
    """Which memory."""

    space: str = Field(default="", max_length=255)
    """A name: workflows of one owner that name the same memory share it. The workflow's own memory when empty."""


def space_of(call: Call[Any], kind: str, *more: str) -> str:
    """The space that a node's parameters name; `kind` keeps different memories of one name apart."""
    context, name = call.context, call.parameters.space
    place = ("shared", name) if name else ("workflow", context.workflow_id)
    parts = (context.user_id, kind, *place, *more)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def memories_of(call: Call[Any]) -> Memories:
    memories = call.context.memories
    assert memories is not None, "a memory is asked where there is a database"
    return memories
