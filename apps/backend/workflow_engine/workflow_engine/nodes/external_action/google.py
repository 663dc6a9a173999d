"""What the node types for Google's services share."""

from __future__ import annotations

from typing import Any

from workflow_engine.nodes.action.http.pages import Cursors

TOKENS: dict[str, Any] = {"pages": Cursors(mode="cursor", parameter="pageToken", path="nextPageToken")}
"""How Google's lists go on."""
