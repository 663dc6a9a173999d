"""Schema migrations: `python -m workflow_engine.models.migrate init | upgrade | revision MESSAGE | reset`."""

from __future__ import annotations

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.engine import make_url

from workflow_engine.core.config import BACKEND, Settings
from workflow_engine.models.database import Base, connect

PACKAGE = Path(__file__).resolve().parent.parent


def config(url: str) -> Config:
    """Alembic's configuration. The migrations lie in database/ of a checkout, and inside an installed package."""
    checkout = BACKEND / "database"
    made = Config()
    made.set_main_option("script_location", str(checkout if checkout.is_dir() else PACKAGE / "database"))
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
    """Brings the schema to the newest migration; does nothing when it is there."""
    # Makes the folder of a SQLite file, which Alembic's own connection would miss.
    connect(url).dispose()
    command.upgrade(config(url), "head")


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
    match arguments:
        case ["init"]:
            init(url)
        case ["upgrade"]:
            upgrade(url)
        case ["revision", message]:
            command.revision(config(url), message, autogenerate=True)
        case ["reset"]:
            reset(url)
        case _:
            sys.stderr.write(f"{__doc__}\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
