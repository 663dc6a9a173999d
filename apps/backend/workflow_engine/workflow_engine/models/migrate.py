"""Schema migrations: `python -m workflow_engine.models.migrate init | upgrade | downgrade REVISION |
revision MESSAGE | reset`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations.ops import MigrationScript
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import OperationalError

from workflow_engine.core.config import BACKEND, Settings, wrong
from workflow_engine.core.logging import configure, get_logger
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

log = get_logger(__name__)
PACKAGED = Path(__file__).resolve().parent.parent / "database"
"""Where a wheel has the migrations; a checkout has them in database/ beside the package."""


class NewerSchema(Exception):
    """The database was migrated by a newer release than this one."""


def config(url: str) -> Config:
    """Alembic's configuration for the database at `url`."""
    made = Config(stdout=StringIO())
    made.set_main_option("script_location", str(PACKAGED if PACKAGED.is_dir() else BACKEND / "database"))
    made.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return made


@contextmanager
def _reached(url: URL) -> Iterator[None]:
    """Raises StoreUnavailable for a database that does not answer."""
    try:
        yield
    except OperationalError as error:
        # What follows the first line is advice for whoever set the server up.
        first = str(error.orig).strip().partition("\n")[0]
        raise StoreUnavailable(
            f"the database {shown(url)} can not be reached: {first}. Check DATABASE_URL and that its server "
            "runs; `make db-init` creates a database that does not exist yet"
        ) from error


def shown(url: URL) -> str:
    """A database as people name it, without its password."""
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)


def init(url: str) -> None:
    """Creates the database itself, where that is needed, and its tables. Raises as `upgrade` does."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql" and parsed.database:
        server = connect(parsed.set(database="postgres").render_as_string(hide_password=False))
        with _reached(server.url), server.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            found = connection.execute(
                text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": parsed.database}
            ).first()
            if found is None:
                quoted = server.dialect.identifier_preparer.quote(parsed.database)
                connection.execute(text(f"CREATE DATABASE {quoted} ENCODING 'UTF8' TEMPLATE template0"))
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
        with _reached(engine.url), engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
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
    log.info("migrated", revision=script.get_current_head(), before=current)


def reset(url: str) -> None:
    """Drops every table and creates them anew. Raises as `upgrade` does."""
    engine = connect(url)
    with _reached(engine.url), engine.begin() as connection:
        Base.metadata.drop_all(connection)
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
    engine.dispose()
    upgrade(url)


def revise(url: str, message: str) -> None:
    """Writes a migration for what the models have and the database at `url`, at the newest one, has not."""
    settings = config(url)
    head = ScriptDirectory.from_config(settings).get_current_head() or "0"

    def unless_empty(_: object, __: object, found: list[MigrationScript]) -> None:
        if found[0].upgrade_ops is None or found[0].upgrade_ops.is_empty():
            found.clear()

    with _reached(make_url(url)):
        written = command.revision(
            settings,
            message,
            autogenerate=True,
            rev_id=f"{int(head) + 1:04}",
            process_revision_directives=unless_empty,
        )
    if isinstance(written, Script):
        sys.stdout.write(f"wrote {written.path}: read it, `ruff format` it, then `make db-upgrade`\n")
    else:
        sys.stdout.write("the database has all that the models have: there is nothing to migrate\n")


def main(arguments: list[str]) -> int:
    configure("WARNING")
    try:
        url = Settings().sqlalchemy_url
        match arguments:
            case ["init"]:
                init(url)
                _tell(url, "is there, with all tables")
            case ["upgrade"]:
                upgrade(url)
                _tell(url, "is at the newest migration")
            case ["downgrade", revision]:
                command.downgrade(config(url), revision)
            case ["revision", message]:
                revise(url, message)
            case ["reset"]:
                reset(url)
                _tell(url, "is empty")
            case _:
                sys.stderr.write(f"{__doc__}\n")
                return 2
    except (StoreUnavailable, NewerSchema) as failure:
        sys.stderr.write(f"error: {failure}\n")
        return 1
    except ValidationError as failure:
        sys.stderr.write("error: the settings are wrong\n" + "".join(f"  {each}\n" for each in wrong(failure)))
        return 1
    return 0


def _tell(url: str, how: str) -> None:
    sys.stdout.write(f"the database {shown(make_url(url))} {how}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
