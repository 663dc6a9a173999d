"""The first admin, whom the settings name: so that a server in a container is never open."""

from __future__ import annotations

from sqlalchemy import Connection

from workflow_engine.core.clock import Clock
from workflow_engine.core.config import Settings
from workflow_engine.core.logging import get_logger
from workflow_engine.models import accounts
from workflow_engine.models.store import Store
from workflow_engine.services.access.accounts import ADMIN, user_row
from workflow_engine.services.access.passwords import hash_password

log = get_logger(__name__)


async def first_admin(store: Store, settings: Settings, clock: Clock) -> None:
    """Makes the admin of ADMIN_EMAIL and ADMIN_PASSWORD when there are no users."""
    if not settings.names_first_admin:
        return

    def someone() -> bool:
        with store.reading() as connection:
            return accounts.exist(connection)

    if someone():
        return
    row = user_row(
        clock.now_ms(),
        email=settings.admin_email,
        name="",
        roles=[ADMIN],
        password_hash=await hash_password(settings.admin_password.get_secret_value()),
    )

    def change(connection: Connection) -> None:
        if not accounts.exist(connection):
            accounts.add_user(connection, row)

    await store.change(change)
    log.info("first_admin", email=settings.admin_email)
