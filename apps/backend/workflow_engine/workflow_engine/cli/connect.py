"""The server that a command talks to."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from workflow_engine.client import Client


def server() -> Client:
    """As the environment says: WORKFLOW_ENGINE_URL, WORKFLOW_ENGINE_KEY, WORKFLOW_ENGINE_CA."""
    return Client(
        os.environ.get("WORKFLOW_ENGINE_URL") or "localhost:50051",
        key=os.environ.get("WORKFLOW_ENGINE_KEY", ""),
        ca_file=os.environ.get("WORKFLOW_ENGINE_CA"),
    )


def names_server() -> bool:
    """Whether the environment names a server or a key; otherwise some commands go to the database of this machine."""
    return bool(os.environ.get("WORKFLOW_ENGINE_URL") or os.environ.get("WORKFLOW_ENGINE_KEY"))


def text_of(path: str) -> str:
    """A file's text; `-` for what is piped in."""
    return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")


def records(text: str, name: str) -> list[dict[str, Any]]:
    """Input items from JSON: one object, or a list of them; `@file` reads it from there. Raises ValueError."""
    if not text:
        return []
    source = text_of(text.removeprefix("@")) if text.startswith("@") else text
    try:
        value = json.loads(source)
    except ValueError as error:
        raise ValueError(f"{name} is no JSON: {error}") from None
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(each, dict) for each in found):
        raise ValueError(f"{name} must be a JSON object, or a list of objects")
    return found
