"""What servers on Temporal do that share a database: one leads, and all hear of changed triggers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from workflow_engine.models.notices import Leadership, Notices, notify
from workflow_engine.models.store import Store
from workflow_engine.triggers.manager import Triggers

CHANNEL = "workflow_engine_triggers"


def teller(store: Store) -> Callable[[str], asyncio.Future[None]]:
    """Tells the other servers that a workflow's triggers have changed."""

    def tell(workflow_id: str) -> asyncio.Future[None]:
        told = store.change(lambda connection: notify(connection, CHANNEL, workflow_id), alone=False)
        return asyncio.ensure_future(told)

    return tell


async def join(store: Store, triggers: Triggers, on_lead: Callable[[], None], stack: AsyncExitStack) -> None:
    """Takes part; `stack` leaves again. `on_lead` is called when this server becomes the leader."""
    hearing: set[asyncio.Task[None]] = set()

    def heard(workflow_id: str | None) -> None:
        task = asyncio.ensure_future(triggers.heard(workflow_id or ""))
        hearing.add(task)
        task.add_done_callback(hearing.discard)

    notices = Notices(store.url, {CHANNEL: heard})
    await notices.open()
    stack.push_async_callback(notices.close)

    async def lead() -> None:
        on_lead()
        await triggers.lead()

    leadership = Leadership(store.url, lead, triggers.follow)
    leadership.open()
    stack.push_async_callback(leadership.close)
