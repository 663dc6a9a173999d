"""What servers on Temporal do that share a database: one leads, and all hear of changed triggers and people."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from sqlalchemy import Connection

from workflow_engine.models.notices import Leadership, Notices, notify
from workflow_engine.models.store import Store
from workflow_engine.triggers.manager import Triggers

CHANNEL = "workflow_engine_triggers"
PEOPLE = "workflow_engine_people"


def teller(store: Store) -> Callable[[str], asyncio.Future[None]]:
    """Tells the other servers that a workflow's triggers have changed."""

    def tell(workflow_id: str) -> asyncio.Future[None]:
        told = store.change(lambda connection: notify(connection, CHANNEL, workflow_id), alone=False)
        return asyncio.ensure_future(told)

    return tell


def tell_of_people(connection: Connection) -> None:
    """Tells all servers, with the commit, that users, keys, sessions or projects have changed."""
    notify(connection, PEOPLE, "")


async def join(
    store: Store,
    triggers: Triggers,
    on_lead: Callable[[], None],
    on_people: Callable[[], None],
    stack: AsyncExitStack,
) -> None:
    """Takes part; `stack` leaves again.

    `on_lead` is called when this server becomes the leader, `on_people` when a server has changed who may do what.
    """
    hearing: set[asyncio.Task[None]] = set()

    def heard(workflow_id: str | None) -> None:
        task = asyncio.ensure_future(triggers.heard(workflow_id or ""))
        hearing.add(task)
        task.add_done_callback(hearing.discard)

    def changed(_: str | None) -> None:
        on_people()

    notices = Notices(store.url, {CHANNEL: heard, PEOPLE: changed})
    await notices.open()
    stack.push_async_callback(notices.close)

    async def lead() -> None:
        on_lead()
        await triggers.lead()

    leadership = Leadership(store.url, lead, triggers.follow)
    leadership.open()
    stack.push_async_callback(leadership.close)
