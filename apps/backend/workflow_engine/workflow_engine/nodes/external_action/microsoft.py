"""What the node types for Microsoft Graph share."""

from __future__ import annotations

from typing import Any

from workflow_engine.nodes.action.http.pages import NextUrls
from workflow_engine.nodes.external_action.service import CamelOperation, Listing

GRAPH = "https://graph.microsoft.com/v1.0"
PAGES: dict[str, Any] = {"records": "value", "pages": NextUrls(mode="next_url", path='"@odata.nextLink"')}
"""How Graph's lists go on."""


class GraphListing(CamelOperation, Listing):
    apart = frozenset({"operation", "limit"})
