"""The database of this machine's own server, for what has to be done before anybody can sign in.

Whoever can reach the database is its admin anyway. These commands may run beside the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection


@contextmanager
def database() -> Iterator[Connection]:
    """A transaction in the database that the settings name. Raises OSError when it can not be reached."""
    from workflow_engine.core.config import Settings
    from workflow_engine.models.database import connect
    from workflow_engine.models.migrate import NewerSchema, upgrade
    from workflow_engine.models.writes import StoreUnavailable

    settings = Settings()
    try:
        upgrade(settings.sqlalchemy_url)
    except (StoreUnavailable, NewerSchema) as error:
        raise OSError(str(error)) from None
    engine = connect(settings.sqlalchemy_url)
    try:
        with engine.execution_options(writes=True).begin() as connection:
            yield connection
    finally:
        engine.dispose()
