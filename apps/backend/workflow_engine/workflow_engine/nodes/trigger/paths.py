"""Paths of pages that triggers have."""

from __future__ import annotations

import re

_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")


def plain_path(path: str) -> str:
    """A path without parameters. Raises ValueError."""
    path = path.strip("/")
    for segment in path.split("/") if path else []:
        if not _SEGMENT.fullmatch(segment) or segment in (".", ".."):
            raise ValueError(f"{segment!r} can not stand in a path: use letters, digits, dots, dashes and underscores")
    return path
