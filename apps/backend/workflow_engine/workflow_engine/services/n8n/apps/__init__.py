"""n8n's nodes for services on the web. Each becomes one operation of our node for the same service."""

from __future__ import annotations

from collections.abc import Callable

from workflow_engine.services.n8n.apps import chat, development, google, mail, records
from workflow_engine.services.n8n.reading import Taken, Translated

TABLE: dict[str, Callable[[Taken], Translated]] = {
    **mail.TABLE,
    **google.TABLE,
    **chat.TABLE,
    **records.TABLE,
    **development.TABLE,
}
