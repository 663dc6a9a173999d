"""Schema migrations: `python -m workflow_engine.models.migrate init | upgrade | downgrade REVISION |
revision MESSAGE | reset`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from workflow_engine.core.config import BACKEND, Settings
from workflow_engine.models import (  # noqa: F401  (they register their tables)
    account,
    credential,
    execution,
    memory,
    task,
    trigger,
    workflow,
)
from workflow_engine.models.database import Base, connect
from workflow_engine.models.writes import StoreUnavailable

PACKAGED = Path(__file__).resolve().parent.parent / "database"
"""Where a wheel has the migrations; a checkout has them in database/ beside the package."""


class NewerSchema(Exception):
    """The database was migrated by a newer release than this one."""


def config(url: str) -> Config:
    """Alembic's configuration for the database at `url`."""
    made = Config()
    made.set_main_option("script_location", str(PACKAGED if PACKAGED.is_dir() else BACKEND / "database"))
    made.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return made


def init(url: str) -> None:
    """Creates the database itself, where that is needed, and its tables."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql" and parsed.database:
        server = connect(parsed.set(database="postgres").render_as_string(hide_password=False))
        with server.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            found = connection.execute(
                text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": parsed.database}
            ).first()
            if found is None:
                quoted = server.dialect.identifier_preparer.quote(parsed.database)
                connection.execute(text(f"CREATE DATABASE {quoted}"))
        server.dispose()
    upgrade(url)


def upgrade(url: str) -> None:
    """Brings the schema to the newest migration; only reads when it is there already.

    Several processes may do so at once. Raises StoreUnavailable when the database can not be reached,
    NewerSchema when it is ahead of this release.
    """
    settings = config(url)
    script = ScriptDirectory.from_config(settings)
    engine = connect(url)
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    except OperationalError as error:
        raise StoreUnavailable(
            f"the database {engine.url.render_as_string(hide_password=True)} can not be reached: "
            f"{str(error.orig).strip()}. Check DATABASE_URL, and create the database with `make db-init`"
        ) from error
    finally:
        engine.dispose()
    if current == script.get_current_head():
        return
    try:
        if current is not None:
            script.get_revision(current)
    except CommandError as error:
        raise NewerSchema(
            f"the database is at revision {current}, which this release does not know: "
            "run the release that migrated it, or a newer one"
        ) from error
    command.upgrade(settings, "head")


def reset(url: str) -> None:
    """Drops every table and creates them anew."""
    engine = connect(url)
    with engine.begin() as connection:
        Base.metadata.drop_all(connection)
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
    engine.dispose()
    upgrade(url)


def main(arguments: list[str]) -> int:
    url = Settings().sqlalchemy_url
    try:
        match arguments:
            case ["init"]:
                init(url)
            case ["upgrade"]:
                upgrade(url)
            case ["downgrade", revision]:
                command.downgrade(config(url), revision)
            case ["revision", message]:
                command.revision(config(url), message, autogenerate=True)
            case ["reset"]:
                reset(url)
            case _:
                sys.stderr.write(f"{__doc__}\n")
                return 2
    except (StoreUnavailable, NewerSchema) as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
